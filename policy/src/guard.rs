//! Guards: capabilities that run on a body before egress or before release, and what they give it.

use std::sync::Arc;

use crate::label::SecurityLabel;
use crate::name::Name;

/// When a guard runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum GuardPoint {
    /// On the body of a request, before it leaves.
    Egress,
    /// On the body of an answer, before it is released.
    Release,
}

/// A guard of a grant.
#[derive(Debug)]
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
    /// those of the answer.
    pub headers: Vec<String>,
    /// On release: the statuses of answers that pass; an answer with another one is refused as `guard-failed`.
    pub statuses: Vec<u16>,
}
