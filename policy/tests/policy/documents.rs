//! The document reader: places, limits and values, as the gateway's config parser uses them; and the limits of the policy
//! language.

use std::fmt::Write as _;
use std::time::Duration;

use bellgate_policy::document::{Document, MAX_DIAGNOSTICS, MAX_DOCUMENT_BYTES, Node};
use bellgate_policy::language::{MAX_CAPABILITIES, MAX_GRANTS, MAX_ROUTES, MAX_SUBJECTS, MAX_UPSTREAMS};
use bellgate_policy::{Diagnostics, Policy};
use proptest::prelude::*;

fn mistakes(text: &str) -> String {
    match Document::parse("d.yaml", text) {
        Ok(document) => document.finish().err().map_or_else(String::new, |found| found.to_string()),
        Err(found) => found.to_string(),
    }
}

#[test]
fn values_and_places() {
    let text = "port: 9000\nname: no\nwait: 1s\nsize: 4KiB\nlist:\n  - a\n  -   b\non: true\nnested: { deep: { x: 1 } }\nnothing:\n";
    let document = Document::parse("d.yaml", text).unwrap();
    let root = document.root().mapping().unwrap();
    assert_eq!(root.required("port").unwrap().u64(), Some(9000));
    assert_eq!(root.required("name").unwrap().string(), Some("no"));
    assert_eq!(root.required("wait").unwrap().duration(), Some(Duration::from_secs(1)));
    assert_eq!(root.required("size").unwrap().size(), Some(4096));
    assert_eq!(root.required("on").unwrap().bool(), Some(true));
    let list = root.required("list").unwrap().sequence().unwrap();
    assert_eq!(list.iter().map(|node| node.position()).collect::<Vec<_>>(), [(6, 5), (7, 7)]);
    let nested = root.required("nested").unwrap();
    assert_eq!(nested.position(), (9, 9));
    let deep = nested.mapping().unwrap().required("deep").unwrap();
    assert_eq!(deep.position(), (9, 17));
    assert_eq!((root.len(), root.is_empty()), (8, false));
    assert!(root.optional("nothing").is_none());
    assert!(root.optional("absent").is_none());
    assert!(deep.is_mapping() && !deep.is_scalar() && !deep.is_sequence() && !deep.is_nothing());
    let keys: Vec<_> = root.entries().map(|entry| (entry.key(), entry.position())).collect();
    assert_eq!(keys[4], ("list", (5, 1)));
    root.deny_unknown();
    assert!(document.finish().is_ok());
}

#[test]
fn every_reader_says_what_it_expected() {
    let text = "a: [1]\nb: x\nc: {}\nd: \"5\"\ne: yes\nf: 5\ng: 70000\nh: 2m\ni: 2GiB\nj: ''\nk:\n";
    let document = Document::parse("d.yaml", text).unwrap();
    let root = document.root().mapping().unwrap();
    assert!(root.required("a").unwrap().string().is_none());
    assert!(root.required("b").unwrap().mapping().is_none());
    assert!(root.required("c").unwrap().sequence().is_none());
    assert!(root.required("d").unwrap().u64().is_none());
    assert!(root.required("e").unwrap().bool().is_none());
    assert!(root.required("f").unwrap().duration().is_none());
    assert!(root.required("g").unwrap().u64_within(1..=65_535).is_none());
    let limits = Duration::from_millis(1)..=Duration::from_secs(60);
    assert!(root.required("h").unwrap().duration_within(limits).is_none());
    assert!(root.required("i").unwrap().size_within(1..=1 << 30).is_none());
    assert!(root.required("j").unwrap().non_empty_string().is_none());
    assert!(root.required("k").is_none());
    assert!(root.required("l").is_none());
    root.required("b").unwrap().report("`x` does not please");
    let own = root.required("b").unwrap();
    own.report_with_help("`x` does not please either", "write `y`");
    assert!(own.parse_with(str::parse::<std::net::IpAddr>).is_none());
    let expected = "\
d.yaml:1:1: `l` is missing here
d.yaml:1:4: expected text, found a list
d.yaml:2:4: expected a mapping (`key: value`), found `x`
d.yaml:2:4: `x` does not please
d.yaml:2:4: `x` does not please either
  help: write `y`
d.yaml:2:4: invalid IP address syntax
d.yaml:3:4: expected a list (`[a, b]`), found a mapping
d.yaml:4:4: expected a whole number, found text in quotes
  help: leave out the quotes
d.yaml:5:4: expected `true` or `false`, found `yes`
  help: write `true` or `false`, without quotes
d.yaml:6:4: expected a duration such as `250ms` or `1s`, found `5`
  help: add a unit: `ms`, `s`, `m`, `h` or `d`
d.yaml:7:4: `70000` is outside the limits: 1 to 65535 are allowed
d.yaml:8:4: `2m` is outside the limits: 1ms to 1m are allowed
d.yaml:9:4: `2GiB` is outside the limits: 1B to 1GiB are allowed
d.yaml:10:4: expected text that is not empty, found ``
d.yaml:11:1: `k` has no value";
    assert_eq!(document.finish().unwrap_err().to_string(), expected);
}

#[test]
fn size_depth_and_number_of_nodes_are_bounded() {
    let padded = |length: usize| format!("a: 1{}", " ".repeat(length - 4));
    assert_eq!(mistakes(&padded(MAX_DOCUMENT_BYTES - 1)), "");
    assert_eq!(mistakes(&padded(MAX_DOCUMENT_BYTES)), "");
    assert!(mistakes(&padded(MAX_DOCUMENT_BYTES + 1)).contains("4194304 are read at most"));

    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(mistakes(&nested(31)), "");
    assert_eq!(mistakes(&nested(32)), "");
    assert_eq!(mistakes(&nested(33)), "d.yaml:1:33: this nests deeper than 32 levels");
    // Far deeper, the scanner gives up first.
    let deep = mistakes(&"[".repeat(100_000));
    assert_eq!(deep, "d.yaml:1:256: this is not YAML: recursion limit exceeded");
    let deep = mistakes(&"- ".repeat(100_000));
    assert_eq!(deep, "d.yaml:1:65: this nests deeper than 32 levels");

    // The list is a node as well.
    let list = |items: usize| "- a\n".repeat(items);
    assert_eq!(mistakes(&list(199_998)), "");
    assert_eq!(mistakes(&list(199_999)), "");
    assert_eq!(mistakes(&list(200_000)), "d.yaml:200000:3: the file has more than 200000 values");
}

#[test]
fn many_mistakes_are_cut_and_counted() {
    let document = Document::parse("d.yaml", &"- x\n".repeat(MAX_DIAGNOSTICS + 5)).unwrap();
    for node in document.root().sequence().unwrap() {
        assert!(node.u64().is_none());
    }
    let Diagnostics(found) = document.finish().unwrap_err();
    assert_eq!(found.len(), MAX_DIAGNOSTICS);
    let last = found.last().unwrap().help.as_deref().unwrap();
    assert!(last.ends_with("and 5 more mistakes after this one"), "{last}");
}

/// A policy with that many of one thing.
fn policy(subjects: usize, upstreams: usize, routes: usize, capabilities: usize, grants: usize) -> String {
    let mut text = String::from("version: 1\nsubjects:\n");
    for index in 0..subjects {
        writeln!(text, "  s{index}: {{ id: spiffe://td.test/{index}, clearance: PUBLIC }}").unwrap();
    }
    text.push_str("upstreams:\n");
    for index in 0..upstreams {
        writeln!(text, "  u{index}: {{ web: u{index}.test, label: PUBLIC }}").unwrap();
    }
    text.push_str("  many:\n    web: many.test\n    label: PUBLIC\n    routes:\n");
    for index in 0..routes {
        writeln!(text, "      r{index}: {{ path: /{index} }}").unwrap();
    }
    text.push_str("capabilities:\n");
    for index in 0..capabilities {
        let zeros = "0".repeat(64);
        writeln!(text, "  c{index}: {{ urn: 'urn:ab:{index}', sha256: {zeros}, entry: run, label: PUBLIC }}").unwrap();
    }
    text.push_str("grants:\n");
    for _ in 0..grants {
        text.push_str("  - { subject: s0, object: many, modes: [observe] }\n");
    }
    text
}

#[test]
fn every_list_of_the_language_is_held_at_its_limit() {
    let told = |text: &str| Policy::parse("p.yaml", text).err().map(|found| found.to_string());
    assert_eq!(told(&policy(MAX_SUBJECTS, 0, 0, 0, 0)), None);
    assert_eq!(told(&policy(1, MAX_UPSTREAMS - 1, 0, 0, 0)), None);
    assert_eq!(told(&policy(1, 0, MAX_ROUTES, 0, 0)), None);
    assert_eq!(told(&policy(1, 0, 0, MAX_CAPABILITIES, 0)), None);
    assert_eq!(told(&policy(1, 0, 0, 0, MAX_GRANTS)), None);
    for (text, expected) in [
        (policy(MAX_SUBJECTS + 1, 0, 0, 0, 0), "4097 subjects are more than the 4096 that are read"),
        (policy(1, MAX_UPSTREAMS, 0, 0, 0), "4097 upstreams are more than the 4096 that are read"),
        (policy(1, 0, MAX_ROUTES + 1, 0, 0), "257 routes are more than the 256 that are read"),
        (policy(1, 0, 0, MAX_CAPABILITIES + 1, 0), "1025 capabilities are more than the 1024 that are read"),
        (policy(1, 0, 0, 0, MAX_GRANTS + 1), "16385 grants are more than the 16384 that are read"),
    ] {
        let found = told(&text).unwrap();
        assert!(found.contains(expected), "{found}");
    }
    let categories = |count: usize| {
        let names: Vec<String> = (0..count).map(|index| format!("c{index}")).collect();
        format!("version: 1\ncategories: [{}]\n", names.join(", "))
    };
    assert_eq!(told(&categories(1024)), None);
    let found = told(&categories(1025)).unwrap();
    assert_eq!(found, "p.yaml:2:13: 1025 categories are more than the 1024 that a policy can have");
}

/// Touches every node with every reader.
fn exhaust(node: Node<'_>) {
    let _ = (node.string(), node.u64(), node.bool(), node.duration(), node.size());
    if node.is_sequence() {
        node.sequence().into_iter().flatten().for_each(exhaust);
    }
    if node.is_mapping()
        && let Some(mapping) = node.mapping()
    {
        mapping.entries().for_each(|entry| exhaust(entry.value));
        mapping.deny_unknown();
    }
}

proptest! {
    #![proptest_config(crate::plain::cases(600))]

    #[test]
    fn no_text_makes_the_reader_panic(text in "[a-c0-9:\\-\\[\\]{}\"'&*!|>%@~?,#\\t \\n\\r.]{0,80}") {
        if let Ok(document) = Document::parse("d.yaml", &text) {
            exhaust(document.root());
            let _ = document.finish();
        }
        let _ = Policy::parse("p.yaml", &text);
    }

    #[test]
    fn a_policy_with_a_hole_is_refused_or_read_and_never_a_panic(
        which in any::<bool>(), at in any::<prop::sample::Index>(), length in 0..40_usize, with in "[a-z:/~\\[{} \\n,\"]{0,3}",
    ) {
        let world = if which { crate::world::WORLD } else { crate::lifting::LIFTING };
        let at = at.index(world.len());
        let end = (at + length).min(world.len());
        let text = format!("{}{with}{}", &world[..at], &world[end..]);
        if let Err(Diagnostics(found)) = Policy::parse("p.yaml", &text) {
            prop_assert!(!found.is_empty());
            let lines = text.lines().count() + 1;
            prop_assert!(found.iter().all(|one| (1..=lines).contains(&one.line) && one.column >= 1));
        }
    }
}
