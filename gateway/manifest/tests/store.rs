//! Kinds, versions and what a rejection tells the proxy.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use bellgate_manifest::{KindSource, Limits, Manifest, RejectionCause, SchemaError, SchemaSource, SchemaStore};
use serde_json::json;

const NOTES: &str = r#"{
    "$defs": {
        "V1": {"type": "object", "required": ["title"]},
        "V2": {"type": "object", "required": ["headline"]}
    }
}"#;

fn place(fragment: &str) -> SchemaSource {
    SchemaSource { file: "notes.json".to_owned(), fragment: Some(fragment.to_owned()), text: NOTES.into() }
}

fn notes() -> KindSource {
    KindSource {
        kind: "note".to_owned(),
        version_at: Some("/meta/version".to_owned()),
        versions: vec![("2".to_owned(), place("/$defs/V2")), ("1.0".to_owned(), place("/$defs/V1"))],
        default: None,
    }
}

fn store() -> SchemaStore {
    let sources = vec![notes(), KindSource::single("any-note", place("/$defs/V1"))];
    SchemaStore::compile(sources, Limits::default()).unwrap()
}

#[test]
fn a_body_chooses_its_schema_by_its_version() {
    let store = store();
    assert_eq!(store.kinds().collect::<Vec<_>>(), ["any-note", "note"]);
    for (body, version) in [
        (r#"{"meta":{"version":"1.0"},"title":""}"#, "1.0"),
        (r#"{"headline":"","meta":{"\u0076ersion":"\u0032"}}"#, "2"),
    ] {
        let manifest = Manifest { kind: Arc::from("note"), version: Some(Arc::from(version)) };
        assert_eq!(store.validate("note", body.as_bytes()), Ok(manifest), "{body}");
    }
    let wrong = store.validate("note", br#"{"meta":{"version":"2"},"title":""}"#).unwrap_err();
    assert_eq!(wrong.violations[0].schema_path, "/$defs/V2/required");

    let manifest = Manifest { kind: Arc::from("any-note"), version: None };
    assert_eq!(store.validate("any-note", br#"{"meta":{"version":"9"},"title":""}"#), Ok(manifest));
}

#[test]
fn a_version_that_is_missing_or_unknown_is_refused_with_the_known_ones() {
    let store = store();
    for (body, code) in [
        (r#"{"title":""}"#, "version-missing"),
        (r#"{"meta":{"version":2},"headline":""}"#, "version-missing"),
        (r#"{"meta":{"version":null}}"#, "version-missing"),
        (r#"{"meta":["version"]}"#, "version-missing"),
        (r#"[]"#, "version-missing"),
        (r#"{"meta":{"version":"SECRET"}}"#, "version-unknown"),
        (r#"{"meta":{"version":"1"}}"#, "version-unknown"),
        (r#"{"meta":{"version":"2 "}}"#, "version-unknown"),
        (r#"{"meta":{"version":""}}"#, "version-unknown"),
    ] {
        let rejection = store.validate("note", body.as_bytes()).unwrap_err();
        assert_eq!(rejection.cause.code(), code, "{body}");
        assert_eq!(rejection.status(), 422);
        assert_eq!(rejection.violations.len(), 1);
        assert_eq!(rejection.violations[0].instance_path, "/meta/version");
        let problem = rejection.to_problem().to_string();
        assert!(problem.contains("`2`, `1.0`"), "{problem}");
        assert!(!problem.contains("SECRET"), "{problem}");
    }
}

#[test]
fn a_rejection_is_a_manifest_conformance_error() {
    let rejection = store().validate("any-note", b"{}").unwrap_err();
    assert_eq!(
        rejection.to_problem(),
        json!({
            "error": "ManifestConformanceError",
            "cause": "schema",
            "detail": "the body does not conform to its schema",
            "truncated": false,
            "violations": [{
                "instance_path": "",
                "schema_path": "/$defs/V1/required",
                "keyword": "required",
                "message": "expected a member \"title\"",
            }],
        })
    );
}

#[test]
fn each_cause_has_its_status() {
    let limits = Limits { bytes: 40, depth: 2, members: 4, key_bytes: 8, ..Limits::default() };
    let sources = vec![KindSource::single("any-note", place("/$defs/V1"))];
    let store = SchemaStore::compile(sources, limits).unwrap();
    for (kind, body, code, status) in [
        ("any-note", " ".repeat(41).as_str(), "too-large", 413),
        ("any-note", "[[[]]]", "too-deep", 413),
        ("any-note", "[1,2,3,4]", "too-many-members", 413),
        ("any-note", r#"{"too-long!":1}"#, "key-too-long", 413),
        ("any-note", "\u{feff}{}", "byte-order-mark", 400),
        ("any-note", "{", "syntax", 400),
        ("any-note", r#""\ud800""#, "lone-surrogate", 400),
        ("any-note", "1e400", "number-out-of-range", 400),
        ("any-note", r#"{"a":1,"a":2}"#, "duplicate-key", 400),
        ("any-note", "{}", "schema", 422),
        ("nothing", "{}", "kind-unknown", 500),
    ] {
        let rejection = store.validate(kind, body.as_bytes()).unwrap_err();
        assert_eq!((rejection.cause.code(), rejection.status()), (code, status), "{body}");
        let problem = rejection.to_problem();
        assert_eq!(problem["cause"], code);
        assert!(problem["detail"].as_str().unwrap().len() > 20, "{problem}");
    }
    let rejection = store.validate("any-note", b"\xff").unwrap_err();
    assert_eq!(rejection.cause, RejectionCause::NotUtf8 { offset: 0 });
    assert_eq!(rejection.status(), 400);
}

#[test]
fn a_store_is_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&store());
}

fn mistakes(sources: Vec<KindSource>, limits: Limits) -> Vec<String> {
    let mistakes = SchemaStore::compile(sources, limits).err().unwrap();
    mistakes.iter().map(SchemaError::to_string).collect()
}

#[test]
fn all_mistakes_of_the_kinds_are_told_at_once() {
    let none = |kind: &str| KindSource { kind: kind.to_owned(), version_at: None, versions: Vec::new(), default: None };
    let sources = vec![
        none("empty"),
        KindSource { version_at: Some("/v".to_owned()), ..none("no-versions") },
        KindSource { version_at: None, default: Some(place("/$defs/V1")), ..notes() },
        KindSource { kind: "both".to_owned(), default: Some(place("/$defs/V1")), ..notes() },
        KindSource { kind: "pointer".to_owned(), version_at: Some("version".to_owned()), ..notes() },
        KindSource {
            kind: "twice".to_owned(),
            versions: vec![("1".to_owned(), place("/$defs/V1")), ("1".to_owned(), place("/$defs/V2"))],
            ..notes()
        },
        KindSource::single("note", place("/$defs/V1")),
        KindSource::single("gone", place("/$defs/V3")),
    ];
    assert_eq!(
        mistakes(sources, Limits { depth: 257, errors: 0, ..Limits::default() }),
        [
            "the limit `depth` is 257, but it must be between 1 and 256",
            "the limit `errors` is 0, but it must be between 1 and 10000",
            "the kind `empty` has no schema, give it one, or versions and where a body states its version",
            "the kind `no-versions` says where a body states its version, but has no versions",
            "the kind `note` has versions, but not where a body states its version, say where",
            "the kind `both` has versions and a schema without one, name that version or leave it out",
            "the kind `pointer` looks for the version at `version`, which is no JSON pointer to a member, write it like `/version`",
            "the kind `twice` has the version `1` twice, keep one",
            "the kind `note` is defined twice, merge its versions",
            "`notes.json`: nothing at `#/$defs/V3`, did you mean `#/$defs/V1`?",
        ]
    );
}
