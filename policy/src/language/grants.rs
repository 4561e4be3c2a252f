//! `grants`: the access matrix.

use std::collections::HashSet;
use std::sync::Arc;

use crate::diagnostic::Place;
use crate::document::{Mapping, Node, closest};
use crate::grant::Grant;
use crate::mode::Mode;
use crate::name::{Name, shortened};
use crate::object::{Object, Server};

use super::MAX_GRANTS;
use super::draft::Draft;
use super::upstreams::subject;

pub(super) fn read(root: &Mapping<'_>, draft: &mut Draft) {
    let Some(entries) = root.optional("grants").and_then(Node::sequence) else {
        return;
    };
    if let Some(first_over) = entries.get(MAX_GRANTS) {
        first_over.report(format_args!("{} grants are more than the {MAX_GRANTS} that are read", entries.len()));
    }
    let mut ids: HashSet<Name> = HashSet::new();
    for (index, node) in entries.into_iter().take(MAX_GRANTS).enumerate() {
        if let Some(grant) = read_one(node, index, &mut ids, draft) {
            draft.grants.push(grant);
        }
    }
}

fn read_one(node: Node<'_>, index: usize, ids: &mut HashSet<Name>, draft: &Draft) -> Option<Grant> {
    let fields = node.mapping()?;
    let id_at = fields.optional("id");
    let id = id_at.map(|node| node.parse_with(Name::new));
    let subject = fields.required("subject").and_then(|node| subject(node, draft));
    let object_at = fields.required("object");
    let objects = object_at.and_then(|node| objects(node, draft));
    let modes_at = fields.required("modes");
    let modes = modes_at.and_then(|node| read_modes(node, objects.as_deref()));
    fields.deny_unknown();

    if let (Some(at), Some(Some(id))) = (id_at, &id)
        && !ids.insert(id.clone())
    {
        at.report(format_args!("another grant has the id `{id}`"));
        return None;
    }
    let rule = match id {
        Some(id) => Arc::from(id?.as_str()),
        None => Arc::from(format!("grants[{index}]")),
    };
    Some(Grant { subject: subject?, objects: objects?, modes: modes?, rule })
}

/// The object that a node names and, where it is an upstream, its routes; `None` also where it has mistakes itself.
fn objects(node: Node<'_>, draft: &Draft) -> Option<Vec<Arc<Object>>> {
    let name = node.string()?;
    if !draft.object_names.contains(name) {
        let message = format!("`{}` is not an object of this policy", shortened(name));
        match closest(name, draft.object_names.iter().map(String::as_str)) {
            Some(meant) => node.report_with_help(message, format_args!("did you mean `{meant}`?")),
            None => node.report_with_help(message, "an object is an upstream, `upstream/route`, or a capability"),
        }
        return None;
    }
    let whole = draft.objects.iter().find(|object| &*object.name == name)?;
    let is_upstream = whole.upstream.as_ref().is_some_and(|up| up.as_str() == name);
    let parts = draft
        .objects
        .iter()
        .filter(|object| is_upstream && object.upstream == whole.upstream && !Arc::ptr_eq(object, whole));
    Some(std::iter::once(whole).chain(parts).cloned().collect())
}

fn read_modes(list: Node<'_>, objects: Option<&[Arc<Object>]>) -> Option<Vec<(Mode, Place)>> {
    let mut modes: Vec<(Mode, Place)> = Vec::new();
    let mut clean = true;
    let items = list.sequence()?;
    if items.is_empty() {
        list.report("a grant without modes grants nothing");
        return None;
    }
    let capability = objects.and_then(<[_]>::first).map(|object| matches!(object.server, Server::Enclave));
    for item in items {
        let Some(mode) = item.parse_with(str::parse::<Mode>) else {
            clean = false;
            continue;
        };
        if modes.iter().any(|(known, _)| *known == mode) {
            item.report(format_args!("`{mode}` is listed twice"));
            clean = false;
        } else if capability.is_some_and(|capability| capability != (mode == Mode::Execute)) {
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
