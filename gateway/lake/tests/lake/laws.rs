//! What does not depend on order, repetition or the size of a batch.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bellgate_lake::Table;
use bellgate_lake::read::files;
use bellgate_policy::Timestamp;
use bellgate_telemetry::Event;
use proptest::prelude::*;

use crate::happenings::{NEW_YEAR, call, exchange, refused, rows, some_of_each, text, token, unreadable, write};

const MS_PER_DAY: u64 = 86_400_000;

/// Events over three days, three labels, few enough names to meet again.
fn events() -> impl Strategy<Value = Vec<Event>> {
    let at = (0..3u64, 0..1000u64).prop_map(|(day, ms)| Timestamp(NEW_YEAR + day * MS_PER_DAY + ms));
    let label = prop::sample::select(vec!["PUBLIC", "RESTRICTED:clinical", "CONFIDENTIAL:a,b"]);
    let name = prop::sample::select(vec!["search", "records/patients", "caf\u{e9}", "cafe\u{301}", ""]);
    let event = (0..5u8, 0..20u64, at, label, name).prop_map(|(kind, number, at, label, name)| match kind {
        0 => {
            let mut event = exchange(number);
            (event.at, event.label, event.object) = (at, label.into(), name.into());
            Event::Exchange(Box::new(event))
        }
        1 => {
            let mut event = refused(number);
            (event.at, event.label, event.object) = (at, label.into(), name.into());
            Event::Decision(Box::new(event))
        }
        2 => {
            let mut event = token(number % 3, number);
            (event.at, event.label) = (at, label.into());
            Event::StreamEvent(Box::new(event))
        }
        3 => {
            let mut event = call(number);
            (event.at, event.label) = (at, label.into());
            Event::CapabilityCall(Box::new(event))
        }
        _ => {
            let mut event = unreadable(number);
            event.at = at;
            Event::Exchange(Box::new(event))
        }
    });
    prop::collection::vec(event, 1..60)
}

fn uuids(root: &Path) -> BTreeMap<&'static str, BTreeSet<String>> {
    Table::ALL
        .into_iter()
        .map(|table| {
            let uuids = rows(root, table).iter().map(|row| text(row, "entity_uuid").to_owned()).collect();
            (table.as_str(), uuids)
        })
        .collect()
}

/// Entities merged as `COLUMNS.md` says.
fn merged_entities(root: &Path) -> BTreeMap<String, (String, String, String, String)> {
    let mut merged: BTreeMap<String, (String, String, String, String)> = BTreeMap::new();
    for row in rows(root, Table::Entities) {
        let of = |column: &str| text(&row, column).to_owned();
        let next = (of("kind"), of("name"), of("first_seen"), of("last_seen"));
        merged
            .entry(of("entity_uuid"))
            .and_modify(|there| {
                assert_eq!(there.0, next.0);
                there.1 = there.1.clone().min(next.1.clone());
                there.2 = there.2.clone().min(next.2.clone());
                there.3 = there.3.clone().max(next.3.clone());
            })
            .or_insert(next);
    }
    merged
}

fn file_contents(root: &Path) -> BTreeMap<String, Vec<u8>> {
    Table::ALL
        .into_iter()
        .flat_map(|table| files(root, table).unwrap())
        .map(|file| {
            let name = file.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(&file).unwrap())
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn order_repetition_and_batches_change_no_identity(
        events in events(), (shuffled, again) in (any::<u64>(), 0..20usize), one_batch in 1..100usize, other_batch in 1..10usize,
    ) {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(one.path(), one_batch, &events);
        let mut others = events.clone();
        others.extend(events.iter().take(again).cloned());
        shuffle(&mut others, shuffled);
        write(other.path(), other_batch, &others);

        prop_assert_eq!(uuids(one.path()), uuids(other.path()));
        prop_assert_eq!(merged_entities(one.path()), merged_entities(other.path()));
    }

    #[test]
    fn the_same_rows_give_the_same_files(events in events(), shuffled: u64) {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(one.path(), 10_000, &events);
        let mut others = events;
        shuffle(&mut others, shuffled);
        write(other.path(), 10_000, &others);
        let written = file_contents(one.path());
        prop_assert!(!written.is_empty());
        prop_assert!(written == file_contents(other.path()));
    }
}

/// A permutation that follows from a seed.
fn shuffle(events: &mut [Event], seed: u64) {
    let mut state = seed | 1;
    for last in (1..events.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        events.swap(last, usize::try_from(state % (last as u64 + 1)).unwrap());
    }
}

#[test]
fn a_batch_written_twice_is_one_file() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), 1000, &some_of_each(5));
    let once = file_contents(root.path());
    write(root.path(), 1000, &some_of_each(5));
    assert!(once == file_contents(root.path()));
    assert_eq!(rows(root.path(), Table::Events).len(), 5);
}

#[test]
fn spellings_of_one_name_are_one_entity_that_keeps_the_least() {
    let root = tempfile::tempdir().unwrap();
    let of = |number, object: &str| {
        let mut event = exchange(number);
        event.object = object.into();
        Event::Exchange(Box::new(event))
    };
    write(root.path(), 1000, &[of(7, "caf\u{e9}"), of(3, "cafe\u{301}"), of(9, "caf\u{e9}"), of(4, "Cafe\u{301}")]);
    let entities = rows(root.path(), Table::Entities);
    let objects: Vec<_> = entities
        .iter()
        .filter(|row| row["kind"] == "object")
        .map(|row| (text(row, "name"), text(row, "first_seen"), text(row, "last_seen")))
        .collect();
    let at = |ms| format!("2026-01-01T00:00:00.00{ms}Z");
    assert_eq!(objects, [("cafe\u{301}", at(3).as_str(), at(9).as_str()), ("Cafe\u{301}", &at(4), &at(4))]);
    // The columns of events stay as they came.
    let names: BTreeSet<_> =
        rows(root.path(), Table::Events).iter().map(|row| text(row, "object").to_owned()).collect();
    assert_eq!(names.len(), 3);
}
