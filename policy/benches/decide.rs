//! What one decision costs. Run: `cargo bench -p bellgate-policy`.
//!
//! The goal is under 200 ns for a permit, without an allocation where a policy has at most 64 categories.

#![expect(missing_docs, reason = "criterion's macro writes a function without one")]
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::fmt::Write as _;
use std::hint::black_box;

use bellgate_policy::{
    Answer, Asked, Content, Mode, Policy, Question, RequestShape, SecurityLabel, Serving, SpiffeId, Standing,
    Timestamp, decide, release,
};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

/// A policy with that many categories; its subject `agent` floats, its object `tool` is at the top.
fn policy(categories: usize) -> Policy {
    let mut text = String::from("version: 1\ncategories:\n");
    let mut all = String::new();
    for index in 0..categories {
        writeln!(text, "  - c{index:04}").unwrap();
        write!(all, "{}c{index:04}", if index == 0 { ":" } else { "," }).unwrap();
    }
    write!(
        text,
        "subjects:
  agent: {{ id: spiffe://bench.test/agent, floor: PUBLIC, clearance: 'RESTRICTED{all}', gateway: true }}
  tool: {{ id: spiffe://bench.test/tool, clearance: 'RESTRICTED{all}', gateway: true }}
upstreams:
  tool:
    workload: tool
    label: 'RESTRICTED{all}'
    routes:
      one: {{ methods: [POST], path: '/v1/items/{{id}}' }}
      two: {{ methods: [GET], path: '/v1/items/{{id}}/parts/**' }}
grants:
  - {{ subject: agent, object: tool, modes: [observe, alter] }}
"
    )
    .unwrap();
    Policy::parse("bench.yaml", &text).unwrap()
}

fn decisions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide");
    for categories in [1, 64, 1024] {
        let policy = policy(categories);
        let agent = SpiffeId::parse("spiffe://bench.test/agent").unwrap();
        let object = policy.object("tool/one").unwrap();
        let watermark: SecurityLabel = policy.lattice().top();
        let question = Question {
            subject: &agent,
            object: Asked::Known(object),
            mode: Mode::Alter,
            standing: Standing::Own { watermark: &watermark, own: &watermark, declared: None },
            task: None,
            target: None,
            content: Content::Nothing,
            now: Timestamp(0),
        };
        group.bench_function(BenchmarkId::new("permit", categories), |bencher| {
            bencher.iter(|| decide(&policy, black_box(&question)));
        });
        let permit = decide(&policy, &question).permit().unwrap();
        let answer = Answer { serving: Serving::Stated(&watermark), declared: None };
        group.bench_function(BenchmarkId::new("release", categories), |bencher| {
            bencher.iter(|| release(&policy, black_box(&permit), &answer));
        });
        let text = policy.lattice().text(&watermark);
        group.bench_function(BenchmarkId::new("parse label", categories), |bencher| {
            bencher.iter(|| policy.lattice().parse_canonical(black_box(&text)));
        });
    }
    let policy = policy(1);
    let upstream = policy.upstream("tool").unwrap();
    let request = RequestShape { method: "POST", path: "/v1/items/42", has_body: true, upgrade: false };
    group.bench_function("resolve", |bencher| {
        bencher.iter(|| policy.resolve(upstream, black_box(&request), Content::Nothing));
    });
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
