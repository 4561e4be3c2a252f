//! Orchestrators: rules that let one subject open handles with task grants for others.

use std::sync::Arc;
use std::time::Duration;

use crate::diagnostic::Place;
use crate::label::SecurityLabel;
use crate::mode::Mode;
use crate::object::Object;
use crate::pointer::Pointer;
use crate::subject::Subject;
use crate::timestamp::Timestamp;

/// One entry of `orchestrators`.
pub(crate) struct Orchestrator {
    /// `orchestrators[3]`, or the entry's own `id`.
    pub(crate) rule: Arc<str>,
    /// Who opens, by its own SVID.
    pub(crate) subject: Arc<Subject>,
    /// Whose handles.
    pub(crate) workloads: Vec<Arc<Subject>>,
    pub(crate) scopes: Vec<Scope>,
    /// Whether its tasks may lift the star property.
    pub(crate) lifts: bool,
    /// The bottom level with the categories that exclude it: nothing is lifted while the workload's own label has one.
    pub(crate) without: SecurityLabel,
    /// The most that a task may live.
    pub(crate) life: Duration,
    pub(crate) reason: Arc<str>,
    /// It holds before this instant.
    pub(crate) expires: Timestamp,
    pub(crate) place: Place,
}

/// What an orchestrator may grant.
pub(crate) struct Scope {
    /// The object, with all that is under it.
    pub(crate) object: Arc<Object>,
    pub(crate) modes: Vec<Mode>,
    /// Where in the body a task must say which strings may stand.
    pub(crate) values: Vec<Pointer>,
}

impl Orchestrator {
    /// What it may grant of an object.
    pub(crate) fn scopes_of<'a>(&'a self, object: &'a Object) -> impl Iterator<Item = &'a Scope> {
        self.scopes.iter().filter(|scope| object.is_in(&scope.object))
    }
}
