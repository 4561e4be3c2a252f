//! The real ontology: 391 definitions, no root schema, unsigned maxima of 2^64−1. It is read where
//! it lies, beside the repository, and never copied in.

use std::path::PathBuf;
use std::sync::Arc;

use bellgate_manifest::{KindSource, Limits, Rejection, SchemaSource, SchemaStore};

/// The ontology's text; `None`, with the reason printed, where it is absent.
fn ontology() -> Option<Arc<str>> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let wanted = "shared/data/coreason_ontology.schema.json";
    let found = here
        .ancestors()
        .map(|above| above.join(wanted))
        .find(|path| path.is_file());
    let Some(path) = found else {
        println!("skipped: `{wanted}` lies in no folder above this package");
        return None;
    };
    Some(std::fs::read_to_string(path).unwrap().into())
}

fn source(text: &Arc<str>, name: &str) -> SchemaSource {
    SchemaSource {
        file: "ontology.json".to_owned(),
        fragment: Some(format!("/$defs/{name}")),
        text: Arc::clone(text),
    }
}

#[test]
fn every_definition_compiles() {
    let Some(text) = ontology() else { return };
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let names: Vec<String> = value["$defs"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(names.len(), 391);
    let kinds = names
        .iter()
        .map(|name| KindSource::single(name, source(&text, name)))
        .collect();
    let store = SchemaStore::compile(kinds, Limits::default()).unwrap_or_else(|e| panic!("{e:?}"));
    assert_eq!(store.kinds().count(), 391);
    for name in &names {
        match store.validate(name, b"{\"x\":1}") {
            Err(r) if name.len() < 24 => println!("{name} {}", r.to_problem()),
            _ => {}
        }
    }
}
