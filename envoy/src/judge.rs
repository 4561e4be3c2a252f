//! From facts to an outcome: identify, decide, validate, make durable. In this order, and each step can only refuse.
//!
//! What holds:
//!
//! - The peer is who `source.principal` says, and its certificate must agree where Envoy sends it; no header is asked.
//! - A peer of the local workload has its clearance as current label; what it states is not believed, since no gateway
//!   of ours saw the request before Envoy.
//! - After an OK nothing is asked again. So the label of the answer must be known before, and must be the object's own:
//!   what the answer could carry beyond it (a server whose clearance is not dominated by the object's label, an
//!   upstream whose own statements are believed, a capability) is `unsupported-here`. A request of a floating local
//!   workload must be whole before it is decided: what it could still write after the OK could be what it reads after
//!   it.
//! - A permit counts as release and as delivery. Where the local workload asks, its watermark has risen by the answer's
//!   label before the OK; where it is asked, by the request's label (unless the policy trusts it to keep what it serves
//!   apart). Both durably.
//! - Two checks at once: each is decided on one reading of the watermark, taken after the request was whole, and a rise
//!   can only make it stale in a way that a request sent earlier would have been. Rises are joined under the
//!   watermark's own lock.
//!
//! Absent on purpose: append, guards, `read_down`, upgrades, gRPC (`design/labels.md`, "Envoy's ext_authz").

use std::sync::Arc;

use bellgate_policy::{
    Answer, Asked, Content, Mode, Observation, Permit, Policy, Question, Reason, Release, RequestShape, SecurityLabel,
    Server, Serving, SpiffeId, Standing, Target, Timestamp, Upstream, Verdict, decide, refuse, release,
};
use bellgate_watermark::Reading;

use crate::certificate;
use crate::context::{Context, Own};
use crate::facts::{Body, Facts};
use crate::outcome::{Fault, Outcome, Permitted};
use crate::path::normal_path;

/// One check under one policy.
pub(crate) struct Judge<'a> {
    pub(crate) context: &'a Context,
    pub(crate) policy: &'a Policy,
    pub(crate) own: &'a Own,
    pub(crate) request_id: &'a str,
    pub(crate) now: Timestamp,
}

/// Who asks, and with what current label.
struct Asker {
    id: SpiffeId,
    /// For the local workload alone.
    reading: Option<Arc<Reading>>,
    declared: Option<SecurityLabel>,
    unreadable: bool,
}

impl Judge<'_> {
    /// Decides; what has to be durable is so when this returns.
    pub(crate) fn judge(&self, facts: &Facts) -> Outcome {
        let (asker, target, host) = match self.prepare(facts) {
            Ok(prepared) => prepared,
            Err(fault) => return Outcome::Fault(fault),
        };
        let asked = target.as_ref().map_or(Asked::Unknown(&host), |target| Asked::Several(&target.objects));
        let question = self.question(&asker, asked, mode_of(target.as_ref()));
        let cause = || asker.reading.as_ref().and_then(|reading| reading.cause.clone());
        let unsupported = || {
            let denial = refuse(self.policy, &question, Reason::UnsupportedHere);
            Outcome::Denied(Box::new(denial.because(cause())))
        };
        let verdict = match decide(self.policy, &question) {
            Verdict::Denial(denial) => Verdict::Denial(denial.because(cause())),
            verdict @ Verdict::Permit(_) => verdict,
        };
        let permit = match verdict {
            Verdict::Denial(denial) if denial.first() < Reason::UnsupportedHere => {
                return Outcome::Denied(Box::new(denial));
            }
            Verdict::Denial(denial) => {
                return if unsupported_here(facts, target.as_ref()) {
                    unsupported()
                } else {
                    Outcome::Denied(Box::new(denial))
                };
            }
            Verdict::Permit(permit) => permit,
        };
        if unsupported_here(facts, target.as_ref()) || self.could_write_later(facts, &asker, &permit) {
            return unsupported();
        }
        let Some(released) = self.bounded_answer(&permit) else {
            return unsupported();
        };
        if let Err(answer) = self.check_manifest(facts, target.as_ref()) {
            return Outcome::NonConforming { permit: Box::new(permit), answer };
        }
        match self.make_durable(facts, &asker, &permit, &released) {
            Ok(()) => Outcome::Permitted(Box::new(Permitted { permit, released })),
            Err(fault) => Outcome::Fault(fault),
        }
    }

    fn prepare(&self, facts: &Facts) -> Result<(Asker, Option<Target>, String), Fault> {
        let id = SpiffeId::parse_workload(&facts.principal).map_err(|_| Fault::NoIdentity)?;
        certificate::check(&facts.certificate, &id, self.now)?;
        let path = normal_path(&facts.target).map_err(|_| Fault::Path)?;
        let host = facts.host.clone().ok_or(Fault::Authority)?;
        let is_own = id == self.own.id;
        let (upstream, name) = if is_own {
            (self.policy.upstream_for_authority(&host), host)
        } else {
            (self.policy.served_by(&self.own.id), self.own.id.as_str().to_owned())
        };
        let target = upstream.map(|upstream| self.resolve(upstream, facts, &path));
        Ok((self.asker(id, is_own, facts)?, target, name))
    }

    fn resolve(&self, upstream: &Upstream, facts: &Facts, path: &str) -> Target {
        let has_body = !matches!(facts.body, Body::Absent);
        let upgrade = facts.open_flow.is_some();
        let shape = RequestShape { method: &facts.method, path, has_body, upgrade };
        self.policy.resolve(upstream, &shape, Content::Unread)
    }

    fn asker(&self, id: SpiffeId, is_own: bool, facts: &Facts) -> Result<Asker, Fault> {
        if !is_own {
            return Ok(Asker { id, reading: None, declared: None, unreadable: false });
        }
        let reading = self.own.watermark.reading();
        if !self.policy.lattice().owns(&reading.label) {
            return Err(Fault::Reloading);
        }
        let declared =
            facts.declared.as_ref().map(|text| text.as_deref().map(|text| self.policy.lattice().parse_canonical(text)));
        let (declared, unreadable) = match declared {
            Ok(None) => (None, false),
            Ok(Some(Ok(label))) => (Some(label), false),
            Ok(Some(Err(_))) | Err(_) => (None, true),
        };
        Ok(Asker { id, reading: Some(reading), declared, unreadable })
    }

    fn question<'a>(&self, asker: &'a Asker, object: Asked<'a>, mode: Mode) -> Question<'a> {
        let standing = match &asker.reading {
            _ if asker.unreadable => Standing::Unreadable,
            Some(reading) => {
                Standing::Own { watermark: &reading.label, own: &reading.label, declared: asker.declared.as_ref() }
            }
            None => Standing::Unstated,
        };
        Question {
            subject: &asker.id,
            object,
            mode,
            standing,
            task: None,
            target: None,
            content: Content::Unread,
            now: self.now,
        }
    }

    /// A floating subject's body that is not whole could carry what is read after the OK.
    fn could_write_later(&self, facts: &Facts, asker: &Asker, permit: &Permit) -> bool {
        asker.reading.is_some() && permit.subject().floats() && matches!(facts.body, Body::Unseen)
    }

    /// The label of the answer, where it can't exceed the object's.
    fn bounded_answer(&self, permit: &Permit) -> Option<SecurityLabel> {
        let object = permit.object();
        if object.declares || matches!(object.server, Server::Enclave) {
            return None;
        }
        match release(self.policy, permit, &Answer { serving: Serving::Unstated, declared: None }) {
            Release::Released { label } => (object.label.as_ref() == Some(&label)).then_some(label),
            Release::Withheld(_) => None,
        }
    }

    fn check_manifest(&self, facts: &Facts, target: Option<&Target>) -> Result<(), crate::Rendered> {
        match (target.and_then(|target| target.manifest.as_ref()), &facts.body) {
            (Some(kind), Body::Whole(body)) => (self.context.manifest)(self.policy, kind, body, self.request_id),
            (Some(kind), Body::Absent | Body::Unseen) => {
                (self.context.manifest)(self.policy, kind, b"", self.request_id)
            }
            (None, _) => Ok(()),
        }
    }

    fn make_durable(
        &self,
        facts: &Facts,
        asker: &Asker,
        permit: &Permit,
        released: &SecurityLabel,
    ) -> Result<(), Fault> {
        let label = match (&asker.reading, &permit.object().label) {
            (Some(_), _) => released.clone(),
            (None, _) if self.serves_multilevel() => return Ok(()),
            // Each chunk that is yet to come is a delivery, labelled like the object.
            (None, Some(object)) if matches!(facts.body, Body::Unseen) => permit.current().join(object),
            (None, _) => permit.current().clone(),
        };
        let observation = || Observation {
            request_id: self.request_id.to_owned(),
            object: permit.object().name.to_string(),
            at: self.now,
            label: self.policy.lattice().text(&label),
        };
        let raised = self.own.watermark.raise(&label, observation).map_err(|error| {
            log::error!("request {}: the watermark was not raised: {error}", self.request_id);
            Fault::StateNotKept
        })?;
        let reached = &raised.reading.label;
        if self.policy.lattice().owns(reached) && reached.dominates(&label) {
            Ok(())
        } else {
            Err(Fault::Reloading)
        }
    }

    fn serves_multilevel(&self) -> bool {
        self.policy.subject(&self.own.id).is_some_and(|subject| subject.multilevel.is_some())
    }
}

/// Kinds of requests that need an answer path, or more of the request than Envoy gave.
fn unsupported_here(facts: &Facts, target: Option<&Target>) -> bool {
    let Some(target) = target else { return false };
    let body_not_seen = matches!(facts.body, Body::Unseen) || facts.coded;
    let mode_unsupported = match target.mode {
        Mode::Append | Mode::Execute => true,
        Mode::Observe | Mode::Alter => false,
    };
    mode_unsupported
        || target.refusal.is_some()
        || facts.open_flow.is_some()
        || (target.manifest.is_some() && body_not_seen)
}

fn mode_of(target: Option<&Target>) -> Mode {
    target.map_or(Mode::Alter, |target| target.mode)
}
