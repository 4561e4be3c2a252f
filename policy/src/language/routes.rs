//! `routes` of an upstream: methods and paths that are objects of their own.

use std::sync::Arc;

use crate::document::{Entry, Mapping, Node};
use crate::label::SecurityLabel;
use crate::lattice::Lattice;
use crate::name::{Name, shortened};
use crate::object::Server;
use crate::route::{Methods, PathPattern, Route};

use super::draft::{Draft, given, section};
use super::upstreams::{Part, check_served};
use super::{MAX_ROUTES, body_objects};

/// What a route has from its upstream.
#[derive(Clone)]
pub(super) struct Shell {
    pub(super) upstream: Option<Name>,
    pub(super) server: Option<Server>,
    pub(super) label: Option<SecurityLabel>,
    pub(super) declares: bool,
}

/// The methods of an `append` route: those that bring something to the object.
const APPENDING: [&str; 3] = ["POST", "PUT", "PATCH"];

pub(super) fn read(
    fields: &Mapping<'_>,
    upstream: &str,
    shell: &Shell,
    upstream_index: usize,
    draft: &mut Draft,
) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    for entry in section(fields, "routes", MAX_ROUTES) {
        let name = format!("{upstream}/{}", entry.key());
        draft.object_names.insert(name.clone());
        let index = draft.objects.len();
        let part = Part { lineage: vec![index, upstream_index], by_value: false, has_manifest: false };
        let route = read_one(entry, &name, shell, part, &routes, draft);
        draft.extents.insert(name, index..draft.objects.len());
        routes.extend(route);
    }
    routes
}

fn read_one(
    entry: Entry<'_>,
    object_name: &str,
    shell: &Shell,
    part: Part,
    before: &[Route],
    draft: &mut Draft,
) -> Option<Route> {
    let name = entry.parse_key(Name::new);
    let fields = entry.value.mapping()?;
    let methods = match fields.optional("methods") {
        Some(node) => read_methods(node),
        None => Some(Methods::Any),
    };
    let path_at = fields.required("path");
    let pattern = path_at.and_then(|node| node.parse_with(PathPattern::parse));
    let append = match fields.optional("mode") {
        Some(node) => read_append(node, methods.as_ref()),
        None => Some(false),
    };
    let label_at = fields.optional("label");
    let own_label = label_at.map(|node| draft.label(node));
    let manifest = draft.manifest(&fields, "manifest");
    let objects_at = fields.optional("objects");
    fields.deny_unknown();

    if let (Some(Server::Workload(subject)), Some(at), Some(Some(label))) = (&shell.server, label_at, &own_label) {
        check_served(subject, label, at);
    }
    let label = match (objects_at, own_label) {
        (Some(node), _) => by_values(node, label_at, manifest.is_some(), draft),
        (None, Some(label)) => label,
        (None, None) => shell.label.clone(),
    };
    let shell = Shell { label, ..shell.clone() };
    let part = Part { by_value: objects_at.is_some(), has_manifest: manifest.is_some(), ..part };
    let object = shell.object(object_name, part.clone(), entry.place());
    draft.objects.extend(object.clone());
    let naming = objects_at.map(|node| body_objects::read(node, object_name, &shell, &part, object.clone(), draft));

    let (methods, pattern) = (methods?, pattern?);
    let clash = before.iter().find_map(|other| {
        let same = pattern.compare_specificity(&other.pattern).is_eq();
        let method = methods.shared_with(&other.methods).filter(|_| same)?;
        Some((other, method))
    });
    if let (Some((other, method)), Some(at)) = (clash, path_at) {
        at.report_with_help(
            format_args!("route `{}` takes the same paths for {method}", other.name),
            "of two routes the more specific one is taken; make one of these more specific, or join them",
        );
        return None;
    }
    Some(Route {
        name: name?,
        methods,
        pattern,
        object: object?,
        append: append?,
        manifest,
        naming: given(naming)?.map(Arc::new),
    })
}

/// The label of what no case of `objects` takes: the lowest.
fn by_values(objects: Node<'_>, label: Option<Node<'_>>, validated: bool, draft: &Draft) -> Option<SecurityLabel> {
    if let Some(label) = label {
        label.report_with_help(
            "`label` stands beside `objects`, and there the values decide",
            "leave out `label`: what no case takes has the lowest one",
        );
    }
    if !validated {
        objects.report_with_help(
            "`objects` needs a `manifest`, since only a validated body names objects",
            "add `manifest:` with the kind that the bodies conform to",
        );
    }
    draft.lattice.as_ref().map(Lattice::bottom)
}

fn read_methods(list: Node<'_>) -> Option<Methods> {
    let mut methods = Vec::new();
    let mut clean = true;
    let items = list.sequence()?;
    if items.is_empty() {
        list.report_with_help(
            "a route with an empty list of methods takes nothing",
            "leave `methods` out for all of them",
        );
        return None;
    }
    for item in items {
        match item.parse_with(|text| read_method(text, &methods)) {
            Some(method) => methods.push(method),
            None => clean = false,
        }
    }
    clean.then_some(Methods::Listed(methods))
}

/// Why a text is no method of a route.
#[derive(Debug, thiserror::Error)]
enum MethodError {
    #[error("`{0}` is not a method: write it in upper case, such as `POST`")]
    NoMethod(String),
    #[error("`{0}` is always refused: leave it out")]
    Refused(String),
    #[error("`{0}` is listed twice")]
    Twice(String),
}

fn read_method(text: &str, before: &[String]) -> Result<String, MethodError> {
    let upper = (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    if !upper {
        return Err(MethodError::NoMethod(shortened(text)));
    }
    if text == "CONNECT" || text == "TRACE" {
        return Err(MethodError::Refused(text.to_owned()));
    }
    if before.iter().any(|known| known == text) {
        return Err(MethodError::Twice(text.to_owned()));
    }
    Ok(text.to_owned())
}

/// `mode: append`, the one mode that a route can be given; the others follow from the method.
fn read_append(node: Node<'_>, methods: Option<&Methods>) -> Option<bool> {
    if node.string()? != "append" {
        node.report_with_help(
            "a route's mode can only be `append`",
            "leave it out: GET and HEAD observe, all other methods alter",
        );
        return None;
    }
    let appending = match methods? {
        Methods::Any => false,
        Methods::Listed(listed) => listed.iter().all(|one| APPENDING.contains(&one.as_str())),
    };
    if !appending {
        node.report_with_help("an append route takes only POST, PUT and PATCH", "name its methods: `methods: [POST]`");
        return None;
    }
    Some(true)
}
