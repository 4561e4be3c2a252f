//! `grants`: the access matrix, and what its entries lift.

use crate::diagnostic::Place;
use crate::document::{Mapping, Node};
use crate::grant::Grant;
use crate::mode::Mode;
use crate::object::{Object, Server};

use super::draft::{Draft, given, list};
use super::upstreams::subject;
use super::{MAX_GRANTS, guards, read_down};

pub(super) fn read(root: &Mapping<'_>, draft: &mut Draft) {
    for (index, node) in list(root, "grants", MAX_GRANTS).into_iter().enumerate() {
        if let Some(grant) = read_one(node, index, draft) {
            draft.grants.push(grant);
        }
    }
}

fn read_one(node: Node<'_>, index: usize, draft: &mut Draft) -> Option<Grant> {
    let fields = node.mapping()?;
    let rule = draft.rule(&fields, "grants", index);
    let subject = fields.required("subject").and_then(|node| subject(node, draft));
    let object = fields.required("object").and_then(|node| draft.object(node));
    let modes = fields.required("modes").and_then(|node| read_modes(node, object.as_deref()));
    let read_down_at = fields.optional("read_down");
    let guard_at = fields.optional("guard");
    fields.deny_unknown();

    let rule = rule?;
    let capability = object.as_deref().is_some_and(is_capability);
    if let Some(at) = read_down_at.or(guard_at).filter(|_| capability) {
        at.report_with_help(
            "neither `read_down` nor `guard` is for a capability, a call of which always carries its caller's label",
            "leave it out",
        );
        return None;
    }
    let read_down = read_down_at.map(|node| Some((read_down::read(node, &rule, modes.as_deref())?, node.place())));
    let around =
        guards::Around { rule: &rule, subject: subject.as_ref(), object: object.as_ref(), modes: modes.as_deref() };
    let guard = guard_at.map(|node| Some((guards::read(node, &around, draft)?, node.place())));
    let object = object?;
    Some(Grant {
        subject: subject?,
        parts: draft.parts(&object),
        object,
        modes: modes?,
        read_down: given(read_down)?,
        guard: given(guard)?,
        rule,
    })
}

fn is_capability(object: &Object) -> bool {
    matches!(object.server, Server::Enclave)
}

/// The modes of a rule on `object`, each with its place.
pub(super) fn read_modes(list: Node<'_>, object: Option<&Object>) -> Option<Vec<(Mode, Place)>> {
    let mut modes: Vec<(Mode, Place)> = Vec::new();
    let mut clean = true;
    let items = list.sequence()?;
    if items.is_empty() {
        list.report("a grant without modes grants nothing");
        return None;
    }
    for item in items {
        let Some(mode) = item.parse_with(str::parse::<Mode>) else {
            clean = false;
            continue;
        };
        if modes.iter().any(|(known, _)| *known == mode) {
            item.report(format_args!("`{mode}` is listed twice"));
            clean = false;
        } else if object.is_some_and(|object| is_capability(object) != (mode == Mode::Execute)) {
            item.report_with_help(
                format_args!("`{mode}` can't be granted on this object"),
                "capabilities are executed; upstreams and routes are observed, appended to or altered",
            );
            clean = false;
        }
        modes.push((mode, item.place()));
    }
    clean.then_some(modes)
}
