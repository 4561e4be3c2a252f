//! What is written, and what is read back.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use bellgate_lake::read::{files, preview};
use bellgate_lake::{LakeConfig, Table};
use bellgate_telemetry::{Event, EventKind, Tenant, Why};
use serde_json::json;

use crate::happenings::{call, config, exchange, refused, rows, some_of_each, start, text, token, write};

#[test]
fn a_row_of_each_table_comes_back_as_it_went_in() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), 100, &some_of_each(2));

    let first = preview(root.path(), Table::Events, 1).unwrap();
    assert_eq!(
        first.rows,
        [json!({
            "entity_uuid": uuid_of(&["exchange", "request-0"]), "tenant": "demo", "occurred_at": "2026-01-01T00:00:00.000Z",
            "request_id": "request-0", "instance": "9f1c", "listener": "egress", "method": "POST",
            "subject": "spiffe://demo.bellgate.test/planner", "object": "search", "mode": "alter", "verdict": "permit",
            "reason": null, "status": 200, "request_bytes": 0, "response_bytes": 0, "duration_us": 1000, "stream": false,
            "policy": "sha256:00", "label": "PUBLIC", "date": "2026-01-01",
        })]
    );
    let printed = first.to_string();
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 2, "{printed}");
    assert!(lines[0].starts_with("entity_uuid"), "{printed}");
    assert!(lines[1].starts_with(text(&first.rows[0], "entity_uuid")), "{printed}");

    let decision = &rows(root.path(), Table::Decisions)[1];
    assert_eq!(decision["reasons"], json!(["no-write-down", "not-granted"]));
    assert_eq!(decision["cause_at"], json!("2026-01-01T00:00:00.000Z"));
    assert_eq!(decision["cause_label"], json!("RESTRICTED:clinical"));
    assert_eq!(decision["downgrade"], json!("guard"));
    assert_eq!(decision["downgrade_rule"], json!("grants[1]"));
    assert_eq!(decision["downgrade_label"], json!("PUBLIC"));
    assert_eq!(decision["handle"], json!("3f9a1c02d4e5"));
    assert_eq!(decision["rule"], json!(null));
    assert_eq!(decision["permit"], json!(false));
    assert_eq!(text(decision, "label"), "RESTRICTED:clinical");

    let token = &rows(root.path(), Table::StreamTokens)[1];
    assert_eq!(
        (&token["stream_offset"], &token["data_bytes"], &token["event_id"]),
        (&json!(1), &json!(11), &json!(null))
    );
    assert_eq!(text(token, "label"), "CONFIDENTIAL:clinical,genomics");

    let call = &rows(root.path(), Table::CapabilityCalls)[1];
    assert_eq!(text(call, "outcome"), "fuel-exhausted");

    let quarantined = &rows(root.path(), Table::Quarantine)[0];
    assert_eq!(text(quarantined, "why"), "label-unreadable");
    assert_eq!(text(quarantined, "label"), "RESTRICTED:clinical", "kept under the label of the lake");
    assert!(text(quarantined, "event").contains("no such label"));
}

/// By the documented format, without the code under test.
fn uuid_of(keys: &[&str]) -> String {
    let root = uuid::uuid!("91e8f5f8-3e28-592a-ab23-5295dcf92dd7");
    let mut name = Vec::new();
    for key in keys {
        name.push(b's');
        name.extend_from_slice(&u32::try_from(key.len()).unwrap().to_be_bytes());
        name.extend_from_slice(key.as_bytes());
    }
    uuid::Uuid::new_v5(&uuid::Uuid::new_v5(&root, b"demo"), &name).to_string()
}

#[test]
fn the_identities_are_those_of_the_documented_keys() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), 100, &some_of_each(1));
    let entities = rows(root.path(), Table::Entities);
    let seen: Vec<_> = entities
        .iter()
        .map(|row| (text(row, "kind"), text(row, "name"), text(row, "label"), text(row, "entity_uuid")))
        .collect();
    let planner = uuid_of(&["entity", "subject", "spiffe://demo.bellgate.test/planner"]);
    let search = uuid_of(&["entity", "object", "search"]);
    let urn = "urn:bellgate:actionspace:solver:deidentify:v1";
    let deidentify = uuid_of(&["entity", "capability", urn]);
    let expected = [
        ("subject", "spiffe://demo.bellgate.test/planner", "PUBLIC", planner.as_str()),
        ("object", "search", "PUBLIC", search.as_str()),
        ("subject", "spiffe://demo.bellgate.test/planner", "RESTRICTED:clinical", planner.as_str()),
        ("object", "search", "RESTRICTED:clinical", search.as_str()),
        ("capability", urn, "RESTRICTED:clinical", deidentify.as_str()),
    ];
    assert_eq!(seen.len(), expected.len());
    for row in expected {
        assert!(seen.contains(&row), "{row:?}");
    }
}

#[test]
fn files_and_folders_are_for_the_owner_alone() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), 100, &some_of_each(1));
    let mut seen = 0;
    for table in Table::ALL {
        for file in files(root.path(), table).unwrap() {
            seen += 1;
            assert_eq!(mode(&file), 0o600, "{}", file.display());
            for folder in file.ancestors().skip(1).take_while(|folder| *folder != root.path()) {
                assert_eq!(mode(folder), 0o700, "{}", folder.display());
            }
        }
    }
    assert_eq!(seen, 7, "one file for each table and label");
    assert!(root.path().join("silver/decisions/label=RESTRICTED%3Aclinical/date=2026-01-01").is_dir());
    assert!(root.path().join("silver/stream_tokens/label=CONFIDENTIAL%3Aclinical%2Cgenomics/date=2026-01-01").is_dir());
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn everything_is_counted() {
    let root = tempfile::tempdir().unwrap();
    let (sender, lake) = start(config(root.path(), 1000));
    for event in some_of_each(3) {
        assert!(sender.offer(event));
    }
    assert_eq!(lake.stats().last_flush, None);
    lake.flush().unwrap();
    let stats = lake.stats();
    let written = [(Table::Events, 3), (Table::Decisions, 3), (Table::StreamTokens, 3), (Table::CapabilityCalls, 3)];
    for (table, rows) in written.into_iter().chain([(Table::Entities, 5), (Table::Quarantine, 3)]) {
        assert_eq!(stats.written(table), rows, "{table:?}");
        assert_eq!(stats.dropped(table), 0, "{table:?}");
    }
    assert_eq!(stats.quarantined(Why::LabelUnreadable), 3);
    assert_eq!(stats.quarantined(Why::Contradiction), 0);
    assert_eq!((stats.pending, stats.files, stats.errors), (0, 7, 0));
    assert!(stats.bytes > 0 && stats.last_flush.is_some());
    lake.flush().unwrap();
    assert_eq!(lake.stats().files, 7, "nothing to write, no file");
    drop(sender);
    lake.close().unwrap();
}

#[test]
fn a_batch_is_written_when_it_is_full_or_old_enough() {
    let by_rows = tempfile::tempdir().unwrap();
    // Three rows each: the exchange, and the two entities seen in it, which later ones share.
    let (sender, lake) = start(config(by_rows.path(), 10));
    for request in 0..7 {
        assert!(sender.offer(Event::Exchange(Box::new(exchange(request)))));
    }
    wait_until(|| lake.stats().taken_and_waiting() == (0, 7));
    assert!(sender.offer(Event::Exchange(Box::new(exchange(7)))));
    wait_until(|| lake.stats().written(Table::Events) == 8);

    let by_time = tempfile::tempdir().unwrap();
    let soon = LakeConfig { flush_interval: Duration::from_millis(20), ..config(by_time.path(), 10_000) };
    let (sender, lake) = start(soon);
    assert!(sender.offer(Event::CapabilityCall(Box::new(call(0)))));
    wait_until(|| lake.stats().written(Table::CapabilityCalls) == 1);
}

trait TakenAndWaiting {
    fn taken_and_waiting(&self) -> (u64, u64);
}

impl TakenAndWaiting for bellgate_lake::LakeStats {
    /// Written exchanges, and those in memory; two of the pending rows are entities.
    fn taken_and_waiting(&self) -> (u64, u64) {
        (self.written(Table::Events), self.pending.saturating_sub(2))
    }
}

fn wait_until(holds: impl Fn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < patience, "waited in vain");
        std::thread::yield_now();
    }
}

#[test]
fn closing_writes_all_that_was_accepted_even_amid_offers() {
    let root = tempfile::tempdir().unwrap();
    let (sender, lake) = start(config(root.path(), 500));
    let threads: Vec<_> = (0..3)
        .map(|thread| {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for request in 0..3_000 {
                    sender.offer(Event::StreamEvent(Box::new(token(thread, request))));
                }
            })
        })
        .collect();
    let watch = lake.watch();
    wait_until(|| watch.stats().written(Table::StreamTokens) > 0);
    let stats = lake.close().unwrap();
    for thread in threads {
        thread.join().unwrap();
    }
    let reading = sender.reading();
    assert_eq!(stats.written(Table::StreamTokens), reading.accepted(EventKind::StreamEvent));
    assert_eq!(reading.waiting(), 0);
    assert_eq!(reading.accepted(EventKind::StreamEvent) + reading.dropped(EventKind::StreamEvent), 9_000);
    assert_eq!(rows(root.path(), Table::StreamTokens).len() as u64, reading.accepted(EventKind::StreamEvent));
    assert!(!sender.offer(Event::StreamEvent(Box::new(token(9, 9)))), "a closed lake takes nothing");
}

#[test]
fn dropping_the_handle_writes_too() {
    let root = tempfile::tempdir().unwrap();
    let (sender, lake) = start(config(root.path(), 500));
    assert!(sender.offer(Event::Decision(Box::new(refused(1)))));
    drop(lake);
    assert_eq!(rows(root.path(), Table::Decisions).len(), 1);
}

#[test]
fn a_lake_without_rows_is_empty_and_not_an_error() {
    let root = tempfile::tempdir().unwrap();
    for table in Table::ALL {
        assert_eq!(preview(root.path(), table, 10).unwrap().rows, Vec::<serde_json::Value>::new());
    }
    write(root.path(), 10, &[]);
    assert_eq!(preview(root.path(), Table::Events, 10).unwrap().rows.len(), 0);
}

#[test]
fn a_lake_may_lie_under_any_name() {
    let above = tempfile::tempdir().unwrap();
    for name in ["plain", "label=OTHER", "a [b] *?", "100%25"] {
        let root = above.path().join(name).join("lake");
        write(&root, 100, &some_of_each(1));
        let row = &rows(&root, Table::Decisions)[0];
        assert_eq!(text(row, "label"), "RESTRICTED:clinical", "{name}");
    }
}

#[test]
fn a_label_too_long_for_a_folder_still_has_a_file_that_says_it() {
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    let root = tempfile::tempdir().unwrap();
    let label = format!("RESTRICTED:{}", (100..140).map(|n| format!("category-{n}")).collect::<Vec<_>>().join(","));
    let mut event = exchange(1);
    event.label.clone_from(&label);
    write(root.path(), 100, &[Event::Exchange(Box::new(event))]);
    let files = files(root.path(), Table::Events).unwrap();
    let file = SerializedFileReader::new(std::fs::File::open(&files[0]).unwrap()).unwrap();
    let notes = file.metadata().file_metadata().key_value_metadata().unwrap();
    let note = |key: &str| notes.iter().find(|note| note.key == key).and_then(|note| note.value.as_deref());
    assert_eq!(note("bellgate.label"), Some(label.as_str()));
    assert_eq!(note("bellgate.table"), Some("events"));
    assert_eq!(note("bellgate.schema"), Some("2"));
    assert!(text(&rows(root.path(), Table::Events)[0], "label").starts_with("long~"));
}

#[test]
fn a_tenant_has_identities_of_its_own() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(one.path(), 100, &some_of_each(1));
    let (sender, lake) = start(LakeConfig { tenant: Tenant::parse("other").unwrap(), ..config(other.path(), 100) });
    for event in some_of_each(1) {
        assert!(sender.offer(event));
    }
    lake.close().unwrap();
    for table in Table::ALL {
        let (one, other) = (&rows(one.path(), table)[0], &rows(other.path(), table)[0]);
        assert_ne!(one["entity_uuid"], other["entity_uuid"], "{table:?}");
        assert_eq!(text(other, "tenant"), "other");
    }
}
