use crate::policy::Policy;
use crate::reason::Reason;
use crate::timestamp::Timestamp;
use crate::verdict::Decision;
/// One way on.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Remedy {
    /// What to do, as a code: `fresh-instance`, `handle`, `guard`, `append`, `trusted-subject`, `task`, `reset` and others.
    pub action: &'static str,
    /// The same for a person: one sentence.
    pub text: String,
}
pub(crate) fn remedies(_policy: &Policy, _decision: &Decision, _first: Reason, _now: Timestamp) -> Vec<Remedy> {
    Vec::new()
}
