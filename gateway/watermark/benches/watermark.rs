//! What a request pays: readings, and raises that raise nothing, with few and with a million handles open.
#![expect(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bellgate_policy::{Observation, Policy, Timestamp};
use bellgate_watermark::{Handle, HandleListener, Missing, Opening, Watermark};
use criterion::{Criterion, criterion_group, criterion_main};

const POLICY: &str = r#"
version: 1
categories: [a, b, c]
subjects:
  agent: { id: spiffe://a.test/agent, floor: PUBLIC, clearance: "RESTRICTED:a,b,c" }
"#;

fn because() -> Observation {
    Observation { request_id: "r".into(), object: "o".into(), at: Timestamp(1), label: "PUBLIC:a".into() }
}

fn reads(c: &mut Criterion) {
    let policy = Policy::parse("policy.yaml", POLICY).unwrap();
    let subject = policy.subject_named("agent").unwrap();
    let label = policy.lattice().parse_label("PUBLIC:a").unwrap();
    for handles in [1_usize, 1000, 1_000_000] {
        let folder = tempfile::tempdir().unwrap();
        let (watermark, _) =
            Watermark::open(folder.path(), subject, policy.lattice(), Missing::Floor, Timestamp(1)).unwrap();
        let open = || {
            let opening = Opening {
                start: label.clone(),
                because: Some(because()),
                listener: HandleListener::Egress,
                task: None,
                life: Duration::from_secs(3600),
                limit: handles,
            };
            watermark.open_handle(opening, Timestamp(1)).unwrap()
        };
        let opened: Vec<_> = (0..handles).map(|_| open()).collect();
        watermark.raise(&label, because).unwrap();
        let handle: Arc<Handle> = Arc::clone(&opened.last().unwrap().handle);
        let id = &opened.last().unwrap().id;
        let mut group = c.benchmark_group(format!("{handles} handles"));
        group.bench_function("reading", |b| b.iter(|| black_box(watermark.reading().version)));
        group.bench_function("reading_of", |b| b.iter(|| black_box(watermark.reading_of(black_box(&handle)).version)));
        group.bench_function("version", |b| b.iter(|| black_box(watermark.version())));
        group.bench_function("raise that raises nothing", |b| {
            b.iter(|| black_box(watermark.raise(black_box(&label), because).unwrap().rose));
        });
        group.bench_function("raise_under that raises nothing", |b| {
            b.iter(|| black_box(watermark.raise_under(black_box(&handle), &label, because).unwrap().rose));
        });
        group.bench_function("passing", |b| b.iter(|| drop(black_box(watermark.passing(None, black_box(&label))))));
        group.bench_function("handle by ID", |b| {
            b.iter(|| black_box(watermark.handle(black_box(id), Timestamp(1)).is_some()))
        });
        group.bench_function("clock", |b| b.iter(|| black_box(watermark.clock(Timestamp(1)))));
        group.finish();
    }
}

criterion_group!(benches, reads);
criterion_main!(benches);
