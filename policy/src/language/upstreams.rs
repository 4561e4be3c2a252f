//! `upstreams`: what can be reached, who serves it, and under which label.

use std::collections::HashMap;
use std::sync::Arc;

use crate::diagnostic::Place;
use crate::document::{Entry, Mapping, Node, closest};
use crate::label::SecurityLabel;
use crate::name::{Name, shortened};
use crate::object::{Object, Server, Upstream};
use crate::subject::Subject;

use super::draft::{Draft, section};
use super::{MAX_UPSTREAMS, routes};

pub(super) fn read(root: &Mapping<'_>, draft: &mut Draft) {
    let mut servers: HashMap<usize, &str> = HashMap::new();
    for entry in section(root, "upstreams", MAX_UPSTREAMS) {
        draft.object_names.insert(entry.key().to_owned());
        if let Some(upstream) = read_one(entry, &mut servers, draft) {
            register(entry, Arc::new(upstream), draft);
        }
    }
}

fn read_one<'d>(entry: Entry<'d>, servers: &mut HashMap<usize, &'d str>, draft: &mut Draft) -> Option<Upstream> {
    let name = entry.parse_key(Name::new);
    let fields = entry.value.mapping()?;
    let server = read_server(&fields, entry.key(), servers, draft);
    let label_at = fields.optional("label");
    let label = label_at.map(|node| draft.label(node));
    let declares = fields.optional("declares").map_or(Some(false), Node::bool);
    if let (Some(Server::Workload(subject)), Some(at), Some(Some(label))) = (&server, label_at, &label) {
        check_served(subject, label, at);
    }
    // Routes are read even where the upstream is broken, so that their mistakes are told too.
    let shell = routes::Shell {
        upstream: name.clone(),
        server: server.clone(),
        label: label.clone().flatten(),
        declares: declares.unwrap_or(false),
    };
    let index = draft.objects.len();
    let object = shell.object(entry.key(), Part::whole(index), entry.place());
    if let Some(object) = &object {
        draft.objects.push(Arc::clone(object));
    }
    let routes = routes::read(&fields, entry.key(), &shell, index, draft);
    draft.extents.insert(entry.key().to_owned(), index..draft.objects.len());
    fields.deny_unknown();

    let object = object?;
    Some(Upstream {
        name: name?,
        server: server?,
        unlabelled: Arc::new(Object { label: None, ..Object::clone(&object) }),
        object,
        routes,
        declares: declares?,
    })
}

fn read_server<'d>(
    fields: &Mapping<'d>,
    upstream: &'d str,
    servers: &mut HashMap<usize, &'d str>,
    draft: &Draft,
) -> Option<Server> {
    match (fields.optional("workload"), fields.optional("web")) {
        (Some(workload), None) => {
            let subject = subject(workload, draft)?;
            if let Some(other) = servers.insert(subject.index, upstream) {
                workload.report_with_help(
                    format_args!("workload `{}` serves upstream `{other}` already", subject.name),
                    "a workload serves one upstream; give it more routes",
                );
                return None;
            }
            Some(Server::Workload(subject))
        }
        (None, Some(web)) => web.parse_with(dns_name).map(Server::Web),
        (Some(_), Some(web)) => {
            web.report_with_help(
                "an upstream has `workload` or `web`, and this one has both",
                "`workload` names a subject of the mesh, `web` a DNS name outside it",
            );
            None
        }
        (None, None) => {
            fields.node().report_with_help(
                "`workload` or `web` is missing here",
                "`workload` names a subject of the mesh, `web` a DNS name outside it",
            );
            None
        }
    }
}

/// The subject that a node names; `None` also where that subject itself has mistakes.
pub(super) fn subject(node: Node<'_>, draft: &Draft) -> Option<Arc<Subject>> {
    let name = node.string()?;
    match draft.subject_names.get(name) {
        Some(index) => draft.subjects.get(*index).cloned().flatten(),
        None => {
            let message = format!("`{}` is not a subject of this policy", shortened(name));
            match closest(name, draft.subject_names.keys().map(String::as_str)) {
                Some(meant) => {
                    node.report_with_help(message, format_args!("did you mean `{meant}`?"));
                }
                None => node.report_with_help(message, "declare it under `subjects`"),
            }
            None
        }
    }
}

/// What a workload serves, it holds: both ends of its range must dominate it.
pub(super) fn check_served(subject: &Subject, label: &SecurityLabel, at: Node<'_>) {
    if !subject.clearance.dominates(label) {
        at.report_with_help(
            format_args!("the clearance of `{}` does not dominate this label, and it serves the object", subject.name),
            "raise its clearance, or lower the label",
        );
    } else if !subject.floor.dominates(label) && subject.holds_no_data.is_none() {
        at.report_with_help(
            format_args!("the floor of `{}` does not dominate this label, and it serves the object", subject.name),
            "raise its floor, or say why it holds none of the data with `holds_no_data: reason`",
        );
    }
}

/// Why a text is no DNS name of a host.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is not a DNS name: write labels of letters, digits and `-`, without scheme, port, path or a dot at the end"
)]
pub(super) struct DnsNameError(String);

/// A DNS name of a host (RFC 1123, section 2.1), in lower case; no address, whose certificate would not name it.
pub(super) fn dns_name(text: &str) -> Result<String, DnsNameError> {
    let label_ok = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last_is_number = text.rsplit('.').next().is_none_or(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    if text.len() > 253 || last_is_number || !text.split('.').all(label_ok) {
        return Err(DnsNameError(shortened(text)));
    }
    Ok(text.to_ascii_lowercase())
}

/// Makes an upstream known under all that an authority can call it.
fn register(entry: Entry<'_>, upstream: Arc<Upstream>, draft: &mut Draft) {
    let name = upstream.name.as_str().to_ascii_lowercase();
    let mut authorities = vec![format!("{name}.localhost"), name];
    if let Server::Web(host) = &upstream.server {
        authorities.push(host.clone());
    }
    authorities.dedup();
    for authority in authorities {
        if let Some(other) = draft.upstreams_by_authority.get(&authority)
            && other.name != upstream.name
        {
            entry.report_with_help(
                format_args!("upstream `{}` is already reached as `{authority}`", other.name),
                "case does not matter in names of hosts; choose another name",
            );
            return;
        }
        draft.upstreams_by_authority.insert(authority, Arc::clone(&upstream));
    }
    draft.upstreams.push(upstream);
}

/// Where an object stands among others.
#[derive(Clone)]
pub(super) struct Part {
    /// Its own number, and those of what it is a part of, from the inside out.
    pub(super) lineage: Vec<usize>,
    pub(super) by_value: bool,
    pub(super) has_manifest: bool,
}

impl Part {
    /// An upstream, of which no part has been told apart yet.
    fn whole(index: usize) -> Self {
        Self { lineage: vec![index], by_value: false, has_manifest: false }
    }

    /// A part of this, with that number.
    pub(super) fn part(&self, index: usize) -> Self {
        Self { lineage: std::iter::once(index).chain(self.lineage.iter().copied()).collect(), ..*self }
    }
}

impl routes::Shell {
    /// An object of this upstream; `None` where the upstream has no server to give it.
    pub(super) fn object(&self, name: &str, part: Part, place: Place) -> Option<Arc<Object>> {
        Some(Arc::new(Object {
            name: Arc::from(name),
            label: self.label.clone(),
            server: self.server.clone()?,
            declares: self.declares,
            upstream: Some(self.upstream.clone()?),
            index: part.lineage.first().copied()?,
            lineage: part.lineage,
            by_value: part.by_value,
            has_manifest: part.has_manifest,
            place,
        }))
    }
}
