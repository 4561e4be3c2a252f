//! Guards: capabilities that run on a body before egress or before release, and what they give it.
//!
//! **What holds.** A guard replaces the body only. On egress the target must fit the rule's templates, each of which has one
//! spelling; headers pass where name and value are the rule's ([`Guard::keeps`]). On release the status must be one of the
//! rule's. All else is dropped, so that nothing passes beside the body. What comes out carries the label that the rule
//! states. An egress guard is used only where the star property refuses the request as it is; a release guard always.
//!
//! **What is absent on purpose.** The run itself: it is the gateway's, and fails closed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::label::SecurityLabel;
use crate::mode::Mode;
use crate::name::Name;
use crate::templates::Templates;

/// When a guard runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum GuardPoint {
    /// On the body of a request, before it leaves.
    Egress,
    /// On the body of an answer, before it is released.
    Release,
}

/// A guard of a grant. Built only by [`crate::Policy::parse`].
pub struct Guard {
    /// The grant's rule ID.
    pub rule: Arc<str>,
    /// The capability that runs.
    pub capability: Name,
    /// The label that its output carries.
    pub label: SecurityLabel,
    /// When it runs.
    pub on: GuardPoint,
    /// Names of the headers that are kept, in lower case; all else is dropped. On egress those of the request, on release
    /// those of the answer. Which values pass says [`Guard::keeps`].
    pub headers: Vec<String>,
    /// On release: the statuses of answers that pass; an answer with another one is refused as `guard-failed`.
    pub statuses: Vec<u16>,
    /// What it can be given: the capability's own label.
    pub(crate) reads_up_to: SecurityLabel,
    pub(crate) templates: Templates,
    /// By header, the values that pass.
    pub(crate) values: BTreeMap<String, BTreeSet<String>>,
}

impl Guard {
    /// Whether a header passes beside the body: its name in lower case, and its whole value.
    #[must_use]
    pub fn keeps(&self, name: &str, value: &[u8]) -> bool {
        let values = self.values.get(name);
        values.is_some_and(|values| values.iter().any(|known| known.as_bytes() == value))
    }

    /// Whether content with this label may be handed to the capability.
    #[must_use]
    pub fn may_read(&self, label: &SecurityLabel) -> bool {
        self.reads_up_to.dominates(label)
    }

    /// Whether there is a body in that direction.
    pub(crate) fn runs_in(&self, mode: Mode) -> bool {
        match (self.on, mode) {
            (GuardPoint::Egress, Mode::Append | Mode::Alter) | (GuardPoint::Release, Mode::Observe | Mode::Alter) => {
                true
            }
            (GuardPoint::Egress, Mode::Observe | Mode::Execute)
            | (GuardPoint::Release, Mode::Append | Mode::Execute) => false,
        }
    }
}

/// The values of `content-type` and `accept` that pass where a rule lists the name alone: a few, so that a value carries
/// next to nothing.
pub(crate) const CONTENT_TYPES: [&str; 6] = [
    "application/json",
    "application/json; charset=utf-8",
    "application/json;charset=utf-8",
    "application/octet-stream",
    "text/plain",
    "text/plain; charset=utf-8",
];
/// As [`CONTENT_TYPES`].
pub(crate) const ACCEPTED: [&str; 4] = ["*/*", "application/json", "application/json, text/event-stream", "text/plain"];

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("rule", &self.rule).field("capability", &self.capability).finish_non_exhaustive()
    }
}
