//! "Did you mean": the closest of the names that could stand there.

/// The candidate that was probably meant by `given`: the least number of single-character changes (insert, delete,
/// replace, swap of neighbours; case counts for nothing), and at most one in three characters of the longer text.
/// Of equally close ones, the first by bytes. `None` where nothing is close, or where either is longer than 64 characters.
pub fn closest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 64;
    let given: Vec<char> = given.chars().flat_map(char::to_lowercase).take(LONGEST + 1).collect();
    if given.is_empty() || given.len() > LONGEST {
        return None;
    }
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let letters: Vec<char> = candidate.chars().flat_map(char::to_lowercase).collect();
            let longer = letters.len().max(given.len());
            let close = longer <= LONGEST && letters.len().abs_diff(given.len()) <= longer / 3;
            let changes = close.then(|| distance(&given, &letters))?;
            (changes <= (longer / 3).max(1)).then_some((changes, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// Optimal string alignment distance, row by row.
fn distance(from: &[char], to: &[char]) -> usize {
    let mut two_back: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    let mut previous: Option<&char> = None;
    for (row, letter) in from.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in to.iter().enumerate() {
            let at = |cells: &[usize], index: usize| cells.get(index).copied().unwrap_or(usize::MAX / 2);
            let replace = at(&above, column) + usize::from(letter != other);
            let mut best = replace.min(at(&above, column + 1) + 1).min(at(&current, column) + 1);
            let swapped = column > 0 && previous == Some(other) && to.get(column - 1) == Some(letter);
            if swapped {
                best = best.min(at(&two_back, column - 1) + 1);
            }
            current.push(best);
        }
        two_back = std::mem::replace(&mut above, current);
        previous = Some(letter);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_names_are_found_and_far_ones_are_not() {
        let keys = ["clearance", "floor", "gateway", "id", "multilevel"];
        for (given, meant) in [
            ("clearence", Some("clearance")),
            ("Floor", Some("floor")),
            ("flor", Some("floor")),
            ("folor", Some("floor")),
            ("gateways", Some("gateway")),
            ("ID", Some("id")),
            ("idd", Some("id")),
            ("ceiling", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(closest(given, keys), meant, "{given}");
        }
        assert_eq!(closest(&"x".repeat(10_000), keys), None);
    }

    #[test]
    fn distances() {
        for (from, to, expected) in
            [("", "", 0), ("abc", "abc", 0), ("abc", "acb", 1), ("abc", "ab", 1), ("kitten", "sitting", 3)]
        {
            let letters = |text: &str| text.chars().collect::<Vec<_>>();
            assert_eq!(distance(&letters(from), &letters(to)), expected, "{from} {to}");
        }
    }
}
