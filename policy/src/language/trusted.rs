//! `trusted`: subjects that may write below their current label.

use std::sync::Arc;

use crate::document::{Mapping, Node};
use crate::object::{Object, Server};
use crate::timestamp::Timestamp;
use crate::trusted::Trusted;

use super::draft::{Draft, given, list};
use super::upstreams::subject;
use super::{MAX_NAMED, MAX_TRUSTED};

pub(super) fn read(root: &Mapping<'_>, draft: &mut Draft) {
    for (index, node) in list(root, "trusted", MAX_TRUSTED).into_iter().enumerate() {
        if let Some(rule) = read_one(node, index, draft) {
            draft.trusted.push(Arc::new(rule));
        }
    }
}

fn read_one(node: Node<'_>, index: usize, draft: &mut Draft) -> Option<Trusted> {
    let fields = node.mapping()?;
    let rule = draft.rule(&fields, "trusted", index);
    let subject = fields.required("subject").and_then(|node| subject(node, draft));
    let objects = fields.required("objects").and_then(|node| objects(node, draft));
    let label_at = fields.optional("label");
    let label = label_at.map(|node| draft.label(node));
    let reason = fields.required("reason").and_then(Node::non_empty_string);
    let expires = fields.required("expires").and_then(|node| node.parse_with(Timestamp::from_author));
    fields.deny_unknown();

    let objects = objects?;
    if let (Some(at), Some(Some(label))) = (label_at, &label) {
        for object in &objects {
            let parts = draft.parts(object);
            let fits = |object: &Arc<Object>| object.label.as_ref().is_some_and(|own| own.dominates(label));
            if !draft.objects_in(&parts).iter().any(fits) {
                at.report_with_help(
                    format_args!(
                        "the label of `{}` does not dominate this one, so nothing can be written there under it",
                        object.name
                    ),
                    "lower this label, or leave it out: the object's own is then stated",
                );
                return None;
            }
        }
    }
    Some(Trusted {
        rule: rule?,
        subject: subject?,
        objects,
        label: given(label)?,
        reason: Arc::from(reason?),
        expires: expires?,
        place: node.place(),
    })
}

/// The objects of a list, each once, no capability among them.
fn objects(node: Node<'_>, draft: &Draft) -> Option<Vec<Arc<Object>>> {
    let nodes = node.sequence()?;
    if nodes.is_empty() {
        node.report_with_help(
            "a rule without objects lifts nothing",
            "name an upstream, `upstream/route` or `upstream/route/case`",
        );
        return None;
    }
    if let Some(over) = nodes.get(MAX_NAMED) {
        over.report(format_args!("{} objects are more than the {MAX_NAMED} that are read", nodes.len()));
        return None;
    }
    let mut objects: Vec<Arc<Object>> = Vec::new();
    let mut clean = true;
    for node in nodes {
        match no_capability(node, draft) {
            Some(object) if objects.iter().any(|known| known.index == object.index) => {
                node.report(format_args!("`{}` is listed twice", object.name));
                clean = false;
            }
            Some(object) => objects.push(object),
            None => clean = false,
        }
    }
    clean.then_some(objects)
}

/// An object that is no capability: a call carries its caller's label, whatever a rule says.
pub(super) fn no_capability(node: Node<'_>, draft: &Draft) -> Option<Arc<Object>> {
    let object = draft.object(node)?;
    if matches!(object.server, Server::Enclave) {
        node.report_with_help(
            format_args!("`{}` is a capability, and a call of it always carries its caller's label", object.name),
            "name an upstream, `upstream/route` or `upstream/route/case`",
        );
        return None;
    }
    Some(object)
}
