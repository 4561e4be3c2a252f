//! What has been read of a policy so far. Where an entry had mistakes, its name stays known, so that what refers to it is
//! not reported as well.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::capability::Capability;
use crate::document::{Entry, Mapping, Node};
use crate::grant::Grant;
use crate::label::SecurityLabel;
use crate::lattice::Lattice;
use crate::name::Name;
use crate::object::{Object, Upstream};
use crate::subject::Subject;

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
    pub(super) manifests: Vec<Name>,
    pub(super) grants: Vec<Grant>,
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
            manifests: Vec::new(),
            grants: Vec::new(),
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
