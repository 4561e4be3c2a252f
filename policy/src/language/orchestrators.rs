//! `orchestrators`: who may open handles with task grants, for whom, and for what.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crate::document::{Mapping, Node};
use crate::label::SecurityLabel;
use crate::mode::Mode;
use crate::name::Name;
use crate::orchestrator::{Orchestrator, Scope};
use crate::subject::Subject;
use crate::timestamp::Timestamp;

use super::body_objects::pointers;
use super::draft::{Draft, list};
use super::grants::read_modes;
use super::trusted::no_capability;
use super::upstreams::subject;
use super::{MAX_NAMED, MAX_ORCHESTRATORS};

/// How long a task can live.
const LIFE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
const DEFAULT_LIFE: Duration = Duration::from_secs(15 * 60);

pub(super) fn read(root: &Mapping<'_>, draft: &mut Draft) {
    for (index, node) in list(root, "orchestrators", MAX_ORCHESTRATORS).into_iter().enumerate() {
        if let Some(rule) = read_one(node, index, draft) {
            draft.orchestrators.push(Arc::new(rule));
        }
    }
}

fn read_one(node: Node<'_>, index: usize, draft: &mut Draft) -> Option<Orchestrator> {
    let fields = node.mapping()?;
    let rule = draft.rule(&fields, "orchestrators", index);
    let opener = fields.required("subject").and_then(|node| subject(node, draft));
    let workloads = fields.required("for").and_then(|node| workloads(node, opener.as_deref(), draft));
    let scopes = fields.required("objects").and_then(|node| scopes(node, draft));
    let lifts = fields.optional("lifts").map_or(Some(false), Node::bool);
    let without_at = fields.optional("without");
    let without = match without_at {
        Some(node) => categories(node, draft),
        None => draft.lattice.as_ref().map(crate::lattice::Lattice::bottom),
    };
    let life = fields.optional("life").map_or(Some(DEFAULT_LIFE), |node| node.duration_within(LIFE));
    let reason = fields.required("reason").and_then(Node::non_empty_string);
    let expires = fields.required("expires").and_then(|node| node.parse_with(Timestamp::from_author));
    fields.deny_unknown();

    if let (Some(at), Some(false)) = (without_at, lifts) {
        at.report_with_help(
            "`without` says when nothing is lifted, and this rule never lifts anything",
            "add `lifts: true`, or leave out `without`",
        );
        return None;
    }
    Some(Orchestrator {
        rule: rule?,
        subject: opener?,
        workloads: workloads?,
        scopes: scopes?,
        lifts: lifts?,
        without: without?,
        life: life?,
        reason: Arc::from(reason?),
        expires: expires?,
        place: node.place(),
    })
}

/// The subjects of `for`, each once: others than the orchestrator, and such that keep their sessions apart.
fn workloads(node: Node<'_>, opener: Option<&Subject>, draft: &Draft) -> Option<Vec<Arc<Subject>>> {
    let nodes = node.sequence()?;
    if nodes.is_empty() {
        node.report("an orchestrator for nobody opens nothing");
        return None;
    }
    if let Some(over) = nodes.get(MAX_NAMED) {
        over.report(format_args!("{} subjects are more than the {MAX_NAMED} that are read", nodes.len()));
        return None;
    }
    let mut workloads: Vec<Arc<Subject>> = Vec::new();
    let mut clean = true;
    for node in nodes {
        let Some(one) = subject(node, draft) else {
            clean = false;
            continue;
        };
        let wrong = if workloads.iter().any(|known| known.index == one.index) {
            Some((format!("`{}` is listed twice", one.name), "leave one of the two out"))
        } else if opener.is_some_and(|opener| opener.index == one.index) {
            Some((
                format!("`{}` can't open tasks for itself", one.name),
                "name the subjects that do the tasks; what a subject may always do is for `grants` and `trusted`",
            ))
        } else if one.handles.is_none() {
            Some((
                format!("`{}` has no `handles`, and a task hangs on one", one.name),
                "add `handles: { reason: .. }` to the subject if it keeps its sessions apart",
            ))
        } else {
            None
        };
        match wrong {
            Some((message, help)) => {
                node.report_with_help(message, help);
                clean = false;
            }
            None => workloads.push(one),
        }
    }
    clean.then_some(workloads)
}

fn scopes(node: Node<'_>, draft: &Draft) -> Option<Vec<Scope>> {
    let nodes = node.sequence()?;
    if nodes.is_empty() {
        node.report_with_help("an orchestrator without objects grants nothing", "add `{ object: .., modes: [..] }`");
        return None;
    }
    if let Some(over) = nodes.get(MAX_NAMED) {
        over.report(format_args!("{} objects are more than the {MAX_NAMED} that are read", nodes.len()));
        return None;
    }
    let scopes: Vec<Option<Scope>> = nodes.into_iter().map(|node| scope(node, draft)).collect();
    scopes.into_iter().collect()
}

fn scope(node: Node<'_>, draft: &Draft) -> Option<Scope> {
    let fields = node.mapping()?;
    let object = fields.required("object").and_then(|node| no_capability(node, draft));
    let modes = fields.required("modes").and_then(|node| read_modes(node, object.as_deref()));
    let values_at = fields.optional("values");
    let values = values_at.map_or(Some(Vec::new()), pointers);
    fields.deny_unknown();

    let object = object?;
    if let Some(at) = values_at
        && !object.has_manifest
    {
        at.report_with_help(
            format_args!("values of `{}` can't be looked at: no manifest validates its bodies", object.name),
            "name a route with a `manifest`, or leave out `values`",
        );
        return None;
    }
    let modes: Vec<Mode> = modes?.into_iter().map(|(mode, _)| mode).collect();
    Some(Scope { object, modes, values: values? })
}

/// The lowest level with the categories of a list.
fn categories(node: Node<'_>, draft: &Draft) -> Option<SecurityLabel> {
    let lattice = draft.lattice.as_ref()?;
    let mut all = lattice.bottom();
    let mut clean = true;
    for node in node.sequence()? {
        let name = node.parse_with(Name::new);
        let one = name.as_ref().and_then(|name| {
            let text = format!("{}:{name}", lattice.levels().first()?);
            node.parse_with(|_| lattice.parse_label(&text))
        });
        match (one, name) {
            (Some(one), Some(name)) if all.dominates(&one) => {
                node.report(format_args!("`{name}` is listed twice"));
                clean = false;
            }
            (Some(one), _) => all = all.join(&one),
            (None, _) => clean = false,
        }
    }
    clean.then_some(all)
}
