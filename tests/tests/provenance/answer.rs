//! The way back: `answer::release_answer`, `vigil::answer_chunk`, `answer::chunk_counts`.

use bellgate_policy::{
    Answer, Permit, Policy, Reason, Release, SecurityLabel, Serving, Verdict, release, release_guarded,
};

use crate::call::Call;
use crate::flow::{Bytes, Flow, Released};
use crate::mesh::{Leak, Mesh};
use crate::plan::Kind;

impl Mesh {
    /// The callee answers, or writes more on its answer; its gateway decides whether that may leave.
    pub(crate) fn answer(&mut self, mut flow: Flow) -> Result<(), Leak> {
        if flow.cut || !matches!(flow.down, Bytes::Nothing) || !self.may_answer(&flow) {
            self.flows.push(flow);
            return Ok(());
        }
        if !self.is_served(flow.to) {
            // The web, with what it has.
            let label = self.plan().label(flow.to, 2);
            let carried = self.datum(label, self.plan().name(flow.to));
            flow.down = Bytes::Sent(carried);
            self.flows.push(flow);
            return Ok(());
        }
        let carried = match self.kind(flow.to) {
            Kind::Bare => self.bare[flow.to].clone(),
            // It keeps apart what it serves.
            Kind::Multilevel => self.datum(self.plan().workloads[flow.to].object, format!("rows of w{}", flow.to)),
            Kind::Floating | Kind::Keeper => self.stations[flow.to].as_ref().unwrap().writes(flow.given.as_ref()),
        };
        if self.kind(flow.to) != Kind::Bare && !self.may_leave(&mut flow) {
            return Ok(());
        }
        if self.kind(flow.from) == Kind::Bare {
            // Nobody is between.
            self.check_memory(flow.from, &carried)?;
        } else {
            flow.down = Bytes::Sent(carried);
        }
        self.flows.push(flow);
        Ok(())
    }

    fn may_answer(&self, flow: &Flow) -> bool {
        let there = !self.is_served(flow.to) || flow.accepted.is_some() || flow.accepted_version > 0;
        // What a guard has to see is one whole body.
        there && !(flow.guards_answer.is_some() && flow.released.is_some())
    }

    /// At the callee's gateway: the head is decided, and a chunk is looked at where something moved.
    fn may_leave(&mut self, flow: &mut Flow) -> bool {
        let (policy, now) = (self.policy(), self.now);
        let station = self.stations[flow.to].as_ref().unwrap();
        let version = station.watermark().version();
        let serving = station.serving_label(flow.given.as_ref(), now);
        let replaced = flow.there.down != self.now_in_force && self.has(Call::Replaced);
        if replaced && !self.may_still_read_there(flow) {
            self.seen.ended += 1;
            return false;
        }
        let stays = |said: &Released, policy: &Policy| {
            let serving = Answer { serving: Serving::Stated(&serving), declared: None };
            let anew = released(policy, flow.accepted.as_ref().unwrap(), &serving, false);
            anew.1 && anew.0.is_some_and(|anew| said.label.dominates(&anew))
        };
        if replaced && self.has(Call::LabelAnew) && flow.said.as_ref().is_some_and(|said| !stays(said, &policy)) {
            // What its head states is too low under the new policy.
            self.seen.ended += 1;
            return false;
        }
        match &mut flow.said {
            None => {
                let bottom = policy.lattice().bottom();
                let serving = if self.has(Call::ServingLabel) { &serving } else { &bottom };
                let answer = Answer { serving: Serving::Stated(serving), declared: None };
                let label = match released(&policy, flow.accepted.as_ref().unwrap(), &answer, false) {
                    (label, true) => label,
                    (label, false) if !self.has(Call::Release) => label,
                    (_, false) => {
                        self.seen.withheld += 1;
                        return false;
                    }
                };
                flow.said = label.map(|label| Released { label, version });
                flow.said.is_some()
            }
            Some(said) => {
                let multilevel = self.kind(flow.to) == Kind::Multilevel;
                let moved = version != said.version && !multilevel && self.has(Call::AnswerChunk);
                said.version = version;
                if moved && !said.label.dominates(&serving) {
                    self.seen.ended += 1;
                    return false;
                }
                true
            }
        }
    }

    /// `may_still_read` at the callee: the request behind the answer would still be granted.
    fn may_still_read_there(&mut self, flow: &mut Flow) -> bool {
        let policy = self.policy();
        let facts = self.facts(flow);
        let peer = bellgate_policy::SpiffeId::parse(&format!("spiffe://a.test/w{}", flow.from)).unwrap();
        let stated = flow.stated.as_ref().map(|(label, rule)| (label, *rule));
        let station = self.stations[flow.to].as_ref().unwrap();
        let (verdict, _) = station.decide_for(&policy, &facts, &peer, stated);
        flow.there.down = self.now_in_force;
        let fits = flow
            .said
            .as_ref()
            .is_none_or(|said| policy.subject(&peer).is_some_and(|reader| reader.clearance.dominates(&said.label)));
        fits && still_reads(&verdict)
    }

    /// What is on its way back is taken in by the caller's gateway.
    pub(crate) fn take(&mut self, mut flow: Flow) -> Result<(), Leak> {
        let mut carried = match std::mem::replace(&mut flow.down, Bytes::Nothing) {
            Bytes::Sent(carried) => carried,
            other @ (Bytes::Nothing | Bytes::Passing(..) | Bytes::Owed(_)) => {
                flow.down = other;
                self.flows.push(flow);
                return Ok(());
            }
        };
        let from = flow.from;
        let (policy, now) = (self.policy(), self.now);
        let replaced = flow.here.down != self.now_in_force && self.has(Call::Replaced);
        if replaced && !self.may_still_read_here(&flow) {
            self.seen.ended += 1;
            return Ok(());
        }
        if replaced {
            flow.here.down = self.now_in_force;
        }
        let version = self.station(from).watermark().version();
        let guarded = flow.guards_answer.is_some();
        let counts = match flow.released.as_mut() {
            None => {
                let Some(label) = self.label_of_answer(&policy, &flow, guarded) else {
                    self.seen.withheld += 1;
                    return Ok(());
                };
                if let Some(given) = flow.guards_answer.filter(|_| self.has(Call::ReleaseGuard)) {
                    carried = self.datum(given, format!("w{from}'s guard on the way back"));
                }
                flow.released = Some(Released { label, version });
                true
            }
            // It carries what it carries under the new policy.
            Some(_) if replaced && self.has(Call::LabelAnew) => {
                let Some(label) = self.label_of_answer(&policy, &flow, guarded) else {
                    self.seen.ended += 1;
                    return Ok(());
                };
                let released = flow.released.as_mut().unwrap();
                *released = Released { label: released.label.join(&label), version };
                true
            }
            // `chunk_counts`.
            Some(released) => {
                let moved = version != released.version;
                released.version = version;
                moved && self.has(Call::ChunkCounts)
            }
        };
        self.check_memory(from, &carried)?;
        self.seen.released += 1;
        let label = flow.released.as_ref().unwrap().label.clone();
        let (first, raises) = (self.has(Call::RaiseFirst), counts && self.has(Call::RaiseOnRelease));
        let station = self.station(from);
        if !first {
            station.reads(flow.under.as_ref(), &carried);
            flow.down = Bytes::Owed(label);
        } else {
            let passing = station.passing(flow.under.as_ref(), &label, now);
            if raises {
                station.raise(flow.under.as_ref(), &label, now);
            }
            flow.down = Bytes::Passing(carried, passing);
        }
        self.flows.push(flow);
        Ok(())
    }

    fn may_still_read_here(&mut self, flow: &Flow) -> bool {
        let policy = self.policy();
        let facts = self.facts(flow);
        let station = self.stations[flow.from].as_ref().unwrap();
        let (verdict, _) = station.decide(&policy, &facts, flow.under.as_ref(), flow.task.as_deref());
        let guards = matches!(&verdict, Verdict::Permit(permit) if permit.release_guard().is_some());
        let began_guarded = flow.guards_answer.is_some();
        let fits = flow.released.as_ref().is_none_or(|released| {
            policy.subject(&station.id).is_some_and(|reader| reader.clearance.dominates(&released.label))
        });
        fits && still_reads(&verdict) && !guards && !began_guarded
    }

    /// `label_by`: what the answer carries, if it may be released.
    fn label_of_answer(&self, policy: &Policy, flow: &Flow, guarded: bool) -> Option<SecurityLabel> {
        let gateway = self.is_served(flow.to) && self.kind(flow.to) != Kind::Bare;
        let said = flow.said.as_ref().filter(|_| gateway).map(|said| &said.label);
        let answer = Answer { serving: said.map_or(Serving::Unstated, Serving::Stated), declared: None };
        let (label, may) = released(policy, flow.permit.as_ref().unwrap(), &answer, guarded);
        label.filter(|_| may || !self.has(Call::Release))
    }

    /// The bytes are there.
    pub(crate) fn release(&mut self, mut flow: Flow) {
        let now = self.now;
        flow.down = match std::mem::replace(&mut flow.down, Bytes::Nothing) {
            Bytes::Passing(carried, passing) => {
                self.station(flow.from).reads(flow.under.as_ref(), &carried);
                drop(passing);
                Bytes::Nothing
            }
            Bytes::Owed(label) => {
                self.station(flow.from).raise(flow.under.as_ref(), &label, now);
                Bytes::Nothing
            }
            other @ (Bytes::Nothing | Bytes::Sent(_)) => other,
        };
        self.flows.push(flow);
    }
}

/// The label of an answer, and whether it may be released.
fn released(policy: &Policy, permit: &Permit, answer: &Answer<'_>, guarded: bool) -> (Option<SecurityLabel>, bool) {
    let release = if guarded { release_guarded(policy, permit, answer) } else { release(policy, permit, answer) };
    match release {
        Release::Released { label } => (Some(label), true),
        Release::Withheld(denial) => (denial.decision().object_label.clone(), false),
    }
}

/// That its sender has read more since, or that its session has ended, is no reason to end what comes back.
fn still_reads(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Permit(_) => true,
        Verdict::Denial(denial) => {
            denial.reasons().iter().all(|reason| matches!(reason, Reason::NoWriteDown | Reason::HandleRefused))
        }
    }
}
