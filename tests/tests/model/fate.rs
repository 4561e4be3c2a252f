//! What happens to gateways: crashes, resets, reloads.

use crate::label::Label;
use crate::memory::{end_session, passing};
use crate::protocol::Protocol;
use crate::rule::Rule;
use crate::state::{Chunk, Instance, SESSIONS, State};
use crate::step::KEEPER;
use crate::world::Target;

impl Protocol {
    pub(crate) fn crash(&self, state: &mut State, seat: usize, state_lost: bool) {
        for flow in &mut state.flows {
            let Some(it) = flow else { continue };
            // What has left a gateway arrives; what was inside dies with it.
            if usize::from(it.from) == seat {
                it.cut = true;
                it.down = Chunk::Nothing;
            }
            if it.to == Target::Workload(seat) {
                it.cut = true;
                it.up = if it.append { it.up } else { Chunk::Nothing };
                if matches!(it.up, Chunk::Passing { .. } | Chunk::Owed) {
                    it.up = Chunk::Nothing;
                }
            }
        }
        let instance = &mut state.instances[seat];
        instance.watermark = match (state_lost, self.has(Rule::RestartAtWhatItWas)) {
            (true, _) if self.has(Rule::LostStateAtClearance) => state.highest[seat],
            (true, _) | (false, false) => Label::BOTTOM,
            (false, true) => instance.durable,
        };
        instance.durable = instance.watermark;
        if seat == KEEPER && (state_lost || !self.has(Rule::RestartAtWhatItWas)) {
            for session in 0..SESSIONS {
                end_session(state, session);
            }
        }
    }

    pub(crate) fn reset(&self, state: &mut State, seat: usize) {
        let keeps = self.has(Rule::ResetKeepsWhatPasses);
        let watermark = if keeps { passing(state, seat, |_| true) } else { Label::BOTTOM };
        // The operator declares all that it remembers to be no more than its floor.
        let memory = self.world(state).seats[seat].floor;
        state.instances[seat] = Instance { watermark, durable: watermark, memory };
        if seat == KEEPER {
            for session in 0..SESSIONS {
                end_session(state, session);
            }
        }
    }

    pub(crate) fn reload(&self, state: &mut State, world: u16) {
        let (old, new) = (self.world(state), &self.worlds[usize::from(world)]);
        for (seat, (old, new)) in old.seats.iter().zip(&new.seats).enumerate() {
            let instance = &mut state.instances[seat];
            if self.has(Rule::ReloadKeepsFloor) {
                instance.watermark = instance.watermark.join(old.floor);
                instance.durable = instance.watermark;
                if seat == KEEPER {
                    for session in state.sessions.iter_mut().flatten() {
                        session.watermark = session.watermark.join(old.floor);
                    }
                }
            }
            // A floor says what the workload has beside what it reads: it has that now.
            instance.memory = instance.memory.join(new.floor);
            if seat == KEEPER {
                for session in state.sessions.iter_mut().flatten() {
                    session.memory = session.memory.join(new.floor);
                }
            }
            state.highest[seat] = state.highest[seat].join(new.clearance);
            // Who gives an object a lower label says so of what is on its way to it, too.
            if old.object.dominates(new.object) && old.object != new.object {
                for flow in state.flows.iter_mut().flatten().filter(|flow| flow.to == Target::Workload(seat)) {
                    if let Chunk::Sent(carried) = flow.up {
                        flow.up = Chunk::Sent(carried.meet(new.object));
                    }
                }
            }
        }
        state.world = world;
        state.reloads += 1;
    }
}
