//! identify -> decide: whether a request may go, and if so where.

use std::sync::Arc;

use bellgate_policy::{
    Asked, Capability, Content, Mode, Name, Objects, Permit, Policy, Question, Reason, RequestShape, SecurityLabel,
    Server, SpiffeId, Standing, Timestamp, Verdict, decide, refuse,
};
use bellgate_watermark::Reading;

use crate::caller::Caller;
use crate::label_header::Stated;

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
    /// Whether it has a body.
    pub(crate) has_body: bool,
    /// Whether it asks for another protocol.
    pub(crate) upgrade: bool,
    /// Inbound, what the caller's gateway states; outbound, what the workload declares.
    pub(crate) label: Stated,
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
            let target = policy.resolve(upstream, &shape, Content::Unread);
            Matter {
                asked: target.objects.first().name.to_string(),
                objects: Some(target.objects),
                mode: target.mode,
                manifest: target.manifest,
                capability: None,
                refusal: target.refusal,
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
            refusal: None,
        },
    }
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
        refusal: (facts.method != "POST" || facts.upgrade).then_some(Reason::UnsupportedHere),
        capability,
    }
}

/// Asks the policy, with the current label as it is at this instant.
pub(crate) fn ask(
    policy: &Policy,
    caller: &Caller,
    matter: &Matter,
    label: &Stated,
    reading: &Reading,
    now: Timestamp,
) -> Verdict {
    let object = matter.objects.as_ref().map_or(Asked::Unknown(&matter.asked), Asked::Several);
    let question = Question {
        subject: caller.id(),
        object,
        mode: matter.mode,
        standing: standing(policy, caller, label, reading),
        task: None,
        target: None,
        content: Content::Unread,
        now,
    };
    let verdict = match matter.refusal {
        Some(reason) => Verdict::Denial(refuse(policy, &question, reason)),
        None => decide(policy, &question),
    };
    match (verdict, caller) {
        (Verdict::Denial(denial), Caller::Own(_)) => Verdict::Denial(denial.because(reading.cause.clone())),
        (verdict, _) => verdict,
    }
}

/// Whose word counts for the current label: our own watermark for our own workload; a peer's
/// gateway where the policy says that one speaks for it; of all others, their clearance.
fn standing<'a>(policy: &Policy, caller: &Caller, label: &'a Stated, reading: &'a Reading) -> Standing<'a> {
    match (caller, label) {
        (Caller::Own(_), Stated::Unreadable) => Standing::Unreadable,
        (Caller::Own(_), label) => {
            Standing::Own { watermark: &reading.label, own: &reading.label, declared: label_of(label) }
        }
        (Caller::Forwarded(_), _) => Standing::Unstated,
        (Caller::Peer(peer), label) => {
            let speaks = policy.subject(&peer.id).is_some_and(|subject| subject.gateway);
            match label {
                Stated::Label(label) if speaks => Standing::Stated { label, rule: None },
                Stated::Unreadable if speaks => Standing::Unreadable,
                Stated::Label(_) | Stated::Unreadable | Stated::Absent => Standing::Unstated,
            }
        }
    }
}

fn label_of(stated: &Stated) -> Option<&SecurityLabel> {
    match stated {
        Stated::Label(label) => Some(label),
        Stated::Absent | Stated::Unreadable => None,
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
    let object = permit.object();
    match (&object.server, &object.upstream) {
        (Server::Workload(subject), Some(name)) => Some(Destination::Mesh { name, id: &subject.id }),
        (Server::Web(host), Some(name)) => Some(Destination::Web { name, host }),
        (Server::Enclave, _) => Some(Destination::Enclave),
        (Server::Workload(_) | Server::Web(_), None) => None,
    }
}

#[cfg(test)]
mod tests;
