//! A policy that has been read: everything in it is known to fit together. Cheap to share as `Arc<Policy>`.

use std::collections::HashMap;
use std::sync::Arc;

use crate::capability::Capability;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::grant::{Grant, Granted, Matrix};
use crate::guard::Guard;
use crate::label::SecurityLabel;
use crate::language;
use crate::lattice::Lattice;
use crate::mode::Mode;
use crate::name::Name;
use crate::object::{Object, Upstream};
use crate::orchestrator::Orchestrator;
use crate::read_down::ReadDown;
use crate::route::Route;
use crate::spiffe_id::SpiffeId;
use crate::subject::Subject;
use crate::timestamp::Timestamp;
use crate::trusted::Trusted;

/// A policy file without a mistake. See [`crate::language`] for the language.
pub struct Policy {
    pub(crate) file: Arc<str>,
    pub(crate) digest: Arc<str>,
    pub(crate) lattice: Lattice,
    pub(crate) lake: SecurityLabel,
    /// In the order of the file; a subject's index is its place here.
    pub(crate) subjects: Vec<Arc<Subject>>,
    pub(crate) subjects_by_id: HashMap<SpiffeId, Arc<Subject>>,
    pub(crate) upstreams: Vec<Arc<Upstream>>,
    pub(crate) served: HashMap<SpiffeId, Arc<Upstream>>,
    /// By what a request's authority can say, in lower case.
    pub(crate) upstreams_by_authority: HashMap<String, Arc<Upstream>>,
    pub(crate) capabilities: Vec<Arc<Capability>>,
    /// In the order of the file; an object's index is its place here.
    pub(crate) objects: Vec<Arc<Object>>,
    pub(crate) objects_by_name: HashMap<Arc<str>, Arc<Object>>,
    pub(crate) manifests: Vec<Name>,
    pub(crate) grants: Vec<Grant>,
    pub(crate) matrix: Matrix,
    pub(crate) trusted: Vec<Arc<Trusted>>,
    pub(crate) orchestrators: Vec<Arc<Orchestrator>>,
    /// By the number of the workload whose handles they open.
    pub(crate) orchestrators_of: Vec<Vec<Arc<Orchestrator>>>,
}

impl Policy {
    /// Reads a policy of version 1. `file` is used in messages only.
    ///
    /// # Errors
    /// All mistakes of the file in one go, each with line and column.
    pub fn parse(file: &str, text: &str) -> Result<Self, Diagnostics> {
        language::parse(file, text)
    }

    /// Digest of the file's bytes, `sha256:` and 64 hex digits.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The name of the file, as it was given to [`Policy::parse`].
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Levels and categories.
    #[must_use]
    pub fn lattice(&self) -> &Lattice {
        &self.lattice
    }

    /// The label of the lake: what it does not dominate is not stored. The top unless the file says otherwise.
    #[must_use]
    pub fn lake_label(&self) -> &SecurityLabel {
        &self.lake
    }

    /// The subject with this SPIFFE ID.
    #[must_use]
    pub fn subject(&self, id: &SpiffeId) -> Option<&Arc<Subject>> {
        self.subjects_by_id.get(id)
    }

    /// The subject that the policy calls so.
    #[must_use]
    pub fn subject_named(&self, name: &str) -> Option<&Arc<Subject>> {
        self.subjects.iter().find(|s| s.name.as_str() == name)
    }

    /// All subjects, in the order of the file.
    pub fn subjects(&self) -> impl Iterator<Item = &Arc<Subject>> {
        self.subjects.iter()
    }

    /// The upstream that the policy calls so.
    #[must_use]
    pub fn upstream(&self, name: &str) -> Option<&Arc<Upstream>> {
        self.upstreams_by_authority.get(&name.to_ascii_lowercase()).filter(|upstream| upstream.name.as_str() == name)
    }

    /// All upstreams, in the order of the file.
    pub fn upstreams(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.upstreams.iter()
    }

    /// The upstream that the workload with this ID serves.
    #[must_use]
    pub fn served_by(&self, id: &SpiffeId) -> Option<&Arc<Upstream>> {
        self.served.get(id)
    }

    /// The upstream that a request names: by the upstream's name, `<name>.localhost`, or its DNS name outside the mesh.
    /// `host` is an authority without a port; case does not matter.
    #[must_use]
    pub fn upstream_for_authority(&self, host: &str) -> Option<&Arc<Upstream>> {
        if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            self.upstreams_by_authority.get(&host.to_ascii_lowercase())
        } else {
            self.upstreams_by_authority.get(host)
        }
    }

    /// The capability that the policy calls so.
    #[must_use]
    pub fn capability(&self, name: &str) -> Option<&Arc<Capability>> {
        self.capabilities.iter().find(|c| c.name.as_str() == name)
    }

    /// All capabilities, in the order of the file.
    pub fn capabilities(&self) -> impl Iterator<Item = &Arc<Capability>> {
        self.capabilities.iter()
    }

    /// The object of that name: `upstream`, `upstream/route`, `upstream/route/case` or `capability`.
    #[must_use]
    pub fn object(&self, name: &str) -> Option<&Arc<Object>> {
        self.objects_by_name.get(name)
    }

    /// All objects, in the order of the file.
    pub fn objects(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.objects.iter()
    }

    /// The manifest kinds that routes and capabilities name, each once, sorted.
    pub fn manifests(&self) -> impl Iterator<Item = &Name> {
        self.manifests.iter()
    }

    /// What the file says that can hardly be meant. None of it is a mistake.
    #[must_use]
    pub fn warnings(&self) -> Vec<Diagnostic> {
        crate::warning::warnings(self)
    }

    /// This policy's own object of the name that `object` has, which may stem from an earlier snapshot.
    pub(crate) fn own<'a>(&'a self, object: &'a Arc<Object>) -> Option<&'a Arc<Object>> {
        let known = self.objects.get(object.index);
        if known.is_some_and(|known| Arc::ptr_eq(known, object)) {
            return Some(object);
        }
        // The unlabelled rest of an upstream of this policy shares the upstream's number, name and server.
        let upstream = object.upstream.as_ref().and_then(|name| self.upstream(name.as_str()));
        if upstream.is_some_and(|upstream| Arc::ptr_eq(&upstream.unlabelled, object)) {
            return Some(object);
        }
        let known = self.object(&object.name)?;
        (object.label.is_some() || known.label.is_none()).then_some(known)
    }

    /// What a subject may spend on reading down, in the order of the file.
    pub fn read_downs_of(&self, subject: &SpiffeId) -> impl Iterator<Item = &Arc<ReadDown>> {
        let of = move |grant: &&Grant| grant.subject.id == *subject;
        self.grants.iter().filter(of).filter_map(|grant| grant.read_down.as_ref().map(|(rule, _)| rule))
    }

    /// The guards of a subject's grants, in the order of the file.
    pub fn guards_of(&self, subject: &SpiffeId) -> impl Iterator<Item = &Arc<Guard>> {
        let of = move |grant: &&Grant| grant.subject.id == *subject;
        self.grants.iter().filter(of).filter_map(|grant| grant.guard.as_ref().map(|(guard, _)| guard))
    }

    /// The rule that grants this, where there is one.
    pub(crate) fn granted(&self, subject: &Subject, object: &Object, mode: Mode) -> Option<&Granted> {
        self.matrix.granted(subject, object, mode)
    }

    /// The rules that hold now and under which others open handles for a workload.
    pub(crate) fn orchestrators_of<'a>(
        &'a self,
        workload: &'a Subject,
        now: Timestamp,
    ) -> impl Iterator<Item = &'a Arc<Orchestrator>> {
        let rules = self.orchestrators_of.get(workload.index).map(Vec::as_slice).unwrap_or_default();
        rules.iter().filter(move |rule| now < rule.expires)
    }

    /// The route that an object of this policy is or is a part of.
    pub(crate) fn route_of(&self, object: &Object) -> Option<&Route> {
        let upstream = self.upstream(object.upstream.as_ref()?.as_str())?;
        upstream.routes.iter().find(|route| object.is_in(&route.object))
    }

    /// The objects of a range of numbers, as a grant covers them.
    pub(crate) fn objects_in(&self, parts: &std::ops::Range<usize>) -> &[Arc<Object>] {
        self.objects.get(parts.clone()).unwrap_or_default()
    }
}
