//! Where data come from, followed through the real decision and the real watermark.
//!
//! **What is done.** Policies at random (levels, categories, floors, clearances, workloads that float, that keep sessions
//! under handles, that are multilevel, that have no gateway; grants with and without `read_down`, guards on both ways,
//! trusted subjects, orchestrators; mail whose recipients name the object). Then steps at random: requests, later chunks
//! both ways, appends, resets, crashes with the journal opened again and with it lost, handles opened and closed, tasks,
//! reloads, time. The harness that plays the gateways calls `bellgate_policy` and `bellgate_watermark` as the data path does
//! (`gateway/proxy/src/request.rs`, `answer.rs`, `vigil.rs`), in the same order. Three things that it needed stand here first,
//! and are owed there: the label of an open answer is computed again under a new policy; each direction of a flow notes for
//! itself which policy it has seen; a new floor raises open handles too (`Station::floor_raises`).
//!
//! **What must hold.** Every datum carries where it came from and the label that it had there. Workloads write all that they
//! have. After every step no object and no workload holds a datum whose label its own does not dominate; but for what a
//! guard returned, what a trusted subject or a task that lifts wrote, what was spent of a `read_down` budget, and what an
//! operator reset: those are new data, and the plan, not the code, says that there was such a rule.
//!
//! **And without each call** of the data path that matters the same property fails within a bounded number of cases.
//!
//! **What is absent on purpose.** The network; real threads (`gateway/watermark` runs its own sources under `shuttle`);
//! bodies and headers that break rules of their own (`tests/tests/mesh`).

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod answer;
mod call;
mod flow;
mod mesh;
mod plan;
mod request;
mod station;
mod step;

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use call::Call;
use mesh::Seen;
use step::{Step, run, story};

/// Steps of one run.
const STEPS: usize = 200;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(any::<Step>(), 1..=STEPS)
}

/// `PROPTEST_CASES` says how many; the seed is fixed, so that a failure in CI is one here.
fn runner(cases: u32) -> TestRunner {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(cases);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 1500, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]))
}

#[test]
fn no_datum_is_where_its_label_does_not_allow_it() {
    let seen = RefCell::new(Seen::default());
    let result = runner(600).run(&(plan::plans(), steps()), |(plans, steps)| match run(&plans, &steps, None) {
        Ok(one) => {
            seen.borrow_mut().add(&one);
            Ok(())
        }
        Err(leak) => Err(TestCaseError::fail(leak)),
    });
    let seen = seen.into_inner();
    println!("{seen:?}");
    if let Err(TestError::Fail(why, (plans, steps))) = result {
        panic!("{why}\n{}\nthen\n{}\n{}", plans[0].text(), plans[1].text(), story(&plans, &steps));
    }
    result.unwrap();
    // A property that nothing ever touches holds as well.
    for (what, count, least) in seen.counts() {
        assert!(count >= least, "only {count} of {what}, expected at least {least}");
    }
}

/// Without `call`, the property fails within so many cases, and with it the same case passes.
fn is_needed(call: Call) {
    const CASES: u32 = 3000;
    let config = Config { cases: CASES, failure_persistence: None, max_shrink_iters: 0, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[11; 32]));
    let tried = RefCell::new(0);
    let result = runner.run(&(plan::plans(), steps()), |(plans, steps)| {
        *tried.borrow_mut() += 1;
        run(&plans, &steps, Some(call)).map(|_| ()).map_err(TestCaseError::fail)
    });
    let Err(TestError::Fail(why, (plans, steps))) = result else {
        panic!("no leak without {call:?} in {CASES} cases: it is not needed, or the harness does not see why");
    };
    println!("without {call:?}: case {}: {why}", tried.into_inner());
    if let Err(leak) = run(&plans, &steps, None) {
        panic!("with {call:?} as well: {leak}");
    }
}

macro_rules! each_is_needed {
    ($($name:ident: $call:ident;)*) => {$(
        #[test]
        fn $name() {
            is_needed(Call::$call);
        }
    )*};
}

mod needed {
    use super::*;

    each_is_needed! {
        the_reading: Reading;
        the_raise_on_release: RaiseOnRelease;
        the_raise_before_the_bytes: RaiseFirst;
        the_raise_on_delivery: RaiseOnDelivery;
        the_objects_label_on_a_stream: StreamIsObject;
        the_delivery_anew: DeliverAnew;
        the_count_of_each_chunk: ChunkCounts;
        the_decision_on_each_chunk_upwards: UpwardChunk;
        the_look_at_each_chunk_of_an_answer: AnswerChunk;
        the_serving_label: ServingLabel;
        the_release: Release;
        the_word_that_bytes_are_passing: Passing;
        the_raise_of_all_handles: RaiseAll;
        the_start_at_its_own: OpenAtOwn;
        the_raise_of_the_instance: RaiseInstance;
        the_journal: Reopen;
        the_rebase: Rebase;
        the_decision_under_a_new_policy: Replaced;
        the_label_under_a_new_policy: LabelAnew;
        the_budget: Spend;
        the_guard_on_the_way_out: EgressGuard;
        the_guard_on_the_way_back: ReleaseGuard;
    }
}
