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
//! - A session (`Bellgate-Handle`) is believed of the local workload alone, and only one that was opened on Envoy's
//!   listener. Without one, a workload that keeps sessions apart is let through only to what raises none of them: pieces
//!   of the answer would have to raise those that are opened later, and nobody sees them.
//! - Two checks at once: each is decided on one reading of the watermark, taken after the request was whole, and a rise
//!   can only make it stale in a way that a request sent earlier would have been. Rises are joined under the
//!   watermark's own lock.
//!
//! Absent on purpose: append, guards, `read_down`, trusted subjects and tasks (there is nothing here that states a rule
//! on the wire, and no session is opened with a delivery), upgrades, gRPC (`design/labels.md`, "Envoy's ext_authz").

use std::sync::Arc;

use bellgate_policy::{
    Answer, Asked, Content, Denial, Mode, Observation, Permit, Policy, Question, Reason, Release, RequestShape,
    SecurityLabel, Server, Serving, SpiffeId, Standing, Target, Timestamp, Upstream, Verdict, decide, refuse, release,
};
use bellgate_watermark::{Handle, HandleId, HandleListener, Reading};

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
    /// For the local workload alone: that of the session, or its own.
    reading: Option<Reading>,
    session: Session,
    declared: Option<SecurityLabel>,
    unreadable: bool,
}

/// The session that a request of the local workload names.
enum Session {
    None,
    Open(Arc<Handle>),
    /// One that is none here.
    Refused,
}

/// What is asked for, as far as it is known.
struct Matter<'a> {
    upstream: Option<&'a Upstream>,
    target: Option<Target>,
    /// What the caller called it, where the policy has no name for it.
    name: String,
    path: String,
}

impl Judge<'_> {
    /// Decides; what has to be durable is so when this returns.
    pub(crate) fn judge(&self, facts: &Facts) -> Outcome {
        let (asker, mut matter) = match self.prepare(facts) {
            Ok(prepared) => prepared,
            Err(fault) => return Outcome::Fault(fault),
        };
        let content = if let Body::Absent = facts.body { Content::Nothing } else { Content::Unread };
        let mut permit = match self.decide(facts, &asker, &matter, content) {
            Ok(permit) => permit,
            Err(denial) => return Outcome::Denied(denial),
        };
        let unsupported = |matter: &Matter<'_>| Outcome::Denied(self.unsupported(facts, &asker, matter));
        if self.could_write_later(facts, &asker, &permit) || self.bounded_answer(&permit).is_none() {
            return unsupported(&matter);
        }
        if let Err(answer) = self.check_manifest(facts, matter.target.as_ref()) {
            return Outcome::NonConforming { permit: Box::new(permit), answer };
        }
        if matter.target.as_ref().is_some_and(|target| target.by_body) {
            // It has just passed, so it is whole, and means the same to every reader.
            let Some(value) = whole_json(&facts.body) else { return Outcome::Fault(Fault::Internal) };
            let content = Content::Json(&value);
            matter.target = matter.upstream.map(|upstream| self.resolve(upstream, facts, &matter.path, content));
            permit = match self.decide(facts, &asker, &matter, content) {
                Ok(permit) => permit,
                Err(denial) => return Outcome::Denied(denial),
            };
        }
        let Some(released) = self.bounded_answer(&permit) else { return unsupported(&matter) };
        if self.could_miss_a_session(facts, &asker, &released) {
            return unsupported(&matter);
        }
        match self.make_durable(facts, &asker, &permit, &released) {
            Ok(()) => Outcome::Permitted(Box::new(Permitted { permit, released })),
            Err(fault) => Outcome::Fault(fault),
        }
    }

    /// A permit that needs nothing that there is not here.
    fn decide(
        &self,
        facts: &Facts,
        asker: &Asker,
        matter: &Matter<'_>,
        content: Content<'_>,
    ) -> Result<Permit, Box<Denial>> {
        let question = self.question(facts, asker, matter, content);
        if let Session::Refused = asker.session {
            return Err(Box::new(refuse(self.policy, &question, Reason::HandleRefused)));
        }
        // Nobody here could open the session that a peer's task is for.
        let task = facts.has_task && asker.reading.is_none();
        let unsupported = task || unsupported_here(facts, matter.target.as_ref());
        match decide(self.policy, &question) {
            Verdict::Denial(denial) if denial.first() < Reason::UnsupportedHere || !unsupported => {
                Err(Box::new(self.name_cause(asker, denial)))
            }
            Verdict::Permit(permit) if !unsupported && needs_nothing_more(&permit) => Ok(permit),
            Verdict::Permit(_) | Verdict::Denial(_) => Err(self.unsupported(facts, asker, matter)),
        }
    }

    fn unsupported(&self, facts: &Facts, asker: &Asker, matter: &Matter<'_>) -> Box<Denial> {
        let question = self.question(facts, asker, matter, Content::Nothing);
        Box::new(self.name_cause(asker, refuse(self.policy, &question, Reason::UnsupportedHere)))
    }

    fn name_cause(&self, asker: &Asker, denial: Denial) -> Denial {
        match (&asker.reading, &denial.decision().object_label) {
            (Some(_), Some(object)) if denial.reasons().contains(&Reason::NoWriteDown) => {
                let cause = self.own.watermark.cause(asker.handle().map(AsRef::as_ref), object);
                denial.because(cause)
            }
            _ => denial,
        }
    }

    fn prepare(&self, facts: &Facts) -> Result<(Asker, Matter<'_>), Fault> {
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
        let upstream = upstream.map(AsRef::as_ref);
        let target = upstream.map(|upstream| self.resolve(upstream, facts, &path, Content::Unread));
        Ok((self.asker(id, is_own, facts)?, Matter { upstream, target, name, path: path.into_owned() }))
    }

    fn resolve(&self, upstream: &Upstream, facts: &Facts, path: &str, content: Content<'_>) -> Target {
        let has_body = !matches!(facts.body, Body::Absent);
        let upgrade = facts.open_flow.is_some();
        let shape = RequestShape { method: &facts.method, path, has_body, upgrade };
        self.policy.resolve(upstream, &shape, content)
    }

    fn asker(&self, id: SpiffeId, is_own: bool, facts: &Facts) -> Result<Asker, Fault> {
        if !is_own {
            return Ok(Asker { id, reading: None, session: Session::None, declared: None, unreadable: false });
        }
        let session = self.session(facts);
        let reading = match &session {
            Session::Open(handle) => self.own.watermark.reading_of(handle),
            Session::None | Session::Refused => Reading::clone(&self.own.watermark.reading()),
        };
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
        Ok(Asker { id, reading: Some(reading), session, declared, unreadable })
    }

    /// Only a session that was opened on Envoy's listener, while it lives and the policy trusts the workload with any.
    fn session(&self, facts: &Facts) -> Session {
        let id = match &facts.handle {
            Ok(None) => return Session::None,
            Ok(Some(text)) => HandleId::parse(text),
            Err(()) => None,
        };
        let trusted = self.policy.subject(&self.own.id).is_some_and(|subject| subject.handles.is_some());
        let watermark = &self.own.watermark;
        let found = id.filter(|_| trusted).and_then(|id| watermark.handle(&id, watermark.clock(self.now)));
        found.filter(|handle| handle.listener() == HandleListener::Envoy).map_or(Session::Refused, Session::Open)
    }

    fn question<'a>(
        &self,
        facts: &'a Facts,
        asker: &'a Asker,
        matter: &'a Matter<'_>,
        content: Content<'a>,
    ) -> Question<'a> {
        let standing = match &asker.reading {
            _ if asker.unreadable => Standing::Unreadable,
            // No task is looked at here, and with none the label of the instance is not either.
            Some(reading) => {
                Standing::Own { watermark: &reading.label, own: &reading.label, declared: asker.declared.as_ref() }
            }
            None => Standing::Unstated,
        };
        let target = matter.target.as_ref();
        Question {
            subject: &asker.id,
            object: target.map_or(Asked::Unknown(&matter.name), |target| Asked::Several(&target.objects)),
            mode: mode_of(target),
            standing,
            task: None,
            target: Some(&facts.target),
            content,
            now: self.own.watermark.clock(self.now),
        }
    }

    /// A floating subject's body that is not whole could carry what is read after the OK.
    fn could_write_later(&self, facts: &Facts, asker: &Asker, permit: &Permit) -> bool {
        asker.reading.is_some() && permit.subject().floats() && matches!(facts.body, Body::Unseen)
    }

    /// What comes back to a workload with sessions without one would have to raise those that are opened while it comes;
    /// so would the pieces of a request that it receives.
    fn could_miss_a_session(&self, facts: &Facts, asker: &Asker, released: &SecurityLabel) -> bool {
        let Some(own) = self.policy.subject(&self.own.id).filter(|own| own.handles.is_some()) else { return false };
        match (&asker.reading, &asker.session) {
            (Some(_), Session::Open(_)) => false,
            (Some(_), Session::None | Session::Refused) => !own.floor.dominates(released),
            (None, _) => matches!(facts.body, Body::Unseen),
        }
    }

    /// The label of the answer, where it can't exceed the object's.
    fn bounded_answer(&self, permit: &Permit) -> Option<SecurityLabel> {
        let object = permit.object();
        if object.declares || matches!(object.server, Server::Enclave) {
            return None;
        }
        match release(self.policy, permit, &Answer { serving: Serving::Unstated, declared: None }) {
            Release::Released { label } => {
                let join = |all: SecurityLabel, one: &SecurityLabel| all.join(one);
                let own = permit
                    .objects()
                    .iter()
                    .try_fold(object.label.clone()?, |all, object| object.label.as_ref().map(|one| join(all, one)));
                (own.as_ref() == Some(&label)).then_some(label)
            }
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
            (None, Some(object)) if matches!(facts.body, Body::Unseen) => permit.states().join(object),
            (None, _) => permit.states().clone(),
        };
        let observation = || Observation {
            request_id: self.request_id.to_owned(),
            object: permit.object().name.to_string(),
            at: self.now,
            label: self.policy.lattice().text(&label),
        };
        let raised = match asker.handle() {
            Some(handle) => self.own.watermark.raise_under(handle, &label, observation),
            None => self.own.watermark.raise(&label, observation),
        };
        let raised = raised.map_err(|error| {
            log::error!("request {}: the watermark was not raised: {error}", self.request_id);
            Fault::StateNotKept
        })?;
        let reached = &raised.reading.label;
        if self.policy.lattice().owns(reached) && reached.dominates(&label) { Ok(()) } else { Err(Fault::Reloading) }
    }

    fn serves_multilevel(&self) -> bool {
        self.policy.subject(&self.own.id).is_some_and(|subject| subject.multilevel.is_some())
    }
}

impl Asker {
    fn handle(&self) -> Option<&Arc<Handle>> {
        match &self.session {
            Session::Open(handle) => Some(handle),
            Session::None | Session::Refused => None,
        }
    }
}

/// What lifts the star property or adds to the matrix has to be stated, debited or run through the enclave.
fn needs_nothing_more(permit: &Permit) -> bool {
    permit.downgrade().is_none()
        && permit.read_down().is_none()
        && permit.guard().is_none()
        && permit.release_guard().is_none()
}

fn whole_json(body: &Body) -> Option<serde_json::Value> {
    match body {
        Body::Whole(bytes) => serde_json::from_slice(bytes).ok(),
        Body::Absent | Body::Unseen => None,
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
        || (target.by_body && !matches!(facts.body, Body::Whole(_)))
        || (target.manifest.is_some() && body_not_seen)
}

fn mode_of(target: Option<&Target>) -> Mode {
    target.map_or(Mode::Alter, |target| target.mode)
}
