//! One story, with every call of it made to fail in turn.

use std::sync::Arc;

use bellgate_policy::Timestamp;

use crate::disk::{Fault, World};
use crate::model::{POLICY, because, fresh_folder, label, open, opening};
use crate::startup::{Missing, Startup};

/// Raises, an open handle, a raise under it, a debit, a reset, a raise: what was acknowledged of it, as the label that is
/// the least afterwards.
fn story(path: &std::path::Path) -> &'static str {
    let subject = POLICY.subject_named("agent").unwrap();
    let Ok((watermark, _)) =
        crate::watermark::Watermark::open(path, subject, POLICY.lattice(), Missing::Floor, Timestamp(1))
    else {
        return "PUBLIC";
    };
    let mut least = "PUBLIC";
    if watermark.raise(&label("PUBLIC:a"), || because("one")).is_ok() {
        least = "PUBLIC:a";
    }
    if let Ok(opened) = watermark.open_handle(opening("PUBLIC"), Timestamp(1))
        && watermark.raise_under(&opened.handle, &label("PUBLIC:a,b"), || because("two")).is_ok()
    {
        least = "PUBLIC:a,b";
        let _ = watermark.spend("rule", 10, 100);
    }
    match watermark.reset("because", 0, Timestamp(2), subject) {
        Ok(_) => least = "PUBLIC",
        // What was acknowledged before may or may not count.
        Err(_) if least != "PUBLIC" => least = "PUBLIC",
        Err(_) => {}
    }
    if watermark.raise(&label("CONFIDENTIAL"), || because("three")).is_ok() {
        least = "CONFIDENTIAL";
    }
    least
}

#[test]
fn at_whichever_call_the_power_goes_what_was_acknowledged_counts() {
    let folder = fresh_folder();
    story(&folder);
    let calls = World::at(&folder).calls();
    assert!(calls > 30, "{calls}");
    for call in 0..=calls {
        for choice in 0..40 {
            let folder = fresh_folder();
            let world: Arc<World> = World::at(&folder);
            world.fail_after(call, Fault::Power);
            let least = story(&folder);
            world.cut(choice);
            let (watermark, startup) = open(&folder, Missing::Floor);
            let found = watermark.reading().label.clone();
            assert!(found.dominates(&label(least)), "call {call}, choice {choice}: {startup:?}");
            assert!(matches!(startup, Startup::Restored | Startup::NewAtFloor), "call {call}: {startup:?}");
            drop(watermark);
            World::forget(&folder);
        }
    }
}

#[test]
fn at_whichever_call_the_disk_fails_once_the_next_raise_counts() {
    let folder = fresh_folder();
    story(&folder);
    for call in 0..=World::at(&folder).calls() {
        let folder = fresh_folder();
        let world = World::at(&folder);
        world.fail_after(call, Fault::Once);
        let least = story(&folder);
        world.heal();
        world.cut(call);
        let (watermark, startup) = open(&folder, Missing::Floor);
        assert!(watermark.reading().label.dominates(&label(least)), "call {call}: {startup:?}");
    }
}

#[test]
fn after_a_failed_sync_nothing_is_believed_until_the_journal_is_written_anew() {
    let folder = fresh_folder();
    let world = World::at(&folder);
    let (watermark, _) = open(&folder, Missing::Floor);
    // The write goes well, the sync does not.
    world.fail_after(1, Fault::Full);
    assert!(watermark.raise(&label("PUBLIC:a"), || because("one")).is_err());
    assert_eq!(watermark.reading().label, label("PUBLIC"));
    for _ in 0..3 {
        assert!(watermark.raise(&label("PUBLIC:a"), || because("two")).is_err(), "the disk still fails");
    }
    assert!(watermark.raise(&label("PUBLIC"), || because("nothing rises")).is_ok());
    assert!(watermark.spend("rule", 1, 100).is_err());
    assert!(watermark.open_handle(opening("PUBLIC"), Timestamp(1)).is_err());
    world.heal();
    // A sync of the old file would be told as done now, and would not be.
    watermark.raise(&label("PUBLIC:b"), || because("three")).unwrap();
    assert_eq!(watermark.reading().label, label("PUBLIC:b"), "what failed has not happened");
    drop(watermark);
    world.cut(0);
    let (watermark, startup) = open(&folder, Missing::Floor);
    assert!(matches!(startup, Startup::Restored), "{startup:?}");
    assert_eq!(watermark.reading().label, label("PUBLIC:b"));
    assert_eq!(watermark.reading().cause.as_ref().unwrap().request_id, "three");
}

#[test]
fn a_sync_that_failed_once_is_not_believed_the_second_time() {
    let folder = fresh_folder();
    let world = World::at(&folder);
    let (watermark, _) = open(&folder, Missing::Floor);
    world.fail_after(1, Fault::Once);
    assert!(watermark.raise(&label("PUBLIC:a"), || because("one")).is_err());
    // The disk is well again, and the kernel takes what it did not write for clean.
    watermark.raise(&label("PUBLIC:a"), || because("two")).unwrap();
    drop(watermark);
    world.cut(0);
    let (watermark, _) = open(&folder, Missing::Floor);
    assert_eq!(watermark.reading().label, label("PUBLIC:a"));
}

#[test]
fn what_an_earlier_process_read_and_never_synced_is_synced_by_the_next() {
    let folder = fresh_folder();
    let world = World::at(&folder);
    let (watermark, _) = open(&folder, Missing::Floor);
    world.fail_after(1, Fault::Full);
    assert!(watermark.raise(&label("PUBLIC:a"), || because("one")).is_err());
    // Killed: the line is in the page cache, told as clean.
    drop(watermark);
    world.heal();
    let (watermark, _) = open(&folder, Missing::Floor);
    assert_eq!(watermark.reading().label, label("PUBLIC:a"));
    // Nothing rises, so nothing is written; and then the power goes.
    watermark.raise(&label("PUBLIC:a"), || because("two")).unwrap();
    drop(watermark);
    world.cut(0);
    let (watermark, _) = open(&folder, Missing::Floor);
    assert_eq!(watermark.reading().label, label("PUBLIC:a"));
}
