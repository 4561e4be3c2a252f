//! The policy that the tables ask: `fixtures/accept/world.yaml`.

use bellgate_policy::{Policy, SecurityLabel, SpiffeId};

pub(crate) const WORLD: &str = include_str!("../fixtures/accept/world.yaml");

pub(crate) fn world() -> Policy {
    read(WORLD)
}

pub(crate) fn read(text: &str) -> Policy {
    match Policy::parse("policy.yaml", text) {
        Ok(policy) => policy,
        Err(mistakes) => panic!("{mistakes}"),
    }
}

pub(crate) fn id(name: &str) -> SpiffeId {
    SpiffeId::parse(&format!("spiffe://demo.bellgate.test/{name}")).unwrap()
}

pub(crate) fn label(policy: &Policy, text: &str) -> SecurityLabel {
    policy.lattice().parse_label(text).unwrap()
}

/// The rows of a table: lines with that many columns, split at two or more spaces; `#` begins a comment.
pub(crate) fn rows<const N: usize>(table: &str) -> Vec<[&str; N]> {
    table
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let columns: Vec<&str> = line.split("  ").map(str::trim).filter(|column| !column.is_empty()).collect();
            match <[&str; N]>::try_from(columns) {
                Ok(row) => row,
                Err(columns) => panic!("not {N} columns: {columns:?}"),
            }
        })
        .collect()
}
