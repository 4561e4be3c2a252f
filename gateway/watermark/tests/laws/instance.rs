//! Raise, read, restart: laws of one watermark.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use bellgate_policy::{Observation, Policy, SecurityLabel, Subject, Timestamp};
use bellgate_watermark::{Missing, Startup, Watermark};
use proptest::prelude::*;
use tempfile::TempDir;

const POLICY: &str = r#"
version: 1
categories: [a, b, c]
subjects:
  agent: { id: spiffe://a.test/agent, floor: PUBLIC, clearance: "RESTRICTED:a,b,c" }
"#;

pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) policy: Policy,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), policy: Policy::parse("policy.yaml", POLICY).unwrap() }
    }

    pub(crate) fn subject(&self) -> &Arc<Subject> {
        self.policy.subject_named("agent").unwrap()
    }

    pub(crate) fn label(&self, text: &str) -> SecurityLabel {
        self.policy.lattice().parse_label(text).unwrap()
    }

    pub(crate) fn text(&self, label: &SecurityLabel) -> String {
        self.policy.lattice().text(label)
    }

    pub(crate) fn open(&self, missing: Missing) -> (Watermark, Startup) {
        Watermark::open(self.folder.path(), self.subject(), self.policy.lattice(), missing, Timestamp(0)).unwrap()
    }

    pub(crate) fn file(&self) -> PathBuf {
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().path();
        let mut files: Vec<PathBuf> = fs::read_dir(self.folder.path()).unwrap().map(name).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "log"));
        // Where it was removed by a test there is none.
        files.pop().unwrap_or_else(|| self.folder.path().join("journal.log"))
    }
}

pub(crate) fn because(request: &str) -> Observation {
    Observation {
        request_id: request.into(),
        object: "records".into(),
        at: Timestamp(1),
        label: "CONFIDENTIAL:a".into(),
    }
}

#[test]
fn without_state_it_starts_where_the_config_says() {
    let world = World::new();
    let (watermark, startup) = world.open(Missing::Floor);
    assert!(matches!(startup, Startup::NewAtFloor));
    assert_eq!(world.text(&watermark.reading().label), "PUBLIC");
    let world = World::new();
    let (watermark, startup) = world.open(Missing::Clearance);
    assert!(matches!(startup, Startup::MissingAtClearance));
    assert_eq!(world.text(&watermark.reading().label), "RESTRICTED:a,b,c");
}

#[test]
fn a_raise_survives_a_restart_with_its_cause() {
    let world = World::new();
    let (watermark, _) = world.open(Missing::Floor);
    watermark.raise(&world.label("CONFIDENTIAL:a"), || because("one")).unwrap();
    drop(watermark);
    let (watermark, startup) = world.open(Missing::Floor);
    assert!(matches!(startup, Startup::Restored));
    let reading = watermark.reading();
    assert_eq!(world.text(&reading.label), "CONFIDENTIAL:a");
    assert_eq!(reading.cause.as_ref().unwrap().request_id, "one");
}

#[test]
fn what_is_dominated_changes_nothing_and_touches_no_disk() {
    let world = World::new();
    let (watermark, _) = world.open(Missing::Floor);
    let raised = watermark.raise(&world.label("CONFIDENTIAL:a,b"), || because("one")).unwrap().reading;
    let kept = fs::read(world.file()).unwrap();
    let after = watermark.raise(&world.label("STANDARD:b"), || because("two")).unwrap().reading;
    assert_eq!((after.version, &after.label), (raised.version, &raised.label));
    assert_eq!(after.cause.as_ref().unwrap().request_id, "one");
    assert_eq!(fs::read(world.file()).unwrap(), kept);
}

#[test]
fn a_raise_that_cannot_be_kept_fails_and_changes_nothing() {
    let world = World::new();
    let (watermark, _) = world.open(Missing::Floor);
    let before = watermark.reading();
    // The folder is gone: nothing can be made durable. (Modes would not stop root.)
    fs::remove_dir_all(world.folder.path()).unwrap();
    let error = watermark.raise(&world.label("RESTRICTED"), || because("one")).err().unwrap();
    assert!(error.to_string().contains("check the folder"), "{error}");
    assert_eq!(watermark.reading().version, before.version);
    assert_eq!(world.text(&watermark.reading().label), "PUBLIC");
}

#[test]
fn another_name_for_the_same_workload_finds_its_state() {
    let world = World::new();
    let (watermark, _) = world.open(Missing::Floor);
    watermark.raise(&world.label("CONFIDENTIAL"), || because("one")).unwrap();
    drop(watermark);
    let renamed = Policy::parse("policy.yaml", &POLICY.replace("  agent:", "  assistant:")).unwrap();
    let subject = renamed.subject_named("assistant").unwrap();
    let (watermark, startup) =
        Watermark::open(world.folder.path(), subject, renamed.lattice(), Missing::Floor, Timestamp(0)).unwrap();
    assert!(matches!(startup, Startup::Restored));
    assert_eq!(renamed.lattice().text(&watermark.reading().label), "CONFIDENTIAL");
}

#[test]
fn the_file_is_for_its_owner_alone() {
    let world = World::new();
    drop(world.open(Missing::Floor));
    assert_eq!(fs::metadata(world.file()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_new_policy_keeps_what_was_seen_and_the_floor_that_was() {
    let world = World::new();
    let (watermark, _) = world.open(Missing::Floor);
    watermark.raise(&world.label("CONFIDENTIAL:a"), || because("one")).unwrap();
    let with = |subject: &str| {
        Policy::parse("policy.yaml", &POLICY.replace("floor: PUBLIC, clearance: \"RESTRICTED:a,b,c\"", subject))
            .unwrap()
    };

    let raised_floor = with("floor: \"STANDARD:b\", clearance: \"RESTRICTED:a,b,c\"");
    let reading = watermark.rebase(raised_floor.subject_named("agent").unwrap(), raised_floor.lattice()).unwrap();
    assert_eq!(raised_floor.lattice().text(&reading.label), "CONFIDENTIAL:a,b");

    let lowered_floor = with("floor: PUBLIC, clearance: \"RESTRICTED:a,b,c\"");
    let reading = watermark.rebase(lowered_floor.subject_named("agent").unwrap(), lowered_floor.lattice()).unwrap();
    assert_eq!(lowered_floor.lattice().text(&reading.label), "CONFIDENTIAL:a,b", "the outgoing floor stays");
    assert!(fs::read_to_string(world.file()).unwrap().contains("CONFIDENTIAL:a,b"));
}

#[test]
fn raises_from_many_threads_all_count() {
    let world = World::new();
    let (watermark, _) = world.open(Missing::Floor);
    let labels = ["STANDARD", "PUBLIC:a", "PUBLIC:b", "PUBLIC:c", "CONFIDENTIAL"];
    std::thread::scope(|scope| {
        for text in labels {
            let (watermark, world) = (&watermark, &world);
            scope.spawn(move || {
                let label = world.label(text);
                let after = watermark.raise(&label, || because(text)).unwrap();
                assert!(after.reading.label.dominates(&label));
                assert!(watermark.reading().label.dominates(&label), "a raise that returned is seen by every reader");
            });
        }
    });
    assert_eq!(world.text(&watermark.reading().label), "CONFIDENTIAL:a,b,c");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// In any order, with restarts in between: the join of all, and never lower than before.
    #[test]
    fn it_only_rises_to_the_join_of_all(
        steps in proptest::collection::vec((0_usize..4, proptest::sample::subsequence(vec!["a", "b", "c"], 0..=3), any::<bool>()), 1..8)
    ) {
        let world = World::new();
        let levels = ["PUBLIC", "STANDARD", "CONFIDENTIAL", "RESTRICTED"];
        let mut expected = world.label("PUBLIC");
        let (mut watermark, _) = world.open(Missing::Floor);
        for (level, categories, restart) in steps {
            let text = if categories.is_empty() { levels[level].to_owned() } else { format!("{}:{}", levels[level], categories.join(",")) };
            let label = world.label(&text);
            expected = expected.join(&label);
            let before = watermark.reading();
            let after = watermark.raise(&label, || because(&text)).unwrap();
            prop_assert!(after.reading.label.dominates(&before.label));
            prop_assert_eq!(&after.reading.label, &expected);
            if restart {
                drop(watermark);
                (watermark, _) = world.open(Missing::Clearance);
                prop_assert_eq!(&watermark.reading().label, &expected);
            }
        }
    }
}
