//! The way up: `request::take`, `vigil::decide_anew`, `request::deliver`.

use std::sync::Arc;

use bellgate_policy::{Mode, Permit, RuleKind, SecurityLabel, Verdict};

use crate::call::Call;
use crate::flow::{Bytes, Flow, Seen};
use crate::mesh::{Leak, Mesh};
use crate::plan::{BUDGET, Kind, Plan};
use crate::station::{Data, Under, statement};

/// What a workload sets out to do.
pub(crate) struct Wish {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) mode: Mode,
    pub(crate) recipients: Vec<usize>,
    pub(crate) session: Option<usize>,
    pub(crate) streams: bool,
    pub(crate) declared: Option<SecurityLabel>,
    pub(crate) bytes: u64,
    pub(crate) task: bool,
}

impl Mesh {
    /// A request is taken in by the caller's own gateway, and its head leaves.
    pub(crate) fn ask(&mut self, wish: Wish) -> Result<(), Leak> {
        let mail = wish.to == self.plan().mail();
        if !self.has_place() || wish.to == wish.from || (mail && wish.mode != Mode::Alter) {
            return Ok(());
        }
        let body = mail.then(|| Self::mail(&wish.recipients));
        let policy = self.policy();
        let objects = self.resolve(&policy, wish.to, wish.mode, body.as_ref());
        let mut flow = Flow {
            from: wish.from,
            to: wish.to,
            recipients: if mail { wish.recipients } else { Vec::new() },
            objects,
            mode: wish.mode,
            body,
            streams: wish.streams && !mail && wish.mode == Mode::Alter,
            declared: wish.declared,
            here: Seen { up: self.now_in_force, down: self.now_in_force },
            there: Seen { up: self.now_in_force, down: self.now_in_force },
            permit: None,
            version: 0,
            under: None,
            task: None,
            brings: None,
            guarded: None,
            guards_answer: None,
            stated: None,
            accepted: None,
            accepted_version: 0,
            given: None,
            said: None,
            released: None,
            up: Bytes::Nothing,
            down: Bytes::Nothing,
            cut: wish.mode == Mode::Append,
        };
        if self.kind(wish.from) == Kind::Bare {
            // Between two of them, and outside the mesh, nobody promises anything.
            if self.is_served(wish.to) && self.kind(wish.to) != Kind::Bare {
                flow.up = Bytes::Sent(self.bare[wish.from].clone());
                self.flows.push(flow);
            }
            return Ok(());
        }
        self.seen.requests += 1;
        if let Some(session) = wish.session.filter(|_| !self.station(wish.from).sessions.is_empty()) {
            let now = self.now;
            let station = self.station(wish.from);
            // One that is gone is refused.
            let Some(under) = station.find(session % station.sessions.len(), now) else { return Ok(()) };
            if let Some(text) = under.handle.task().cloned() {
                let now = station.watermark().clock(now);
                let Ok(task) = policy.kept_task(&station.id, &text, now) else { return Ok(()) };
                flow.task = Some(Arc::new(task));
            }
            flow.under = Some(under);
        }
        if wish.task && self.plan().orchestrator() == Some(wish.from) {
            flow.brings = Some(self.task_text());
        }
        if !self.decide(&mut flow)? {
            self.seen.refused += 1;
            return Ok(());
        }
        if flow.permit.as_ref().is_some_and(|permit| permit.release_guard().is_some()) {
            flow.guards_answer = self.plan().release_label(flow.from, flow.to);
            if flow.streams || flow.guards_answer.is_none() {
                return Ok(());
            }
        }
        self.leaves(flow, wish.bytes)
    }

    /// What a desk grants: mail to one recipient, and one object outside.
    fn task_text(&self) -> String {
        let object = self.plan().name(self.stations.len());
        format!(
            "{{\"grants\": [{{\"object\": \"mail/send\", \"values\": {{\"/to\": [\"someone@inner.test\"]}}}}, \
             {{\"object\": \"{object}\"}}], \"life\": \"1m\"}}"
        )
    }

    /// Decides at the caller's own gateway. A guard runs on the body, and what it returns is decided anew.
    fn decide(&mut self, flow: &mut Flow) -> Result<bool, Leak> {
        let policy = self.policy();
        let facts = self.facts(flow);
        let station = self.stations[flow.from].as_ref().unwrap();
        let (verdict, version) = station.decide(&policy, &facts, flow.under.as_ref(), flow.task.as_deref());
        let Verdict::Permit(permit) = verdict else { return Ok(false) };
        if let Some(guard) = permit.guard().cloned() {
            if flow.streams {
                return Ok(false);
            }
            let (again, _) = station.decide(&policy, &facts, flow.under.as_ref(), flow.task.as_deref());
            let has_run =
                matches!(&again, Verdict::Permit(again) if again.guard().is_none_or(|one| Arc::ptr_eq(one, &guard)));
            if !has_run {
                return Ok(false);
            }
            flow.guarded = Some(guard);
        }
        self.justify(flow, &permit)?;
        flow.stated = Some(statement(&permit));
        (flow.permit, flow.version) = (Some(permit), version);
        Ok(true)
    }

    /// That a rule which lifts something stands in the plan: asked of the plan alone.
    fn justify(&mut self, flow: &Flow, permit: &Permit) -> Result<(), Leak> {
        let Some(downgrade) = permit.downgrade() else { return Ok(()) };
        let (plan, subject, object) = (self.plan(), flow.from, flow.to);
        let given = self.plain(&downgrade.label);
        let stands = match downgrade.kind {
            RuleKind::Trusted => {
                plan.trusted_label(subject, object).is_some_and(|(label, expired)| label == given && !expired)
            }
            RuleKind::Guard => plan.egress_label(subject, object).is_some_and(|label| label == given),
            RuleKind::ReadDown => {
                flow.mode == Mode::Observe && plan.grant(subject, object).is_some_and(|grant| grant.read_down)
            }
            RuleKind::Task => {
                let named = object == self.stations.len() && flow.mode == Mode::Alter
                    || object == plan.mail() && flow.recipients.iter().all(|one| *one == 0);
                flow.task.is_some() && named && (plan.lifts || !downgrade.lifts)
            }
        };
        match downgrade.kind {
            RuleKind::Trusted => self.seen.trusted += 1,
            RuleKind::Guard => self.seen.guarded += 1,
            RuleKind::ReadDown => self.seen.read_down += 1,
            RuleKind::Task => self.seen.tasks += 1,
        }
        self.seen.lifted_by_task += usize::from(downgrade.kind == RuleKind::Task && downgrade.lifts);
        if stands {
            Ok(())
        } else {
            Err(format!("w{subject} went under {} `{}`, which does not say so", downgrade.kind, downgrade.rule))
        }
    }

    /// What leaves: what the workload has, or, under a rule that lifts, something new that this rule answers for.
    fn carried(&mut self, flow: &Flow) -> Data {
        let lifts = flow.permit.as_ref().and_then(Permit::downgrade).filter(|downgrade| downgrade.lifts);
        match lifts {
            Some(downgrade) if downgrade.kind != RuleKind::Guard || self.has(Call::EgressGuard) => {
                let label = self.plain(flow.permit.as_ref().unwrap().states());
                self.datum(label, format!("w{} by {}", flow.from, downgrade.rule))
            }
            Some(_) | None => self.stations[flow.from].as_ref().unwrap().writes(flow.under.as_ref()),
        }
    }

    fn leaves(&mut self, mut flow: Flow, bytes: u64) -> Result<(), Leak> {
        let read_down = flow.permit.as_ref().and_then(|permit| permit.read_down().cloned());
        if let Some(rule) = read_down {
            if self.has(Call::Spend)
                && self.station(flow.from).watermark().spend(&rule.rule, bytes, rule.budget).is_err()
            {
                self.seen.over_budget += 1;
                return Ok(());
            }
            let spent = self.spent.entry((flow.from, flow.to)).or_default();
            *spent += bytes;
            if *spent > BUDGET {
                return Err(format!("{} bytes went under `{}`", spent, Plan::rule(flow.from, flow.to)));
            }
        }
        let carried = self.carried(&flow);
        if self.is_served(flow.to) {
            flow.up = Bytes::Sent(carried);
        } else {
            self.check_object(&flow, &carried)?;
        }
        self.flows.push(flow);
        Ok(())
    }

    /// More of an open request: `vigil::upward_chunk`.
    pub(crate) fn write(&mut self, mut flow: Flow) -> Result<(), Leak> {
        if !flow.streams || flow.cut || !matches!(flow.up, Bytes::Nothing) {
            self.flows.push(flow);
            return Ok(());
        }
        if self.kind(flow.from) == Kind::Bare {
            flow.up = Bytes::Sent(self.bare[flow.from].clone());
            self.flows.push(flow);
            return Ok(());
        }
        let version = self.station(flow.from).watermark().version();
        let replaced = flow.here.up != self.now_in_force && self.has(Call::Replaced);
        if self.has(Call::UpwardChunk) && (version != flow.version || replaced || flow.under.is_some()) {
            let before = flow.permit.clone();
            if replaced {
                flow.objects = self.resolve(&self.policy(), flow.to, flow.mode, flow.body.as_ref());
            }
            let states_as = |old: &Permit, new: &Permit| match (old.downgrade(), new.downgrade()) {
                (None, Some(_)) => false,
                (Some(old), Some(new)) => old.kind == new.kind && old.rule == new.rule && old.label == new.label,
                (_, None) => true,
            };
            let stated = flow.stated.clone();
            let stays = self.decide(&mut flow)?
                && before.as_ref().zip(flow.permit.as_ref()).is_none_or(|(old, new)| states_as(old, new));
            if !stays {
                self.seen.ended += 1;
                return Ok(());
            }
            flow.stated = stated;
            flow.here.up = self.now_in_force;
        }
        self.seen.chunks += 1;
        let carried = self.carried(&flow);
        if self.is_served(flow.to) {
            flow.up = Bytes::Sent(carried);
        } else {
            self.check_object(&flow, &carried)?;
        }
        self.flows.push(flow);
        Ok(())
    }

    /// What is on its way up is taken in by the callee's gateway.
    pub(crate) fn accept(&mut self, mut flow: Flow) -> Result<(), Leak> {
        let carried = match std::mem::replace(&mut flow.up, Bytes::Nothing) {
            Bytes::Sent(carried) => carried,
            other @ (Bytes::Nothing | Bytes::Passing(..) | Bytes::Owed(_)) => {
                flow.up = other;
                self.flows.push(flow);
                return Ok(());
            }
        };
        let to = flow.to;
        if self.kind(to) == Kind::Bare {
            self.check_object(&flow, &carried)?;
            self.check_memory(to, &carried)?;
            flow.accepted_version = 1;
            self.flows.push(flow);
            return Ok(());
        }
        let policy = self.policy();
        let head = flow.accepted.is_none();
        let version = self.station(to).watermark().version();
        let replaced = flow.there.up != self.now_in_force && self.has(Call::Replaced);
        if head || replaced {
            let facts = self.facts(&flow);
            let peer = bellgate_policy::SpiffeId::parse(&format!("spiffe://a.test/w{}", flow.from)).unwrap();
            let stated = flow.stated.as_ref().map(|(label, rule)| (label, *rule));
            let station = self.stations[to].as_ref().unwrap();
            let (verdict, version) = station.decide_for(&policy, &facts, &peer, stated);
            let Verdict::Permit(permit) = verdict else {
                self.seen.refused += usize::from(head);
                return Ok(());
            };
            flow.accepted = Some(permit);
            flow.accepted_version = version;
            flow.there.up = self.now_in_force;
        }
        if head && !self.open_delivered(&mut flow) {
            return Ok(());
        }
        self.check_object(&flow, &carried)?;
        self.check_memory(to, &carried)?;
        let anew = version != flow.accepted_version || replaced;
        if !head {
            flow.accepted_version = version;
        }
        self.count_delivery(&mut flow, carried, head || (anew && self.has(Call::DeliverAnew)));
        self.flows.push(flow);
        Ok(())
    }

    /// `open_delivered`: a session for it, where the policy trusts the workload with them.
    fn open_delivered(&mut self, flow: &mut Flow) -> bool {
        let (policy, now) = (self.policy(), self.now);
        let states = flow.accepted.as_ref().unwrap().states().clone();
        let from = self.stations[flow.from].as_ref().map(|station| station.id.clone());
        let floor = self.plan().workloads[flow.to].floor;
        let station = self.stations[flow.to].as_mut().unwrap();
        let task = match (&flow.brings, from) {
            (Some(text), Some(from)) => {
                let clock = station.watermark().clock(now);
                match policy.task(&from, &station.id, text, clock) {
                    Ok(task) => Some(task),
                    Err(_) => return false,
                }
            }
            _ => None,
        };
        flow.given = station.open_delivered(&policy, &states, task.as_ref(), now);
        if task.is_some() && flow.given.is_none() {
            return false;
        }
        if let Some(under) = flow.given.clone() {
            self.seen.sessions += 1;
            let has = self.datum(floor, format!("w{}", flow.to));
            self.station(flow.to).session(&under.id).unwrap().memory = has;
        }
        true
    }

    /// `request::deliver`, and the bytes go on.
    fn count_delivery(&mut self, flow: &mut Flow, carried: Data, counts: bool) {
        let now = self.now;
        let permit = flow.accepted.as_ref().unwrap();
        let mut label = permit.states().clone();
        if flow.streams && self.has(Call::StreamIsObject) {
            for object in permit.objects().iter() {
                label = object.label.as_ref().map_or_else(|| label.clone(), |object| label.join(object));
            }
        }
        let multilevel = self.kind(flow.to) == Kind::Multilevel;
        let counts = counts && !multilevel && self.has(Call::RaiseOnDelivery);
        self.seen.delivered += 1;
        let first = self.has(Call::RaiseFirst);
        let station = self.stations[flow.to].as_mut().unwrap();
        if !first {
            station.reads(flow.given.as_ref(), &carried);
            flow.up = Bytes::Owed(label);
            return;
        }
        let passing = if multilevel { None } else { station.passing(flow.given.as_ref(), &label, now) };
        if counts {
            station.raise(flow.given.as_ref(), &label, now);
        }
        flow.up = Bytes::Passing(carried, passing);
    }

    /// The bytes are there.
    pub(crate) fn deliver(&mut self, mut flow: Flow) {
        let now = self.now;
        flow.up = match std::mem::replace(&mut flow.up, Bytes::Nothing) {
            Bytes::Passing(carried, passing) => {
                self.station(flow.to).reads(flow.given.as_ref(), &carried);
                drop(passing);
                Bytes::Nothing
            }
            Bytes::Owed(label) => {
                let under: Option<Under> = flow.given.clone();
                self.station(flow.to).raise(under.as_ref(), &label, now);
                Bytes::Nothing
            }
            other @ (Bytes::Nothing | Bytes::Sent(_)) => other,
        };
        self.flows.push(flow);
    }
}
