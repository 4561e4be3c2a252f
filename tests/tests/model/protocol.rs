//! The model that the checker explores.

use stateright::{Model, Property};

use crate::label::Label;
use crate::rule::Rule;
use crate::state::{FLOWS, Flow, Instance, SESSIONS, State};
use crate::step::Step;
use crate::world::{Bound, SEATS, Target, World, worlds};

/// What must hold: the name of the one property.
pub(crate) const PROPERTY: &str = "nobody holds what it does not dominate";

/// The protocol, over all policies within a bound, with or without one of its rules.
pub(crate) struct Protocol {
    pub(crate) bound: Bound,
    without: Vec<Rule>,
    pub(crate) worlds: Vec<World>,
    pub(crate) targets: Vec<Target>,
}

impl Protocol {
    pub(crate) fn new(bound: Bound, without: &[Rule]) -> Self {
        let worlds = worlds(&bound);
        let outside = bound.lattice.labels().into_iter().map(Target::Outside);
        let targets = (0..bound.seats).map(Target::Workload).chain(outside).collect();
        assert!(bound.flows <= FLOWS && bound.sessions <= SESSIONS, "more than a state has room for");
        Self { bound, without: without.to_vec(), worlds, targets }
    }

    pub(crate) fn has(&self, rule: Rule) -> bool {
        !self.without.contains(&rule)
    }

    /// The policy in force.
    pub(crate) fn world(&self, state: &State) -> &World {
        &self.worlds[usize::from(state.world)]
    }

    /// The policy that a flow is decided under.
    pub(crate) fn world_of(&self, state: &State, flow: &Flow) -> u16 {
        if self.has(Rule::ReloadDecidesAnew) { state.world } else { flow.world }
    }

    fn begin(&self, index: usize) -> State {
        let nobody = Instance { watermark: Label::BOTTOM, durable: Label::BOTTOM, memory: Label::BOTTOM };
        let mut state = State {
            world: u16::try_from(index).unwrap(),
            highest: [Label::BOTTOM; SEATS],
            reloads: 0,
            instances: [nobody; SEATS],
            sessions: [None; SESSIONS],
            flows: [None; FLOWS],
            leak: None,
        };
        for (seat, it) in self.worlds[index].seats.iter().enumerate() {
            // A workload has from the start all that its floor allows for.
            state.instances[seat].memory = it.floor;
            state.highest[seat] = it.clearance;
        }
        state
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        (0..self.worlds.len()).map(|index| self.begin(index)).collect()
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        self.possible(state, steps);
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        let next = self.after(state, step);
        (next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(PROPERTY, |_, state: &State| state.leak.is_none())]
    }
}
