//! What one decision costs. Run: `cargo bench -p bellgate-policy`.
//!
//! The goal is under 200 ns for a permit of a floating subject, whatever the number of subjects, without an allocation where
//! a policy has at most 64 categories.

#![expect(missing_docs, reason = "criterion's macro writes a function without one")]
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::fmt::Write as _;
use std::hint::black_box;

use bellgate_policy::{
    Answer, Asked, Content, Mode, Objects, Policy, Question, RequestShape, SecurityLabel, Serving, SpiffeId, Standing,
    Timestamp, decide, release,
};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use serde_json::json;

/// A policy with that many categories and subjects. Its subject `agent` floats; its object `tool` is at the top, `low` at
/// the bottom, and bodies of `mail` name objects. Every subject has grants of its own.
fn policy(categories: usize, subjects: usize) -> Policy {
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
"
    )
    .unwrap();
    let others = subjects.saturating_sub(2);
    for index in 0..others {
        let id = format!("spiffe://bench.test/other/{index}");
        writeln!(text, "  other{index}: {{ id: {id}, floor: PUBLIC, clearance: RESTRICTED, gateway: true }}").unwrap();
    }
    write!(
        text,
        "upstreams:
  tool:
    workload: tool
    label: 'RESTRICTED{all}'
    routes:
      one: {{ methods: [POST], path: '/v1/items/{{id}}' }}
      two: {{ methods: [GET], path: '/v1/items/{{id}}/parts/**' }}
  low: {{ web: low.test, label: PUBLIC }}
  mail:
    web: mail.test
    routes:
      send: {{ methods: [POST], path: /send, manifest: email, objects: {{ at: [/to, /cc], cases: {{ inner: {{ domain: example.org, label: RESTRICTED }}, boss: {{ equals: boss@x.test, label: RESTRICTED }} }} }} }}
grants:
  - {{ subject: agent, object: tool, modes: [observe, alter] }}
  - {{ subject: agent, object: low, modes: [observe], read_down: {{ budget: 1MiB, paths: ['/wiki/{{page}}'] }} }}
  - {{ subject: agent, object: mail, modes: [alter] }}
"
    )
    .unwrap();
    for index in 0..others {
        writeln!(text, "  - {{ subject: other{index}, object: tool, modes: [observe] }}").unwrap();
    }
    Policy::parse("bench.yaml", &text).unwrap()
}

fn agent() -> SpiffeId {
    SpiffeId::parse("spiffe://bench.test/agent").unwrap()
}

fn question<'a>(subject: &'a SpiffeId, object: Asked<'a>, mode: Mode, current: &'a SecurityLabel) -> Question<'a> {
    Question {
        subject,
        object,
        mode,
        standing: Standing::Own { watermark: current, own: current, declared: None },
        task: None,
        target: Some("/wiki/Aspirin"),
        content: Content::Nothing,
        now: Timestamp(0),
    }
}

fn decisions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide");
    let agent = agent();
    for categories in [1, 64, 1024] {
        let policy = policy(categories, 2);
        let watermark: SecurityLabel = policy.lattice().top();
        let question = question(&agent, Asked::Known(policy.object("tool/one").unwrap()), Mode::Alter, &watermark);
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
    group.finish();
}

/// A floating subject among many, below its clearance: what every request of an agent costs.
fn subjects(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide, floating");
    let agent = agent();
    for subjects in [10, 1000, 4000] {
        let policy = policy(1, subjects);
        let watermark = policy.lattice().parse_label("CONFIDENTIAL:c0000").unwrap();
        let tool = question(&agent, Asked::Known(policy.object("tool/one").unwrap()), Mode::Alter, &watermark);
        assert!(decide(&policy, &tool).permit().is_some());
        group.bench_function(BenchmarkId::new("permit among subjects", subjects), |bencher| {
            bencher.iter(|| decide(&policy, black_box(&tool)));
        });
        let low = question(&agent, Asked::Known(policy.object("low").unwrap()), Mode::Observe, &watermark);
        assert!(decide(&policy, &low).permit().is_some_and(|permit| permit.read_down().is_some()));
        group.bench_function(BenchmarkId::new("read down among subjects", subjects), |bencher| {
            bencher.iter(|| decide(&policy, black_box(&low)));
        });
    }
    group.finish();
}

fn requests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide, requests");
    let policy = policy(1, 2);
    let agent = agent();
    let upstream = policy.upstream("tool").unwrap();
    let request = RequestShape { method: "POST", path: "/v1/items/42", has_body: true, upgrade: false };
    group.bench_function("resolve", |bencher| {
        bencher.iter(|| policy.resolve(upstream, black_box(&request), Content::Nothing));
    });
    let mail = policy.upstream("mail").unwrap();
    let send = RequestShape { path: "/send", ..request };
    let body = json!({ "to": ["a@example.org", "boss@x.test"], "cc": ["b@example.org"] });
    group.bench_function("resolve by body", |bencher| {
        bencher.iter(|| policy.resolve(mail, black_box(&send), Content::Json(&body)));
    });
    let objects: Objects = policy.resolve(mail, &send, Content::Json(&body)).objects;
    let current = policy.lattice().parse_label("CONFIDENTIAL").unwrap();
    let several = question(&agent, Asked::Several(&objects), Mode::Alter, &current);
    assert!(decide(&policy, &several).permit().is_some_and(|permit| permit.objects().len() == 2));
    group.bench_function("permit of two objects", |bencher| {
        bencher.iter(|| decide(&policy, black_box(&several)));
    });
    group.finish();
}

criterion_group!(benches, decisions, subjects, requests);
criterion_main!(benches);
