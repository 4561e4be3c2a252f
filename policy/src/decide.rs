//! The decision on a request.
//!
//! **What holds.** A permit means that a rule covers subject, object and mode; that, where the mode brings something
//! back, the clearance dominates the object's label (simple security, "no read up"); and that the object's label dominates
//! the subject's current label (star, "no write down"), unless a rule of this policy lifts that and nothing else fails.
//! Where a request reaches several objects, each must be permitted. What can't be compared is refused.
//! An object of an earlier snapshot is taken by its name, so an open flow can be decided anew under a new policy with what
//! was resolved under the old one.
//!
//! **Cost.** A permit clones a handful of `Arc`s; with up to 64 categories and one object nothing is allocated. Rules that
//! lift are looked at only where the star property alone fails.

use std::sync::Arc;

use crate::content::Content;
use crate::downgrade::RuleKind;
use crate::label::SecurityLabel;
use crate::mode::Mode;
use crate::object::Object;
use crate::objects::Objects;
use crate::policy::Policy;
use crate::reason::Reason;
use crate::spiffe_id::SpiffeId;
use crate::task::Task;
use crate::timestamp::Timestamp;
use crate::verdict::{Denial, Permit, Verdict};
use crate::weigh::{Belief, Weighed, weigh};

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
    /// The target, path with query, as it is forwarded: for rules with path templates. At the caller's own gateway no such
    /// rule lifts anything where it is `None`.
    pub target: Option<&'a str>,
    /// What is known of the body.
    pub content: Content<'a>,
    /// The time of the question: rules and tasks expire.
    pub now: Timestamp,
}

/// The object of a question.
#[derive(Clone, Copy)]
pub enum Asked<'a> {
    /// An object of the policy, as [`Policy::object`] gave it.
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
    ///
    /// Where it goes under a rule, this policy must have a rule of that kind for subject, object and mode that gives exactly
    /// this label; it may then lie outside the floor. (Of several objects: the label is a meet of what such rules give.)
    /// A task needs an orchestrator's rule for them; it gives another label than one between floor and clearance only
    /// where the rule lifts, and then the object's own.
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
    verdict(question, weigh(policy, question, Belief::AsPolicySays))
}

/// [`decide`] for a question that somebody supposes: a stated label is range-checked whether or not a gateway speaks for
/// the subject, and so is a watermark, which is then the current label itself. For the offline command.
pub(crate) fn suppose(policy: &Policy, question: &Question<'_>) -> Verdict {
    verdict(question, weigh(policy, question, Belief::Supposed))
}

/// A refusal for a reason that lies outside labels and grants (a method that can't be decided, a refused handle, a guard
/// that failed), together with all that [`decide`] would have refused. The caller is told the first in the order of report.
#[must_use]
pub fn refuse(policy: &Policy, question: &Question<'_>, reason: Reason) -> Denial {
    let Weighed { mut decision, reasons, .. } = weigh(policy, question, Belief::AsPolicySays);
    decision.downgrade = None;
    Denial::new(decision, question.now, reason, &reasons)
}

fn verdict(question: &Question<'_>, weighed: Weighed) -> Verdict {
    let Weighed { decision, mut reasons, proven } = weighed;
    match (reasons.pop(), proven) {
        (None, Some(proven)) => Verdict::Permit(Permit::new(decision, proven)),
        (None, None) => Verdict::Denial(Denial::new(decision, question.now, Reason::NotGranted, &[])),
        (Some(reason), _) => Verdict::Denial(Denial::new(decision, question.now, reason, &reasons)),
    }
}
