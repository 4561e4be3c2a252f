//! What has been read of a policy so far. Where an entry had mistakes, its name stays known, so that what refers to it is
//! not reported as well.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use crate::capability::Capability;
use crate::document::{Entry, Mapping, Node, closest};
use crate::grant::Grant;
use crate::label::SecurityLabel;
use crate::lattice::Lattice;
use crate::name::{Name, shortened};
use crate::object::{Object, Upstream};
use crate::orchestrator::Orchestrator;
use crate::subject::Subject;
use crate::trusted::Trusted;

/// The sections of a policy as far as they have been read.
pub(super) struct Draft {
    /// `None` where levels or categories have mistakes: then labels are left unread.
    pub(super) lattice: Option<Lattice>,
    pub(super) lake: Option<SecurityLabel>,
    /// One place for each entry of the file; `None` for one with mistakes.
    pub(super) subjects: Vec<Option<Arc<Subject>>>,
    pub(super) subject_names: HashMap<String, usize>,
    pub(super) upstreams: Vec<Arc<Upstream>>,
    pub(super) upstreams_by_authority: HashMap<String, Arc<Upstream>>,
    pub(super) capabilities: Vec<Arc<Capability>>,
    pub(super) objects: Vec<Arc<Object>>,
    /// Every object's name, also of those with mistakes.
    pub(super) object_names: HashSet<String>,
    /// By object's name: its number and those of all that is under it.
    pub(super) extents: HashMap<String, Range<usize>>,
    pub(super) manifests: Vec<Name>,
    pub(super) grants: Vec<Grant>,
    pub(super) trusted: Vec<Arc<Trusted>>,
    pub(super) orchestrators: Vec<Arc<Orchestrator>>,
    /// The IDs that rules have been given.
    rule_ids: HashSet<Name>,
}

impl Draft {
    pub(super) fn new(lattice: Option<Lattice>) -> Self {
        Self {
            lattice,
            lake: None,
            subjects: Vec::new(),
            subject_names: HashMap::new(),
            upstreams: Vec::new(),
            upstreams_by_authority: HashMap::new(),
            capabilities: Vec::new(),
            objects: Vec::new(),
            object_names: HashSet::new(),
            extents: HashMap::new(),
            manifests: Vec::new(),
            grants: Vec::new(),
            trusted: Vec::new(),
            orchestrators: Vec::new(),
            rule_ids: HashSet::new(),
        }
    }

    /// Reads a label; reports what is wrong with it. Silent where there is no lattice: that has been reported.
    pub(super) fn label(&self, node: Node<'_>) -> Option<SecurityLabel> {
        let text = node.string()?;
        let error = match self.lattice.as_ref()?.parse_label(text) {
            Ok(label) => return Some(label),
            Err(error) => error,
        };
        match error.meant() {
            Some(meant) => node.report_with_help(&error, format_args!("did you mean `{meant}`?")),
            None => node.report(&error),
        }
        None
    }

    /// Reads a manifest kind and keeps it among those that the policy names.
    pub(super) fn manifest(&mut self, fields: &Mapping<'_>, key: &'static str) -> Option<Name> {
        let kind = fields.optional(key)?.parse_with(Name::new)?;
        self.manifests.push(kind.clone());
        Some(kind)
    }

    /// Reads the object that a node names; `None` also where that object itself has mistakes.
    pub(super) fn object(&self, node: Node<'_>) -> Option<Arc<Object>> {
        let name = node.string()?;
        if !self.object_names.contains(name) {
            let message = format!("`{}` is not an object of this policy", shortened(name));
            match closest(name, self.object_names.iter().map(String::as_str)) {
                Some(meant) => node.report_with_help(message, format_args!("did you mean `{meant}`?")),
                None => node.report_with_help(
                    message,
                    "an object is an upstream, `upstream/route`, `upstream/route/case`, or a capability",
                ),
            }
            return None;
        }
        let own = self.extents.get(name)?.start;
        // Where the object itself was broken, its place is another's.
        self.objects.get(own).filter(|object| &*object.name == name).cloned()
    }

    /// The numbers of an object and of all that is under it.
    pub(super) fn parts(&self, object: &Object) -> Range<usize> {
        self.extents.get(&*object.name).cloned().unwrap_or(object.index..object.index + 1)
    }

    /// The objects of a range that [`Draft::parts`] gave.
    pub(super) fn objects_in(&self, parts: &Range<usize>) -> &[Arc<Object>] {
        self.objects.get(parts.clone()).unwrap_or_default()
    }

    /// Reads the ID of a rule, unique among all rules; `grants[3]` and the like where it has none.
    pub(super) fn rule(&mut self, fields: &Mapping<'_>, section: &str, index: usize) -> Option<Arc<str>> {
        let Some(node) = fields.optional("id") else {
            return Some(Arc::from(format!("{section}[{index}]")));
        };
        let id = node.parse_with(Name::new)?;
        if !self.rule_ids.insert(id.clone()) {
            node.report(format_args!("another rule has the id `{id}`"));
            return None;
        }
        Some(Arc::from(id.as_str()))
    }

    /// Takes the name of an object, or reports that another has it.
    pub(super) fn claim_object(&mut self, entry: Entry<'_>, name: &str) -> bool {
        let new = self.object_names.insert(name.to_owned());
        if !new {
            entry.report_with_help(
                format_args!("`{name}` is also the name of an upstream"),
                "upstreams and capabilities share one space of names, which grants refer to",
            );
        }
        new
    }
}

/// The items of an optional section that is a list, at most `limit` of them; the rest is reported and left.
pub(super) fn list<'d>(root: &Mapping<'d>, key: &'static str, limit: usize) -> Vec<Node<'d>> {
    let Some(mut items) = root.optional(key).and_then(Node::sequence) else {
        return Vec::new();
    };
    if let Some(first_over) = items.get(limit) {
        first_over.report(format_args!("{} {key} are more than the {limit} that are read", items.len()));
    }
    items.truncate(limit);
    items
}

/// From "left out", "given and broken", "given" to an answer that is `None` only where something is broken.
pub(super) fn given<T>(field: Option<Option<T>>) -> Option<Option<T>> {
    match field {
        None => Some(None),
        Some(None) => None,
        Some(Some(value)) => Some(Some(value)),
    }
}

/// The entries of an optional section of names to mappings, at most `limit` of them; the rest is reported and left.
pub(super) fn section<'d>(root: &Mapping<'d>, key: &'static str, limit: usize) -> Vec<Entry<'d>> {
    let Some(entries) = root.optional(key).and_then(Node::mapping) else {
        return Vec::new();
    };
    if let Some(first_over) = entries.entries().nth(limit) {
        first_over.report(format_args!("{} {key} are more than the {limit} that are read", entries.len()));
    }
    entries.entries().take(limit).collect()
}
