//! The column of UUIDs against vectors from Python's `uuid.uuid5`, where they lie beside this checkout.

use std::path::Path;

use arrow::array::BinaryArray;
use bellgate_lake::uuid5::column;
use serde_json::Value;
use uuid::Uuid;

use crate::happenings::text;

#[test]
fn the_column_is_bit_identical_to_python() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/facts/uuid5-vectors.json");
    let Ok(json) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: no `../shared/facts/uuid5-vectors.json` beside this checkout");
        return;
    };
    let vectors: Vec<Value> = serde_json::from_str(&json).unwrap();
    assert!(vectors.len() >= 12);
    for vector in &vectors {
        let name = vector["name"].as_str().map_or_else(|| repeated(&vector["name_repeat"]), str::to_owned);
        let namespace = Uuid::parse_str(text(vector, "namespace")).unwrap();
        let uuids = column(namespace, &BinaryArray::from_iter_values([name.as_bytes()])).unwrap();
        let uuid = Uuid::from_slice(uuids.value(0)).unwrap();
        assert_eq!(uuid.to_string(), text(vector, "uuid5"), "{}", text(vector, "why"));
    }
}

/// A name of one character, many times.
fn repeated(of: &Value) -> String {
    text(of, "char").repeat(usize::try_from(of["count"].as_u64().unwrap()).unwrap())
}
