//! Text forms of labels: tables and limits.

use bellgate_policy::{LabelError, Lattice, LatticeError, MAX_CATEGORIES, MAX_LEVELS, MAX_WIRE_LABEL_BYTES, Name};

fn names<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<Name> {
    texts.into_iter().map(|text| Name::new(text).unwrap()).collect()
}

fn lattice() -> Lattice {
    Lattice::new(names(["PUBLIC", "STANDARD", "RESTRICTED"]), names(["genomics", "Zeta", "clinical"])).unwrap()
}

#[test]
fn the_authors_form_takes_any_order_and_the_wire_form_one() {
    let lattice = lattice();
    for (given, canonical) in [
        ("PUBLIC", "PUBLIC"),
        ("RESTRICTED:clinical", "RESTRICTED:clinical"),
        ("RESTRICTED:genomics,clinical", "RESTRICTED:clinical,genomics"),
        ("STANDARD:clinical,Zeta", "STANDARD:Zeta,clinical"),
    ] {
        let label = lattice.parse_label(given).unwrap();
        assert_eq!(lattice.text(&label), canonical);
        assert_eq!(lattice.parse_canonical(canonical).unwrap(), label);
        assert_eq!(lattice.parse_canonical(given).is_ok(), given == canonical, "{given}");
    }
}

#[test]
fn what_is_no_label_is_told_apart() {
    let lattice = lattice();
    for (text, told) in [
        ("", "a label can't be empty: write a level, such as `PUBLIC`"),
        ("public", "`public` is not a level; the levels are `PUBLIC`, `STANDARD`, `RESTRICTED`"),
        (" PUBLIC", "` PUBLIC` is not a level; the levels are `PUBLIC`, `STANDARD`, `RESTRICTED`"),
        (":clinical", "`` is not a level; the levels are `PUBLIC`, `STANDARD`, `RESTRICTED`"),
        ("PUBLIC:", "`PUBLIC:` has an empty category: leave out the `:` or `,` that nothing follows"),
        ("PUBLIC:clinical,", "`PUBLIC:clinical,` has an empty category: leave out the `:` or `,` that nothing follows"),
        ("PUBLIC:,clinical", "`PUBLIC:,clinical` has an empty category: leave out the `:` or `,` that nothing follows"),
        ("PUBLIC:clinical,clinical", "category `clinical` stands twice"),
        (
            "PUBLIC:clinical:genomics",
            "`clinical:genomics` is not a category; the categories are `Zeta`, `clinical`, `genomics`",
        ),
        ("PUBLIC:0", "`0` is not a category; the categories are `Zeta`, `clinical`, `genomics`"),
        ("2", "`2` is not a level; the levels are `PUBLIC`, `STANDARD`, `RESTRICTED`"),
        ("PUBLIC:clinical\u{0}", "`clinical\\0` is not a category; the categories are `Zeta`, `clinical`, `genomics`"),
    ] {
        for error in [lattice.parse_label(text), lattice.parse_canonical(text)] {
            assert_eq!(error.unwrap_err().to_string(), told, "{text:?}");
        }
    }
    let unsorted = lattice.parse_canonical("PUBLIC:genomics,clinical").unwrap_err();
    assert_eq!(unsorted, LabelError::NotSorted(String::from("clinical")));
    let meant = lattice.parse_label("RESTRICTED:clincal").unwrap_err();
    assert_eq!(meant.meant(), Some("clinical"));
}

/// `count` names of 32 bytes.
fn many(count: usize) -> Vec<Name> {
    (0..count).map(|index| Name::new(&format!("{index:032}")).unwrap()).collect()
}

#[test]
fn lists_are_held_at_their_limits() {
    let one = || names(["A"]);
    assert_eq!(Lattice::new(Vec::new(), one()).err(), Some(LatticeError::NoLevels));
    for (count, ok) in [(MAX_LEVELS - 1, true), (MAX_LEVELS, true), (MAX_LEVELS + 1, false)] {
        assert_eq!(Lattice::new(many(count), one()).is_ok(), ok, "{count} levels");
    }
    for (count, ok) in [(MAX_CATEGORIES - 1, true), (MAX_CATEGORIES, true), (MAX_CATEGORIES + 1, false)] {
        assert_eq!(Lattice::new(one(), many(count)).is_ok(), ok, "{count} categories");
    }
    let twice = Lattice::new(names(["A", "B", "A"]), Vec::new()).err();
    assert_eq!(twice.unwrap().to_string(), "`A` is listed twice");
}

#[test]
fn every_category_up_to_the_last_has_a_bit_of_its_own() {
    for count in [63, 64, 65, 128, MAX_CATEGORIES] {
        let lattice = Lattice::new(names(["LOW", "HIGH"]), many(count)).unwrap();
        let top = lattice.top();
        let mut joined = lattice.bottom();
        for name in lattice.categories() {
            let single = lattice.parse_label(&format!("LOW:{name}")).unwrap();
            assert_eq!(lattice.text(&single), format!("LOW:{name}"));
            assert!(!joined.dominates(&single));
            assert!(top.dominates(&single) && !single.dominates(&top));
            joined = joined.join(&single);
        }
        assert_eq!(joined, lattice.parse_label(&lattice.text(&top).replace("HIGH", "LOW")).unwrap());
        assert_eq!(joined.meet(&lattice.bottom()), lattice.bottom());
    }
}

#[test]
fn the_wire_form_is_held_at_its_limit() {
    // `L` and a colon, then 33 bytes a category but for the last, which has no comma.
    let length = |level: &str, categories: usize| level.len() + categories * 33;
    let level_of = |categories: usize, total: usize| "L".repeat(total - categories * 33);
    let categories = 248;
    assert!(length("L", categories) <= MAX_WIRE_LABEL_BYTES - 2);
    for (total, ok) in
        [(MAX_WIRE_LABEL_BYTES - 1, true), (MAX_WIRE_LABEL_BYTES, true), (MAX_WIRE_LABEL_BYTES + 1, false)]
    {
        let level = level_of(categories, total);
        assert!(level.len() <= 32, "{}", level.len());
        let lattice = Lattice::new(names([level.as_str()]), many(categories)).unwrap();
        let text = lattice.text(&lattice.top());
        assert_eq!(text.len(), total);
        assert!(lattice.parse_label(&text).is_ok());
        match lattice.parse_canonical(&text) {
            Ok(label) => assert!(ok && label == lattice.top()),
            Err(error) => assert!(!ok && error == LabelError::TooLong(total)),
        }
    }
}

#[test]
fn debug_shows_indices_only() {
    let lattice = lattice();
    let label = lattice.parse_label("RESTRICTED:clinical,genomics").unwrap();
    assert_eq!(format!("{label:?}"), "SecurityLabel(2:{1, 2})");
}
