//! Objects: what a subject reaches. An upstream, a route of it, or a capability.

use std::fmt;
use std::sync::Arc;

use crate::diagnostic::Place;
use crate::label::SecurityLabel;
use crate::name::Name;
use crate::route::Route;
use crate::subject::Subject;

/// Who answers behind an object.
#[derive(Clone, Debug)]
pub enum Server {
    /// A workload of the mesh, reached over mTLS by its SPIFFE ID.
    Workload(Arc<Subject>),
    /// A host outside the mesh, reached over WebPKI TLS by this DNS name (lower case, no port).
    Web(String),
    /// The enclave that runs capabilities.
    Enclave,
}

impl Server {
    /// The workload that answers, where it is one of the mesh.
    #[must_use]
    pub fn workload(&self) -> Option<&Arc<Subject>> {
        match self {
            Self::Workload(subject) => Some(subject),
            Self::Web(_) | Self::Enclave => None,
        }
    }
}

/// Something with a label that a subject can reach. Built only by [`crate::Policy::parse`].
#[derive(Clone)]
pub struct Object {
    /// `upstream`, `upstream/route`, `upstream/route/case` or `capability`: unique in the policy.
    pub name: Arc<str>,
    /// Its label; `None` where the policy gives none, which is refused as `unlabelled`.
    pub label: Option<SecurityLabel>,
    /// Who answers.
    pub server: Server,
    /// Whether label statements of the upstream itself on its answers are believed.
    pub declares: bool,
    /// The upstream that it belongs to; `None` for a capability.
    pub upstream: Option<Name>,
    /// Its number in this policy. The unlabelled rest of an upstream shares the number of the whole.
    pub(crate) index: usize,
    /// Its own number and those of what it is a part of, from the inside out.
    pub(crate) lineage: Vec<usize>,
    /// Whether values of a body lead to it.
    pub(crate) by_value: bool,
    /// Whether the bodies of its requests are validated.
    pub(crate) has_manifest: bool,
    pub(crate) place: Place,
}

impl Object {
    /// Whether it is `whole` or a part of it; both must be of one policy.
    pub(crate) fn is_in(&self, whole: &Self) -> bool {
        self.lineage.contains(&whole.index)
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object").field("name", &self.name).field("label", &self.label).finish_non_exhaustive()
    }
}

/// A server with its label and its routes. Built only by [`crate::Policy::parse`].
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its name in the policy: what a caller writes as the authority of a request.
    pub name: Name,
    /// Who answers.
    pub server: Server,
    /// The whole upstream, as far as no route takes a path out of it.
    pub object: Arc<Object>,
    /// Its routes, in the order of the file.
    pub routes: Vec<Route>,
    /// Whether its own label statements on answers are believed.
    pub declares: bool,
    /// What a path is that routes name under other methods only: the upstream without a label.
    pub(crate) unlabelled: Arc<Object>,
}
