//! A model of the protocol between gateways, explored exhaustively with `stateright`.
//!
//! **What is modelled.** Workloads that put into everything they write all that they remember, each behind a gateway that
//! follows the rules; objects outside the mesh; requests, answers and later chunks both ways, in flight one by one, so that
//! anything can happen between two steps of the data path; appends; resets, crashes with and without their state, reloads;
//! a workload that is trusted to keep sessions under handles; a peer without a gateway. What a gateway decides is asked of
//! the real `bellgate_policy::decide` and `release`, for every policy within the bound.
//!
//! **What must hold.** No workload and no object ever holds a datum whose label it does not dominate. Each datum is followed
//! by where it truly is, which no gateway sees.
//!
//! **What is bounded.** Workloads, flows, sessions, labels ([`Bound`]); within a bound there is no limit of depth unless the
//! test names one. Symmetric policies are one, and so are orders of flows.
//!
//! **What counts as declassified.** What an operator resets: all that the workload remembers at that instant, and nothing
//! that is on its way to it. An object that a new policy gives a lower label, with what is on its way to it.
//!
//! **What is absent on purpose.** Time, sizes and who asked for what (covert channels); guards, `read_down`, trusted
//! subjects and task grants, which lift the star property by intent (`tests/provenance` has them, on the real watermark);
//! gateways with different policies at the same time.
//!
//! `BELLGATE_MODEL_TRACES=1` with `--nocapture` prints what happens without each rule.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod answer;
mod decisions;
mod fate;
mod label;
mod memory;
mod protocol;
mod request;
mod rule;
mod state;
mod step;
mod trace;
mod world;

use std::time::Instant;

use stateright::{Checker as _, Model as _};

use decisions::Outcome;
use label::Label;
use protocol::{PROPERTY, Protocol};
use rule::Rule;
use world::{Bound, Lattice, Seat, Target};

/// Two workloads over all four labels, one flow.
const FOUR: Bound = Bound { lattice: Lattice::Four, seats: 2, flows: 1, sessions: 0, bare: false, reloads: 0 };
/// Two workloads, two flows.
const PAIR: Bound = Bound { lattice: Lattice::Two, flows: 2, ..FOUR };
/// Three workloads, one flow.
const TRIO: Bound = Bound { lattice: Lattice::Two, seats: 3, ..FOUR };
/// A keeper of two sessions and a malicious workload.
const KEEPER: Bound = Bound { sessions: 2, flows: 1, ..PAIR };
/// A keeper of one session, with two flows.
const KEEPER_PAIR: Bound = Bound { sessions: 1, flows: 2, ..PAIR };
/// One policy after another.
const RELOAD: Bound = Bound { reloads: 1, flows: 1, ..PAIR };
/// One after another, with a keeper of one session.
const KEEPER_RELOAD: Bound = Bound { sessions: 1, ..RELOAD };
/// A workload and a peer without a gateway.
const BARE: Bound = Bound { bare: true, ..PAIR };
/// The same over all four labels.
const BARE_FOUR: Bound = Bound { bare: true, ..FOUR };

/// Explores all there is within `bound`, or all down to `depth` steps, and returns a counterexample as text.
fn explore(bound: Bound, without: &[Rule], depth: Option<usize>) -> Option<String> {
    let begun = Instant::now();
    let protocol = Protocol::new(bound, without);
    let mut builder = protocol.checker();
    if let Some(depth) = depth {
        builder = builder.target_max_depth(depth);
    }
    let checker = builder.spawn_bfs().join();
    assert!(depth.is_some() || checker.is_done(), "the search was given up");
    let found = checker.discovery(PROPERTY);
    println!(
        "{bound:?} without {without:?}: {} states of {} policies, {} steps deep, {:.1} s",
        checker.unique_state_count(),
        checker.model().worlds.len(),
        checker.max_depth(),
        begun.elapsed().as_secs_f32()
    );
    found.map(|path| trace::tell(checker.model(), path))
}

/// With all rules there is nothing to be found.
fn holds(bound: Bound, without: &[Rule], depth: Option<usize>) {
    if let Some(trace) = explore(bound, without, depth) {
        panic!("a leak within {bound:?} without {without:?}:\n{trace}");
    }
}

#[test]
fn two_workloads_over_two_levels_and_a_category_leak_nothing() {
    holds(FOUR, &[], None);
}

#[test]
fn two_flows_of_two_workloads_leak_nothing() {
    holds(PAIR, &[], None);
}

#[test]
fn three_workloads_leak_nothing() {
    holds(TRIO, &[], None);
    holds(Bound { flows: 2, ..TRIO }, &[], Some(8));
}

#[test]
fn sessions_under_handles_leak_nothing() {
    holds(KEEPER, &[], None);
    holds(KEEPER_PAIR, &[], Some(8));
}

#[test]
fn one_policy_after_another_leaks_nothing() {
    holds(RELOAD, &[], None);
    holds(KEEPER_RELOAD, &[], None);
}

#[test]
fn a_peer_without_a_gateway_learns_and_brings_nothing() {
    holds(BARE, &[], None);
    holds(BARE_FOUR, &[], None);
}

/// Between two gateways that follow the rules these three change nothing. They are for peers without one.
#[test]
fn what_both_gateways_check_is_redundant_between_them() {
    let twice = [Rule::SimpleSecurityBeforeSending, Rule::CalleeDecides, Rule::CalleeAnswerCheck];
    holds(FOUR, &twice, None);
    for rule in [Rule::CalleeDecides, Rule::CalleeAnswerCheck] {
        assert!(explore(BARE, &[rule], None).is_some(), "{rule:?} is redundant even with a peer without a gateway");
    }
}

/// Each rule alone opens a leak when it is taken out, and the search finds it.
macro_rules! each_is_needed {
    ($($name:ident: $rule:ident within $bound:ident;)*) => {$(
        #[test]
        fn $name() {
            let rule = Rule::$rule;
            let Some(trace) = explore($bound, &[rule], None) else {
                panic!("no leak without {rule:?}: the rule is not needed, or the model does not see what it is for");
            };
            if std::env::var_os("BELLGATE_MODEL_TRACES").is_some() {
                println!("without {rule:?}:\n{trace}");
            }
        }
    )*};
}

mod needed {
    use super::*;

    each_is_needed! {
        the_star_check: StarCheck within FOUR;
        the_answer_check: AnswerCheck within FOUR;
        the_serving_workloads_label: ServingLabel within FOUR;
        the_raise_on_release: RaiseOnRelease within FOUR;
        the_raise_before_release: RaiseBeforeRelease within PAIR;
        durable_before_release: DurableBeforeRelease within FOUR;
        counting_at_release_and_not_at_the_request: CountedAtRelease within FOUR;
        the_raise_on_each_chunk_of_an_answer: RaiseOnEachAnswerChunk within FOUR;
        the_raise_on_delivery: RaiseOnDelivery within FOUR;
        the_raise_on_each_upward_chunk: RaiseOnEachUpwardChunk within FOUR;
        deciding_open_answers_anew: OpenAnswersAnew within PAIR;
        deciding_open_requests_anew: OpenRequestsAnew within PAIR;
        an_append_keeps_its_label: AppendKeepsItsLabel within PAIR;
        a_restart_at_what_it_was: RestartAtWhatItWas within FOUR;
        lost_state_at_the_clearance: LostStateAtClearance within FOUR;
        a_handle_raises_the_workloads_own: HandleRaisesOwn within KEEPER;
        what_has_no_handle_raises_all: HandlelessRaisesHandles within KEEPER;
        a_reset_keeps_what_passes: ResetKeepsWhatPasses within FOUR;
        a_new_handle_keeps_what_passes: NewHandleKeepsWhatPasses within KEEPER_PAIR;
        a_handle_of_the_workload_starts_at_its_own: HandleStartsAtOwn within KEEPER;
        a_reload_keeps_the_floor: ReloadKeepsFloor within RELOAD;
        a_reload_decides_anew: ReloadDecidesAnew within RELOAD;
    }
}

/// Larger bounds: minutes to hours. CONTRIBUTING.md has the command.
#[test]
#[ignore = "takes long; CONTRIBUTING.md has the command"]
fn larger_bounds_leak_nothing() {
    holds(Bound { flows: 2, ..TRIO }, &[], None);
    holds(Bound { flows: 2, ..FOUR }, &[], None);
    holds(KEEPER_PAIR, &[], None);
    holds(Bound { flows: 2, reloads: 2, ..RELOAD }, &[], None);
    holds(Bound { flows: 3, ..PAIR }, &[], None);
}

/// Why two labels are enough for the larger searches: what `decide` and `release` say over two levels and a category is
/// what they say of the level and of the category, both. So a run over four labels is, bit by bit, a run over two in which
/// nothing was refused that was permitted; and who holds what it does not dominate does so in one of the bits.
#[test]
fn decisions_go_bit_by_bit() {
    let both = |of: &dyn Fn(usize) -> bool| of(0) && of(1);
    let mut asked = 0;
    for world in &Protocol::new(BARE_FOUR, &[]).worlds {
        let bits = [0, 1].map(|bit| {
            let seats: Vec<Seat> = world.seats.iter().map(|seat| seat.bit(bit)).collect();
            decisions::Decisions::of(&seats)
        });
        for (from, to) in [(0, 1), (1, 0)] {
            for target in [Target::Workload(to)].into_iter().chain(Label::all().map(Target::Outside)) {
                for label in Label::all() {
                    for append in [false, true] {
                        let whole = world.decisions.outbound(from, target, append, label);
                        let parts = |bit: usize| bits[bit].outbound(from, target.bit(bit), append, label.bit(bit));
                        assert_eq!(whole.0 == Outcome::Permitted, both(&|bit| parts(bit).0 == Outcome::Permitted));
                        assert!(both(&|bit| whole.1.bit(bit) == parts(bit).1));
                        let whole = world.decisions.inbound(from, to, append, Some(label));
                        let parts = |bit: usize| bits[bit].inbound(from, to, append, Some(label.bit(bit)));
                        assert_eq!(whole == Outcome::Permitted, both(&|bit| parts(bit) == Outcome::Permitted));
                    }
                    for stated in [Some(label), None] {
                        let whole = world.decisions.back(from, target, stated);
                        let parts =
                            |bit: usize| bits[bit].back(from, target.bit(bit), stated.map(|label| label.bit(bit)));
                        assert_eq!(whole.released, both(&|bit| parts(bit).released));
                        assert!(both(&|bit| whole.label.bit(bit) == parts(bit).label));
                    }
                    asked += 1;
                }
            }
        }
    }
    assert!(asked > 10_000, "only {asked} combinations");
}
