//! The current label of who asks, and whether it can be believed.

use std::sync::Arc;

use super::{Belief, Part, Scales};
use crate::decide::Standing;
use crate::downgrade::{Downgrade, RuleKind};
use crate::label::SecurityLabel;
use crate::lift::Lift;
use crate::mode::Mode;

/// What is known of the current label.
pub(super) struct Current {
    /// `None` only where what was stated can't be read, which is out of range.
    pub(super) label: Option<SecurityLabel>,
    pub(super) out_of_range: bool,
    /// At another gateway: the rule of this policy under which the request was believed to go.
    pub(super) accepted: Option<Downgrade>,
}

impl<'a> Scales<'a> {
    pub(super) fn current(&self, parts: &[Part<'a>], exactly: bool) -> Current {
        let subject = self.asking.subject;
        let within = |label: &SecurityLabel| subject.clearance.dominates(label);
        match self.asking.question.standing {
            Standing::Own { watermark, .. } if self.belief == Belief::Supposed => {
                let out_of_range = !watermark.dominates(&subject.floor) || !self.not_above(watermark, parts);
                Current { label: Some(watermark.clone()), out_of_range, accepted: None }
            }
            Standing::Own { watermark, declared, .. } => {
                let own = subject.current(watermark);
                Current {
                    out_of_range: declared.is_some_and(|declared| !within(declared)),
                    label: Some(declared.map_or_else(|| own.clone(), |declared| own.join(declared))),
                    accepted: None,
                }
            }
            Standing::Stated { label, rule: None } if self.believed => {
                let out_of_range = !label.dominates(&subject.floor) || !self.not_above(label, parts);
                Current { label: Some(label.clone()), out_of_range, accepted: None }
            }
            Standing::Stated { label, rule: Some(kind) } if self.believed => {
                let accepted = self.accepted(kind, label, parts, exactly);
                let out_of_range = accepted.is_none() || !self.not_above(label, parts);
                Current { label: Some(label.clone()), out_of_range, accepted }
            }
            Standing::Stated { .. } | Standing::Unstated => {
                Current { label: Some(subject.clearance.clone()), out_of_range: false, accepted: None }
            }
            Standing::Unreadable => Current { label: None, out_of_range: true, accepted: None },
        }
    }

    /// Whether a label is not above the clearance. `append` may come from above one that was lowered; but only a caller with
    /// a grant gets that exception, so that the range check tells nobody else whether there is such a route.
    fn not_above(&self, label: &SecurityLabel, parts: &[Part<'a>]) -> bool {
        let granted = !parts.is_empty() && parts.iter().all(|part| part.grantor.is_some());
        let lowered_append = granted && self.asking.question.mode == Mode::Append;
        self.asking.subject.clearance.dominates(label) || lowered_append
    }

    /// The rule of this policy under which another gateway may have let the request go with this label.
    fn accepted(&self, kind: RuleKind, stated: &SecurityLabel, parts: &[Part<'a>], exactly: bool) -> Option<Downgrade> {
        let subject = self.asking.subject;
        let objects = || parts.iter().filter_map(|part| part.object);
        let accepted = |rule: &Arc<str>, reason: Option<&Arc<str>>, lifts| Downgrade {
            kind,
            rule: Arc::clone(rule),
            label: stated.clone(),
            reason: reason.cloned(),
            lifts,
        };
        if kind == RuleKind::Task && stated.dominates(&subject.floor) && subject.clearance.dominates(stated) {
            let rule = objects().find_map(|object| self.asking.orchestrators(object).next())?;
            return Some(accepted(&rule.rule, Some(&rule.reason), false));
        }
        let mut given = objects().flat_map(|object| self.asking.given(kind, object));
        // What a request to several objects states is the meet of some of these labels; if it is, it is the meet of all
        // those that dominate it.
        let above = |lift: &Lift| lift.label.dominates(stated);
        let first = given.find(above)?;
        let meet = given.filter(above).fold(first.label.clone(), |label, lift| label.meet(&lift.label));
        (!exactly || meet == *stated).then(|| accepted(&first.rule, first.reason.as_ref(), true))
    }
}
