//! The way up: at the caller's gateway, then at the callee's.

use crate::decisions::Outcome;
use crate::label::Label;
use crate::memory::{flow_label, reaches_object, reader, remember};
use crate::protocol::Protocol;
use crate::rule::Rule;
use crate::state::{Chunk, Flow, Holder, Leak, Session, State};
use crate::world::Target;

impl Protocol {
    pub(crate) fn ask(&self, state: &mut State, from: usize, to: Target, append: bool, under: Option<u8>) {
        let Some(stated) = self.may_send(state, state.world, from, to, append, under) else { return };
        let carried = self.memory(state, from, under);
        let mut flow = Flow {
            from: u8::try_from(from).unwrap(),
            to,
            append,
            under,
            given: None,
            stated,
            delivered: false,
            said: None,
            released: None,
            cut: append,
            world: if self.has(Rule::ReloadDecidesAnew) { 0 } else { state.world },
            up: Chunk::Sent(carried),
            down: Chunk::Nothing,
        };
        if !self.has(Rule::CountedAtRelease) {
            // What will come back is taken to be what such an answer carries at most, and counted now.
            let label = match to {
                Target::Workload(server) => self.world(state).seats[server].clearance,
                Target::Outside(label) => label,
            };
            self.raise(state, from, under, label);
        }
        if matches!(to, Target::Outside(_)) {
            reaches_object(state, to, flow_label(to), carried);
            flow.up = Chunk::Nothing;
            flow.delivered = true;
            if append {
                return;
            }
        }
        state.flows[0] = Some(flow);
    }

    /// Whether the caller's gateway lets it go, and the label that it then states.
    pub(crate) fn may_send(
        &self,
        state: &State,
        world: u16,
        from: usize,
        to: Target,
        append: bool,
        under: Option<u8>,
    ) -> Option<Label> {
        let world = &self.worlds[usize::from(world)];
        if !world.seats[from].gateway {
            return Some(Label::BOTTOM);
        }
        let watermark = match under.and_then(|session| state.sessions[usize::from(session)]) {
            Some(session) => session.watermark,
            None => state.instances[from].watermark,
        };
        let (outcome, stated) = world.decisions.outbound(from, to, append, watermark);
        let goes = match outcome {
            Outcome::Permitted => true,
            Outcome::OnlyStar => !self.has(Rule::StarCheck),
            Outcome::OnlySimpleSecurity => !self.has(Rule::SimpleSecurityBeforeSending),
            Outcome::Refused => false,
        };
        goes.then_some(stated)
    }

    /// What a sender truly may put into what it sends. A peer without a gateway has read whatever it may.
    pub(crate) fn memory(&self, state: &State, from: usize, under: Option<u8>) -> Label {
        let seat = &self.world(state).seats[from];
        if !seat.gateway {
            return seat.clearance;
        }
        match under.and_then(|session| state.sessions[usize::from(session)]) {
            Some(session) => session.memory,
            None => state.instances[from].memory,
        }
    }

    pub(crate) fn write(&self, state: &mut State, flow: usize) {
        let Some(it) = state.flows[flow] else { return };
        let from = usize::from(it.from);
        if self.has(Rule::OpenRequestsAnew)
            && self.may_send(state, self.world_of(state, &it), from, it.to, it.append, it.under).is_none()
        {
            return state.drop_flow(flow);
        }
        let carried = self.memory(state, from, it.under);
        match it.to {
            Target::Outside(label) => reaches_object(state, it.to, label, carried),
            Target::Workload(_) => state.flows[flow] = Some(Flow { up: Chunk::Sent(carried), ..it }),
        }
    }

    pub(crate) fn accept(&self, state: &mut State, flow: usize, given: Option<u8>) {
        let Some(mut it) = state.flows[flow] else { return };
        let (Target::Workload(to), Chunk::Sent(carried)) = (it.to, it.up) else { return };
        let from = usize::from(it.from);
        let world = &self.worlds[usize::from(self.world_of(state, &it))];
        if it.append && !self.has(Rule::AppendKeepsItsLabel) {
            it.stated = world.decisions.outbound(from, it.to, true, state.instances[from].watermark).1;
        }
        let stated = world.seats[from].gateway.then_some(it.stated);
        let server = world.seats[to];
        let decided = world.decisions.inbound(from, to, it.append, stated) == Outcome::Permitted;
        if server.gateway && !decided && self.has(Rule::CalleeDecides) {
            return state.drop_flow(flow);
        }
        reaches_object(state, it.to, self.world(state).seats[to].object, carried);
        if !self.world(state).seats[to].clearance.dominates(carried) {
            state.leak = Some(Leak { holder: Holder::Memory(u8::try_from(to).unwrap()), what: carried });
        }
        let label = match it.delivered {
            false => stated.unwrap_or(world.seats[from].clearance),
            true => server.object,
        };
        let first = !it.delivered;
        it.delivered = true;
        if !server.gateway {
            it.up = Chunk::Nothing;
            state.flows[flow] = Some(it);
            return;
        }
        if first && let Some(session) = given {
            it.given = given;
            // It has nothing but what the workload was made with, and then what is delivered.
            let watermark = self.passing_to_any(state);
            state.sessions[usize::from(session)] = Some(Session { watermark, memory: server.floor });
        }
        let raises = self.has(if first { Rule::RaiseOnDelivery } else { Rule::RaiseOnEachUpwardChunk });
        if self.has(Rule::RaiseBeforeRelease) {
            if raises {
                self.raise(state, to, it.given, label);
            }
            it.up = Chunk::Passing { carried, label, reader: reader(it.given) };
        } else {
            remember(state, to, carried, reader(it.given));
            it.up = Chunk::Owed;
        }
        state.flows[flow] = Some(it);
    }

    pub(crate) fn deliver(&self, state: &mut State, flow: usize) {
        let Some(it) = state.flows[flow] else { return };
        let (Target::Workload(to), Chunk::Passing { carried, reader, .. }) = (it.to, it.up) else { return };
        if !self.is_durable(state, to) {
            return;
        }
        remember(state, to, carried, reader);
        state.flows[flow] = Some(Flow { up: Chunk::Nothing, ..it });
    }
}
