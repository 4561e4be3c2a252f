//! What callers can learn, or will only ever hear, because the label of who answers moves.
//! Source: design of labels, "What must hold around it".

use crate::policy::Policy;

use super::Found;

/// Who may call a floating workload, but is cleared lower than it can rise, learns from `withheld` that it rose: at most
/// one bit for each rise and instance.
pub(super) fn low_callers(policy: &Policy, found: &mut Found) {
    for grant in &policy.grants {
        let Some(server) = grant.object.server.workload().filter(|server| server.floats()) else {
            continue;
        };
        let reading = grant.modes.iter().find(|(mode, _)| mode.reads());
        let (caller, Some((_, place))) = (&grant.subject, reading) else {
            continue;
        };
        if caller.index == server.index || caller.clearance.dominates(&server.clearance) {
            continue;
        }
        found.add(
            *place,
            format!(
                "`{}` may call `{}`, which can rise to {}, above what `{}` is cleared for: from a withheld answer it learns that this happened, one bit for each rise",
                caller.name,
                server.name,
                policy.lattice().text(&server.clearance),
                caller.name
            ),
            format!(
                "lower the clearance of `{}`, raise that of `{}`, or accept the bit",
                server.name, caller.name
            ),
        );
    }
}

/// Answers carry at least the floor of who serves them, whatever the label of the object. Where values name objects, their
/// labels are those of where the request goes on to, and nobody expects them of the answer.
pub(super) fn floor_above_object(policy: &Policy, found: &mut Found) {
    for object in policy.objects().filter(|object| !object.by_value) {
        let (Some(server), Some(label)) = (object.server.workload(), &object.label) else {
            continue;
        };
        if server.multilevel.is_some() || label.dominates(&server.floor) {
            continue;
        }
        found.add(
            object.place,
            format!(
                "`{}` is labelled {}, but every answer carries at least the floor of `{}`, {}: callers that are cleared lower will only ever hear `withheld`",
                object.name,
                policy.lattice().text(label),
                server.name,
                policy.lattice().text(&server.floor)
            ),
            String::from("give the object the label of the floor, lower the floor, or say with `multilevel: reason` that it keeps labels apart"),
        );
    }
}
