//! The list of what is known not to pass.

use std::collections::BTreeSet;

const LIST: &str = include_str!("known.txt");

/// Fails unless the failures are exactly the listed ones, each under a reason.
pub(crate) fn assert_matches(failures: &BTreeSet<String>) {
    let mut listed = BTreeSet::new();
    let mut reason = false;
    for line in LIST.lines().map(str::trim_end) {
        if line.starts_with("# ") {
            reason = true;
        } else if line.is_empty() {
            reason = false;
        } else {
            assert!(reason, "no reason stands above `{line}`");
            assert!(listed.insert(line.to_owned()), "listed twice: `{line}`");
        }
    }
    let new: Vec<&String> = failures.difference(&listed).collect();
    let stale: Vec<&String> = listed.difference(failures).collect();
    for failure in &new {
        println!("NEW {failure}");
    }
    for entry in &stale {
        println!("STALE {entry}");
    }
    assert!(new.is_empty() && stale.is_empty(), "{} new failures, {} entries that pass by now", new.len(), stale.len());
}
