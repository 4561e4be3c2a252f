//! What a decision returns.
//!
//! **What holds.** A [`Permit`] is built by [`crate::decide`] alone. A [`Denial`] always has a reason. Both carry the same
//! [`Decision`], from which the answer, the audit record, the metrics and the event are made.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::downgrade::Downgrade;
use crate::guard::Guard;
use crate::label::SecurityLabel;
use crate::mode::Mode;
use crate::object::Object;
use crate::objects::Objects;
use crate::policy::Policy;
use crate::read_down::ReadDown;
use crate::reason::Reason;
use crate::remedy::Remedy;
use crate::subject::Subject;
use crate::timestamp::Timestamp;
use crate::weigh::Proven;

/// Which release or delivery raised a watermark.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Observation {
    /// The gateway's own ID of the request whose answer was released, or that was delivered.
    pub request_id: String,
    /// The object that was observed.
    pub object: String,
    /// When.
    pub at: Timestamp,
    /// The label of what was observed, in its canonical text.
    pub label: String,
}

/// The answer to a question.
#[derive(Clone)]
#[must_use]
pub enum Verdict {
    /// It may happen.
    Permit(Permit),
    /// It may not.
    Denial(Denial),
}

/// What was decided about, and what was compared.
#[derive(Clone, PartialEq, Eq)]
pub struct Decision {
    /// The subject's SPIFFE ID.
    pub subject: Arc<str>,
    /// The object's name, as asked.
    pub object: Arc<str>,
    /// The access mode.
    pub mode: Mode,
    /// The subject's current label; `None` where it could not be known.
    pub current: Option<SecurityLabel>,
    /// The object's label; for `withheld`, the label of the answer. `None` where there is none.
    pub object_label: Option<SecurityLabel>,
    /// The subject's clearance; `None` for a subject that the policy does not know.
    pub clearance: Option<SecurityLabel>,
    /// The rule that granted it, whatever else refused it.
    pub rule: Option<Arc<str>>,
    /// For `no-write-down`: which observation raised the current label, where that is known.
    pub cause: Option<Arc<Observation>>,
    /// For a permit: the rule that lifted what would have refused it.
    pub downgrade: Option<Box<Downgrade>>,
    /// Digest of the policy.
    pub policy: Arc<str>,
}

/// Proof that [`crate::decide`] permitted one subject one object in one mode.
#[derive(Clone)]
pub struct Permit {
    decision: Decision,
    proven: Proven,
}

/// A refusal with all its reasons.
#[derive(Clone)]
pub struct Denial {
    decision: Decision,
    /// When it was decided: what has expired by then is no way on.
    now: Timestamp,
    /// In the order of report; never empty.
    reasons: SmallVec<[Reason; 4]>,
}

impl Permit {
    /// For [`crate::decide`] alone.
    pub(crate) fn new(decision: Decision, proven: Proven) -> Self {
        Self { decision, proven }
    }

    /// What was decided.
    #[must_use]
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// Who may.
    #[must_use]
    pub fn subject(&self) -> &Arc<Subject> {
        &self.proven.subject
    }

    /// The first of what may be reached; what [`Permit::objects`] holds more has the same upstream and server.
    #[must_use]
    pub fn object(&self) -> &Arc<Object> {
        self.proven.objects.first()
    }

    /// All that may be reached.
    #[must_use]
    pub fn objects(&self) -> &Objects {
        &self.proven.objects
    }

    /// The subject's current label, whatever the request states.
    #[must_use]
    pub fn current(&self) -> &SecurityLabel {
        &self.proven.current
    }

    /// The label under which the request goes, for the wire and for its delivery: the downgrade's, or the current label.
    #[must_use]
    pub fn states(&self) -> &SecurityLabel {
        self.downgrade().map_or(&self.proven.current, |downgrade| &downgrade.label)
    }

    /// The rule that lifted what would have refused it.
    #[must_use]
    pub fn downgrade(&self) -> Option<&Downgrade> {
        self.decision.downgrade.as_deref()
    }

    /// The budget that the request must be debited to before it leaves, and the headers that it keeps.
    #[must_use]
    pub fn read_down(&self) -> Option<&Arc<ReadDown>> {
        self.proven.read_down.as_ref()
    }

    /// The guard that must run on the body before it leaves.
    #[must_use]
    pub fn guard(&self) -> Option<&Arc<Guard>> {
        self.proven.guard.as_ref()
    }

    /// The guard that must run on the answer's body before it is released; decide that by [`crate::release_guarded`].
    #[must_use]
    pub fn release_guard(&self) -> Option<&Arc<Guard>> {
        self.proven.release_guard.as_ref()
    }

    /// When it was decided.
    pub(crate) fn decided_at(&self) -> Timestamp {
        self.proven.now
    }

    /// The access mode.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.decision.mode
    }
}

impl Denial {
    /// A refusal for `one` and `others`, in any order and with repetitions.
    pub(crate) fn new(decision: Decision, now: Timestamp, one: Reason, others: &[Reason]) -> Self {
        let mut reasons: SmallVec<[Reason; 4]> = others.iter().copied().collect();
        reasons.push(one);
        reasons.sort_unstable();
        reasons.dedup();
        Self { decision, now, reasons }
    }

    /// What was decided.
    #[must_use]
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// The same refusal with the observation that caused it, where it is a `no-write-down`; set by who holds the chain.
    #[must_use]
    pub fn because(mut self, cause: Option<Arc<Observation>>) -> Self {
        if self.reasons.contains(&Reason::NoWriteDown) {
            self.decision.cause = cause;
        }
        self
    }

    /// What the caller can do next, as far as `policy` offers it for this subject and object.
    #[must_use]
    pub fn remedies(&self, policy: &Policy) -> Vec<Remedy> {
        crate::remedy::remedies(policy, &self.decision, self.first(), self.now)
    }

    /// All reasons, in the order of report.
    #[must_use]
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// The reason that the caller is told.
    #[must_use]
    pub fn first(&self) -> Reason {
        // There is always one; were there none, nothing would be granted either.
        self.reasons.first().copied().unwrap_or(Reason::NotGranted)
    }
}

impl Verdict {
    /// What was decided.
    #[must_use]
    pub fn decision(&self) -> &Decision {
        match self {
            Self::Permit(permit) => permit.decision(),
            Self::Denial(denial) => denial.decision(),
        }
    }

    /// All reasons for a refusal; none for a permit.
    #[must_use]
    pub fn reasons(&self) -> &[Reason] {
        match self {
            Self::Permit(_) => &[],
            Self::Denial(denial) => denial.reasons(),
        }
    }

    /// The permit, where it is one.
    #[must_use]
    pub fn permit(self) -> Option<Permit> {
        match self {
            Self::Permit(permit) => Some(permit),
            Self::Denial(_) => None,
        }
    }

    /// The refusal, where it is one.
    #[must_use]
    pub fn denial(self) -> Option<Denial> {
        match self {
            Self::Permit(_) => None,
            Self::Denial(denial) => Some(denial),
        }
    }
}

impl fmt::Debug for Verdict {
    /// The outcome and nothing of who asked for what.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Permit(_) => f.write_str("Permit"),
            Self::Denial(denial) => write!(f, "{denial:?}"),
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}

impl fmt::Debug for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Denial").field(&self.reasons).finish()
    }
}
