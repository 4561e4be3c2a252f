//! The rules that a request goes under where the star property alone fails.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{Grantor, Parts, Scales};
use crate::downgrade::{Downgrade, RuleKind};
use crate::guard::Guard;
use crate::lift::{Lift, OwnLabels};
use crate::orchestrator::Orchestrator;
use crate::read_down::ReadDown;

/// What the rules that were needed give together.
pub(super) struct Lifted {
    pub(super) downgrade: Downgrade,
    pub(super) read_down: Option<Arc<ReadDown>>,
    pub(super) guard: Option<Arc<Guard>>,
}

impl<'a> Scales<'a> {
    /// The first kind of rule that serves every object that needs one.
    pub(super) fn lifted(&self, parts: &Parts<'a>, labels: OwnLabels<'_>) -> Option<Lifted> {
        RuleKind::ALL.into_iter().find_map(|kind| self.lifted_by(kind, parts, labels))
    }

    fn lifted_by(&self, kind: RuleKind, parts: &Parts<'a>, labels: OwnLabels<'_>) -> Option<Lifted> {
        let mut needed: SmallVec<[Vec<Lift>; 1]> = SmallVec::new();
        let mut added: Option<&Arc<Orchestrator>> = None;
        for part in parts {
            match part.grantor? {
                Grantor::Task(_) if kind != RuleKind::Task => return None,
                Grantor::Task(rule) if !part.star_fails(labels.current) => added = added.or(Some(rule)),
                Grantor::Matrix(_) if !part.star_fails(labels.current) => {}
                Grantor::Task(_) | Grantor::Matrix(_) => needed.push(self.asking.lifts(kind, part.object?, labels)),
            }
        }
        if needed.is_empty() {
            // Nothing has to be lifted: a task's grant takes the place of one in the matrix.
            return added.map(|rule| Lifted {
                downgrade: Downgrade {
                    kind,
                    rule: Arc::clone(&rule.rule),
                    label: labels.current.clone(),
                    reason: Some(Arc::clone(&rule.reason)),
                    lifts: false,
                },
                read_down: None,
                guard: None,
            });
        }
        match kind {
            RuleKind::ReadDown | RuleKind::Guard => needed.first()?.iter().find_map(|one| {
                let same = |lifts: &'_ Vec<Lift>| lifts.iter().position(|lift| lift.goes_with(one));
                let chosen: Option<SmallVec<[&Lift; 4]>> = needed.iter().map(|lifts| lifts.get(same(lifts)?)).collect();
                lifted_together(kind, parts, &chosen?)
            }),
            RuleKind::Trusted | RuleKind::Task => {
                let firsts: Option<SmallVec<[&Lift; 4]>> = needed.iter().map(|lifts| lifts.first()).collect();
                // Where the first rules give too high a label for one of the objects, all of them together may do.
                lifted_together(kind, parts, &firsts?).or_else(|| {
                    let all: SmallVec<[&Lift; 4]> = needed.iter().flatten().collect();
                    lifted_together(kind, parts, &all)
                })
            }
        }
    }
}

/// What rules that a request goes under at once give together; `None` where an object's label does not dominate that.
fn lifted_together(kind: RuleKind, parts: &Parts<'_>, lifts: &[&Lift]) -> Option<Lifted> {
    let (first, others) = lifts.split_first()?;
    let label = others.iter().fold(first.label.clone(), |label, lift| label.meet(&lift.label));
    let fits_all = parts.iter().all(|part| part.label.is_some_and(|own| own.dominates(&label)));
    fits_all.then(|| Lifted {
        read_down: first.read_down.clone(),
        guard: first.guard.clone(),
        downgrade: Downgrade { kind, rule: joined(lifts), label, reason: first.reason.clone(), lifts: true },
    })
}

/// The IDs of the rules, each once, with commas: no ID has one.
fn joined(lifts: &[&Lift]) -> Arc<str> {
    let mut rules: SmallVec<[&Arc<str>; 4]> = SmallVec::new();
    for lift in lifts {
        if !rules.contains(&&lift.rule) {
            rules.push(&lift.rule);
        }
    }
    match rules.as_slice() {
        [one] => Arc::clone(one),
        several => Arc::from(several.iter().map(|rule| &***rule).collect::<Vec<_>>().join(",")),
    }
}
