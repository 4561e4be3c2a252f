//! The limits of the policy language on rules that lift and on objects from bodies: at one below, at, and one above.

use std::fmt::Write as _;

use bellgate_policy::Policy;
use bellgate_policy::language::{
    MAX_CASES, MAX_NAMED, MAX_OBJECTS_DEPTH, MAX_ORCHESTRATORS, MAX_PLACES, MAX_ROUTE_CASES, MAX_TRUSTED, MAX_VALUES,
};

const SUBJECTS: &str = "version: 1
subjects:
  s: { id: spiffe://td.test/s, floor: PUBLIC, clearance: RESTRICTED, handles: { reason: forks } }
  t: { id: spiffe://td.test/t, clearance: PUBLIC }
";

fn told(text: &str) -> Option<String> {
    Policy::parse("p.yaml", text).err().map(|found| found.to_string())
}

/// What is told at `limit - 1`, at `limit` and above it.
fn hold(limit: usize, text: impl Fn(usize) -> String, expected: &str) {
    assert_eq!(told(&text(limit - 1)), None, "{expected}");
    assert_eq!(told(&text(limit)), None, "{expected}");
    let found = told(&text(limit + 1)).unwrap();
    assert!(found.contains(expected), "{found}");
}

fn list(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).map(item).collect::<Vec<_>>().join(", ")
}

/// A web upstream for each of these numbers.
fn upstreams(count: usize) -> String {
    let mut text = format!("{SUBJECTS}upstreams:\n");
    for index in 0..count {
        writeln!(text, "  u{index}: {{ web: u{index}.test, label: PUBLIC }}").unwrap();
    }
    text
}

const EXPIRES: &str = "reason: x, expires: 2027-01-01T00:00:00Z";

#[test]
fn rules_and_what_they_name() {
    let trusted = |count| {
        let rule = format!("  - {{ subject: s, objects: [u0], {EXPIRES} }}\n");
        format!("{}trusted:\n{}", upstreams(1), rule.repeat(count))
    };
    hold(MAX_TRUSTED, trusted, "1025 trusted are more than the 1024 that are read");
    let orchestrators = |count| {
        let rule = format!("  - {{ subject: t, for: [s], objects: [{{ object: u0, modes: [alter] }}], {EXPIRES} }}\n");
        format!("{}orchestrators:\n{}", upstreams(1), rule.repeat(count))
    };
    hold(MAX_ORCHESTRATORS, orchestrators, "257 orchestrators are more than the 256 that are read");
    let named = |count| {
        let objects = list(count, |index| format!("u{index}"));
        format!("{}trusted:\n  - {{ subject: s, objects: [{objects}], {EXPIRES} }}\n", upstreams(count))
    };
    hold(MAX_NAMED, named, "257 objects are more than the 256 that are read");
    let granted = |count| {
        let objects = list(count, |index| format!("{{ object: u{index}, modes: [alter] }}"));
        format!("{}orchestrators:\n  - {{ subject: t, for: [s], objects: [{objects}], {EXPIRES} }}\n", upstreams(count))
    };
    hold(MAX_NAMED, granted, "257 objects are more than the 256 that are read");
    let workloads = |count| {
        let mut text = upstreams(1).replace("upstreams:\n", "#");
        for index in 0..count {
            let id = format!("spiffe://td.test/w{index}");
            writeln!(
                text,
                "\n  w{index}: {{ id: {id}, floor: PUBLIC, clearance: RESTRICTED, handles: {{ reason: x }} }}"
            )
            .unwrap();
        }
        let of = list(count, |index| format!("w{index}"));
        format!(
            "{text}upstreams: {{ u0: {{ web: u0.test, label: PUBLIC }} }}\norchestrators:\n  - {{ subject: t, for: [{of}], objects: [{{ object: u0, modes: [alter] }}], {EXPIRES} }}\n"
        )
    };
    hold(MAX_NAMED, workloads, "257 subjects are more than the 256 that are read");
}

#[test]
fn templates_headers_and_statuses() {
    let read_down = |with: &str| {
        format!(
            "{}grants:\n  - {{ subject: s, object: u0, modes: [observe], read_down: {{ budget: 1, {with} }} }}\n",
            upstreams(1)
        )
    };
    let paths = |count| read_down(&format!("paths: [{}]", list(count, |index| format!("/p{index}"))));
    hold(MAX_PLACES, paths, "33 paths are more than the 32 that are read");
    let values = |count| {
        read_down(&format!("paths: ['/{{x}}'], values: {{ x: [{}] }}", list(count, |index| format!("v{index}"))))
    };
    hold(MAX_VALUES, values, "1025 values are more than the 1024 that are read");
    let headers = |count| read_down(&format!("headers: [{}]", list(count, |index| format!("h{index}"))));
    hold(MAX_PLACES, headers, "33 headers are more than the 32 that are read");
    for (budget, ok) in [("1", true), ("1GiB", true), ("1073741825", false), ("0", false)] {
        assert_eq!(told(&read_down("").replace("budget: 1,", &format!("budget: {budget},"))).is_none(), ok, "{budget}");
    }

    let guard = |on: &str, with: &str| {
        let zeros = "0".repeat(64);
        format!(
            "{}capabilities:\n  c: {{ urn: 'urn:ab:c', sha256: {zeros}, entry: run, label: RESTRICTED }}\ngrants:\n  - {{ subject: s, object: u0, modes: [alter], guard: {{ capability: c, label: PUBLIC, on: {on}, {with} }} }}\n",
            upstreams(1)
        )
    };
    let statuses = |count| guard("release", &format!("statuses: [{}]", list(count, |index| (200 + index).to_string())));
    hold(MAX_PLACES, statuses, "33 statuses are more than the 32 that are read");
    let kept = |count| guard("release", &format!("headers: {{ {} }}", list(count, |index| format!("h{index}: [a]"))));
    hold(MAX_PLACES, kept, "33 headers are more than the 32 that are read");
}

#[test]
fn objects_from_bodies() {
    let route = |objects: &str| {
        format!(
            "{SUBJECTS}upstreams:\n  o: {{ web: o.test, routes: {{ m: {{ path: /m, manifest: k, objects: {objects} }} }} }}\n"
        )
    };
    let case = |prefix: &str, index| format!("{prefix}{index}: {{ equals: v{index}, label: PUBLIC }}");
    let cases = |count| route(&format!("{{ at: /to, cases: {{ {} }} }}", list(count, |index| case("c", index))));
    hold(MAX_CASES, cases, "65 cases are more than the 64 that are read");
    let pointers = |count| {
        let at = list(count, |index| format!("/p{index}"));
        route(&format!("{{ at: [{at}], cases: {{ {} }} }}", case("c", 0)))
    };
    hold(MAX_PLACES, pointers, "33 JSON Pointers are more than the 32 that are read");
    let texts = |count| {
        let one_of = list(count, |index| format!("v{index}"));
        route(&format!("{{ at: /to, cases: {{ c: {{ one_of: [{one_of}], label: PUBLIC }} }} }}"))
    };
    hold(MAX_VALUES, texts, "1025 values are more than the 1024 that are read");
    // Four cases that lead on to `count` in all.
    let whole = |count: usize| {
        let inner = |count: usize| list(count, |index| case("d", index));
        let outer = list(4, |index| {
            let here = (count - 4) / 4 + usize::from(index < (count - 4) % 4);
            format!("c{index}: {{ equals: v{index}, objects: {{ at: /cc, cases: {{ {} }} }} }}", inner(here))
        });
        route(&format!("{{ at: /to, cases: {{ {outer} }} }}"))
    };
    hold(MAX_ROUTE_CASES, whole, "the cases of this route are more than the 256 that are read");
    let deep = |depth: usize| {
        let mut objects = String::from("{ at: /to, cases: { c: { equals: v, label: PUBLIC } } }");
        for _ in 1..depth {
            objects = format!("{{ at: /to, cases: {{ c: {{ equals: v, objects: {objects} }} }} }}");
        }
        route(&objects)
    };
    hold(MAX_OBJECTS_DEPTH, deep, "`objects` stands in `objects` more than 4 deep");
}
