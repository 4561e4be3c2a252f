//! Sequences of everything, compared with a model.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bellgate_policy::{Observation, Policy, SecurityLabel, Timestamp};
use proptest::prelude::*;

use crate::budget::SpendError;
use crate::disk::{Fault, World};
use crate::handle::{HandleError, HandleId, HandleListener, Opening};
use crate::startup::{Missing, Startup};
use crate::watermark::Watermark;

const TEXT: &str = r#"
version: 1
categories: [a, b, c]
subjects:
  agent: { id: spiffe://a.test/agent, floor: PUBLIC, clearance: "RESTRICTED:a,b,c" }
"#;

pub(crate) static POLICY: LazyLock<Policy> = LazyLock::new(|| Policy::parse("policy.yaml", TEXT).unwrap());
static RAISED_FLOOR: LazyLock<Policy> =
    LazyLock::new(|| Policy::parse("policy.yaml", &TEXT.replace("floor: PUBLIC", "floor: \"STANDARD:b\"")).unwrap());
static FOLDERS: AtomicU64 = AtomicU64::new(0);

pub(crate) fn label(text: &str) -> SecurityLabel {
    POLICY.lattice().parse_label(text).unwrap()
}

pub(crate) fn because(request: &str) -> Observation {
    Observation { request_id: request.into(), object: "records".into(), at: Timestamp(1), label: "x".into() }
}

pub(crate) fn open(path: &Path, missing: Missing) -> (Watermark, Startup) {
    let subject = POLICY.subject_named("agent").unwrap();
    Watermark::open(path, subject, POLICY.lattice(), missing, Timestamp(1)).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn opening(start: &str) -> Opening {
    Opening {
        start: label(start),
        because: None,
        listener: HandleListener::Egress,
        task: None,
        life: Duration::from_secs(3600),
        limit: 1000,
    }
}

pub(crate) fn fresh_folder() -> PathBuf {
    PathBuf::from(format!("/in-memory/{}", FOLDERS.fetch_add(1, Ordering::Relaxed)))
}

#[derive(Debug, Clone)]
enum Step {
    Raise(usize),
    RaiseUnder(usize, usize),
    Open(usize, bool),
    Close(usize),
    Spend(bool, u64),
    Reset,
    RaiseFloor,
    Tick,
    Kill,
    Cut(u64),
    FailAfter(u64, bool),
    PowerAfter(u64, u64),
    Heal,
}

const LABELS: [&str; 8] =
    ["PUBLIC", "STANDARD", "PUBLIC:a", "PUBLIC:b", "STANDARD:c", "CONFIDENTIAL", "CONFIDENTIAL:a,b", "RESTRICTED"];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..LABELS.len()).prop_map(Step::Raise),
        6 => (any::<usize>(), 0..LABELS.len()).prop_map(|(handle, label)| Step::RaiseUnder(handle, label)),
        6 => (0..LABELS.len(), any::<bool>()).prop_map(|(label, task)| Step::Open(label, task)),
        2 => any::<usize>().prop_map(Step::Close),
        4 => (any::<bool>(), 0..60_u64).prop_map(|(rule, bytes)| Step::Spend(rule, bytes)),
        1 => Just(Step::Reset),
        1 => Just(Step::RaiseFloor),
        1 => Just(Step::Tick),
        2 => Just(Step::Kill),
        2 => any::<u64>().prop_map(Step::Cut),
        3 => (0..8_u64, any::<bool>()).prop_map(|(calls, once)| Step::FailAfter(calls, once)),
        3 => (0..8_u64, any::<u64>()).prop_map(|(calls, choice)| Step::PowerAfter(calls, choice)),
        2 => Just(Step::Heal),
    ]
}

/// What a label must at least be, and what it can be at most: a call that failed may have counted.
#[derive(Clone)]
struct Bounds {
    least: SecurityLabel,
    most: SecurityLabel,
}

impl Bounds {
    fn exactly(label: &SecurityLabel) -> Self {
        Self { least: label.clone(), most: label.clone() }
    }

    fn raise(&mut self, label: &SecurityLabel, acknowledged: bool) {
        if acknowledged {
            self.least = self.least.join(label);
        }
        self.most = self.most.join(label);
    }

    fn check(&self, found: &SecurityLabel, what: &str) {
        let text = |label| POLICY.lattice().text(label);
        assert!(
            found.dominates(&self.least) && self.most.dominates(found),
            "{what}: {} is not between {} and {}",
            text(found),
            text(&self.least),
            text(&self.most)
        );
    }
}

struct Handle {
    id: HandleId,
    bounds: Bounds,
    /// Its opening was synced since, by something that was acknowledged.
    durable: bool,
    /// It was closed, or a reset that failed may have closed it.
    maybe_gone: bool,
    /// It was closed, and is back only if the power went.
    closed: bool,
}

struct Model {
    folder: PathBuf,
    world: Arc<World>,
    watermark: Option<Watermark>,
    floor: SecurityLabel,
    instance: Bounds,
    handles: Vec<Handle>,
    spent: BTreeMap<&'static str, (u64, u64)>,
    requests: u64,
    seconds: u64,
    /// A call was made to fail since the start.
    faults: bool,
}

const BUDGET: u64 = 200;

impl Model {
    fn new() -> Self {
        let folder = fresh_folder();
        let (watermark, startup) = open(&folder, Missing::Floor);
        assert!(matches!(startup, Startup::NewAtFloor));
        Self {
            world: World::at(&folder),
            folder,
            watermark: Some(watermark),
            floor: label("PUBLIC"),
            instance: Bounds::exactly(&label("PUBLIC")),
            handles: Vec::new(),
            spent: BTreeMap::new(),
            requests: 0,
            seconds: 1,
            faults: false,
        }
    }

    fn wm(&self) -> &Watermark {
        self.watermark.as_ref().unwrap()
    }

    fn because(&mut self) -> Observation {
        self.requests += 1;
        because(&self.requests.to_string())
    }

    fn synced(&mut self) {
        self.handles.iter_mut().for_each(|handle| handle.durable = true);
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Raise(index) => {
                let raised = label(LABELS[*index]);
                let why = self.because();
                let result = self.wm().raise(&raised, || why);
                self.instance.raise(&raised, result.is_ok());
                self.handles.iter_mut().for_each(|handle| handle.bounds.raise(&raised, result.is_ok()));
                if result.is_ok_and(|raised| raised.rose) {
                    self.synced();
                }
            }
            Step::RaiseUnder(which, index) => {
                let Some(at) = (!self.handles.is_empty()).then(|| which % self.handles.len()) else { return };
                let Some(handle) = self.wm().handle(&self.handles[at].id, Timestamp(1)) else { return };
                let raised = label(LABELS[*index]);
                let why = self.because();
                let result = self.wm().raise_under(&handle, &raised, || why);
                self.instance.raise(&raised, result.is_ok());
                self.handles[at].bounds.raise(&raised, result.is_ok());
                if result.is_ok_and(|raised| raised.rose) {
                    self.synced();
                }
            }
            Step::Open(index, task) => {
                let start = label(LABELS[*index]);
                let mut opening = opening(LABELS[*index]);
                opening.task = task.then(|| format!("task {index}"));
                match self.wm().open_handle(opening, Timestamp(1)) {
                    Ok(opened) => self.handles.push(Handle {
                        id: opened.id,
                        bounds: Bounds::exactly(&start.join(&self.floor)),
                        durable: false,
                        maybe_gone: false,
                        closed: false,
                    }),
                    Err(HandleError::State(_)) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            Step::Close(which) => {
                let Some(at) = (!self.handles.is_empty()).then(|| which % self.handles.len()) else { return };
                if let Some(handle) = self.wm().handle(&self.handles[at].id, Timestamp(1)) {
                    assert!(self.wm().close_handle(&handle));
                }
                assert!(self.wm().handle(&self.handles[at].id, Timestamp(1)).is_none());
                self.handles[at].maybe_gone = true;
                self.handles[at].closed = true;
            }
            Step::Spend(first, bytes) => self.spend(if *first { "one" } else { "two" }, *bytes),
            Step::Reset => self.reset(),
            Step::RaiseFloor => {
                let subject = RAISED_FLOOR.subject_named("agent").unwrap();
                let result = self.wm().rebase(subject, RAISED_FLOOR.lattice());
                self.instance.raise(&subject.floor, result.is_ok());
                if result.is_ok() {
                    self.floor = subject.floor.clone();
                    self.synced();
                }
            }
            Step::Tick => {
                self.seconds += 2;
                assert_eq!(self.wm().clock(Timestamp(self.seconds * 1000)), Timestamp(self.seconds * 1000));
            }
            Step::Kill if self.world.has_power() => self.restart(false),
            Step::Kill => {}
            Step::Cut(choice) => {
                self.watermark = None;
                self.world.cut(*choice);
                self.restart(true);
            }
            Step::FailAfter(calls, once) => {
                if self.world.has_power() {
                    self.faults = true;
                    self.world.fail_after(*calls, if *once { Fault::Once } else { Fault::Full });
                }
            }
            Step::PowerAfter(calls, _) => self.world.fail_after(*calls, Fault::Power),
            Step::Heal => {
                if self.world.has_power() {
                    self.world.heal();
                }
            }
        }
    }

    fn spend(&mut self, rule: &'static str, bytes: u64) {
        let (least, most) = self.spent.get(rule).copied().unwrap_or_default();
        let after = match self.wm().spend(rule, bytes, BUDGET) {
            Ok(left) => {
                assert!(BUDGET - left >= least + bytes && BUDGET - left <= most + bytes, "{left}: {least} {most}");
                if bytes > 0 {
                    self.synced();
                }
                (least + bytes, most + bytes)
            }
            Err(SpendError::OverBudget { asked, left }) => {
                assert!(asked == bytes && left < bytes && most + bytes > BUDGET, "{left}: {least} {most}");
                (least, most)
            }
            Err(SpendError::State(_)) => (least, most + bytes),
        };
        self.spent.insert(rule, after);
    }

    fn reset(&mut self) {
        let subject = POLICY.subject_named("agent").unwrap();
        match self.wm().reset("a new patient", 0, Timestamp(7), subject) {
            Ok(reset) => {
                self.instance.check(&reset.before, "before a reset");
                self.floor = label("PUBLIC");
                assert_eq!(reset.after, self.floor);
                assert_eq!(self.wm().handles_open(), 0);
                self.instance = Bounds::exactly(&self.floor);
                self.handles.clear();
                self.spent.clear();
                assert_eq!(self.wm().chain(None).len(), 1);
            }
            // It may have happened.
            Err(_) => {
                self.instance.least = label("PUBLIC");
                self.handles.iter_mut().for_each(|handle| handle.maybe_gone = true);
                self.spent.values_mut().for_each(|(least, _)| *least = 0);
            }
        }
    }

    fn restart(&mut self, power: bool) {
        self.watermark = None;
        self.world.heal();
        let (watermark, startup) = open(&self.folder, Missing::Floor);
        assert!(matches!(startup, Startup::Restored), "{startup:?}");
        self.watermark = Some(watermark);
        self.floor = label("PUBLIC");
        let here: Vec<bool> =
            self.handles.iter().map(|handle| self.wm().handle(&handle.id, Timestamp(1)).is_some()).collect();
        for (handle, here) in self.handles.iter_mut().zip(&here) {
            // Closing is not synced, and a disk that fails keeps no note of it.
            assert!(!handle.closed || !*here || power || self.faults, "a closed handle is back");
            if !handle.maybe_gone {
                assert!(*here || (power && !handle.durable), "a handle was lost");
            }
            handle.durable = true;
            handle.maybe_gone = false;
            handle.closed = false;
        }
        let mut here = here.into_iter();
        self.handles.retain(|_| here.next().unwrap());
        self.check();
        // What is found is certain now.
        self.faults = false;
        let reading = self.wm().reading();
        self.instance = Bounds::exactly(&reading.label);
        for at in 0..self.handles.len() {
            let handle = self.wm().handle(&self.handles[at].id, Timestamp(1)).unwrap();
            self.handles[at].bounds = Bounds::exactly(&self.wm().reading_of(&handle).label);
        }
        let spent = self.wm().spent();
        for (rule, bounds) in &mut self.spent {
            let found = spent.get(*rule).copied().unwrap_or(0);
            assert!(found >= bounds.0 && found <= bounds.1, "spent of {rule}: {found}, expected {bounds:?}");
            *bounds = (found, found);
        }
    }

    fn check(&self) {
        let reading = self.wm().reading();
        self.instance.check(&reading.label, "the instance");
        let chain = self.wm().chain(None);
        assert_eq!(chain.last().unwrap().label_after, reading.label);
        let mut open = 0;
        for handle in &self.handles {
            let Some(found) = self.wm().handle(&handle.id, Timestamp(1)) else {
                assert!(handle.maybe_gone, "a handle was lost");
                continue;
            };
            open += 1;
            let label = self.wm().reading_of(&found).label;
            handle.bounds.check(&label, "a handle");
            let chain = self.wm().chain(Some(&found));
            assert_eq!(chain.last().unwrap().label_after, label, "the chain of a handle ends where it stands");
            for object in LABELS.map(super::model::label) {
                let cause = self.wm().cause(Some(&found), &object);
                assert!(cause.is_none() || !object.dominates(&label), "a cause of nothing");
            }
        }
        assert_eq!(self.wm().handles_open(), open);
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.watermark = None;
        World::forget(&self.folder);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_acknowledged_counts_and_nothing_is_made_up(steps in proptest::collection::vec(step(), 1..40)) {
        let mut model = Model::new();
        for step in &steps {
            model.run(step);
            if model.world.has_power() {
                model.check();
            }
        }
        model.watermark = None;
        model.world.cut(steps.len() as u64);
        model.restart(true);
    }

    #[test]
    fn without_faults_it_is_a_plain_map(steps in proptest::collection::vec(step(), 1..60)) {
        let mut model = Model::new();
        for step in steps {
            if !matches!(step, Step::FailAfter(..) | Step::PowerAfter(..)) {
                model.run(&step);
                prop_assert!(model.instance.least == model.instance.most);
                model.check();
            }
        }
    }
}
