//! What can happen at an instant, and what it does. The order within each step is the data path's.

use crate::decisions::Outcome;
use crate::label::Label;
use crate::protocol::Protocol;
use crate::rule::Rule;
use crate::state::{Chunk, FLOWS, Flow, Holder, Instance, Leak, Reader, SESSIONS, Session, State};
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

    // --- a request, at the caller's gateway ---

    fn ask(&self, state: &mut State, from: usize, to: Target, append: bool, under: Option<u8>) {
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
    fn may_send(
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
    fn memory(&self, state: &State, from: usize, under: Option<u8>) -> Label {
        let seat = &self.world(state).seats[from];
        if !seat.gateway {
            return seat.clearance;
        }
        match under.and_then(|session| state.sessions[usize::from(session)]) {
            Some(session) => session.memory,
            None => state.instances[from].memory,
        }
    }

    fn write(&self, state: &mut State, flow: usize) {
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

    // --- a request, at the callee's gateway ---

    fn accept(&self, state: &mut State, flow: usize, given: Option<u8>) {
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

    fn deliver(&self, state: &mut State, flow: usize) {
        let Some(it) = state.flows[flow] else { return };
        let (Target::Workload(to), Chunk::Passing { carried, reader, .. }) = (it.to, it.up) else { return };
        if !self.is_durable(state, to) {
            return;
        }
        remember(state, to, carried, reader);
        state.flows[flow] = Some(Flow { up: Chunk::Nothing, ..it });
    }

    // --- an answer, at the callee's gateway ---

    fn answer(&self, state: &mut State, flow: usize) {
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

    // --- an answer, at the caller's gateway ---

    fn take(&self, state: &mut State, flow: usize) {
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

    fn release(&self, state: &mut State, flow: usize) {
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
    fn count_late(&self, state: &mut State, flow: usize) {
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

    // --- watermarks ---

    /// Raises what has to rise when `seat` reads something of `label`, under a session or not.
    fn raise(&self, state: &mut State, seat: usize, session: Option<u8>, label: Label) {
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

    fn is_durable(&self, state: &State, seat: usize) -> bool {
        let instance = &state.instances[seat];
        instance.durable == instance.watermark || !self.has(Rule::DurableBeforeRelease)
    }

    /// What is being passed on to the keeper without a handle: any session may have it next.
    fn passing_to_any(&self, state: &State) -> Label {
        if !self.has(Rule::NewHandleKeepsWhatPasses) {
            return Label::BOTTOM;
        }
        passing(state, KEEPER, |reader| reader == Reader::Any)
    }

    fn reaches_memory(&self, state: &mut State, seat: usize, carried: Label) {
        if !self.world(state).seats[seat].clearance.dominates(carried) {
            state.leak = Some(Leak { holder: Holder::Memory(u8::try_from(seat).unwrap()), what: carried });
        }
    }

    // --- sessions ---

    fn open(&self, state: &mut State, session: usize) {
        let instance = state.instances[KEEPER];
        let watermark = if self.has(Rule::HandleStartsAtOwn) { instance.watermark } else { Label::BOTTOM };
        let watermark = watermark.join(self.passing_to_any(state));
        state.sessions[session] = Some(Session { watermark, memory: instance.memory });
    }

    // --- what happens to gateways ---

    fn crash(&self, state: &mut State, seat: usize, state_lost: bool) {
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

    fn reset(&self, state: &mut State, seat: usize) {
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

    fn reload(&self, state: &mut State, world: u16) {
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

fn flow_label(to: Target) -> Label {
    match to {
        Target::Outside(label) => label,
        Target::Workload(_) => Label::BOTTOM,
    }
}

/// The join of the labels of what is being passed on to `seat`, for the readers that are meant.
fn passing(state: &State, seat: usize, meant: impl Fn(Reader) -> bool) -> Label {
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

fn reader(session: Option<u8>) -> Reader {
    session.map_or(Reader::Any, Reader::Session)
}

fn reaches_object(state: &mut State, object: Target, label: Label, carried: Label) {
    if !label.dominates(carried) {
        state.leak = Some(Leak { holder: Holder::Object(object), what: carried });
    }
}

/// What a workload reads, it remembers; a keeper does so by session.
fn remember(state: &mut State, seat: usize, carried: Label, reader: Reader) {
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
fn end_session(state: &mut State, session: usize) {
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
