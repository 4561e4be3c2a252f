//! What can happen at an instant, and what it does. The order within each step is the data path's.

use crate::memory::end_session;
use crate::protocol::Protocol;
use crate::state::{Chunk, FLOWS, Flow, State};
use crate::world::{Target, World};

/// One thing that happens. Flows are meant by their place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// A workload begins a request, and its head leaves with the first bytes.
    Ask { from: usize, to: Target, append: bool, under: Option<u8> },
    /// It writes more on an open request.
    Write { flow: usize },
    /// The callee's gateway takes what is on its way: decides and counts it. The head may get a session.
    Accept { flow: usize, given: Option<u8> },
    /// And passes it on.
    Deliver { flow: usize },
    /// The callee answers, or writes more on its answer.
    Answer { flow: usize },
    /// The caller's gateway takes what is on its way back: decides and counts it.
    Take { flow: usize },
    /// And releases it.
    Release { flow: usize },
    /// A gateway counts what it has passed on already.
    CountLate { flow: usize },
    /// A gateway's disk has what it was told.
    Sync { seat: usize },
    /// Either end gives a flow up.
    Close { flow: usize },
    /// The keeper opens a session of its own accord.
    Open { session: usize },
    /// A session ends.
    End { session: usize },
    /// A gateway dies and starts again; its workload lives on.
    Crash { seat: usize, state_lost: bool },
    /// An operator clears what an instance has seen.
    Reset { seat: usize },
    /// Another policy.
    Reload { world: u16 },
}

/// The workload that keeps sessions apart, where there is one.
pub(crate) const KEEPER: usize = 0;

impl Protocol {
    /// What may happen in `state`; some of it comes to nothing.
    pub(crate) fn possible(&self, state: &State, steps: &mut Vec<Step>) {
        if state.leak.is_some() {
            return;
        }
        let world = self.world(state);
        for flow in 0..FLOWS {
            if let Some(it) = &state.flows[flow] {
                self.possible_on(state, flow, it, steps);
            }
        }
        // Empty places come first.
        if state.flows.iter().filter(|flow| flow.is_some()).count() < self.bound.flows {
            self.possible_requests(world, state, steps);
        }
        for seat in 0..world.seats.len() {
            let instance = &state.instances[seat];
            if !world.seats[seat].gateway {
                continue;
            }
            if instance.durable != instance.watermark {
                steps.push(Step::Sync { seat });
            }
            steps.push(Step::Reset { seat });
            steps.push(Step::Crash { seat, state_lost: false });
            steps.push(Step::Crash { seat, state_lost: true });
        }
        for session in 0..self.bound.sessions {
            steps.push(match state.sessions[session] {
                Some(_) => Step::End { session },
                None => Step::Open { session },
            });
        }
        if state.reloads < self.bound.reloads {
            steps.extend(world.next.iter().map(|&world| Step::Reload { world }));
        }
    }

    fn possible_requests(&self, world: &World, state: &State, steps: &mut Vec<Step>) {
        for from in 0..world.seats.len() {
            for to in self.targets.iter().copied() {
                // A peer without a gateway can do outside the mesh whatever it likes.
                if to == Target::Workload(from) || !world.seats[from].gateway && matches!(to, Target::Outside(_)) {
                    continue;
                }
                for append in [false, true] {
                    steps.push(Step::Ask { from, to, append, under: None });
                    for session in 0..self.bound.sessions {
                        if from == KEEPER && state.sessions[session].is_some() {
                            steps.push(Step::Ask { from, to, append, under: u8::try_from(session).ok() });
                        }
                    }
                }
            }
        }
    }

    fn possible_on(&self, state: &State, flow: usize, it: &Flow, steps: &mut Vec<Step>) {
        if !it.append {
            steps.push(Step::Close { flow });
        }
        let open = !it.cut && !it.append;
        match it.up {
            Chunk::Nothing if open => steps.push(Step::Write { flow }),
            Chunk::Sent(_) => {
                steps.push(Step::Accept { flow, given: None });
                let first_free = state.sessions[..self.bound.sessions].iter().position(Option::is_none);
                if let (Some(free), false, Target::Workload(KEEPER)) = (first_free, it.delivered, it.to) {
                    steps.push(Step::Accept { flow, given: u8::try_from(free).ok() });
                }
            }
            Chunk::Passing { .. } => steps.push(Step::Deliver { flow }),
            Chunk::Owed => steps.push(Step::CountLate { flow }),
            Chunk::Nothing => {}
        }
        match it.down {
            Chunk::Nothing if open && it.delivered => steps.push(Step::Answer { flow }),
            Chunk::Sent(_) => steps.push(Step::Take { flow }),
            Chunk::Passing { .. } => steps.push(Step::Release { flow }),
            Chunk::Owed => steps.push(Step::CountLate { flow }),
            Chunk::Nothing => {}
        }
    }

    /// What `step` makes of `state`.
    pub(crate) fn after(&self, state: &State, step: Step) -> State {
        let mut next = *state;
        match step {
            Step::Ask { from, to, append, under } => self.ask(&mut next, from, to, append, under),
            Step::Write { flow } => self.write(&mut next, flow),
            Step::Accept { flow, given } => self.accept(&mut next, flow, given),
            Step::Deliver { flow } => self.deliver(&mut next, flow),
            Step::Answer { flow } => self.answer(&mut next, flow),
            Step::Take { flow } => self.take(&mut next, flow),
            Step::Release { flow } => self.release(&mut next, flow),
            Step::CountLate { flow } => self.count_late(&mut next, flow),
            Step::Sync { seat } => next.instances[seat].durable = next.instances[seat].watermark,
            Step::Close { flow } => next.drop_flow(flow),
            Step::Open { session } => self.open(&mut next, session),
            Step::End { session } => end_session(&mut next, session),
            Step::Crash { seat, state_lost } => self.crash(&mut next, seat, state_lost),
            Step::Reset { seat } => self.reset(&mut next, seat),
            Step::Reload { world } => self.reload(&mut next, world),
        }
        next.in_order()
    }
}
