//! The real ontology: 391 definitions, no root schema, unsigned maxima of 2^64−1. It is read where
//! it lies, beside the repository, and never copied in. The documents are our own.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "the package is pure, its tests read files")]

use std::path::PathBuf;
use std::sync::Arc;

use bellgate_manifest::{KindSource, Limits, Rejection, SchemaSource, SchemaStore};
use serde_json::{Value, json};

/// The ontology's text; `None`, with the reason printed, where it is absent.
fn ontology() -> Option<Arc<str>> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let wanted = "shared/data/coreason_ontology.schema.json";
    let found = here.ancestors().map(|above| above.join(wanted)).find(|path| path.is_file());
    let Some(path) = found else {
        println!("skipped: `{wanted}` lies in no folder above this package");
        return None;
    };
    Some(std::fs::read_to_string(path).unwrap().into())
}

fn source(text: &Arc<str>, name: &str) -> SchemaSource {
    SchemaSource { file: "ontology.json".to_owned(), fragment: Some(format!("/$defs/{name}")), text: Arc::clone(text) }
}

fn store(text: &Arc<str>, names: &[&str]) -> SchemaStore {
    let kinds = names.iter().map(|name| KindSource::single(*name, source(text, name)));
    SchemaStore::compile(kinds.collect(), Limits::default()).unwrap()
}

fn check(store: &SchemaStore, kind: &str, body: &Value) -> Result<(), Rejection> {
    store.validate(kind, body.to_string().as_bytes()).map(drop)
}

/// `path keyword` of each violation.
fn rows(outcome: Result<(), Rejection>) -> Vec<String> {
    let violations = outcome.unwrap_err().violations.into_iter();
    violations.map(|violation| format!("{} {}", violation.instance_path, violation.keyword)).collect()
}

#[test]
fn every_definition_compiles() {
    let Some(text) = ontology() else { return };
    let value: Value = serde_json::from_str(&text).unwrap();
    let names: Vec<&str> = value["$defs"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names.len(), 391);
    assert_eq!(store(&text, &names).kinds().count(), 391);
}

#[test]
fn a_maximum_of_all_64_bits_is_exact() {
    let Some(text) = ontology() else { return };
    let store = store(&text, &["SimulationEscrowContract"]);
    let outcome = |magnitude: &str| {
        let body = format!(r#"{{"locked_magnitude":{magnitude}}}"#);
        let outcome = store.validate("SimulationEscrowContract", body.as_bytes());
        outcome.map(drop)
    };
    for passes in ["1", "18446744073709551615", "18446744073709551615.0"] {
        assert_eq!(outcome(passes), Ok(()), "{passes}");
    }
    for (fails, keyword) in [
        ("18446744073709551616", "maximum"),
        ("18446744073709551617", "maximum"),
        ("1.8446744073709551616e19", "maximum"),
        ("0", "exclusiveMinimum"),
        ("-1", "exclusiveMinimum"),
        ("1.5", "type"),
    ] {
        let row = format!("/locked_magnitude {keyword}");
        assert_eq!(rows(outcome(fails)), [row], "{fails}");
    }
}

#[test]
fn a_maximum_beyond_64_bits_is_exact_too() {
    let Some(text) = ontology() else { return };
    let store = store(&text, &["CustodyReceipt"]);
    let violations = |nanoseconds: &str| {
        let body = format!(r#"{{"redaction_timestamp_unix_nano":{nanoseconds}}}"#);
        let rejection = store.validate("CustodyReceipt", body.as_bytes()).unwrap_err();
        let at = "/redaction_timestamp_unix_nano";
        let found = rejection.violations.into_iter();
        let found = found.filter(|violation| violation.instance_path == at);
        found.map(|violation| (violation.keyword, violation.message)).collect::<Vec<_>>()
    };
    assert_eq!(violations("253402300799000000000"), []);
    let expected = "expected at most 253402300799000000000".to_owned();
    assert_eq!(violations("253402300799000000001"), [("maximum".to_owned(), expected)]);
}

#[test]
fn a_workflow_is_taken_and_its_mistakes_are_named() {
    let Some(text) = ontology() else { return };
    let store = store(&text, &["WorkflowManifest", "AnyTopologyManifest"]);
    let workflow = json!({
        "genesis_provenance": {
            "extracted_by": "did:bellgate:test",
            "source_event_cid": "event-0001",
            "derivation_mode": "direct_translation"
        },
        "manifest_version": "1.0.0",
        "topology": {
            "topology_class": "dag",
            "nodes": {},
            "max_depth": 3,
            "max_fan_out": 2
        }
    });
    assert_eq!(check(&store, "WorkflowManifest", &workflow), Ok(()));

    let mut wrong = workflow.clone();
    wrong["manifest_version"] = json!("one");
    wrong["topology"]["max_depth"] = json!("three");
    wrong["topology"]["surprise"] = json!(1);
    let rows = rows(check(&store, "WorkflowManifest", &wrong));
    for row in ["/manifest_version pattern", "/topology/max_depth type", "/topology/surprise additionalProperties"] {
        assert!(rows.iter().any(|found| found == row), "{row} is not in {rows:#?}");
    }
}

#[test]
fn a_topology_of_an_unknown_class_lists_the_known_ones() {
    let Some(text) = ontology() else { return };
    let store = store(&text, &["AnyTopologyManifest"]);
    let rejection = check(&store, "AnyTopologyManifest", &json!({"topology_class": "hexagon"})).unwrap_err();
    let problem = rejection.to_problem().to_string();
    assert!(!problem.contains("hexagon"), "{problem}");
    assert!(problem.contains("/topology_class"), "{problem}");
}
