//! What must hold in every interleaving.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bellgate_policy::{Observation, Policy, SecurityLabel, Timestamp};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::atomic::AtomicBool;
use shuttle::thread;

use crate::disk::{Fault, World};
use crate::handle::{HandleListener, Opening};
use crate::startup::Missing;
use crate::watermark::Watermark;

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let text = r#"
version: 1
categories: [a, b, c]
subjects:
  agent: { id: spiffe://a.test/agent, floor: PUBLIC, clearance: "RESTRICTED:a,b,c" }
"#;
    Policy::parse("policy.yaml", text).unwrap()
});
static FOLDERS: AtomicU64 = AtomicU64::new(0);

fn label(text: &str) -> SecurityLabel {
    POLICY.lattice().parse_label(text).unwrap()
}

fn because() -> Observation {
    Observation { request_id: "r".into(), object: "records".into(), at: Timestamp(1), label: "x".into() }
}

struct Scene {
    folder: PathBuf,
    world: Arc<World>,
}

impl Scene {
    fn new() -> Self {
        let folder = PathBuf::from(format!("/in-memory/{}", FOLDERS.fetch_add(1, Ordering::Relaxed)));
        Self { world: World::at(&folder), folder }
    }

    fn open(&self) -> Arc<Watermark> {
        let subject = POLICY.subject_named("agent").unwrap();
        let opened = Watermark::open(&self.folder, subject, POLICY.lattice(), Missing::Floor, Timestamp(1));
        Arc::new(opened.unwrap_or_else(|error| panic!("{error}")).0)
    }

    /// What is found after the power went now.
    fn after_cut(&self, watermark: Arc<Watermark>) -> Arc<Watermark> {
        drop(Arc::into_inner(watermark).unwrap());
        self.world.cut(0);
        self.open()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        World::forget(&self.folder);
    }
}

fn opening() -> Opening {
    Opening {
        start: label("PUBLIC"),
        because: None,
        listener: HandleListener::Egress,
        task: None,
        life: Duration::from_secs(60),
        limit: 2,
    }
}

/// JSON is read on these stacks.
fn config() -> shuttle::Config {
    let mut config = shuttle::Config::new();
    config.stack_size = 1024 * 1024;
    config
}

/// Other threads may go on for long.
fn write_bytes() {
    for _ in 0..60 {
        thread::yield_now();
    }
}

/// Many schedules: some at random, some that put few changes of threads where they hurt.
fn explore(scene: impl Fn() + Send + Sync + Clone + 'static) {
    shuttle::Runner::new(RandomScheduler::new(400), config()).run(scene.clone());
    shuttle::Runner::new(PctScheduler::new(3, 400), config()).run(scene);
}

#[test]
fn a_raise_that_has_returned_is_in_every_later_reading_and_on_disk() {
    explore(|| {
        let scene = Scene::new();
        let watermark = scene.open();
        let released = Arc::new(AtomicBool::new(false));
        let raisers: Vec<_> = ["PUBLIC:a", "PUBLIC:b"]
            .into_iter()
            .map(|text| {
                let (watermark, released) = (Arc::clone(&watermark), Arc::clone(&released));
                thread::spawn(move || {
                    let version = watermark.version();
                    let raised = watermark.raise(&label(text), because).unwrap();
                    assert!(!raised.rose || watermark.version() != version, "a change that the version does not tell");
                    if text == "PUBLIC:a" {
                        released.store(true, Ordering::SeqCst);
                    }
                    assert!(watermark.reading().label.dominates(&label(text)));
                })
            })
            .collect();
        let decider = {
            let (watermark, released, world) =
                (Arc::clone(&watermark), Arc::clone(&released), Arc::clone(&scene.world));
            thread::spawn(move || {
                let mut before = watermark.reading();
                for _ in 0..4 {
                    let was_released = released.load(Ordering::SeqCst);
                    let reading = watermark.reading();
                    assert!(reading.label.dominates(&before.label), "it only rises");
                    assert!(!was_released || reading.label.dominates(&label("PUBLIC:a")), "released, and not counted");
                    let durable = world.durable("journal-").unwrap();
                    for category in ["a", "b"] {
                        let is_in = reading.label.dominates(&label(&format!("PUBLIC:{category}")));
                        assert!(
                            !is_in || durable.contains(&format!("PUBLIC:{category}")),
                            "a reading ahead of the disk"
                        );
                    }
                    before = reading;
                }
            })
        };
        raisers.into_iter().for_each(|raiser| raiser.join().unwrap());
        decider.join().unwrap();
        let watermark = scene.after_cut(watermark);
        assert_eq!(watermark.reading().label, label("PUBLIC:a,b"));
    });
}

#[test]
fn with_a_disk_that_fails_once_what_is_acknowledged_is_on_it() {
    for call in 0..14 {
        shuttle::Runner::new(RandomScheduler::new(100), config()).run(move || {
            let scene = Scene::new();
            let watermark = scene.open();
            scene.world.fail_after(call, Fault::Once);
            let raisers: Vec<_> = ["PUBLIC:a", "PUBLIC:b", "PUBLIC:c"]
                .into_iter()
                .map(|text| {
                    let watermark = Arc::clone(&watermark);
                    thread::spawn(move || watermark.raise(&label(text), because).is_ok().then_some(text))
                })
                .collect();
            let kept: Vec<_> = raisers.into_iter().filter_map(|raiser| raiser.join().unwrap()).collect();
            let before = watermark.reading().label.clone();
            scene.world.heal();
            let watermark = scene.after_cut(watermark);
            let found = watermark.reading().label.clone();
            assert!(kept.iter().all(|text| found.dominates(&label(text))), "acknowledged and lost: {kept:?}");
            assert!(found.dominates(&before), "it was read, and is lost");
        });
    }
}

#[test]
fn debits_at_once_are_never_more_than_the_budget() {
    explore(|| {
        let scene = Scene::new();
        let watermark = scene.open();
        let spenders: Vec<_> = (0..3)
            .map(|_| {
                let watermark = Arc::clone(&watermark);
                thread::spawn(move || watermark.spend("rule", 40, 100).is_ok())
            })
            .collect();
        let spent =
            spenders.into_iter().filter(|_| true).map(|spender| spender.join().unwrap()).filter(|ok| *ok).count();
        assert_eq!(spent, 2);
        assert_eq!(watermark.spent()["rule"], 80);
        assert_eq!(scene.after_cut(watermark).spent()["rule"], 80);
    });
}

#[test]
fn a_reset_does_not_make_unseen_what_is_released_after_it() {
    explore(|| {
        let scene = Scene::new();
        let watermark = scene.open();
        let is_reset = Arc::new(AtomicBool::new(false));
        let releaser = {
            let (watermark, is_reset) = (Arc::clone(&watermark), Arc::clone(&is_reset));
            thread::spawn(move || {
                let passing = watermark.passing(None, &label("PUBLIC:a"));
                watermark.raise(&label("PUBLIC:a"), because).unwrap();
                // The bytes take a while; then they have left, and whatever the workload sends from here on is decided so.
                write_bytes();
                let was_reset = is_reset.load(Ordering::SeqCst);
                assert!(watermark.reading().label.dominates(&label("PUBLIC:a")), "seen, and not counted");
                drop(passing);
                was_reset
            })
        };
        let operator = {
            let (watermark, is_reset) = (Arc::clone(&watermark), Arc::clone(&is_reset));
            thread::spawn(move || {
                let subject = POLICY.subject_named("agent").unwrap();
                watermark.reset("a new patient", 0, Timestamp(2), subject).unwrap();
                is_reset.store(true, Ordering::SeqCst);
            })
        };
        let was_reset = releaser.join().unwrap();
        operator.join().unwrap();
        let label_after = watermark.reading().label.clone();
        assert!(!was_reset || label_after.dominates(&label("PUBLIC:a")), "released after the reset, and not counted");
        assert_eq!(scene.after_cut(watermark).reading().label, label_after);
    });
}

#[test]
fn a_handle_that_is_open_when_something_passes_without_one_counts_it() {
    explore(|| {
        let scene = Scene::new();
        let watermark = scene.open();
        // The instance has seen it all: only handles can rise.
        watermark.raise(&label("PUBLIC:a"), because).unwrap();
        let is_open = Arc::new(AtomicBool::new(false));
        let releaser = {
            let (watermark, is_open) = (Arc::clone(&watermark), Arc::clone(&is_open));
            thread::spawn(move || {
                let passing = watermark.passing(None, &label("PUBLIC:a"));
                watermark.raise(&label("PUBLIC:a"), because).unwrap();
                write_bytes();
                let was_open = is_open.load(Ordering::SeqCst);
                drop(passing);
                was_open
            })
        };
        let opener = {
            let (watermark, is_open) = (Arc::clone(&watermark), Arc::clone(&is_open));
            thread::spawn(move || {
                let handle = watermark.open_handle(opening(), Timestamp(1)).unwrap().handle;
                is_open.store(true, Ordering::SeqCst);
                handle
            })
        };
        let was_open = releaser.join().unwrap();
        let handle = opener.join().unwrap();
        let counted = watermark.reading_of(&handle).label.dominates(&label("PUBLIC:a"));
        assert!(!was_open || counted, "open when it was released, and not counted");
    });
}

// Who does not say that something passes is owed this: what was done before the raise returned is not after it.
#[test]
fn a_raise_counts_after_a_reset_that_came_before_it_returned() {
    explore(|| raise_beside(true));
}

#[test]
fn a_raise_counts_for_a_handle_that_came_before_it_returned() {
    explore(|| raise_beside(false));
}

fn raise_beside(resets: bool) {
    let scene = Scene::new();
    let watermark = scene.open();
    let (is_done, was_done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    {
        // Called within the raise, before it returns.
        let (is_done, was_done) = (Arc::clone(&is_done), Arc::clone(&was_done));
        watermark.on_change(Arc::new(move || {
            if is_done.load(Ordering::SeqCst) {
                was_done.store(true, Ordering::SeqCst);
            }
        }));
    }
    let other = {
        let (watermark, is_done) = (Arc::clone(&watermark), Arc::clone(&is_done));
        thread::spawn(move || {
            let opened = if resets {
                let subject = POLICY.subject_named("agent").unwrap();
                watermark.reset("a new patient", 0, Timestamp(2), subject).unwrap();
                None
            } else {
                Some(watermark.open_handle(opening(), Timestamp(1)).unwrap().handle)
            };
            is_done.store(true, Ordering::SeqCst);
            opened
        })
    };
    let raiser = {
        let watermark = Arc::clone(&watermark);
        thread::spawn(move || watermark.raise(&label("PUBLIC:a"), because).unwrap().rose)
    };
    let opened = other.join().unwrap();
    assert!(raiser.join().unwrap());
    let found = match &opened {
        Some(handle) => watermark.reading_of(handle).label,
        None => watermark.reading().label.clone(),
    };
    let counted = found.dominates(&label("PUBLIC:a"));
    assert!(!was_done.load(Ordering::SeqCst) || counted, "returned afterwards, and does not count");
    drop(opened);
    let label_after = watermark.reading().label.clone();
    assert_eq!(scene.after_cut(watermark).reading().label, label_after);
}

#[test]
fn what_comes_without_a_handle_reaches_every_handle_that_is_open_and_stays_there() {
    explore(|| {
        let scene = Scene::new();
        let watermark = scene.open();
        let opened = watermark.open_handle(opening(), Timestamp(1)).unwrap();
        let first = Arc::clone(&opened.handle);
        let raiser = {
            let (watermark, first) = (Arc::clone(&watermark), Arc::clone(&first));
            thread::spawn(move || {
                watermark.raise(&label("PUBLIC:a"), because).unwrap();
                assert!(watermark.reading_of(&first).label.dominates(&label("PUBLIC:a")));
            })
        };
        let under = {
            let (watermark, first) = (Arc::clone(&watermark), Arc::clone(&first));
            thread::spawn(move || {
                watermark.raise_under(&first, &label("PUBLIC:b"), because).unwrap();
                assert!(watermark.reading_of(&first).label.dominates(&label("PUBLIC:b")));
            })
        };
        let opener = {
            let watermark = Arc::clone(&watermark);
            thread::spawn(move || watermark.open_handle(opening(), Timestamp(1)).unwrap())
        };
        raiser.join().unwrap();
        under.join().unwrap();
        let second = opener.join().unwrap();
        assert!(watermark.open_handle(opening(), Timestamp(1)).is_err(), "two are as many as may be");
        let here = [&first, &second.handle].map(|handle| watermark.reading_of(handle).label);
        assert_eq!(here[0], label("PUBLIC:a,b"));
        drop(first);
        let (ids, unsynced) = ([opened.id, second.id], second.handle);
        drop((opened.handle, unsynced));
        let watermark = scene.after_cut(watermark);
        assert_eq!(watermark.reading().label, label("PUBLIC:a,b"));
        for (id, before) in ids.iter().zip(here) {
            // The second may never have been synced; then it is refused.
            if let Some(handle) = watermark.handle(id, Timestamp(1)) {
                assert_eq!(watermark.reading_of(&handle).label, before, "a handle is where it was");
            }
        }
        assert!(watermark.handle(&ids[0], Timestamp(1)).is_some());
    });
}
