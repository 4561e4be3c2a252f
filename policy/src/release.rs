//! The decision on an answer: a flow of its own, from what was reached to who asked.
//!
//! **What holds.** An answer carries the join of the labels of the objects that the request reached, the label of the workload behind it and what a
//! believed upstream declares; it is released only where the asking subject's clearance dominates that join. Labels are
//! looked up in the policy that is handed in, so an answer that is still open after a reload is decided under the new one.
//! An `append` brings nothing back, so nothing of its answer is ever released.

use std::sync::Arc;

use crate::label::SecurityLabel;
use crate::mode::Mode;
use crate::object::{Object, Server};
use crate::policy::Policy;
use crate::reason::Reason;
use crate::verdict::{Decision, Denial, Permit};

/// What is known of the label of who answers.
#[derive(Clone, Copy)]
pub enum Serving<'a> {
    /// Its gateway stated its current label as the head left it; or the enclave, the label of the call.
    Stated(&'a SecurityLabel),
    /// Nobody stated it, or the answer is the gateway's own after contact (502, 504, a reset).
    Unstated,
}

/// What is known of an answer before its first byte is released.
#[derive(Clone, Copy)]
pub struct Answer<'a> {
    /// Who answers.
    pub serving: Serving<'a>,
    /// What the upstream itself says of its answer; believed only where the policy says `declares` of it.
    pub declared: Option<&'a SecurityLabel>,
}

/// Whether an answer may reach who asked.
#[derive(Clone)]
#[must_use]
#[expect(clippy::large_enum_variant, reason = "it is matched where it is made, and never stored")]
pub enum Release {
    /// It may, and carries this label: the watermark of the reader rises by it before the first byte.
    Released {
        /// The join that the module's documentation describes.
        label: SecurityLabel,
    },
    /// It may not, and not one byte of it.
    Withheld(Denial),
}

/// Decides the release of an answer to what `permit` permitted.
pub fn release(policy: &Policy, permit: &Permit, answer: &Answer<'_>) -> Release {
    match weighed(policy, permit, answer) {
        Ok(label) => Release::Released { label },
        Err(label) => withheld(policy, permit, label, Reason::Withheld),
    }
}

/// Decides the release of an answer whose body went through the permit's release guard: what came out carries the guard's
/// label. The clearance must dominate the label of what went in, too, since who asks could else learn what was withheld from
/// others; and so must the capability's, or it could not have been given to it: `guard-failed`.
pub fn release_guarded(policy: &Policy, permit: &Permit, answer: &Answer<'_>) -> Release {
    let label = match weighed(policy, permit, answer) {
        Ok(label) => label,
        Err(label) => return withheld(policy, permit, label, Reason::Withheld),
    };
    match permit.release_guard() {
        None => Release::Released { label },
        Some(guard) if guard.may_read(&label) && policy.lattice().owns(&guard.label) => {
            Release::Released { label: guard.label.clone() }
        }
        Some(_) => withheld(policy, permit, Some(label), Reason::GuardFailed),
    }
}

/// The label of an answer that may be released; else the label that it has, if any.
fn weighed(policy: &Policy, permit: &Permit, answer: &Answer<'_>) -> Result<SecurityLabel, Option<SecurityLabel>> {
    let subject = policy.subject(&permit.subject().id);
    let Some(label) = joined(policy, permit, answer) else {
        return Err(None);
    };
    let cleared = subject.is_some_and(|subject| subject.clearance.dominates(&label));
    if cleared && permit.mode() != Mode::Append { Ok(label) } else { Err(Some(label)) }
}

fn withheld(policy: &Policy, permit: &Permit, label: Option<SecurityLabel>, reason: Reason) -> Release {
    let subject = policy.subject(&permit.subject().id);
    let decision = Decision {
        object_label: label,
        clearance: subject.map(|subject| subject.clearance.clone()),
        downgrade: None,
        policy: Arc::clone(&policy.digest),
        ..permit.decision().clone()
    };
    Release::Withheld(Denial::new(decision, permit.decided_at(), reason, &[]))
}

/// The join of what an answer carries of each object that the request reached; `None` where one has no label.
fn joined(policy: &Policy, permit: &Permit, answer: &Answer<'_>) -> Option<SecurityLabel> {
    let mut objects = permit.objects().iter();
    let first = answer_label(policy.own(objects.next()?)?, permit, answer)?;
    objects.try_fold(first, |label, object| Some(label.join(&answer_label(policy.own(object)?, permit, answer)?)))
}

/// The label of an answer; `None` where the object has none.
fn answer_label(object: &Object, permit: &Permit, answer: &Answer<'_>) -> Option<SecurityLabel> {
    let label = object.label.as_ref()?;
    let served = match (&object.server, answer.serving) {
        (Server::Workload(subject), serving) => match serving {
            _ if subject.multilevel.is_some() => label.clone(),
            Serving::Stated(stated) if subject.gateway => label.join(&subject.floor).join(stated),
            Serving::Stated(_) | Serving::Unstated => label.join(&subject.clearance),
        },
        (Server::Web(_), _) => label.clone(),
        // A call is a subject of its own: its label begins at its caller's and rises with what it reads. The capability's
        // label bounds it from above and is no part of it, unless nobody says what the call was.
        (Server::Enclave, Serving::Stated(stated)) => permit.current().join(stated),
        (Server::Enclave, Serving::Unstated) => permit.current().join(label),
    };
    match answer.declared.filter(|_| object.declares) {
        Some(declared) => Some(served.join(declared)),
        None => Some(served),
    }
}
