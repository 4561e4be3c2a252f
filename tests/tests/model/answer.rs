//! The way back: at the callee's gateway, then at the caller's.

use crate::label::Label;
use crate::memory::{flow_label, reader, remember};
use crate::protocol::Protocol;
use crate::rule::Rule;
use crate::state::{Chunk, Flow, State};
use crate::world::Target;

impl Protocol {
    pub(crate) fn answer(&self, state: &mut State, flow: usize) {
        let Some(it) = state.flows[flow] else { return };
        let from = usize::from(it.from);
        let Target::Workload(to) = it.to else {
            state.flows[flow] = Some(Flow { down: Chunk::Sent(flow_label(it.to)), ..it });
            return;
        };
        let world = &self.worlds[usize::from(self.world_of(state, &it))];
        let carried = self.memory(state, to, it.given);
        let mut said = it.said;
        if world.seats[to].gateway {
            let current = match it.given.and_then(|session| state.sessions[usize::from(session)]) {
                Some(session) => session.watermark,
                None => state.instances[to].watermark,
            };
            let current = if self.has(Rule::ServingLabel) { current } else { Label::BOTTOM };
            match it.said {
                None => {
                    let back = world.decisions.back(from, it.to, Some(current));
                    if !back.released && self.has(Rule::AnswerCheck) && self.has(Rule::CalleeAnswerCheck) {
                        return state.drop_flow(flow);
                    }
                    said = Some(back.label);
                }
                Some(said) if !said.dominates(current.join(world.seats[to].floor)) => {
                    if self.has(Rule::OpenAnswersAnew) {
                        return state.drop_flow(flow);
                    }
                }
                Some(_) => {}
            }
        }
        state.flows[flow] = Some(Flow { said, down: Chunk::Sent(carried), ..it });
    }

    pub(crate) fn take(&self, state: &mut State, flow: usize) {
        let Some(mut it) = state.flows[flow] else { return };
        let Chunk::Sent(carried) = it.down else { return };
        let from = usize::from(it.from);
        let world = &self.worlds[usize::from(self.world_of(state, &it))];
        if !world.seats[from].gateway {
            self.reaches_memory(state, from, carried);
            state.flows[flow] = Some(Flow { down: Chunk::Nothing, ..it });
            return;
        }
        let first = it.released.is_none();
        // A chunk carries what its head carried, and is asked again whether its reader may still have that.
        let back = world.decisions.back(from, it.to, it.said);
        let label = it.released.unwrap_or(back.label);
        let may = if first { back.released } else { world.seats[from].clearance.dominates(label) };
        if !may && self.has(Rule::AnswerCheck) {
            return state.drop_flow(flow);
        }
        it.released = Some(label);
        self.reaches_memory(state, from, carried);
        if self.has(Rule::RaiseBeforeRelease) {
            if self.raises_on_release(first) {
                self.raise(state, from, it.under, label);
            }
            it.down = Chunk::Passing { carried, label, reader: reader(it.under) };
        } else {
            remember(state, from, carried, reader(it.under));
            it.down = Chunk::Owed;
        }
        state.flows[flow] = Some(it);
    }

    fn raises_on_release(&self, first: bool) -> bool {
        self.has(Rule::RaiseOnRelease)
            && self.has(Rule::CountedAtRelease)
            && (first || self.has(Rule::RaiseOnEachAnswerChunk))
    }

    pub(crate) fn release(&self, state: &mut State, flow: usize) {
        let Some(it) = state.flows[flow] else { return };
        let Chunk::Passing { carried, reader, .. } = it.down else { return };
        let from = usize::from(it.from);
        if !self.is_durable(state, from) {
            return;
        }
        remember(state, from, carried, reader);
        state.flows[flow] = Some(Flow { down: Chunk::Nothing, ..it });
    }

    /// What comes of counting only after passing on.
    pub(crate) fn count_late(&self, state: &mut State, flow: usize) {
        let Some(mut it) = state.flows[flow] else { return };
        let world = self.world(state);
        if let (Chunk::Owed, Target::Workload(to)) = (it.up, it.to) {
            self.raise(state, to, it.given, it.stated.join(world.seats[to].object));
            it.up = Chunk::Nothing;
        } else if let Some(label) = it.released {
            self.raise(state, usize::from(it.from), it.under, label);
            it.down = Chunk::Nothing;
        }
        state.flows[flow] = Some(it);
    }
}
