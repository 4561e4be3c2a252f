//! A verdict as a document: for the audit log, events and the offline command; and the part of it that a caller may see.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::downgrade::RuleKind;
use crate::label::SecurityLabel;
use crate::lattice::Lattice;
use crate::mode::Mode;
use crate::policy::Policy;
use crate::reason::Reason;
use crate::verdict::{Decision, Denial, Observation, Permit, Verdict};

/// A verdict with its labels as canonical text. The order of the members is stable, and all are always there, `null` where
/// there is nothing to say.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VerdictRecord {
    /// Whether it was permitted.
    pub permit: bool,
    /// Why not, in the order of report; empty for a permit.
    pub reasons: Vec<Reason>,
    /// SPIFFE ID of the subject.
    pub subject: String,
    /// The object, as asked.
    pub object: String,
    /// The access mode.
    pub mode: Mode,
    /// The subject's current label.
    pub current: Option<String>,
    /// The object's label; for `withheld`, the label of the answer.
    pub object_label: Option<String>,
    /// The subject's clearance.
    pub clearance: Option<String>,
    /// The rule that granted it, whatever else refused it.
    pub rule: Option<String>,
    /// For `no-write-down`: which observation raised the current label.
    pub cause: Option<Observation>,
    /// For a permit: the rule that lifted what would have refused it.
    #[serde(default)]
    pub downgrade: Option<DowngradeRecord>,
    /// Digest of the policy.
    pub policy: String,
}

/// A use of a rule that lifts the star property, or of a task grant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DowngradeRecord {
    /// The kind of the rule.
    pub kind: RuleKind,
    /// Its ID in the policy.
    pub rule: String,
    /// The label under which the request goes.
    pub label: String,
}

impl Decision {
    /// The record of this decision; a permit where there are no reasons.
    #[must_use]
    pub fn to_json(&self, lattice: &Lattice, reasons: &[Reason]) -> VerdictRecord {
        let text = |label: &Option<SecurityLabel>| label.as_ref().map(|label| lattice.text(label));
        VerdictRecord {
            permit: reasons.is_empty(),
            reasons: reasons.to_vec(),
            subject: self.subject.to_string(),
            object: self.object.to_string(),
            mode: self.mode,
            current: text(&self.current),
            object_label: text(&self.object_label),
            clearance: text(&self.clearance),
            rule: self.rule.as_deref().map(str::to_owned),
            cause: self.cause.as_deref().cloned(),
            downgrade: self.downgrade.as_ref().map(|downgrade| DowngradeRecord {
                kind: downgrade.kind,
                rule: downgrade.rule.to_string(),
                label: lattice.text(&downgrade.label),
            }),
            policy: self.policy.to_string(),
        }
    }
}

impl Verdict {
    /// The whole verdict, for the audit log.
    #[must_use]
    pub fn record(&self, lattice: &Lattice) -> VerdictRecord {
        self.decision().to_json(lattice, self.reasons())
    }
}

impl Permit {
    /// The whole verdict, for the audit log.
    #[must_use]
    pub fn record(&self, lattice: &Lattice) -> VerdictRecord {
        self.decision().to_json(lattice, &[])
    }
}

impl Denial {
    /// The whole verdict, for the audit log.
    #[must_use]
    pub fn record(&self, lattice: &Lattice) -> VerdictRecord {
        self.decision().to_json(lattice, self.reasons())
    }

    /// What of the verdict its caller may see: the first reason alone; label texts and the cause only where the caller's
    /// clearance dominates them; and, of a refusal that says nothing of the object, neither its label nor a rule, so that
    /// an object without a grant reads like one that does not exist.
    #[must_use]
    pub fn public_record(&self, policy: &Policy) -> VerdictRecord {
        let visible = self.visible_decision(policy.lattice());
        visible.to_json(policy.lattice(), &[self.first()])
    }

    /// The labels that the caller may see, as canonical text: see [`Denial::public_record`].
    #[must_use]
    pub fn visible_labels(&self, lattice: &Lattice) -> VisibleLabels {
        let visible = self.visible_decision(lattice);
        let text = |label: Option<SecurityLabel>| label.map(|label| lattice.text(&label));
        VisibleLabels {
            current: text(visible.current),
            object: text(visible.object_label),
            clearance: text(visible.clearance),
            cause: visible.cause,
        }
    }

    fn visible_decision(&self, lattice: &Lattice) -> Decision {
        let whole = self.decision();
        let seen = |label: &SecurityLabel| {
            let clearance = whole.clearance.as_ref();
            clearance.is_some_and(|clearance| clearance.dominates(label))
        };
        let of_object = self.first() > Reason::NotGranted;
        let cause = whole.cause.as_ref().filter(|cause| {
            let label = lattice.parse_canonical(&cause.label);
            of_object && label.is_ok_and(|label| seen(&label))
        });
        Decision {
            current: whole.current.clone().filter(|label| seen(label)),
            object_label: whole.object_label.clone().filter(|label| of_object && seen(label)),
            rule: whole.rule.clone().filter(|_| of_object),
            cause: cause.map(Arc::clone),
            ..whole.clone()
        }
    }
}

/// The labels of a refusal that its caller's clearance dominates, as canonical text, and the cause.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VisibleLabels {
    /// The current label that was compared.
    pub current: Option<String>,
    /// The label of the object, or of the answer.
    pub object: Option<String>,
    /// The caller's own clearance.
    pub clearance: Option<String>,
    /// Which observation raised the current label.
    pub cause: Option<Arc<Observation>>,
}
