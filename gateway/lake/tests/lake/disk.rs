//! A disk that refuses, and what a process that died has left behind.

use bellgate_lake::{LakeConfig, LakeError, Table};
use bellgate_telemetry::Event;

use crate::happenings::{config, exchange, rows, some_of_each, start, token, write};

fn tokens(count: u64) -> impl Iterator<Item = Event> {
    (0..count).map(|offset| Event::StreamEvent(Box::new(token(1, offset))))
}

#[test]
fn rows_that_the_disk_refuses_are_kept_and_written_later() {
    let root = tempfile::tempdir().unwrap();
    let (sender, lake) = start(config(root.path(), 1000));
    std::fs::write(root.path().join("silver"), b"a file where the folder should be").unwrap();
    tokens(5).for_each(|event| assert!(sender.offer(event)));
    match lake.flush() {
        Err(LakeError::NotWritten { rows: 5, cause }) => assert!(cause.contains("stream_tokens"), "{cause}"),
        other => panic!("{other:?}"),
    }
    let stats = lake.stats();
    assert_eq!((stats.pending, stats.errors, stats.written(Table::StreamTokens)), (5, 1, 0));
    assert!(stats.last_error.is_some() && stats.last_flush.is_none());

    std::fs::remove_file(root.path().join("silver")).unwrap();
    lake.flush().unwrap();
    assert_eq!(lake.stats().written(Table::StreamTokens), 5);
    assert_eq!(rows(root.path(), Table::StreamTokens).len(), 5);
    lake.close().unwrap();
}

#[test]
fn one_folder_that_refuses_does_not_hold_back_the_others() {
    let root = tempfile::tempdir().unwrap();
    let (sender, lake) = start(config(root.path(), 1000));
    std::fs::create_dir_all(root.path().join("silver")).unwrap();
    std::fs::write(root.path().join("silver/stream_tokens"), b"in the way").unwrap();
    for event in some_of_each(2) {
        assert!(sender.offer(event));
    }
    assert!(matches!(lake.flush(), Err(LakeError::NotWritten { rows: 2, .. })));
    assert_eq!(rows(root.path(), Table::Events).len(), 2);
    std::fs::remove_file(root.path().join("silver/stream_tokens")).unwrap();
    lake.close().unwrap();
    assert_eq!(rows(root.path(), Table::StreamTokens).len(), 2);
    assert_eq!(rows(root.path(), Table::Events).len(), 2, "what was written is not written again");
}

#[test]
fn beyond_the_bound_new_rows_are_dropped_and_counted() {
    for (offered, kept) in [(9, 9), (10, 10), (11, 10), (500, 10)] {
        let root = tempfile::tempdir().unwrap();
        let (sender, lake) = start(LakeConfig { max_rows: 10, ..config(root.path(), 1000) });
        std::fs::write(root.path().join("silver"), b"in the way").unwrap();
        tokens(offered).for_each(|event| assert!(sender.offer(event)));
        assert!(matches!(lake.flush(), Err(LakeError::NotWritten { rows, .. }) if rows as u64 == kept));
        assert_eq!(lake.stats().dropped(Table::StreamTokens), offered - kept);
        std::fs::remove_file(root.path().join("silver")).unwrap();
        let stats = lake.close().unwrap();
        assert_eq!(stats.written(Table::StreamTokens), kept);
        assert_eq!(rows(root.path(), Table::StreamTokens).len() as u64, kept);
    }
}

#[test]
fn the_bound_counts_bytes_too() {
    let root = tempfile::tempdir().unwrap();
    let (sender, lake) = start(LakeConfig { max_bytes: 50_000, ..config(root.path(), 100_000) });
    std::fs::write(root.path().join("silver"), b"in the way").unwrap();
    for request in 0..20 {
        let mut event = exchange(request);
        event.object = "o".repeat(8000);
        assert!(sender.offer(Event::Exchange(Box::new(event))));
    }
    lake.flush().unwrap_err();
    let stats = lake.stats();
    assert!(stats.pending < 20 && stats.dropped(Table::Events) >= 14, "{stats:?}");
    std::fs::remove_file(root.path().join("silver")).unwrap();
    lake.close().unwrap();
}

#[test]
fn closing_against_a_disk_that_refuses_says_what_is_lost() {
    let root = tempfile::tempdir().unwrap();
    let (sender, lake) = start(config(root.path(), 1000));
    std::fs::write(root.path().join("silver"), b"in the way").unwrap();
    tokens(3).for_each(|event| assert!(sender.offer(event)));
    let watch = lake.watch();
    assert!(matches!(lake.close(), Err(LakeError::Lost { rows: 3, .. })));
    let stats = watch.stats();
    assert_eq!((stats.dropped(Table::StreamTokens), stats.errors, stats.pending), (3, 3, 0));
}

#[test]
fn a_folder_that_cannot_be_used_is_told_at_the_start() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let (_sender, receiver) = bellgate_telemetry::channel(1);
    let error = bellgate_lake::Lake::start(config(&file, 1), receiver).err().unwrap();
    assert!(error.to_string().starts_with("the lake's folder `"), "{error}");
}

#[test]
fn what_a_killed_writer_left_is_never_seen_and_is_removed_by_the_next() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), 100, &some_of_each(3));
    // Killed after half of a file was written, before it was renamed.
    let whole = bellgate_lake::read::files(root.path(), Table::Events).unwrap();
    let bytes = std::fs::read(&whole[0]).unwrap();
    let torn = root.path().join(".aside/0198c0de-0000-7000-8000-000000000000-1");
    std::fs::write(&torn, &bytes[..bytes.len() / 2]).unwrap();

    assert_eq!(bellgate_lake::read::files(root.path(), Table::Events).unwrap(), whole);
    assert_eq!(rows(root.path(), Table::Events).len(), 3);
    let (_sender, lake) = start(config(root.path(), 100));
    assert!(!torn.exists());
    lake.close().unwrap();
    assert_eq!(rows(root.path(), Table::Events).len(), 3);
}
