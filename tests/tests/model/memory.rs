//! What gateways keep, and what workloads truly remember.

use crate::label::Label;
use crate::protocol::Protocol;
use crate::rule::Rule;
use crate::state::{Chunk, Holder, Leak, Reader, Session, State};
use crate::step::KEEPER;
use crate::world::Target;

impl Protocol {
    /// Raises what has to rise when `seat` reads something of `label`, under a session or not.
    pub(crate) fn raise(&self, state: &mut State, seat: usize, session: Option<u8>, label: Label) {
        let keeper = seat == KEEPER && self.bound.sessions > 0;
        match session.filter(|_| keeper).map(usize::from) {
            Some(session) => {
                if let Some(session) = &mut state.sessions[session] {
                    session.watermark = session.watermark.join(label);
                }
            }
            None if keeper && self.has(Rule::HandlelessRaisesHandles) => {
                for session in state.sessions.iter_mut().flatten() {
                    session.watermark = session.watermark.join(label);
                }
            }
            None => {}
        }
        if session.is_none() || self.has(Rule::HandleRaisesOwn) {
            let instance = &mut state.instances[seat];
            instance.watermark = instance.watermark.join(label);
            if self.has(Rule::DurableBeforeRelease) {
                instance.durable = instance.watermark;
            }
        }
    }

    pub(crate) fn is_durable(&self, state: &State, seat: usize) -> bool {
        let instance = &state.instances[seat];
        instance.durable == instance.watermark || !self.has(Rule::DurableBeforeRelease)
    }

    /// What is being passed on to the keeper without a handle: any session may have it next.
    pub(crate) fn passing_to_any(&self, state: &State) -> Label {
        if !self.has(Rule::NewHandleKeepsWhatPasses) {
            return Label::BOTTOM;
        }
        passing(state, KEEPER, |reader| reader == Reader::Any)
    }

    pub(crate) fn reaches_memory(&self, state: &mut State, seat: usize, carried: Label) {
        if !self.world(state).seats[seat].clearance.dominates(carried) {
            state.leak = Some(Leak { holder: Holder::Memory(u8::try_from(seat).unwrap()), what: carried });
        }
    }

    pub(crate) fn open(&self, state: &mut State, session: usize) {
        let instance = state.instances[KEEPER];
        let watermark = if self.has(Rule::HandleStartsAtOwn) { instance.watermark } else { Label::BOTTOM };
        let watermark = watermark.join(self.passing_to_any(state));
        state.sessions[session] = Some(Session { watermark, memory: instance.memory });
    }
}

pub(crate) fn flow_label(to: Target) -> Label {
    match to {
        Target::Outside(label) => label,
        Target::Workload(_) => Label::BOTTOM,
    }
}

/// The join of the labels of what is being passed on to `seat`, for the readers that are meant.
pub(crate) fn passing(state: &State, seat: usize, meant: impl Fn(Reader) -> bool) -> Label {
    let mut labels = Label::BOTTOM;
    for flow in state.flows.iter().flatten() {
        for (chunk, there) in
            [(flow.up, flow.to == Target::Workload(seat)), (flow.down, usize::from(flow.from) == seat)]
        {
            if let (Chunk::Passing { label, reader, .. }, true) = (chunk, there)
                && meant(reader)
            {
                labels = labels.join(label);
            }
        }
    }
    labels
}

pub(crate) fn reader(session: Option<u8>) -> Reader {
    session.map_or(Reader::Any, Reader::Session)
}

pub(crate) fn reaches_object(state: &mut State, object: Target, label: Label, carried: Label) {
    if !label.dominates(carried) {
        state.leak = Some(Leak { holder: Holder::Object(object), what: carried });
    }
}

/// What a workload reads, it remembers; a keeper does so by session.
pub(crate) fn remember(state: &mut State, seat: usize, carried: Label, reader: Reader) {
    let instance = &mut state.instances[seat];
    instance.memory = instance.memory.join(carried);
    if seat == KEEPER {
        for (index, session) in state.sessions.iter_mut().enumerate() {
            let reads = match reader {
                Reader::Session(one) => usize::from(one) == index,
                Reader::Any => true,
                Reader::Gone => false,
            };
            if let Some(session) = session.as_mut().filter(|_| reads) {
                session.memory = session.memory.join(carried);
            }
        }
    }
}

/// What a session has open goes on without one.
pub(crate) fn end_session(state: &mut State, session: usize) {
    if state.sessions[session].take().is_none() {
        return;
    }
    let session = u8::try_from(session).unwrap();
    for flow in state.flows.iter_mut().flatten() {
        if usize::from(flow.from) == KEEPER {
            end_within(&mut flow.under, &mut flow.down, session);
        }
        if flow.to == Target::Workload(KEEPER) {
            end_within(&mut flow.given, &mut flow.up, session);
        }
    }
}

fn end_within(of: &mut Option<u8>, chunk: &mut Chunk, session: u8) {
    if *of == Some(session) {
        *of = None;
    }
    if let Chunk::Passing { reader, .. } = chunk
        && *reader == Reader::Session(session)
    {
        *reader = Reader::Gone;
    }
}
