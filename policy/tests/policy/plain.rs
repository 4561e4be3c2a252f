//! Labels as an oracle has them, and how many cases a law is tried with.

#![expect(clippy::disallowed_methods, reason = "a long run is asked for by an environment variable")]

use std::collections::BTreeSet;

use proptest::prelude::*;

pub(crate) const CATEGORIES: [&str; 3] = ["a", "b", "c"];

/// Not `SecurityLabel`: levels as numbers, categories as names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plain {
    pub(crate) level: usize,
    pub(crate) categories: BTreeSet<&'static str>,
}

impl Plain {
    pub(crate) fn text(&self) -> String {
        let names: Vec<&str> = self.categories.iter().copied().collect();
        let separator = if names.is_empty() { "" } else { ":" };
        format!("L{}{separator}{}", self.level, names.join(","))
    }

    pub(crate) fn dominates(&self, other: &Self) -> bool {
        self.level >= other.level && other.categories.is_subset(&self.categories)
    }

    pub(crate) fn bottom() -> Self {
        Self { level: 0, categories: BTreeSet::new() }
    }

    pub(crate) fn meet(&self, other: &Self) -> Self {
        Self {
            level: self.level.min(other.level),
            categories: self.categories.intersection(&other.categories).copied().collect(),
        }
    }

    pub(crate) fn join(&self, other: &Self) -> Self {
        Self {
            level: self.level.max(other.level),
            categories: self.categories.union(&other.categories).copied().collect(),
        }
    }
}

pub(crate) fn plain() -> impl Strategy<Value = Plain> {
    let categories = prop::sample::subsequence(CATEGORIES.to_vec(), 0..=3);
    (0..3_usize, categories)
        .prop_map(|(level, categories)| Plain { level, categories: categories.into_iter().collect() })
}

/// This many cases, or as many as `PROPTEST_CASES` says.
pub(crate) fn cases(standard: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    let told = std::env::var_os("PROPTEST_CASES").is_some();
    ProptestConfig { cases: if told { config.cases } else { standard }, ..config }
}
