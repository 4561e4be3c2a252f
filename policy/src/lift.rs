//! Which rules lift the star property for one object, and the label under which a request then goes.
//!
//! **What holds.** A rule lifts only what it names, before it expires, for a target that its templates fit; and only to a
//! label that the object's own dominates.

use std::sync::Arc;

use crate::decide::Question;
use crate::downgrade::RuleKind;
use crate::guard::Guard;
use crate::label::SecurityLabel;
use crate::mode::Mode;
use crate::object::Object;
use crate::orchestrator::Orchestrator;
use crate::policy::Policy;
use crate::read_down::ReadDown;
use crate::subject::Subject;

/// What one rule gives for one object.
pub(crate) struct Lift {
    pub(crate) rule: Arc<str>,
    pub(crate) label: SecurityLabel,
    pub(crate) reason: Option<Arc<str>>,
    pub(crate) read_down: Option<Arc<ReadDown>>,
    pub(crate) guard: Option<Arc<Guard>>,
}

impl Lift {
    /// Whether two are of one rule whose budget or guard is one, so that the request can go under both at once.
    pub(crate) fn goes_with(&self, other: &Self) -> bool {
        let same_budget = same(self.read_down.as_ref(), other.read_down.as_ref());
        same_budget && same(self.guard.as_ref(), other.guard.as_ref())
    }
}

/// Whether both are the very same, or there is neither.
pub(crate) fn same<T>(one: Option<&Arc<T>>, other: Option<&Arc<T>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// Who asks where: the caller's own gateway knows more, and checks more.
pub(crate) struct Asking<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) subject: &'a Arc<Subject>,
    pub(crate) question: &'a Question<'a>,
}

/// What the caller's own gateway knows of its current label.
#[derive(Clone, Copy)]
pub(crate) struct OwnLabels<'a> {
    /// With the handle's watermark and what the request declares.
    pub(crate) current: &'a SecurityLabel,
    /// The workload's own, whatever the handle.
    pub(crate) own: &'a SecurityLabel,
}

impl<'a> Asking<'a> {
    /// At the caller's own gateway: the rules of a kind that lift, in the order of the file.
    pub(crate) fn lifts(&self, kind: RuleKind, object: &Object, labels: OwnLabels<'_>) -> Vec<Lift> {
        let Some(label) = object.label.as_ref() else { return Vec::new() };
        match kind {
            RuleKind::ReadDown => self.read_downs(object, label, false).collect(),
            RuleKind::Trusted => self.trusted(object, label).collect(),
            RuleKind::Guard => {
                let may_read = |lift: &Lift| lift.guard.as_ref().is_some_and(|guard| guard.may_read(labels.current));
                self.guards(object, label, false).filter(may_read).collect()
            }
            RuleKind::Task => {
                let own = self.subject.current(labels.own);
                let lifting = |rule: &&Arc<Orchestrator>| rule.lifts && !own.shares_a_category(&rule.without);
                self.task_rules(object).filter(lifting).map(|rule| task_lift(rule, label)).collect()
            }
        }
    }

    /// At another gateway, which believes that the request goes under a rule of this kind: what such rules of this policy
    /// give.
    pub(crate) fn given(&self, kind: RuleKind, object: &'a Object) -> Vec<Lift> {
        let Some(label) = object.label.as_ref() else { return Vec::new() };
        match kind {
            RuleKind::ReadDown => self.read_downs(object, label, true).collect(),
            RuleKind::Trusted => self.trusted(object, label).collect(),
            RuleKind::Guard => self.guards(object, label, true).collect(),
            RuleKind::Task => {
                self.orchestrators(object).filter(|rule| rule.lifts).map(|rule| task_lift(rule, label)).collect()
            }
        }
    }

    /// The rules under which the request's task grants this, in the order of the file.
    pub(crate) fn task_rules(&self, object: &Object) -> impl Iterator<Item = &'a Arc<Orchestrator>> {
        let Question { task, mode, content, now, .. } = *self.question;
        let task = task.filter(|task| task.is_of(self.subject, now));
        let rules = task.map(|_| self.policy.orchestrators_of(self.subject, now)).into_iter().flatten();
        rules.filter(move |rule| task.is_some_and(|task| task.grants(self.policy, rule, object, mode, content)))
    }

    /// The rules under which others may give this subject tasks with this object and mode.
    pub(crate) fn orchestrators(&self, object: &'a Object) -> impl Iterator<Item = &'a Arc<Orchestrator>> {
        let mode = self.question.mode;
        let rules = self.policy.orchestrators_of(self.subject, self.question.now);
        rules.filter(move |rule| rule.scopes_of(object).any(|scope| scope.modes.contains(&mode)))
    }

    /// Whether a target fits. Another gateway does not repeat what it can't see.
    fn fits(&self, templates: &crate::templates::Templates, elsewhere: bool) -> bool {
        (elsewhere && self.question.target.is_none()) || templates.fit(self.question.target)
    }

    fn read_downs(
        &self,
        object: &Object,
        label: &SecurityLabel,
        elsewhere: bool,
    ) -> impl Iterator<Item = Lift> + use<> {
        let observes = self.question.mode == Mode::Observe;
        let mut found: Vec<(usize, Lift)> = Vec::new();
        for cell in self.policy.matrix.cells(self.subject, object).filter(|_| observes) {
            for (order, read_down) in &cell.read_downs {
                if self.fits(&read_down.templates, elsewhere) {
                    let lift = Lift {
                        rule: Arc::clone(&read_down.rule),
                        label: label.clone(),
                        reason: None,
                        read_down: Some(Arc::clone(read_down)),
                        guard: None,
                    };
                    found.push((*order, lift));
                }
            }
        }
        in_order(found)
    }

    fn trusted(&self, object: &Object, label: &SecurityLabel) -> impl Iterator<Item = Lift> + use<> {
        let mut found: Vec<(usize, Lift)> = Vec::new();
        for cell in self.policy.matrix.cells(self.subject, object) {
            for (order, rule) in &cell.trusted {
                let given = rule.label.as_ref().unwrap_or(label);
                if self.question.now < rule.expires && label.dominates(given) {
                    let lift = Lift {
                        rule: Arc::clone(&rule.rule),
                        label: given.clone(),
                        reason: Some(Arc::clone(&rule.reason)),
                        read_down: None,
                        guard: None,
                    };
                    found.push((*order, lift));
                }
            }
        }
        in_order(found)
    }

    fn guards(&self, object: &Object, label: &SecurityLabel, elsewhere: bool) -> impl Iterator<Item = Lift> + use<> {
        let mut found: Vec<(usize, Lift)> = Vec::new();
        for cell in self.policy.matrix.cells(self.subject, object) {
            for (order, mode, guard) in &cell.guards {
                let applies = *mode == self.question.mode && label.dominates(&guard.label);
                if applies && self.fits(&guard.templates, elsewhere) {
                    let lift = Lift {
                        rule: Arc::clone(&guard.rule),
                        label: guard.label.clone(),
                        reason: None,
                        read_down: None,
                        guard: Some(Arc::clone(guard)),
                    };
                    found.push((*order, lift));
                }
            }
        }
        in_order(found)
    }
}

fn task_lift(rule: &Orchestrator, label: &SecurityLabel) -> Lift {
    Lift {
        rule: Arc::clone(&rule.rule),
        label: label.clone(),
        reason: Some(Arc::clone(&rule.reason)),
        read_down: None,
        guard: None,
    }
}

/// Rules of an object and of what it is a part of, in the order of the file.
fn in_order(mut found: Vec<(usize, Lift)>) -> impl Iterator<Item = Lift> + use<> {
    found.sort_by_key(|(order, _)| *order);
    found.into_iter().map(|(_, lift)| lift)
}
