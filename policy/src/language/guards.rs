//! `guard` of a grant.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::capability::Capability;
use crate::diagnostic::Place;
use crate::document::{Mapping, Node, closest};
use crate::guard::{Guard, GuardPoint};
use crate::label::SecurityLabel;
use crate::mode::Mode;
use crate::name::shortened;
use crate::object::Object;
use crate::route::{PathPattern, Route};
use crate::subject::Subject;
use crate::templates::{Spelling, Templates};

use super::draft::Draft;
use super::{MAX_PLACES, headers, templates};

/// What a guard belongs to, as far as it could be read.
pub(super) struct Around<'a> {
    pub(super) rule: &'a Arc<str>,
    pub(super) subject: Option<&'a Arc<Subject>>,
    pub(super) object: Option<&'a Arc<Object>>,
    pub(super) modes: Option<&'a [(Mode, Place)]>,
}

/// Reads `guard` of a grant.
pub(super) fn read(node: Node<'_>, around: &Around<'_>, draft: &Draft) -> Option<Arc<Guard>> {
    let fields = node.mapping()?;
    let capability = fields.required("capability").and_then(|node| capability(node, draft));
    let label_at = fields.required("label");
    let label = label_at.and_then(|node| draft.label(node));
    let on = fields.required("on").and_then(|node| node.parse_with(guard_point));
    let templates = match on {
        Some(GuardPoint::Egress) => egress_templates(node, &fields, around, draft),
        Some(GuardPoint::Release) => no_templates(&fields),
        None => ignore(&fields, &["paths", "values"]),
    };
    let statuses = match on {
        Some(GuardPoint::Release) => fields.optional("statuses").map_or_else(|| Some(vec![200]), statuses),
        Some(GuardPoint::Egress) => no_statuses(&fields),
        None => ignore(&fields, &["statuses"]).map(|_| Vec::new()),
    };
    let values = match fields.optional("headers") {
        Some(node) => headers::values(node),
        None => Some(standard_headers(on)),
    };
    fields.deny_unknown();

    let (capability, label, on) = (capability?, label?, on?);
    if let Some(at) = label_at {
        check_label(at, &label, on, around, draft)?;
    }
    let values = values?;
    let guard = Guard {
        rule: Arc::clone(around.rule),
        capability: capability.name.clone(),
        label,
        on,
        headers: values.keys().cloned().collect(),
        statuses: statuses?,
        reads_up_to: capability.object.label.clone()?,
        templates: templates?,
        values,
    };
    if !around.modes?.iter().any(|(mode, _)| guard.runs_in(*mode)) {
        let (what, modes) = match on {
            GuardPoint::Egress => ("bodies of requests", "`alter` or `append`"),
            GuardPoint::Release => ("bodies of answers", "`observe` or `alter`"),
        };
        node.report_with_help(
            format_args!("this guard runs on {what}, and no mode of the grant has one"),
            format_args!("add {modes} to `modes`, or leave out `guard`"),
        );
        return None;
    }
    Some(Arc::new(guard))
}

/// Takes fields as known, without a reading.
fn ignore(fields: &Mapping<'_>, keys: &[&'static str]) -> Option<Templates> {
    for key in keys {
        let _ = fields.optional(key);
    }
    None
}

fn capability(node: Node<'_>, draft: &Draft) -> Option<Arc<Capability>> {
    let name = node.string()?;
    if let Some(found) = draft.capabilities.iter().find(|one| one.name.as_str() == name) {
        return Some(Arc::clone(found));
    }
    if draft.object_names.contains(name) && draft.upstreams.iter().all(|upstream| upstream.name.as_str() != name) {
        // A capability that has mistakes itself, which are told.
        return None;
    }
    let message = format!("`{}` is not a capability of this policy", shortened(name));
    match closest(name, draft.capabilities.iter().map(|one| one.name.as_str())) {
        Some(meant) => node.report_with_help(message, format_args!("did you mean `{meant}`?")),
        None => node.report_with_help(message, "declare it under `capabilities`"),
    }
    None
}

/// A text that is no point at which a guard runs.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a point at which a guard runs: write `egress` or `release`")]
struct NoGuardPoint(String);

fn guard_point(text: &str) -> Result<GuardPoint, NoGuardPoint> {
    match text {
        "egress" => Ok(GuardPoint::Egress),
        "release" => Ok(GuardPoint::Release),
        other => Err(NoGuardPoint(shortened(other))),
    }
}

/// Which targets an egress guard covers: nothing of them may be the caller's to choose.
fn egress_templates(node: Node<'_>, fields: &Mapping<'_>, around: &Around<'_>, draft: &Draft) -> Option<Templates> {
    let listed = templates::paths(fields);
    let route = around.object.and_then(|object| route_of(object, draft));
    let given = fields.optional("paths").is_some();
    let paths: Vec<PathPattern> = match (listed, route) {
        (None, _) => {
            let _ = fields.optional("values");
            return None;
        }
        (Some(listed), _) if given => listed,
        (Some(_), Some(route)) => vec![route.pattern.clone()],
        (Some(_), None) => {
            let _ = fields.optional("values");
            // Where the object is broken, that has been told.
            around.object?;
            node.report_with_help(
                "a guard on egress needs `paths` here: the object is no route, so every target would fit",
                "name the paths, or grant the guard on a route",
            );
            return None;
        }
    };
    let values = templates::values(fields, &paths)?;
    if let Some((path, open)) = paths.iter().find_map(|path| Some((path, templates::open_part(path, &values)?))) {
        node.report_with_help(
            format_args!(
                "{open} in `{}` lets the caller choose what passes beside the guard",
                shortened(path.as_str())
            ),
            "name whole `paths`, or say under `values` what may stand for each parameter",
        );
        return None;
    }
    Some(Templates { paths, values, queries: false, spelling: Spelling::One })
}

fn route_of<'a>(object: &Object, draft: &'a Draft) -> Option<&'a Route> {
    let upstream = draft.upstreams.iter().find(|upstream| Some(&upstream.name) == object.upstream.as_ref())?;
    upstream.routes.iter().find(|route| object.is_in(&route.object))
}

/// On release nothing of the request is looked at.
fn no_templates(fields: &Mapping<'_>) -> Option<Templates> {
    let mut clean = true;
    for key in ["paths", "values"] {
        if let Some(node) = fields.optional(key) {
            node.report_with_help(
                format_args!("`{key}` is for a guard on egress, and this one runs on release"),
                format_args!("leave out `{key}`"),
            );
            clean = false;
        }
    }
    clean.then(|| Templates { paths: Vec::new(), values: BTreeMap::new(), queries: false, spelling: Spelling::One })
}

fn no_statuses(fields: &Mapping<'_>) -> Option<Vec<u16>> {
    match fields.optional("statuses") {
        None => Some(Vec::new()),
        Some(node) => {
            node.report_with_help(
                "`statuses` is for a guard on release, and this one runs on egress",
                "leave out `statuses`",
            );
            None
        }
    }
}

fn statuses(list: Node<'_>) -> Option<Vec<u16>> {
    let nodes = list.sequence()?;
    if nodes.is_empty() {
        list.report_with_help("an empty list of statuses releases nothing", "leave out `statuses` for 200 alone");
        return None;
    }
    if let Some(over) = nodes.get(MAX_PLACES) {
        over.report(format_args!("{} statuses are more than the {MAX_PLACES} that are read", nodes.len()));
        return None;
    }
    let mut statuses = Vec::new();
    let mut clean = true;
    for node in nodes {
        match node.u64_within(200..=599).and_then(|status| u16::try_from(status).ok()) {
            Some(status) if statuses.contains(&status) => {
                node.report(format_args!("`{status}` is listed twice"));
                clean = false;
            }
            Some(status) => statuses.push(status),
            None => clean = false,
        }
    }
    clean.then_some(statuses)
}

fn standard_headers(on: Option<GuardPoint>) -> BTreeMap<String, std::collections::BTreeSet<String>> {
    let names: &[&str] = match on {
        Some(GuardPoint::Egress) => &["content-type", "accept"],
        Some(GuardPoint::Release) | None => &["content-type"],
    };
    names.iter().filter_map(|name| Some(((*name).to_owned(), headers::usual(name)?))).collect()
}

/// What comes out must be able to go where it is meant to go.
fn check_label(at: Node<'_>, label: &SecurityLabel, on: GuardPoint, around: &Around<'_>, draft: &Draft) -> Option<()> {
    match (on, around.object, around.subject) {
        (GuardPoint::Egress, Some(object), _) => {
            let parts = draft.parts(object);
            let fits = |object: &Arc<Object>| object.label.as_ref().is_some_and(|own| own.dominates(label));
            if draft.objects_in(&parts).iter().any(fits) {
                return Some(());
            }
            at.report_with_help(
                format_args!(
                    "the label of `{}` does not dominate this one, so what the guard lets out can't go there",
                    object.name
                ),
                "lower this label to what the capability really leaves, or raise the object's",
            );
            None
        }
        (GuardPoint::Release, _, Some(subject)) if !subject.clearance.dominates(label) => {
            at.report_with_help(
                format_args!(
                    "the clearance of `{}` does not dominate this label, so nothing could be released",
                    subject.name
                ),
                "lower this label to what the capability really leaves, or raise the clearance",
            );
            None
        }
        (GuardPoint::Egress | GuardPoint::Release, _, _) => Some(()),
    }
}
