//! Grants and labels that can never be used.

use std::sync::Arc;

use crate::grant::Grant;
use crate::label::SecurityLabel;
use crate::mode::Mode;
use crate::object::Object;
use crate::policy::Policy;
use crate::route::Methods;
use crate::subject::Subject;
use crate::timestamp::Timestamp;

use super::Found;

/// Granted modes that no current label of the subject and no request can use, on any object that the grant covers.
/// What a static subject can't observe because its label never moves is told once, by [`bound_to_one_label`].
pub(super) fn never_permitted(policy: &Policy, found: &mut Found) {
    for grant in &policy.grants {
        let objects = policy.objects_in(&grant.parts);
        for (mode, place) in &grant.modes {
            let obstacles: Vec<Obstacle> =
                objects.iter().map_while(|object| obstacle(policy, grant, object, *mode)).collect();
            let all = obstacles.len() == objects.len();
            let Some(first) = obstacles.first().filter(|_| all) else {
                continue;
            };
            if obstacles.contains(&Obstacle::StaticAbove) {
                continue;
            }
            let name = &grant.object.name;
            let (why, help) = first.told(policy, grant, name);
            found.add(
                *place,
                format!(
                    "`{mode}` on `{name}` is granted to `{}` and can never be permitted: {why}",
                    grant.subject.name
                ),
                help,
            );
        }
    }
}

/// Why a mode can't be used on one object.
#[derive(PartialEq, Eq)]
enum Obstacle {
    Unlabelled,
    /// Simple security fails at the clearance.
    ReadUp,
    /// Star fails at the floor already.
    WriteDown,
    /// As `WriteDown`, for a subject whose floor is its clearance, on an object that it could read.
    StaticAbove,
    /// Append is for append routes, and nothing else is for them.
    WrongRoute,
    /// No method of the route observes.
    NoGet,
}

fn obstacle(policy: &Policy, grant: &Grant, object: &Object, mode: Mode) -> Option<Obstacle> {
    let subject = &grant.subject;
    let route = policy.route_of(object);
    let appends = route.is_some_and(|route| route.append);
    if appends != (mode == Mode::Append) {
        return Some(Obstacle::WrongRoute);
    }
    if mode == Mode::Observe && route.is_some_and(|route| !observes(&route.methods)) {
        return Some(Obstacle::NoGet);
    }
    let Some(label) = &object.label else {
        return Some(Obstacle::Unlabelled);
    };
    if mode.reads() && !subject.clearance.dominates(label) {
        return Some(Obstacle::ReadUp);
    }
    if !label.dominates(&subject.floor) && !liftable(policy, subject, object, mode) {
        return Some(if subject.floats() || !mode.reads() { Obstacle::WriteDown } else { Obstacle::StaticAbove });
    }
    None
}

/// Whether some rule could lift the star property, were it all that fails.
fn liftable(policy: &Policy, subject: &Subject, object: &Object, mode: Mode) -> bool {
    let by_rule = policy.matrix.cells(subject, object).any(|cell| {
        let reads_down = mode == Mode::Observe && !cell.read_downs.is_empty();
        let guarded = cell.guards.iter().any(|(_, guarded, _)| *guarded == mode);
        reads_down || guarded || !cell.trusted.is_empty()
    });
    let mut orchestrators = policy.orchestrators_of(subject, Timestamp(0)).filter(|rule| rule.lifts);
    by_rule || orchestrators.any(|rule| rule.scopes_of(object).any(|scope| scope.modes.contains(&mode)))
}

fn observes(methods: &Methods) -> bool {
    methods.contains("GET") || methods.contains("HEAD")
}

impl Obstacle {
    fn told(&self, policy: &Policy, grant: &Grant, object: &str) -> (String, String) {
        let Subject { name, floor, clearance, .. } = &*grant.subject;
        let text = |label| policy.lattice().text(label);
        match self {
            Self::Unlabelled => (String::from("it has no label"), format!("give `{object}` a label")),
            Self::ReadUp => (
                format!("the clearance of `{name}`, {}, does not dominate its label", text(clearance)),
                String::from("take the mode out, or raise the clearance"),
            ),
            Self::WriteDown | Self::StaticAbove => (
                format!("its label does not dominate the floor of `{name}`, {}", text(floor)),
                String::from("take the mode out, or lower the floor"),
            ),
            Self::WrongRoute => (
                String::from("append routes are appended to, and only they are"),
                String::from("grant `append` on routes with `mode: append`, other modes on others"),
            ),
            Self::NoGet => (
                String::from("only GET and HEAD observe, and the route takes neither"),
                String::from("grant `alter`, or let the route take GET"),
            ),
        }
    }
}

/// A static subject writes only to what dominates its clearance; since observing sends a target and headers, it can
/// observe only objects labelled exactly its clearance.
pub(super) fn bound_to_one_label(policy: &Policy, found: &mut Found) {
    for subject in policy.subjects().filter(|subject| !subject.floats()) {
        let mut read: Vec<(&Grant, &Arc<Object>)> = Vec::new();
        for grant in policy.grants.iter().filter(|grant| grant.subject.index == subject.index) {
            read.extend(policy.objects_in(&grant.parts).iter().map(|object| (grant, object)));
        }
        let out_of_reach = read.into_iter().find(|(grant, object)| {
            let appends = policy.route_of(object).is_some_and(|route| route.append);
            let label = object.label.as_ref().filter(|_| !appends && !object.by_value);
            let below =
                |label: &SecurityLabel| subject.clearance.dominates(label) && !label.dominates(&subject.clearance);
            let mut modes = grant.modes.iter().filter(|(mode, _)| mode.reads());
            // A rule for a part of it is use enough.
            let parts = || policy.objects_in(&grant.parts).iter().filter(|part| part.is_in(object));
            let out_of_use = |mode: Mode| parts().all(|part| !liftable(policy, subject, part, mode));
            label.is_some_and(below) && modes.any(|(mode, _)| out_of_use(*mode))
        });
        let Some((_, example)) = out_of_reach else {
            continue;
        };
        found.add(
            subject.place,
            format!(
                "`{}` is static, so it can read only objects labelled exactly its clearance, {}; a grant on `{}` is of no use to it",
                subject.name,
                policy.lattice().text(&subject.clearance),
                example.name
            ),
            String::from("give it a `floor` below its clearance, so that its current label follows what it reads"),
        );
    }
}

/// A current label that moves is of no use where no other gateway believes it.
pub(super) fn floats_unheard(policy: &Policy, found: &mut Found) {
    for subject in policy.subjects() {
        if subject.floats() && !subject.gateway {
            found.add(
                subject.place,
                format!(
                    "`{}` floats, but no gateway speaks for it, so its clearance counts as its current label everywhere else",
                    subject.name
                ),
                String::from("add `gateway: true` where a gateway holds its SVID, or leave out `floor`"),
            );
        }
    }
}
