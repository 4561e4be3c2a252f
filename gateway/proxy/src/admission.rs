//! identify -> decide: whether a request may go, and if so where.

use std::sync::Arc;

use bellgate_policy::{
    Asked, Capability, Content, Denial, Mode, Name, Objects, Permit, Policy, Question, Reason, RequestShape, RuleKind,
    SecurityLabel, Server, SpiffeId, Standing, Task, Timestamp, Verdict, decide, refuse,
};
use bellgate_watermark::Handle;
use serde_json::Value;

use crate::caller::Caller;
use crate::core::Own;
use crate::handles;
use crate::label_header::{self, Stated, Unreadable};

/// Which way a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// To the local workload.
    Inbound,
    /// From the local workload.
    Outbound,
}

/// What a request says, as far as the decision looks at it.
#[derive(Clone)]
pub(crate) struct RequestFacts {
    /// Which way it goes.
    pub(crate) direction: Direction,
    /// The host, without port.
    pub(crate) host: String,
    /// The method.
    pub(crate) method: String,
    /// The path in normal form, without query.
    pub(crate) path: String,
    /// The same with its query: what is forwarded.
    pub(crate) target: String,
    /// Whether it has a body.
    pub(crate) has_body: bool,
    /// Whether it asks for another protocol.
    pub(crate) upgrade: bool,
    /// Whether that is a WebSocket: no other protocol is let through.
    pub(crate) websocket: bool,
    /// Inbound, what the caller's gateway states; outbound, what the workload declares.
    pub(crate) label: Stated,
    /// Inbound, the kind of rule under which the caller's gateway let it go.
    pub(crate) rule: Result<Option<RuleKind>, Unreadable>,
    /// What is known of its body.
    pub(crate) content: Known,
}

/// What is known of a body, for as long as its request is open. No `Debug`: it is a payload.
#[derive(Clone)]
pub(crate) enum Known {
    /// It was not read yet.
    Unread,
    /// There is none, or nobody looks at it.
    Nothing,
    /// It was validated.
    Json(Arc<Value>),
}

impl Known {
    /// The same for the policy.
    #[must_use]
    pub(crate) fn content(&self) -> Content<'_> {
        match self {
            Self::Unread => Content::Unread,
            Self::Nothing => Content::Nothing,
            Self::Json(value) => Content::Json(value),
        }
    }
}

/// What a request is about, in the policy's terms.
#[derive(Clone)]
pub(crate) struct Matter {
    objects: Option<Objects>,
    /// The object's name in the policy, or what was asked for where it has none.
    pub(crate) asked: String,
    /// The access mode.
    pub(crate) mode: Mode,
    /// The schema kind that its body must satisfy.
    pub(crate) manifest: Option<Name>,
    /// The capability that it calls.
    pub(crate) capability: Option<Arc<Capability>>,
    /// Whether values of the body name the objects, so that it has to be read.
    pub(crate) by_body: bool,
    refusal: Option<Reason>,
}

/// The host under which the local workload calls capabilities: `http://enclave/<name or URN>`.
const ENCLAVE_HOSTS: [&str; 2] = ["enclave", "enclave.localhost"];

/// Finds object and mode. What the policy does not name stays unnamed, and is answered like what
/// is not granted.
#[must_use]
pub(crate) fn matter(policy: &Policy, own: &SpiffeId, facts: &RequestFacts) -> Matter {
    let shape =
        RequestShape { method: &facts.method, path: &facts.path, has_body: facts.has_body, upgrade: facts.upgrade };
    let upstream = match facts.direction {
        Direction::Inbound => policy.served_by(own),
        Direction::Outbound if ENCLAVE_HOSTS.contains(&facts.host.as_str()) => return call(policy, facts),
        Direction::Outbound => policy.upstream_for_authority(&facts.host),
    };
    match upstream {
        Some(upstream) => {
            let target = policy.resolve(upstream, &shape, facts.content.content());
            Matter {
                asked: target.objects.first().name.to_string(),
                objects: Some(target.objects),
                mode: target.mode,
                manifest: target.manifest,
                capability: None,
                by_body: target.by_body,
                refusal: target.refusal.or(strange(facts, target.by_body)),
            }
        }
        None => Matter {
            objects: None,
            asked: facts.host.clone(),
            mode: if matches!(facts.method.as_str(), "GET" | "HEAD") && !facts.has_body {
                Mode::Observe
            } else {
                Mode::Alter
            },
            manifest: None,
            capability: None,
            by_body: false,
            refusal: None,
        },
    }
}

/// What can't be decided as it stands: a protocol whose inside nobody sees, and, where values of the body say what is
/// reached, a query, which some servers read as more of them.
fn strange(facts: &RequestFacts, by_body: bool) -> Option<Reason> {
    let tunnel = facts.upgrade && !facts.websocket;
    (tunnel || (by_body && facts.target.contains('?'))).then_some(Reason::UnsupportedHere)
}

fn call(policy: &Policy, facts: &RequestFacts) -> Matter {
    let asked =
        percent_encoding::percent_decode_str(facts.path.trim_start_matches('/')).decode_utf8_lossy().into_owned();
    let capability = policy
        .capability(&asked)
        .or_else(|| policy.capabilities().find(|capability| capability.urn == asked))
        .map(Arc::clone);
    Matter {
        objects: capability.as_ref().map(|capability| Objects::one(Arc::clone(&capability.object))),
        asked,
        mode: Mode::Execute,
        manifest: capability.as_ref().and_then(|capability| capability.input.clone()),
        by_body: false,
        refusal: (facts.method != "POST" || facts.upgrade).then_some(Reason::UnsupportedHere),
        capability,
    }
}

/// Who asks, and in which session: what a decision needs beside the request itself.
#[derive(Clone, Copy)]
pub(crate) struct Asking<'a> {
    /// Who sent the request.
    pub(crate) caller: &'a Caller,
    /// The workload of this gateway, with its watermark.
    pub(crate) own: &'a Own,
    /// The handle under which our own workload asks.
    pub(crate) handle: Option<&'a Arc<Handle>>,
    /// The task of that handle.
    pub(crate) task: Option<&'a Task>,
}

/// A verdict, and what it was made with.
pub(crate) struct Decided {
    /// The verdict.
    pub(crate) verdict: Verdict,
    /// Version of our own watermark, read before its labels: what moves later is noticed.
    pub(crate) version: u64,
}

impl Asking<'_> {
    /// Asks the policy, with the current label as it is at this instant.
    pub(crate) fn decide(self, policy: &Policy, matter: &Matter, facts: &RequestFacts, now: Timestamp) -> Decided {
        let version = self.own.watermark.version();
        let verdict = self.with_question(policy, matter, facts, now, |question| {
            let closed = self.handle.is_some_and(|handle| !handles::is_open(handle, question.now));
            let reason = matter.refusal.or(closed.then_some(Reason::HandleRefused));
            match reason {
                Some(reason) => Verdict::Denial(refuse(policy, question, reason)),
                None => decide(policy, question),
            }
        });
        let verdict = match verdict {
            Verdict::Denial(denial) => Verdict::Denial(self.name_cause(denial)),
            permit @ Verdict::Permit(_) => permit,
        };
        Decided { verdict, version }
    }

    /// A refusal of the same question for a reason that lies outside labels and grants.
    pub(crate) fn refuse(
        self,
        policy: &Policy,
        matter: &Matter,
        facts: &RequestFacts,
        now: Timestamp,
        reason: Reason,
    ) -> Denial {
        let denial = self.with_question(policy, matter, facts, now, |question| refuse(policy, question, reason));
        self.name_cause(denial)
    }

    fn with_question<T>(
        self,
        policy: &Policy,
        matter: &Matter,
        facts: &RequestFacts,
        now: Timestamp,
        answer: impl FnOnce(&Question<'_>) -> T,
    ) -> T {
        let watermark = &self.own.watermark;
        let own = watermark.reading();
        let session = self.handle.map(|handle| watermark.reading_of(handle));
        let current = session.as_ref().map_or(&own.label, |session| &session.label);
        answer(&Question {
            subject: self.caller.id(),
            object: matter.objects.as_ref().map_or(Asked::Unknown(&matter.asked), Asked::Several),
            mode: matter.mode,
            standing: standing(policy, self.caller, facts, current, &own.label),
            task: self.task,
            target: Some(&facts.target),
            content: facts.content.content(),
            now: watermark.clock(now),
        })
    }

    /// What was observed is known to the gateway of who observed it, and to no other.
    fn name_cause(self, denial: Denial) -> Denial {
        let write_down = denial.reasons().contains(&Reason::NoWriteDown);
        match (&self.caller, &denial.decision().object_label) {
            (Caller::Own(_), Some(object)) if write_down => {
                let cause = self.own.watermark.cause(self.handle.map(AsRef::as_ref), object);
                denial.because(cause)
            }
            _ => denial,
        }
    }
}

/// Whose word counts for the current label: our own watermark for our own workload; a peer's
/// gateway where the policy says that one speaks for it; of all others, their clearance.
fn standing<'a>(
    policy: &Policy,
    caller: &Caller,
    facts: &'a RequestFacts,
    current: &'a SecurityLabel,
    own: &'a SecurityLabel,
) -> Standing<'a> {
    match caller {
        _ if unreadable(policy, caller, facts).is_some() => Standing::Unreadable,
        Caller::Own(_) => Standing::Own { watermark: current, own, declared: label_of(&facts.label) },
        Caller::Forwarded(_) => Standing::Unstated,
        Caller::Peer(_) if !speaks(policy, caller) => Standing::Unstated,
        Caller::Peer(_) => label_of(&facts.label)
            .map_or(Standing::Unstated, |label| Standing::Stated { label, rule: facts.rule.ok().flatten() }),
    }
}

/// What of the headers that count from this caller cannot be read: the header's name, and why. What does not count is
/// not looked at.
#[must_use]
pub(crate) fn unreadable(policy: &Policy, caller: &Caller, facts: &RequestFacts) -> Option<(&'static str, Unreadable)> {
    match (caller, &facts.label, facts.rule) {
        (Caller::Own(_), Stated::Unreadable(why), _) => Some((label_header::DECLARE, *why)),
        (Caller::Peer(_), ..) if !speaks(policy, caller) => None,
        (Caller::Peer(_), Stated::Unreadable(why), _) => Some((label_header::LABEL, *why)),
        (Caller::Peer(_), _, Err(why)) => Some((label_header::RULE, why)),
        (Caller::Peer(_), Stated::Absent, Ok(Some(_))) => Some((label_header::RULE, Unreadable::Rule)),
        (Caller::Own(_) | Caller::Peer(_) | Caller::Forwarded(_), ..) => None,
    }
}

fn speaks(policy: &Policy, caller: &Caller) -> bool {
    policy.subject(caller.id()).is_some_and(|subject| subject.gateway)
}

fn label_of(stated: &Stated) -> Option<&SecurityLabel> {
    match stated {
        Stated::Label(label) => Some(label),
        Stated::Absent | Stated::Unreadable(_) => None,
    }
}

/// Where a permitted request goes: read off the permit, so that nothing can be reached without one.
pub(crate) enum Destination<'a> {
    /// A workload of the mesh, through its gateway. `name` is the upstream's name in the policy.
    Mesh {
        /// The upstream's name.
        name: &'a Name,
        /// Who must be at the other end.
        id: &'a SpiffeId,
    },
    /// A host outside the mesh.
    Web {
        /// The upstream's name.
        name: &'a Name,
        /// The name that its certificate must carry.
        host: &'a str,
    },
    /// The enclave.
    Enclave,
}

/// The destination of `permit`.
#[must_use]
pub(crate) fn destination(permit: &Permit) -> Option<Destination<'_>> {
    // All objects of a request are of one upstream.
    let object = permit.objects().first();
    match (&object.server, &object.upstream) {
        (Server::Workload(subject), Some(name)) => Some(Destination::Mesh { name, id: &subject.id }),
        (Server::Web(host), Some(name)) => Some(Destination::Web { name, host }),
        (Server::Enclave, _) => Some(Destination::Enclave),
        (Server::Workload(_) | Server::Web(_), None) => None,
    }
}

#[cfg(test)]
mod tests;
