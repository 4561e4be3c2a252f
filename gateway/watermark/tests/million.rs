//! A million open handles: how much memory, and how long until they are read back.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use bellgate_policy::{Observation, Policy, Timestamp};
use bellgate_watermark::{HandleListener, Missing, Opening, Watermark};

const POLICY: &str = r#"
version: 1
categories: [a, b, c, d]
subjects:
  agent: { id: spiffe://a.test/agent, floor: PUBLIC, clearance: "RESTRICTED:a,b,c,d" }
"#;
const LABELS: [&str; 5] = ["PUBLIC", "PUBLIC:a", "STANDARD:b", "CONFIDENTIAL:a,b", "RESTRICTED:c"];
const MIB: u64 = 1024 * 1024;

/// Resident memory, in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

fn because() -> Observation {
    Observation {
        request_id: "7f3a9c5e-0000-7000-8000-000000000000".into(),
        object: "records/patient".into(),
        at: Timestamp(1),
        label: "PUBLIC:a".into(),
    }
}

fn open_and_read_back(handles: usize, at_most: u64) {
    let policy = Policy::parse("policy.yaml", POLICY).unwrap();
    let subject = policy.subject_named("agent").unwrap();
    let label = |index: usize| policy.lattice().parse_label(LABELS.get(index % 5).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let open = || Watermark::open(folder.path(), subject, policy.lattice(), Missing::Floor, Timestamp(1)).unwrap().0;
    let before = resident();
    let watermark = open();
    let begun = Instant::now();
    let mut last = None;
    for index in 0..handles {
        let opening = Opening {
            start: label(index),
            because: Some(because()),
            listener: HandleListener::Egress,
            task: None,
            life: Duration::from_secs(3600),
            limit: handles,
        };
        last = Some(watermark.open_handle(opening, Timestamp(1)).unwrap());
        if index % (handles / 100) == 0 {
            let handle = &last.as_ref().unwrap().handle;
            watermark.raise_under(handle, &label(index + 1), because).unwrap();
        }
    }
    watermark.raise(&label(1), because).unwrap();
    let took = begun.elapsed();
    let used = resident() - before;
    let begun = Instant::now();
    drop(watermark);
    let watermark = open();
    let read_back = begun.elapsed();
    let again = resident() - before;
    assert_eq!(watermark.handles_open(), handles);
    let last = watermark.handle(&last.unwrap().id, Timestamp(1)).unwrap();
    assert!(watermark.reading_of(&last).label.dominates(&label(1)));
    println!(
        "{handles} handles: {} MiB resident, opened in {took:?}; read back and written anew in {read_back:?}, {} MiB",
        used / MIB,
        again / MIB
    );
    assert!(used <= at_most && again <= at_most, "{used} and {again} bytes, expected at most {at_most}");
}

#[test]
fn a_hundred_thousand_take_a_tenth() {
    open_and_read_back(100_000, 26 * MIB);
}

#[test]
#[ignore = "takes a minute without optimisation, and 500 MB of disk"]
fn a_million_fit_into_256_mib() {
    open_and_read_back(1_000_000, 256 * MIB);
}
