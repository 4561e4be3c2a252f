//! The laws of the lattice, checked on labels of up to 150 categories, and against sets of names.

use std::collections::BTreeSet;

use bellgate_policy::{Lattice, Name, SecurityLabel};
use proptest::prelude::*;

const CATEGORIES: usize = 150;

fn lattice() -> Lattice {
    let name = |text: String| Name::new(&text).unwrap();
    let levels = (0..5).map(|index| name(format!("L{index}"))).collect();
    let categories = (0..CATEGORIES).map(|index| name(format!("c{index:03}"))).collect();
    Lattice::new(levels, categories).unwrap()
}

/// A label as a person thinks of it.
#[derive(Clone, Debug, PartialEq)]
struct Plain {
    level: usize,
    categories: BTreeSet<usize>,
}

impl Plain {
    fn label(&self, lattice: &Lattice) -> SecurityLabel {
        let names: Vec<String> = self.categories.iter().map(|c| format!("c{c:03}")).collect();
        let separator = if names.is_empty() { "" } else { ":" };
        let text = format!("L{}{separator}{}", self.level, names.join(","));
        lattice.parse_label(&text).unwrap()
    }

    fn dominates(&self, other: &Self) -> bool {
        self.level >= other.level && self.categories.is_superset(&other.categories)
    }
}

/// Labels crowd into few categories now and then, so that equal and comparable ones are met.
fn plain() -> impl Strategy<Value = Plain> {
    let spread = prop::collection::btree_set(0..CATEGORIES, 0..12);
    let crowded = prop::collection::btree_set(62..67_usize, 0..5);
    (0..5_usize, prop_oneof![spread, crowded]).prop_map(|(level, categories)| Plain { level, categories })
}

proptest! {
    #![proptest_config(crate::plain::cases(2000))]

    #[test]
    fn dominates_agrees_with_sets_of_names(a in plain(), b in plain()) {
        let lattice = lattice();
        prop_assert_eq!(a.label(&lattice).dominates(&b.label(&lattice)), a.dominates(&b));
        prop_assert_eq!(a.label(&lattice) == b.label(&lattice), a == b);
    }

    #[test]
    fn dominates_is_a_partial_order(a in plain(), b in plain(), c in plain()) {
        let lattice = lattice();
        let (a, b, c) = (a.label(&lattice), b.label(&lattice), c.label(&lattice));
        prop_assert!(a.dominates(&a));
        prop_assert!(!(a.dominates(&b) && b.dominates(&a)) || a == b);
        prop_assert!(!(a.dominates(&b) && b.dominates(&c)) || a.dominates(&c));
        prop_assert!(a.dominates(&lattice.bottom()) && lattice.top().dominates(&a));
    }

    #[test]
    fn join_is_the_least_upper_bound(a in plain(), b in plain(), c in plain()) {
        let lattice = lattice();
        let (a, b, c) = (a.label(&lattice), b.label(&lattice), c.label(&lattice));
        let join = a.join(&b);
        prop_assert!(join.dominates(&a) && join.dominates(&b));
        prop_assert_eq!(c.dominates(&a) && c.dominates(&b), c.dominates(&join));
        prop_assert_eq!(a.dominates(&b), join == a);
        prop_assert_eq!(lattice.top().join(&a), lattice.top());
        prop_assert_eq!(lattice.bottom().join(&a), a);
    }

    #[test]
    fn meet_is_the_greatest_lower_bound(a in plain(), b in plain(), c in plain()) {
        let lattice = lattice();
        let (a, b, c) = (a.label(&lattice), b.label(&lattice), c.label(&lattice));
        let meet = a.meet(&b);
        prop_assert!(a.dominates(&meet) && b.dominates(&meet));
        prop_assert_eq!(a.dominates(&c) && b.dominates(&c), meet.dominates(&c));
        prop_assert_eq!(a.dominates(&b), meet == b);
    }

    #[test]
    fn join_and_meet_commute_associate_and_absorb(a in plain(), b in plain(), c in plain()) {
        let lattice = lattice();
        let (a, b, c) = (a.label(&lattice), b.label(&lattice), c.label(&lattice));
        prop_assert_eq!(a.join(&b), b.join(&a));
        prop_assert_eq!(a.meet(&b), b.meet(&a));
        prop_assert_eq!(a.join(&b).join(&c), a.join(&b.join(&c)));
        prop_assert_eq!(a.meet(&b).meet(&c), a.meet(&b.meet(&c)));
        prop_assert_eq!(a.join(&a.meet(&b)), a.clone());
        prop_assert_eq!(a.meet(&a.join(&b)), a.clone());
        prop_assert_eq!(a.join(&a), a.clone());
        prop_assert_eq!(a.meet(&a), a);
    }

    #[test]
    fn text_and_label_are_one_to_one(a in plain(), b in plain()) {
        let lattice = lattice();
        let (a, b) = (a.label(&lattice), b.label(&lattice));
        let (text, other) = (lattice.text(&a), lattice.text(&b));
        prop_assert_eq!(lattice.parse_canonical(&text).unwrap(), a.clone());
        prop_assert_eq!(text == other, a == b);
    }

    #[test]
    fn no_text_is_read_that_is_not_written(text in "[L0-9c:,]{0,24}") {
        let lattice = lattice();
        if let Ok(label) = lattice.parse_canonical(&text) {
            prop_assert_eq!(lattice.text(&label), text);
        }
    }

    #[test]
    fn translation_keeps_names_and_what_dominates_what(a in plain(), b in plain()) {
        let from = lattice();
        let mut categories = from.categories().to_vec();
        categories.push(Name::new("a-first-one").unwrap());
        let to = Lattice::new(from.levels().to_vec(), categories).unwrap();
        let (a, b) = (a.label(&from), b.label(&from));
        let carried = from.translate(&a, &to).unwrap();
        let other = from.translate(&b, &to).unwrap();
        prop_assert_eq!(from.text(&a), to.text(&carried));
        prop_assert_eq!(a.dominates(&b), carried.dominates(&other));
        prop_assert_eq!(to.translate(&carried, &from), Some(a.clone()));
        // Between two lattices nothing dominates anything, and nothing can be made of both.
        prop_assert!(!carried.dominates(&a) && !a.dominates(&carried));
        let neither = carried.join(&a);
        prop_assert!(!neither.dominates(&neither) && !to.top().dominates(&neither));
        prop_assert_eq!(to.text(&neither), "?");
    }
}

#[test]
fn a_name_that_is_gone_has_no_translation() {
    let from = lattice();
    let to = Lattice::new(from.levels().to_vec(), from.categories()[1..].to_vec()).unwrap();
    let gone = from.parse_label("L1:c000").unwrap();
    assert_eq!(from.translate(&gone, &to), None);
    assert!(from.translate(&from.parse_label("L1:c001").unwrap(), &to).is_some());
    assert_eq!(to.translate(&gone, &from), Some(gone));
}
