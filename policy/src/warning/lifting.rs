//! Rules that lift the star property: where they lift more than their author may think, or nothing.

use crate::mode::Mode;
use crate::policy::Policy;

use super::Found;

/// Without templates a target is text of the caller's choice.
pub(super) fn reads_down_anywhere(policy: &Policy, found: &mut Found) {
    for grant in &policy.grants {
        let Some((read_down, place)) = &grant.read_down else { continue };
        if read_down.templates.paths.is_empty() {
            found.add(
                *place,
                format!(
                    "`read_down` without `paths` lets `{}` write whatever it knows into targets of `{}`, {} bytes in all",
                    grant.subject.name, grant.object.name, read_down.budget
                ),
                String::from("name the `paths` that it needs, and under `values` what may stand for their parameters"),
            );
        }
    }
}

/// A capability is never given content that its own label does not dominate.
pub(super) fn guard_below_clearance(policy: &Policy, found: &mut Found) {
    for grant in &policy.grants {
        let Some((guard, place)) = &grant.guard else { continue };
        if guard.may_read(&grant.subject.clearance) {
            continue;
        }
        let text = |label| policy.lattice().text(label);
        found.add(
            *place,
            format!(
                "guard `{}` may be given content up to {}, and `{}` can rise to {}: once it has, the guard is not asked",
                guard.capability,
                text(&guard.reads_up_to),
                grant.subject.name,
                text(&grant.subject.clearance)
            ),
            String::from("raise the label of the capability if it may see all that the subject may, or accept the refusals"),
        );
    }
}

/// A trusted rule lifts the star property alone: a grant is needed beside it, and something to lift.
pub(super) fn trusted_for_nothing(policy: &Policy, found: &mut Found) {
    for rule in &policy.trusted {
        for object in &rule.objects {
            let granted =
                |object| Mode::ALL.into_iter().any(|mode| policy.granted(&rule.subject, object, mode).is_some());
            let mut parts = policy.objects().filter(|part| part.is_in(object));
            let (subject, name) = (&rule.subject.name, &object.name);
            if !parts.any(|part| granted(part)) {
                found.add(
                    rule.place,
                    format!("rule `{}` lifts nothing on `{name}`: no grant lets `{subject}` reach it", rule.rule),
                    format!(
                        "add to `grants`: {{ subject: {subject}, object: {name}, modes: [..] }}, or leave the rule out"
                    ),
                );
                continue;
            }
            let mut parts = policy.objects().filter(|part| part.is_in(object));
            let above = |label: &crate::label::SecurityLabel| label.dominates(&rule.subject.clearance);
            if parts.all(|part| part.label.as_ref().is_some_and(above)) {
                found.add(
                    rule.place,
                    format!(
                        "rule `{}` is never needed on `{name}`: its label dominates the clearance of `{subject}` already",
                        rule.rule
                    ),
                    String::from("leave it out"),
                );
            }
        }
    }
}

/// A task that lifts and pins nothing trusts every body.
pub(super) fn tasks_for_any_body(policy: &Policy, found: &mut Found) {
    for rule in policy.orchestrators.iter().filter(|rule| rule.lifts) {
        for scope in rule.scopes.iter().filter(|scope| scope.object.has_manifest && scope.values.is_empty()) {
            found.add(
                rule.place,
                format!(
                    "tasks under `{}` can lift the star property for every body that is sent to `{}`",
                    rule.rule, scope.object.name
                ),
                String::from(
                    "list under `values` where in the body a task must say what may stand, such as `[/recipients]`",
                ),
            );
        }
    }
}

/// Where the current label does not move, all handles have the same one.
pub(super) fn handles_that_never_differ(policy: &Policy, found: &mut Found) {
    for subject in policy.subjects() {
        if subject.handles.is_some() && !subject.floats() {
            found.add(
                subject.place,
                format!("`{}` is static, so all its handles have the same label, its clearance", subject.name),
                String::from("give it a `floor` below its clearance, or leave out `handles`"),
            );
        }
    }
}

/// What is stated for a subject for which no gateway speaks is not believed elsewhere, and its clearance counts instead.
/// Of a floating one this is told already.
pub(super) fn lifted_unheard(policy: &Policy, found: &mut Found) {
    for subject in policy.subjects().filter(|subject| !subject.gateway && !subject.floats()) {
        let of_grants = policy.grants.iter().find(|grant| {
            let in_mesh = grant.object.server.workload().is_some();
            let lifts = grant.read_down.is_some() || grant.guard.is_some();
            grant.subject.index == subject.index && in_mesh && lifts
        });
        let of_trusted = policy.trusted.iter().find(|rule| {
            let in_mesh = rule.objects.iter().any(|object| object.server.workload().is_some());
            rule.subject.index == subject.index && in_mesh
        });
        let Some(rule) = of_grants.map(|grant| &grant.rule).or(of_trusted.map(|rule| &rule.rule)) else { continue };
        found.add(
            subject.place,
            format!(
                "rule `{rule}` lifts nothing at other gateways: none speaks for `{}`, so its clearance counts as its current label there",
                subject.name
            ),
            String::from("add `gateway: true` where a gateway holds its SVID"),
        );
    }
}
