//! State that is damaged, lost, cut, left by an earlier version, or in names that nobody knows.

use bellgate_policy::{Policy, SecurityLabel, Timestamp};

use crate::disk::World;
use crate::model::{POLICY, because, fresh_folder, label, open, opening};
use crate::startup::{Missing, Startup};
use crate::watermark::Watermark;

const JOURNAL: &str = "journal-";
const CLEARANCE: &str = "clearance-";

fn name(world: &World, prefix: &str) -> String {
    world.names().into_iter().find(|name| name.starts_with(prefix) && !name.ends_with(".damaged")).unwrap()
}

/// A journal with a line of each kind, and the label at its end.
fn journal() -> (Vec<u8>, Vec<u8>, SecurityLabel) {
    let folder = fresh_folder();
    let world = World::at(&folder);
    let (watermark, _) = open(&folder, Missing::Floor);
    watermark.reset("to begin with", 0, Timestamp(1), POLICY.subject_named("agent").unwrap()).unwrap();
    watermark.raise(&label("PUBLIC:a"), || because("one")).unwrap();
    let opened = watermark.open_handle(opening("PUBLIC"), Timestamp(1)).unwrap();
    watermark.raise_under(&opened.handle, &label("PUBLIC:b"), || because("two")).unwrap();
    watermark.spend("rule", 5, 10).unwrap();
    let _ = watermark.clock(Timestamp(5000));
    watermark.close_handle(&opened.handle);
    watermark.raise(&label("CONFIDENTIAL"), || because("three")).unwrap();
    let last = watermark.reading().label.clone();
    drop(opened);
    drop(watermark);
    let files = (world.read(&name(&world, JOURNAL)).unwrap(), world.read(&name(&world, CLEARANCE)).unwrap());
    World::forget(&folder);
    (files.0, files.1, last)
}

/// What a start with these files comes to.
fn start(
    journal: Option<&[u8]>,
    clearance: Option<&[u8]>,
    earlier: Option<&[u8]>,
    missing: Missing,
) -> (Watermark, Startup) {
    let folder = fresh_folder();
    let world = World::at(&folder);
    drop(open(&folder, Missing::Floor));
    let (journal_name, clearance_name) = (name(&world, JOURNAL), name(&world, CLEARANCE));
    let id = journal_name.trim_start_matches(JOURNAL).trim_end_matches(".log").to_owned();
    world.put(&journal_name, journal);
    world.put(&clearance_name, clearance);
    world.put(&format!("watermark-{id}.json"), earlier);
    let started = open(&folder, missing);
    assert!(
        !world.names().iter().any(|name| name.starts_with("watermark-") || name.ends_with(".new")),
        "taken over once"
    );
    World::forget(&folder);
    started
}

#[test]
fn one_flipped_bit_anywhere_is_damage() {
    let (journal, clearance, last) = journal();
    for byte in 0..journal.len() {
        for bit in 0..8 {
            let mut flipped = journal.clone();
            flipped[byte] ^= 1 << bit;
            let (watermark, startup) = start(Some(&flipped), Some(&clearance), None, Missing::Floor);
            assert!(matches!(startup, Startup::DamagedAtClearance(_)), "byte {byte}, bit {bit}: {startup:?}");
            assert_eq!(watermark.reading().label, POLICY.subject_named("agent").unwrap().clearance);
            assert!(watermark.reading().label.dominates(&last));
            assert!(watermark.spend("rule", 1, 1000).is_err(), "what was spent is not known");
        }
    }
    for byte in 0..clearance.len() {
        for bit in 0..8 {
            let mut flipped = clearance.clone();
            flipped[byte] ^= 1 << bit;
            let (watermark, startup) = start(Some(b""), Some(&flipped), None, Missing::Floor);
            // A flip within the name of a field of JSON, or in white space, is damage like any other.
            assert!(matches!(startup, Startup::DamagedAtTop(_)), "byte {byte}, bit {bit}: {startup:?}");
            assert_eq!(watermark.reading().label, POLICY.lattice().top());
        }
    }
}

#[test]
fn a_journal_cut_anywhere_says_what_its_whole_lines_say() {
    let (journal, clearance, _) = journal();
    let ends: Vec<usize> = (0..journal.len()).filter(|at| journal[*at] == b'\n').map(|at| at + 1).collect();
    for cut in 0..=journal.len() {
        let (watermark, startup) = start(Some(&journal[..cut]), Some(&clearance), None, Missing::Floor);
        let whole = ends.iter().filter(|end| **end <= cut).count();
        if whole < 2 {
            assert!(matches!(startup, Startup::DamagedAtClearance(_)), "cut at {cut}: {startup:?}");
            continue;
        }
        assert!(matches!(startup, Startup::Restored), "cut at {cut}: {startup:?}");
        let (to_the_line, _) = start(Some(&journal[..ends[whole - 1]]), Some(&clearance), None, Missing::Floor);
        assert_eq!(watermark.reading().label, to_the_line.reading().label, "cut at {cut}");
        assert_eq!(watermark.spent(), to_the_line.spent(), "cut at {cut}");
    }
}

#[test]
fn where_it_starts_follows_from_what_is_there() {
    let (journal, clearance, last) = journal();
    let earlier = |label: &str| {
        format!("{{\"version\":1,\"subject\":\"spiffe://a.test/agent\",\"label\":\"{label}\",\"cause\":null}}")
            .into_bytes()
    };
    let text = |label: &SecurityLabel| POLICY.lattice().text(label);
    let (old, bad) = (earlier("STANDARD:c"), earlier("SECRET"));
    let highest = "RESTRICTED:a,b,c";
    type Row<'a> = (&'a str, Option<&'a [u8]>, Option<&'a [u8]>, Option<&'a [u8]>, Missing, &'a str, &'a str);
    let rows: [Row<'_>; 12] = [
        ("nothing, floor", None, None, None, Missing::Floor, "NewAtFloor", "PUBLIC"),
        ("nothing, clearance", None, None, None, Missing::Clearance, "MissingAtClearance", highest),
        ("all is well", Some(&journal), Some(&clearance), None, Missing::Clearance, "Restored", "CONFIDENTIAL:a,b"),
        ("no clearance kept", Some(&journal), None, None, Missing::Floor, "Restored", "CONFIDENTIAL:a,b"),
        ("lost", None, Some(&clearance), None, Missing::Floor, "DamagedAtClearance", highest),
        ("empty", Some(b""), Some(&clearance), None, Missing::Floor, "DamagedAtClearance", highest),
        ("empty, and no clearance", Some(b""), None, None, Missing::Floor, "DamagedAtTop", highest),
        ("an earlier version's", None, None, Some(&old), Missing::Floor, "TakenOver", "STANDARD:c"),
        ("an earlier version's, damaged", None, None, Some(b"{}"), Missing::Floor, "DamagedAtTop", highest),
        ("an earlier version's, unknown name", None, None, Some(&bad), Missing::Floor, "DamagedAtTop", highest),
        ("both", Some(&journal), Some(&clearance), Some(&old), Missing::Floor, "Restored", "CONFIDENTIAL:a,b,c"),
        (
            "both, one damaged",
            Some(&journal),
            Some(&clearance),
            Some(b"{"),
            Missing::Floor,
            "DamagedAtClearance",
            highest,
        ),
    ];
    for (what, journal, clearance, earlier, missing, startup, at) in rows {
        let (watermark, found) = start(journal, clearance, earlier, missing);
        assert!(format!("{found:?}").starts_with(startup), "{what}: {found:?}");
        assert_eq!(text(&watermark.reading().label), at, "{what}");
    }
    assert_eq!(text(&last), "CONFIDENTIAL:a,b");
}

#[test]
fn names_that_the_policy_does_not_know_are_the_top_for_good() {
    let folder = fresh_folder();
    let (watermark, _) = open(&folder, Missing::Floor);
    watermark.raise(&label("PUBLIC:a"), || because("one")).unwrap();
    let opened = watermark.open_handle(opening("PUBLIC"), Timestamp(1)).unwrap();
    drop(watermark);
    let text = "version: 1\ncategories: [b]\nsubjects:\n  agent: { id: spiffe://a.test/agent, floor: PUBLIC, clearance: \"STANDARD:b\" }\n";
    let other = Policy::parse("policy.yaml", text).unwrap();
    let subject = other.subject_named("agent").unwrap();
    let (watermark, startup) =
        Watermark::open(&folder, subject, other.lattice(), Missing::Floor, Timestamp(1)).unwrap();
    assert!(matches!(startup, Startup::DamagedAtTop(_)), "{startup:?}");
    assert_eq!(watermark.reading().label, other.lattice().top());
    assert!(watermark.handle(&opened.id, Timestamp(1)).is_none());
    // Nothing rises, so nothing is written; it counts all the same when the names come back.
    watermark.raise(&other.lattice().parse_label("CONFIDENTIAL:b").unwrap(), || because("two")).unwrap();
    drop(watermark);
    let (watermark, _) = open(&folder, Missing::Floor);
    assert!(watermark.reading().label.dominates(&label("CONFIDENTIAL:a,b")));
    World::forget(&folder);
}

#[test]
fn the_highest_clearance_ever_outlives_a_lower_one() {
    let folder = fresh_folder();
    let world = World::at(&folder);
    let with = |clearance: &str| {
        let text = format!(
            "version: 1\ncategories: [a, b, c]\nsubjects:\n  agent: {{ id: spiffe://a.test/agent, floor: PUBLIC, clearance: \"{clearance}\" }}\n"
        );
        Policy::parse("policy.yaml", &text).unwrap()
    };
    let open_with = |policy: &Policy| {
        let subject = policy.subject_named("agent").unwrap();
        Watermark::open(&folder, subject, policy.lattice(), Missing::Floor, Timestamp(1)).unwrap()
    };
    drop(open_with(&with("CONFIDENTIAL:a")));
    let (watermark, _) = open_with(&with("STANDARD:b"));
    let reloaded = with("PUBLIC:c");
    watermark.rebase(reloaded.subject_named("agent").unwrap(), reloaded.lattice()).unwrap();
    drop(watermark);
    world.put(&name(&world, JOURNAL), Some(b"?"));
    let (watermark, startup) = open_with(&with("PUBLIC"));
    assert!(matches!(startup, Startup::DamagedAtClearance(_)), "{startup:?}");
    assert_eq!(watermark.reading().label, label("CONFIDENTIAL:a,b,c"));
    World::forget(&folder);
}

#[test]
fn the_journal_stays_small_and_says_the_same() {
    let folder = fresh_folder();
    let world = World::at(&folder);
    let (watermark, _) = open(&folder, Missing::Floor);
    let kept = watermark.open_handle(opening("PUBLIC"), Timestamp(1)).unwrap();
    watermark.raise_under(&kept.handle, &label("PUBLIC:a"), || because("one")).unwrap();
    watermark.raise(&label("PUBLIC:b"), || because("two")).unwrap();
    let mut largest = 0;
    for round in 0..6000_u64 {
        let opened = watermark.open_handle(opening("PUBLIC"), Timestamp(1)).unwrap();
        watermark.close_handle(&opened.handle);
        watermark.spend("rule", 1, u64::MAX).unwrap();
        let _ = watermark.clock(Timestamp(round * 500));
        largest = largest.max(world.read(&name(&world, JOURNAL)).unwrap().len());
    }
    assert!(largest < 600 * 1024, "{largest} bytes");
    let chain = |watermark: &Watermark| {
        let handle = watermark.handle(&kept.id, Timestamp(1)).unwrap();
        let links = watermark.chain(Some(&handle));
        links.into_iter().filter_map(|link| link.observation.map(|seen| seen.request_id.clone())).collect::<Vec<_>>()
    };
    assert_eq!(chain(&watermark), ["one", "two"]);
    drop(watermark);
    let (watermark, _) = open(&folder, Missing::Floor);
    assert_eq!((chain(&watermark), watermark.spent()["rule"]), (vec!["one".to_owned(), "two".to_owned()], 6000));
    World::forget(&folder);
}
