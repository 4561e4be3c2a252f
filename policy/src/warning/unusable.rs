//! Grants and labels that can never be used.

use std::sync::Arc;

use crate::grant::Grant;
use crate::mode::Mode;
use crate::object::Object;
use crate::policy::Policy;
use crate::route::{Methods, Route};
use crate::subject::Subject;

use super::Found;

/// Granted modes that no current label of the subject and no request can use, on any object that the grant covers.
/// What a static subject can't observe because its label never moves is told once, by [`bound_to_one_label`].
pub(super) fn never_permitted(policy: &Policy, found: &mut Found) {
    for grant in &policy.grants {
        for (mode, place) in &grant.modes {
            let obstacles: Vec<Obstacle> =
                grant.objects.iter().map_while(|object| obstacle(policy, grant, object, *mode)).collect();
            let all = obstacles.len() == grant.objects.len();
            let Some(first) = obstacles.first().filter(|_| all) else {
                continue;
            };
            if obstacles.contains(&Obstacle::StaticAbove) {
                continue;
            }
            let name = grant.objects.first().map_or("", |object| &object.name);
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
    let route = route_of(policy, object);
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
    if !label.dominates(&subject.floor) {
        return Some(if subject.floats() || !mode.reads() { Obstacle::WriteDown } else { Obstacle::StaticAbove });
    }
    None
}

fn route_of<'a>(policy: &'a Policy, object: &Object) -> Option<&'a Route> {
    let upstream = policy.upstream(object.upstream.as_ref()?.as_str())?;
    upstream.routes.iter().find(|route| route.object.index == object.index)
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
        let out_of_reach: Vec<&Arc<Object>> = policy
            .grants
            .iter()
            .filter(|grant| grant.subject.index == subject.index)
            .filter(|grant| grant.modes.iter().any(|(mode, _)| mode.reads()))
            .flat_map(|grant| &grant.objects)
            .filter(|object| {
                let appends = route_of(policy, object).is_some_and(|route| route.append);
                let label = object.label.as_ref().filter(|_| !appends);
                label.is_some_and(|label| subject.clearance.dominates(label) && !label.dominates(&subject.clearance))
            })
            .collect();
        let Some(example) = out_of_reach.first() else {
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
