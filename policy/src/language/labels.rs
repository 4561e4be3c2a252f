//! `levels`, `categories` and `lake`.

use crate::document::{Mapping, Node};
use crate::lattice::{Lattice, LatticeError};
use crate::name::Name;

use super::draft::Draft;

/// The levels of a policy that gives none.
const DEFAULT_LEVELS: [&str; 4] = ["PUBLIC", "STANDARD", "CONFIDENTIAL", "RESTRICTED"];

/// The lattice; `None` where names have mistakes, which are reported.
pub(super) fn read_lattice(root: &Mapping<'_>) -> Option<Lattice> {
    let levels = root.optional("levels");
    let categories = root.optional("categories");
    let level_names = match levels {
        Some(node) => names(node),
        None => Some(default_levels()),
    };
    let category_names = match categories {
        Some(node) => names(node),
        None => Some(Vec::new()),
    };
    let error = match Lattice::new(level_names?, category_names?) {
        Ok(lattice) => return Some(lattice),
        Err(error) => error,
    };
    let at = match &error {
        LatticeError::NoLevels | LatticeError::TooManyLevels(_) => levels,
        LatticeError::TooManyCategories(_) | LatticeError::Duplicate(_) => categories.or(levels),
    };
    at.unwrap_or_else(|| root.node()).report(error);
    None
}

/// The names of a list; each mistake is reported at its item. `None` where there was one.
fn names(list: Node<'_>) -> Option<Vec<Name>> {
    let mut names: Vec<Name> = Vec::new();
    let mut clean = true;
    for item in list.sequence()? {
        match item.parse_with(Name::new) {
            Some(name) if names.contains(&name) => {
                item.report(format_args!("`{name}` is listed twice"));
                clean = false;
            }
            Some(name) => names.push(name),
            None => clean = false,
        }
    }
    clean.then_some(names)
}

fn default_levels() -> Vec<Name> {
    DEFAULT_LEVELS.into_iter().filter_map(|level| Name::new(level).ok()).collect()
}

pub(super) fn read_lake(root: &Mapping<'_>, draft: &mut Draft) {
    let Some(fields) = root.optional("lake").and_then(Node::mapping) else {
        return;
    };
    draft.lake = fields.required("label").and_then(|node| draft.label(node));
    fields.deny_unknown();
}
