//! DuckDB and pyarrow read what was written: the same counts, sums, labels and identities; and the queries of
//! `COLUMNS.md` run. Skipped, with the reason, where that Python has not got them (`BELLGATE_PYTHON` names another).

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::happenings::{call, exchange, rows, some_of_each, text, token, write};
use bellgate_lake::Table;
use bellgate_telemetry::Event;

/// Runs the script beside this file; `None` if the module isn't there.
fn python(module: &str, arguments: &[&str], folder: &Path) -> Option<Value> {
    let program = std::env::var("BELLGATE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    match Command::new(&program).args(["-c", &format!("import {module}")]).output() {
        Ok(output) if output.status.success() => {}
        Ok(_) => {
            eprintln!("skipped: `{program}` has no module `{module}` (pip install {module}, or set BELLGATE_PYTHON)");
            return None;
        }
        Err(error) => {
            eprintln!("skipped: `{program}` can't be run ({error})");
            return None;
        }
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lake/read.py");
    let output = Command::new(&program).arg(script).arg(module).args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// What each reader is asked for, by our own count.
fn expected(root: &Path) -> Value {
    let events = rows(root, Table::Events);
    let sum = |column: &str| events.iter().map(|row| row[column].as_u64().unwrap()).sum::<u64>();
    let mut uuids: Vec<&str> = events.iter().map(|row| text(row, "entity_uuid")).collect();
    uuids.sort_unstable();
    let mut counts = serde_json::Map::new();
    for table in Table::ALL {
        let mut by_label = serde_json::Map::new();
        for row in rows(root, table) {
            let count = by_label.entry(text(&row, "label")).or_insert(json!(0));
            *count = json!(count.as_u64().unwrap() + 1);
        }
        counts.insert(table.as_str().to_owned(), Value::Object(by_label));
    }
    json!({
        "rows_by_label": counts,
        "request_bytes": sum("request_bytes"),
        "response_bytes": sum("response_bytes"),
        "first": text(&events[0], "occurred_at"),
        "dates": ["2026-01-01", "2026-01-02"],
        "uuids": uuids,
    })
}

/// A lake of several files for each table: two days, two batches.
fn write_lake(root: &Path) {
    write(root, 40, &some_of_each(20));
    let next_day: Vec<Event> = (0..10)
        .map(|request| {
            let mut event = exchange(1000 + request);
            event.at.0 += 86_400_000;
            Event::Exchange(Box::new(event))
        })
        .collect();
    write(root, 1000, &next_day);
}

#[test]
fn they_read_the_same_counts_sums_labels_and_identities() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("lake");
    write_lake(&root);
    let expected = expected(&root);
    assert!(expected["uuids"].as_array().is_some_and(|uuids| uuids.len() == 30));
    for module in ["duckdb", "pyarrow"] {
        if let Some(read) = python(module, &["summary", "lake"], folder.path()) {
            assert_eq!(read, expected, "{module}");
        }
    }
}

#[test]
fn every_column_can_be_named_in_sql_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("lake");
    write_lake(&root);
    let queries: Vec<String> = Table::ALL
        .into_iter()
        .map(|table| {
            let columns: Vec<String> = rows(&root, table)[0].as_object().unwrap().keys().cloned().collect();
            let least: Vec<String> = columns.iter().map(|column| format!("min({column})")).collect();
            let (table, columns, least) = (table.as_str(), columns.join(", "), least.join(", "));
            format!("SELECT {least} FROM (SELECT {columns} FROM read_parquet('lake/silver/{table}/**/*.parquet'))")
        })
        .collect();
    let queries: Vec<&str> = queries.iter().map(String::as_str).collect();
    if let Some(answers) = python("duckdb", &[&["queries"], queries.as_slice()].concat(), folder.path()) {
        assert_eq!(answers.as_array().unwrap().len(), Table::ALL.len());
    }
}

#[test]
fn they_read_while_the_lake_is_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("lake");
    write_lake(&root);
    let writer = std::thread::spawn(move || {
        for batch in 0..30 {
            let tokens: Vec<Event> =
                (0..50).map(|offset| Event::StreamEvent(Box::new(token(batch + 1, offset)))).collect();
            write(&root, 10, &tokens);
        }
    });
    let mut before = 0;
    while !writer.is_finished() {
        let Some(read) = python("duckdb", &["count", "lake", "stream_tokens"], folder.path()) else { break };
        let now = read.as_u64().unwrap();
        assert!(now >= before, "{now} after {before}");
        before = now;
    }
    writer.join().unwrap();
    if let Some(read) = python("duckdb", &["count", "lake", "stream_tokens"], folder.path()) {
        assert_eq!(read, json!(20 + 30 * 50));
    }
}

#[test]
fn the_queries_of_the_document_run() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("lake");
    write_lake(&root);
    let refused = (0..4).map(|request| {
        let mut event = exchange(5000 + request);
        (event.verdict, event.reason, event.status) =
            (bellgate_telemetry::Ruling::Refuse, Some("no-write-down".to_owned()), 403);
        Event::Exchange(Box::new(event))
    });
    let calls = [Event::CapabilityCall(Box::new(call(1000))), Event::CapabilityCall(Box::new(call(1001)))];
    write(&root, 1000, &refused.chain(calls).collect::<Vec<_>>());

    let queries: Vec<&str> = include_str!("../../COLUMNS.md")
        .split("```sql\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert_eq!(queries.len(), 5);
    let Some(answers) = python("duckdb", &[&["queries"], queries.as_slice()].concat(), folder.path()) else { return };
    let answers = answers.as_array().unwrap();
    let [refusals, raised, times, entities, calls] = answers.as_slice() else { panic!("five answers") };
    assert_eq!(refusals[0]["object"], "search");
    assert_eq!(refusals[0]["reason"], "no-write-down");
    assert_eq!(refusals[0]["refused"], 4);
    assert_eq!(raised.as_array().unwrap().len(), 20);
    assert_eq!(raised[0]["cause_object"], "records/patients");
    assert_eq!((&times[0]["exchanges"], &times[0]["median_ms"]), (&json!(30), &json!(1.0)));
    let kinds: Vec<_> = entities.as_array().unwrap().iter().map(|row| text(row, "kind")).collect();
    assert_eq!(kinds, ["capability", "object", "subject"]);
    assert_eq!(entities[2]["labels"], json!(["PUBLIC", "RESTRICTED:clinical"]));
    let outcomes: Vec<_> =
        calls.as_array().unwrap().iter().map(|row| (text(row, "outcome"), row["calls"].as_u64().unwrap())).collect();
    assert_eq!(outcomes, [("fuel-exhausted", 11), ("ok", 11)]);
}
