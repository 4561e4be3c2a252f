//! The decision on a request.
//!
//! **What holds.** A permit means that a grant covers subject, object and mode; that, where the mode brings something
//! back, the clearance dominates the object's label (simple security, "no read up"); and that the object's label dominates
//! the subject's current label (star, "no write down"). What can't be compared is refused.
//! An object of an earlier snapshot is taken by its name, so an open flow can be decided anew under a new policy with what
//! was resolved under the old one.
//!
//! **Cost.** A permit clones a handful of `Arc`s; with up to 64 categories nothing is allocated.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::content::Content;
use crate::downgrade::RuleKind;
use crate::label::SecurityLabel;
use crate::mode::Mode;
use crate::object::Object;
use crate::objects::Objects;
use crate::policy::Policy;
use crate::reason::Reason;
use crate::spiffe_id::SpiffeId;
use crate::subject::Subject;
use crate::task::Task;
use crate::timestamp::Timestamp;
use crate::verdict::{Decision, Denial, Permit, Verdict};

/// What is to be decided.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// Who asks: a verified SPIFFE ID.
    pub subject: &'a SpiffeId,
    /// For what.
    pub object: Asked<'a>,
    /// In which mode.
    pub mode: Mode,
    /// What is known of the subject's current label.
    pub standing: Standing<'a>,
    /// The task of the request's handle, where it has one and the caller's own gateway asks.
    pub task: Option<&'a Task>,
    /// The target, path with query, as it is forwarded: for rules with path templates.
    pub target: Option<&'a str>,
    /// What is known of the body.
    pub content: Content<'a>,
    /// The time of the question: rules and tasks expire.
    pub now: Timestamp,
}

/// The object of a question.
#[derive(Clone, Copy)]
pub enum Asked<'a> {
    /// An object of the policy, as [`Policy::resolve`] or [`Policy::object`] gave it.
    Known(&'a Arc<Object>),
    /// What [`Policy::resolve`] gave.
    Several(&'a Objects),
    /// A name that the policy does not have. It is answered like an object without a grant.
    Unknown(&'a str),
}

/// What is known of a subject's current label.
#[derive(Clone, Copy)]
pub enum Standing<'a> {
    /// The subject's own gateway asks: floor, watermark and declaration are joined. A declaration can raise, and one that
    /// the clearance does not dominate is `label-out-of-range`.
    Own {
        /// The watermark of this instance, or of the handle that the request names.
        watermark: &'a SecurityLabel,
        /// The watermark of this instance, whatever the handle.
        own: &'a SecurityLabel,
        /// What the request itself declares (`Bellgate-Declare`).
        declared: Option<&'a SecurityLabel>,
    },
    /// Another gateway states it. It must lie between floor and clearance; a granted `append` may come from above a
    /// clearance that was lowered. Of a subject for which no gateway speaks, the clearance counts instead.
    Stated {
        /// The label (`Bellgate-Label`).
        label: &'a SecurityLabel,
        /// The kind of rule under which the request goes (`Bellgate-Rule`).
        rule: Option<RuleKind>,
    },
    /// Nobody states it: the clearance.
    Unstated,
    /// It was stated and can't be read.
    Unreadable,
}

/// Decides a question. Total: every question gets a permit or a refusal with at least one reason.
pub fn decide(policy: &Policy, question: &Question<'_>) -> Verdict {
    verdict(weigh(policy, question, Belief::AsPolicySays))
}

/// [`decide`] for a question that somebody supposes: a stated label is range-checked whether or not a gateway speaks for
/// the subject. For the offline command.
pub(crate) fn suppose(policy: &Policy, question: &Question<'_>) -> Verdict {
    verdict(weigh(policy, question, Belief::Always))
}

/// A refusal for a reason that lies outside labels and grants (a method that can't be decided, a refused handle, a guard
/// that failed), together with all that [`decide`] would have refused. The caller is told the first in the order of report.
#[must_use]
pub fn refuse(policy: &Policy, question: &Question<'_>, reason: Reason) -> Denial {
    let Weighed { decision, reasons, .. } = weigh(policy, question, Belief::AsPolicySays);
    Denial::new(decision, reason, &reasons)
}

/// Whether a stated current label is believed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Belief {
    /// Of subjects for which a gateway speaks.
    AsPolicySays,
    /// Of everybody.
    Always,
}

struct Weighed {
    decision: Decision,
    reasons: SmallVec<[Reason; 4]>,
    /// All that a permit needs; present only where no reason was found.
    proven: Option<Proven>,
}

struct Proven {
    subject: Arc<Subject>,
    object: Arc<Object>,
    current: SecurityLabel,
}

fn verdict(weighed: Weighed) -> Verdict {
    let Weighed { decision, mut reasons, proven } = weighed;
    match (reasons.pop(), proven) {
        (None, Some(proven)) => {
            Verdict::Permit(Permit::new(decision, proven.subject, Objects::one(proven.object), proven.current))
        }
        (None, None) => Verdict::Denial(Denial::new(decision, Reason::NotGranted, &[])),
        (Some(reason), _) => Verdict::Denial(Denial::new(decision, reason, &reasons)),
    }
}

fn weigh(policy: &Policy, question: &Question<'_>, belief: Belief) -> Weighed {
    let Some(subject) = policy.subject(question.subject) else {
        return stranger(policy, question);
    };
    let object = match question.object {
        Asked::Known(object) => policy.own(object),
        Asked::Several(objects) => policy.own(objects.first()),
        Asked::Unknown(_) => None,
    };
    let rule = object.and_then(|object| policy.rule(subject, object, question.mode));
    let label = object.and_then(|object| object.label.as_ref());
    let standing = current_label(subject, question, belief, rule.is_some());

    let mut reasons = SmallVec::new();
    if standing.out_of_range {
        reasons.push(Reason::LabelOutOfRange);
    }
    if rule.is_none() {
        reasons.push(Reason::NotGranted);
    }
    if object.is_some() && label.is_none() {
        reasons.push(Reason::Unlabelled);
    }
    if let Some(label) = label {
        if question.mode.reads() && !subject.clearance.dominates(label) {
            reasons.push(Reason::NoReadUp);
        }
        if let Some(current) = &standing.current
            && !label.dominates(current)
        {
            reasons.push(Reason::NoWriteDown);
        }
    }

    let decision = Decision {
        subject: subject.id.shared(),
        object: asked_name(question.object),
        mode: question.mode,
        current: standing.current.clone(),
        object_label: label.cloned(),
        clearance: Some(subject.clearance.clone()),
        rule: rule.cloned(),
        cause: None,
        downgrade: None,
        policy: Arc::clone(&policy.digest),
    };
    let proven = match (object, standing.current) {
        (Some(object), Some(current)) if reasons.is_empty() => {
            Some(Proven { subject: Arc::clone(subject), object: Arc::clone(object), current })
        }
        _ => None,
    };
    Weighed { decision, reasons, proven }
}

/// A subject that the policy does not name hears so, whatever it asked for.
fn stranger(policy: &Policy, question: &Question<'_>) -> Weighed {
    let decision = Decision {
        subject: question.subject.shared(),
        object: asked_name(question.object),
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

fn asked_name(object: Asked<'_>) -> Arc<str> {
    match object {
        Asked::Known(object) => Arc::clone(&object.name),
        Asked::Several(objects) => Arc::clone(&objects.first().name),
        Asked::Unknown(name) => Arc::from(name),
    }
}

struct Current {
    /// `None` only where what was stated can't be read, which is out of range.
    current: Option<SecurityLabel>,
    out_of_range: bool,
}

/// `granted`: only a caller with a grant gets the exception for `append`, so that the range check tells nobody else
/// whether there is such a route.
fn current_label(subject: &Subject, question: &Question<'_>, belief: Belief, granted: bool) -> Current {
    let believed = subject.gateway || belief == Belief::Always;
    let within = |label: &SecurityLabel| subject.clearance.dominates(label);
    match question.standing {
        Standing::Own { watermark, declared, .. } => {
            let own = subject.current(watermark);
            Current {
                out_of_range: declared.is_some_and(|declared| !within(declared)),
                current: Some(declared.map_or_else(|| own.clone(), |declared| own.join(declared))),
            }
        }
        Standing::Stated { label: stated, .. } if believed => {
            let lowered_append = granted && question.mode == Mode::Append;
            let above_floor = stated.dominates(&subject.floor);
            Current { out_of_range: !above_floor || !(within(stated) || lowered_append), current: Some(stated.clone()) }
        }
        Standing::Stated { .. } | Standing::Unstated => {
            Current { current: Some(subject.clearance.clone()), out_of_range: false }
        }
        Standing::Unreadable => Current { current: None, out_of_range: true },
    }
}
