//! The JSON-Schema-Test-Suite against the store, all drafts that are supported, with its optional
//! tests. `tests/fetch-json-schema-suite.sh` fetches it into the target folder;
//! `BELLGATE_JSON_SCHEMA_SUITE` names another place.
//!
//! What is known to fail, and why, is in `suite/known.txt`. The test fails for what fails and is
//! not there, and for what is there and passes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "the package is pure, its tests read files")]

#[path = "suite/known.rs"]
mod known;
#[path = "suite/raw.rs"]
mod raw;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bellgate_manifest::{KindSource, Limits, RejectionCause, SchemaSource, SchemaStore};

const DRAFTS: [(&str, &str); 5] = [
    ("draft4", "http://json-schema.org/draft-04/schema#"),
    ("draft6", "http://json-schema.org/draft-06/schema#"),
    ("draft7", "http://json-schema.org/draft-07/schema#"),
    ("draft2019-09", "https://json-schema.org/draft/2019-09/schema"),
    ("draft2020-12", "https://json-schema.org/draft/2020-12/schema"),
];

/// Fewer tests than this means that the suite was not read.
const AT_LEAST: usize = 7_000;

#[test]
fn the_suite_passes_but_for_what_is_known() {
    let Some(suite) = suite() else { return };
    let mut failures = BTreeSet::new();
    let mut count = 0;
    for (folder, draft) in DRAFTS {
        let root = suite.join("tests").join(folder);
        for file in files(&root) {
            let name = file.strip_prefix(&root).unwrap().display();
            let name = format!("{folder}/{name}");
            let text = std::fs::read_to_string(&file).unwrap();
            for group in raw::elements(&text) {
                count += run_group(&name, draft, group, &mut failures);
            }
        }
    }
    println!("{count} tests, {} known not to pass", failures.len());
    assert!(count >= AT_LEAST, "only {count} tests");
    known::assert_matches(&failures);
}

/// The suite's folder; `None`, with the reason printed, where it is absent.
fn suite() -> Option<PathBuf> {
    let named = std::env::var_os("BELLGATE_JSON_SCHEMA_SUITE").map(PathBuf::from);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../json-schema-suite");
    let suite = named.unwrap_or(target);
    if suite.join("tests/draft2020-12").is_dir() {
        return Some(suite);
    }
    println!("skipped: no JSON-Schema-Test-Suite, tests/fetch-json-schema-suite.sh fetches it");
    None
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Runs one schema's tests, records those that fail, and returns how many there are.
fn run_group(file: &str, draft: &str, group: &str, failures: &mut BTreeSet<String>) -> usize {
    let title = raw::string(raw::member(group, "description"));
    let schema = with_draft(raw::member(group, "schema"), draft);
    let tests = raw::elements(raw::member(group, "tests"));
    let source = SchemaSource { file: "schema.json".to_owned(), fragment: None, text: schema.as_str().into() };
    let kinds = vec![KindSource::single("test", source)];
    let Ok(store) = SchemaStore::compile(kinds, Limits::default()) else {
        failures.insert(format!("{file} | {title} | *"));
        return tests.len();
    };
    for test in &tests {
        let expected = raw::member(test, "valid") == "true";
        if verdict(&store, raw::member(test, "data")) != Some(expected) {
            let test = raw::string(raw::member(test, "description"));
            failures.insert(format!("{file} | {title} | {test}"));
        }
    }
    tests.len()
}

/// Whether the store takes a document; `None` where it refuses it before the schema.
fn verdict(store: &SchemaStore, data: &str) -> Option<bool> {
    match store.validate("test", data.as_bytes()) {
        Ok(_) => Some(true),
        Err(rejection) if rejection.cause == RejectionCause::Schema => {
            assert!(!rejection.violations.is_empty(), "a refusal without a reason: {data}");
            assert!(!rejection.truncated, "a short document with a cut list: {data}");
            Some(false)
        }
        Err(_) => None,
    }
}

/// The schema with its draft stated; the suite's folders state it for the older drafts.
fn with_draft(schema: &str, draft: &str) -> String {
    let Some(members) = schema.strip_prefix('{') else {
        return schema.to_owned();
    };
    if raw::members(schema).iter().any(|(key, _)| key == "$schema") {
        return schema.to_owned();
    }
    let comma = if members.trim() == "}" { "" } else { "," };
    format!("{{\"$schema\":\"{draft}\"{comma}{members}")
}
