//! How the parts of a decision are weighed: one object, every object of a body, or some object of a body that is not read.
//!
//! **What holds.** Every object must be permitted; where rules are needed, one kind of rule must serve all that need one,
//! since a request states one. The label stated is the meet of what these rules give, and every object must dominate it.

mod current;
mod lifted;

use std::sync::Arc;

use smallvec::SmallVec;

use crate::decide::{Asked, Question, Standing};
use crate::downgrade::{Downgrade, RuleKind};
use crate::grant::Granted;
use crate::guard::Guard;
use crate::label::SecurityLabel;
use crate::lift::{Asking, OwnLabels, same};
use crate::object::Object;
use crate::objects::Objects;
use crate::orchestrator::Orchestrator;
use crate::policy::Policy;
use crate::read_down::ReadDown;
use crate::reason::Reason;
use crate::subject::Subject;
use crate::timestamp::Timestamp;
use crate::verdict::Decision;
use current::Current;
use lifted::Lifted;

/// Whether a stated current label is believed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Belief {
    /// Of subjects for which a gateway speaks.
    AsPolicySays,
    /// Of everybody, and the watermark is the current label, range-checked.
    Supposed,
}

/// What came out.
pub(crate) struct Weighed {
    pub(crate) decision: Decision,
    pub(crate) reasons: SmallVec<[Reason; 4]>,
    /// All that a permit needs; present only where no reason was found.
    pub(crate) proven: Option<Proven>,
}

/// All that a permit needs beside the decision.
#[derive(Clone)]
pub(crate) struct Proven {
    pub(crate) subject: Arc<Subject>,
    pub(crate) objects: Objects,
    pub(crate) current: SecurityLabel,
    pub(crate) read_down: Option<Arc<ReadDown>>,
    pub(crate) guard: Option<Arc<Guard>>,
    pub(crate) release_guard: Option<Arc<Guard>>,
    pub(crate) now: Timestamp,
}

/// Weighs a question.
pub(crate) fn weigh(policy: &Policy, question: &Question<'_>, belief: Belief) -> Weighed {
    let Some(subject) = policy.subject(question.subject) else {
        return stranger(policy, question);
    };
    let asking = Asking { policy, subject, question };
    let scales = Scales { asking, believed: subject.gateway || belief == Belief::Supposed, belief };
    match question.object {
        Asked::Unknown(name) => scales.nothing(name),
        Asked::Known(object) => scales.every(&[object], || Objects::one(Arc::clone(object))),
        Asked::Several(objects) if objects.every() => {
            let parts: SmallVec<[&Arc<Object>; 1]> = objects.iter().collect();
            scales.every(&parts, || objects.clone())
        }
        Asked::Several(objects) => scales.some(objects),
    }
}

/// A subject that the policy does not name hears so, whatever it asked for.
fn stranger(policy: &Policy, question: &Question<'_>) -> Weighed {
    let decision = Decision {
        subject: question.subject.shared(),
        object: match question.object {
            Asked::Known(object) => Arc::clone(&object.name),
            Asked::Several(objects) => Arc::clone(&objects.first().name),
            Asked::Unknown(name) => Arc::from(name),
        },
        mode: question.mode,
        current: None,
        object_label: None,
        clearance: None,
        rule: None,
        cause: None,
        downgrade: None,
        policy: Arc::clone(&policy.digest),
    };
    Weighed { decision, reasons: SmallVec::from_slice(&[Reason::UnknownSubject]), proven: None }
}

struct Scales<'a> {
    asking: Asking<'a>,
    believed: bool,
    belief: Belief,
}

/// One object of a question.
struct Part<'a> {
    name: &'a Arc<str>,
    /// As this policy has it.
    object: Option<&'a Arc<Object>>,
    label: Option<&'a SecurityLabel>,
    grantor: Option<Grantor<'a>>,
}

/// Who lets the subject reach an object.
#[derive(Clone, Copy)]
enum Grantor<'a> {
    Matrix(&'a Granted),
    /// A task's grant alone.
    Task(&'a Arc<Orchestrator>),
}

impl Grantor<'_> {
    fn rule(&self) -> &Arc<str> {
        match self {
            Self::Matrix(granted) => &granted.rule,
            Self::Task(rule) => &rule.rule,
        }
    }
}

impl Part<'_> {
    fn star_fails(&self, current: &SecurityLabel) -> bool {
        self.label.is_some_and(|label| !label.dominates(current))
    }

    fn by_task(&self) -> bool {
        matches!(self.grantor, Some(Grantor::Task(_)))
    }
}

type Parts<'a> = SmallVec<[Part<'a>; 1]>;

impl<'a> Scales<'a> {
    fn part(&self, asked: &'a Arc<Object>) -> Part<'a> {
        let Asking { policy, subject, question } = self.asking;
        let object = policy.own(asked);
        let granted = object.and_then(|object| policy.granted(subject, object, question.mode));
        let grantor = match (granted, object) {
            (Some(granted), _) => Some(Grantor::Matrix(granted)),
            (None, Some(object)) => self.task_grantor(object),
            (None, None) => None,
        };
        Part { name: &asked.name, object, label: object.and_then(|object| object.label.as_ref()), grantor }
    }

    /// A task adds to the access matrix: the own gateway looks at the task, another one at who could have given it.
    fn task_grantor(&self, object: &'a Arc<Object>) -> Option<Grantor<'a>> {
        let rule = match self.asking.question.standing {
            Standing::Own { .. } => self.asking.task_rules(object).next(),
            Standing::Stated { rule: Some(RuleKind::Task), .. } if self.believed => {
                self.asking.orchestrators(object).next()
            }
            Standing::Stated { .. } | Standing::Unstated | Standing::Unreadable => None,
        };
        rule.map(Grantor::Task)
    }

    /// A name that the policy does not have.
    fn nothing(&self, name: &str) -> Weighed {
        let Current { label, out_of_range, .. } = self.current(&[], true);
        let mut reasons = SmallVec::new();
        if out_of_range {
            reasons.push(Reason::LabelOutOfRange);
        }
        reasons.push(Reason::NotGranted);
        Weighed { decision: self.decision(Arc::from(name), None, label), reasons, proven: None }
    }

    /// One permitted object is enough, as long as nobody knows which it will be; else what came furthest is told.
    fn some(&self, objects: &'a Objects) -> Weighed {
        let mut furthest: Option<Weighed> = None;
        for object in objects.iter() {
            let weighed = self.together(&[object], || objects.clone(), false);
            if weighed.proven.is_some() {
                return weighed;
            }
            let first = |weighed: &Weighed| weighed.reasons.iter().min().copied();
            if furthest.as_ref().is_none_or(|furthest| first(furthest) < first(&weighed)) {
                furthest = Some(weighed);
            }
        }
        furthest.unwrap_or_else(|| self.nothing(&objects.first().name))
    }

    fn every(&self, objects: &[&'a Arc<Object>], all: impl FnOnce() -> Objects) -> Weighed {
        self.together(objects, all, true)
    }

    /// `exactly`: whether a stated label must be just what rules give, or may lie below, since more objects may follow.
    fn together(&self, objects: &[&'a Arc<Object>], all: impl FnOnce() -> Objects, exactly: bool) -> Weighed {
        let parts: Parts<'a> = objects.iter().map(|object| self.part(object)).collect();
        let Current { label: current, out_of_range, accepted } = self.current(&parts, exactly);
        let mut reasons: SmallVec<[Reason; 4]> = SmallVec::new();
        if out_of_range {
            reasons.push(Reason::LabelOutOfRange);
        }
        for part in &parts {
            self.obstacles(part, &mut reasons);
        }
        let star_fails = current.as_ref().is_some_and(|current| parts.iter().any(|part| part.star_fails(current)));
        let own = match self.asking.question.standing {
            Standing::Own { own, .. } => Some(own),
            Standing::Stated { .. } | Standing::Unstated | Standing::Unreadable => None,
        };
        let mut lifted = None;
        if let (Some(current), Some(own), true) = (&current, own, reasons.is_empty())
            && (star_fails || parts.iter().any(Part::by_task))
        {
            lifted = self.lifted(&parts, OwnLabels { current, own });
            if lifted.is_none() {
                reasons.push(Reason::NoWriteDown);
            }
        } else if star_fails {
            reasons.push(Reason::NoWriteDown);
        }
        self.weighed(&parts, all, current, reasons, accepted, lifted)
    }

    /// What refuses an object whatever the current label.
    fn obstacles(&self, part: &Part<'_>, reasons: &mut SmallVec<[Reason; 4]>) {
        let Asking { subject, question, .. } = self.asking;
        let mut add = |reason| {
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        };
        if part.grantor.is_none() {
            add(Reason::NotGranted);
        }
        match (part.object, part.label) {
            (Some(_), None) => add(Reason::Unlabelled),
            (_, Some(label)) if question.mode.reads() && !subject.clearance.dominates(label) => add(Reason::NoReadUp),
            (_, _) => {}
        }
    }

    fn weighed(
        &self,
        parts: &Parts<'a>,
        all: impl FnOnce() -> Objects,
        current: Option<SecurityLabel>,
        reasons: SmallVec<[Reason; 4]>,
        accepted: Option<Downgrade>,
        lifted: Option<Lifted>,
    ) -> Weighed {
        let told = self.telling(parts, &reasons, current.as_ref(), lifted.is_some());
        let name = told.map_or_else(|| Arc::from(""), |part| Arc::clone(part.name));
        let mut decision = self.decision(name, told, current.clone());
        let permitted = reasons.is_empty() && parts.iter().all(|part| part.object.is_some());
        let (true, Some(current)) = (permitted, current) else {
            return Weighed { decision, reasons, proven: None };
        };
        let Lifted { downgrade, read_down, guard } = match lifted {
            Some(lifted) => lifted,
            None => {
                decision.downgrade = accepted.map(Box::new);
                let proven = self.proven(parts, all, current, None, None);
                return Weighed { decision, reasons, proven: Some(proven) };
            }
        };
        decision.downgrade = Some(Box::new(downgrade));
        let proven = self.proven(parts, all, current, read_down, guard);
        Weighed { decision, reasons, proven: Some(proven) }
    }

    fn proven(
        &self,
        parts: &Parts<'a>,
        all: impl FnOnce() -> Objects,
        current: SecurityLabel,
        read_down: Option<Arc<ReadDown>>,
        guard: Option<Arc<Guard>>,
    ) -> Proven {
        // Where the objects of a request have not all the same guard on answers, there is none: what no rule lets through a
        // guard is released as it is, and raises the watermark as it is.
        let mut guards = parts.iter().map(|part| match part.grantor {
            Some(Grantor::Matrix(granted)) => granted.release_guard.as_ref(),
            Some(Grantor::Task(_)) | None => None,
        });
        let own = matches!(self.asking.question.standing, Standing::Own { .. });
        let first = guards.next().flatten().filter(|_| own);
        let release_guard = first.filter(|first| guards.all(|guard| same(Some(first), guard))).cloned();
        Proven {
            subject: Arc::clone(self.asking.subject),
            objects: all(),
            current,
            read_down,
            guard,
            release_guard,
            now: self.asking.question.now,
        }
    }

    /// The object that the decision names: of a refusal the first that has the reason that is told, of a permit the first
    /// that needed a rule.
    fn telling<'p>(
        &self,
        parts: &'p Parts<'a>,
        reasons: &[Reason],
        current: Option<&SecurityLabel>,
        lifted: bool,
    ) -> Option<&'p Part<'a>> {
        let (first, more) = (parts.first(), parts.len() > 1);
        if !more {
            return first;
        }
        let star = |part: &&Part<'_>| current.is_some_and(|current| part.star_fails(current));
        let found = match reasons.iter().min() {
            Some(Reason::NoWriteDown) => parts.iter().find(star),
            Some(reason) => parts.iter().find(|part| {
                let mut own = SmallVec::new();
                self.obstacles(part, &mut own);
                own.contains(reason)
            }),
            None if lifted => parts.iter().find(star).or_else(|| parts.iter().find(|part| part.by_task())),
            None => None,
        };
        found.or(first)
    }

    fn decision(&self, object: Arc<str>, part: Option<&Part<'_>>, current: Option<SecurityLabel>) -> Decision {
        let Asking { policy, subject, question } = self.asking;
        Decision {
            subject: subject.id.shared(),
            object,
            mode: question.mode,
            current,
            object_label: part.and_then(|part| part.label.cloned()),
            clearance: Some(subject.clearance.clone()),
            rule: part.and_then(|part| part.grantor).map(|grantor| Arc::clone(grantor.rule())),
            cause: None,
            downgrade: None,
            policy: Arc::clone(&policy.digest),
        }
    }
}
