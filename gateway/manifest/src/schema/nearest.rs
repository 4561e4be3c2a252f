//! A name close to one that does not exist, for the author who mistyped it.

use serde_json::Value;

use crate::pointer;

/// Names further away than this are not what was meant.
const FAR: usize = 3;

/// `, did you mean ...`, or what there is instead, or nothing.
pub(super) fn hint(file: &Value, fragment: &str) -> String {
    if !fragment.starts_with('/') {
        return ", a JSON pointer starts with `/`, as in `#/$defs/Name`".to_owned();
    }
    let Some((parent, name)) = fragment.rsplit_once('/') else {
        return String::new();
    };
    let Some(Value::Object(siblings)) = file.pointer(parent) else {
        return format!(", not even at `#{parent}`");
    };
    let closest = siblings.keys().map(|sibling| (distance(sibling, name), sibling)).min();
    match closest {
        Some((steps, sibling)) if steps <= FAR => {
            format!(", did you mean `#{}`?", pointer::join(parent, sibling))
        }
        Some(_) | None => format!(", `#{parent}` has {} other names", siblings.len()),
    }
}

/// How many characters must be put in, taken out or replaced (Levenshtein), letter case aside.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.to_lowercase().chars().enumerate() {
        let mut next = vec![i + 1];
        let mut left = i + 1;
        for (to, pair) in b.iter().zip(row.windows(2)) {
            let [diagonal, above] = pair else { continue };
            left = (diagonal + usize::from(from != *to)).min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
