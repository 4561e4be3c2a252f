//! The identity of rows against vectors that share nothing with this code: `vectors/make_entity.py`.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking, and reads its vectors")]

use std::collections::HashSet;
use std::path::Path;

use bellgate_telemetry::entity::{entity_uuid, write_name};
use bellgate_telemetry::{Key, Tenant};
use serde_json::Value;

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn text<'a>(vector: &'a Value, member: &str) -> &'a str {
    vector.get(member).and_then(Value::as_str).unwrap()
}

#[test]
fn names_and_uuids_are_those_of_the_python_script() {
    let groups = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/entity.json"));
    let groups = groups.as_array().unwrap();
    let mut of_groups = HashSet::new();
    for group in groups {
        let mut of_group = HashSet::new();
        for vector in group.as_array().unwrap() {
            let why = text(vector, "why");
            let tenant = Tenant::parse(text(vector, "tenant")).unwrap();
            assert_eq!(tenant.namespace().to_string(), text(vector, "namespace"), "{why}");
            let keys = vector.get("keys").unwrap().as_array().unwrap();
            let keys = keys.iter().map(|key| key.as_str().map_or(Key::MISSING, |json| Key::json(json).unwrap()));
            let mut name = Vec::new();
            write_name(keys, &mut name);
            let hex: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, text(vector, "name_hex"), "{why}");
            assert_eq!(entity_uuid(&tenant, &name).to_string(), text(vector, "entity_uuid"), "{why}");
            of_group.insert(entity_uuid(&tenant, &name));
        }
        assert_eq!(of_group.len(), 1, "a group has one UUID: {group}");
        of_groups.extend(of_group);
    }
    assert!(groups.len() > 40);
    assert_eq!(of_groups.len(), groups.len(), "and no two groups share one");
}
