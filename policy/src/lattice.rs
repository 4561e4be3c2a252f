//! The names behind labels: an ordered list of levels and a set of categories, and the text form of a label.
//!
//! **Text form.** `LEVEL` or `LEVEL:category,category`. [`Lattice::text`] writes it with the categories sorted by their
//! bytes; [`Lattice::parse_canonical`] reads exactly what [`Lattice::text`] writes (the wire form: one label has one
//! spelling), [`Lattice::parse_label`] takes the categories in any order (the author's form). Never an index.
//!
//! **What is bounded.** Levels, categories and the wire form, by the constants below.
//!
//! **What is absent on purpose.** White space, quotes and wildcards in labels.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::document::closest;
use crate::label::{CategorySet, LatticeId, SecurityLabel};
use crate::name::{Name, shortened};

/// How many levels a lattice can have. People can't keep more apart; the systems this follows have at most 256.
pub const MAX_LEVELS: usize = 64;
/// How many categories a lattice can have (SELinux has as many). A label then takes at most 128 bytes of bits.
pub const MAX_CATEGORIES: usize = 1024;
/// The longest label on the wire, in bytes: what common HTTP servers accept in one header.
pub const MAX_WIRE_LABEL_BYTES: usize = 8 * 1024;

/// Levels from low to high and categories. Cheap to clone: the names are shared.
#[derive(Clone)]
pub struct Lattice(Arc<Names>);

struct Names {
    id: LatticeId,
    levels: Vec<Name>,
    /// Sorted by bytes, so that ascending indices are the canonical order.
    categories: Vec<Name>,
}

/// Why lists of names form no lattice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LatticeError {
    /// The list of levels is empty.
    #[error("at least one level is needed")]
    NoLevels,
    /// More than [`MAX_LEVELS`] levels.
    #[error("{0} levels are more than the {MAX_LEVELS} that a policy can have")]
    TooManyLevels(usize),
    /// More than [`MAX_CATEGORIES`] categories.
    #[error("{0} categories are more than the {MAX_CATEGORIES} that a policy can have")]
    TooManyCategories(usize),
    /// One name stands twice in one of the lists.
    #[error("`{0}` is listed twice")]
    Duplicate(Name),
}

/// Why a text is no label of a lattice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// The text is empty.
    #[error("a label can't be empty: write a level, such as `{example}`")]
    Empty {
        /// The lowest level of the lattice.
        example: String,
    },
    /// More than [`MAX_WIRE_LABEL_BYTES`] bytes of wire form.
    #[error("{0} bytes are more than the {MAX_WIRE_LABEL_BYTES} that a label can have on the wire")]
    TooLong(usize),
    /// The part before `:` is no level.
    #[error("`{given}` is not a level; the levels are {known}")]
    UnknownLevel {
        /// What stood there.
        given: String,
        /// The levels, low to high, for a person.
        known: String,
        /// The level that was probably meant.
        meant: Option<String>,
    },
    /// A part after `:` is no category.
    #[error("`{given}` is not a category; {known}")]
    UnknownCategory {
        /// What stood there.
        given: String,
        /// The categories, for a person; a long list is cut.
        known: String,
        /// The category that was probably meant.
        meant: Option<String>,
    },
    /// One category stands twice.
    #[error("category `{0}` stands twice")]
    DuplicateCategory(String),
    /// A `:` with nothing after it, or two commas with nothing between them.
    #[error("`{0}` has an empty category: leave out the `:` or `,` that nothing follows")]
    EmptyCategory(String),
    /// The wire form must be sorted by bytes.
    #[error("category `{0}` is out of order: the wire form is sorted")]
    NotSorted(String),
}

impl LabelError {
    /// The name that was probably meant, where one is close.
    #[must_use]
    pub fn meant(&self) -> Option<&str> {
        match self {
            Self::UnknownLevel { meant, .. } | Self::UnknownCategory { meant, .. } => meant.as_deref(),
            Self::Empty { .. }
            | Self::TooLong(_)
            | Self::DuplicateCategory(_)
            | Self::EmptyCategory(_)
            | Self::NotSorted(_) => None,
        }
    }
}

impl Lattice {
    /// A lattice of these levels, low to high, and these categories, in any order.
    ///
    /// # Errors
    /// Where there is no level, too many of either, or one name twice in a list.
    pub fn new(levels: Vec<Name>, mut categories: Vec<Name>) -> Result<Self, LatticeError> {
        if levels.is_empty() {
            return Err(LatticeError::NoLevels);
        }
        if levels.len() > MAX_LEVELS {
            return Err(LatticeError::TooManyLevels(levels.len()));
        }
        if categories.len() > MAX_CATEGORIES {
            return Err(LatticeError::TooManyCategories(categories.len()));
        }
        let mut by_name = levels.clone();
        by_name.sort();
        categories.sort();
        if let Some(twice) = neighbours_equal(&by_name).or_else(|| neighbours_equal(&categories)) {
            return Err(LatticeError::Duplicate(twice));
        }
        let id = identify(&levels, &categories);
        Ok(Self(Arc::new(Names { id, levels, categories })))
    }

    /// Reads a label as a policy's author writes it: the categories in any order, each once.
    ///
    /// # Errors
    /// Where a name is unknown, missing or doubled.
    pub fn parse_label(&self, text: &str) -> Result<SecurityLabel, LabelError> {
        self.read(text, |_, _| Ok(()))
    }

    /// Reads a label in its wire form: exactly what [`Lattice::text`] writes, and at most [`MAX_WIRE_LABEL_BYTES`] bytes.
    ///
    /// # Errors
    /// Where [`Lattice::parse_label`] has one, where the categories are not sorted, or where the text is too long.
    pub fn parse_canonical(&self, text: &str) -> Result<SecurityLabel, LabelError> {
        if text.len() > MAX_WIRE_LABEL_BYTES {
            return Err(LabelError::TooLong(text.len()));
        }
        self.read(text, |before, category| match before {
            Some(before) if before > category => Err(LabelError::NotSorted(self.category_name(category))),
            Some(_) | None => Ok(()),
        })
    }

    /// The one way through a label's text; `in_order` sees each category's index and the one before it.
    fn read(
        &self,
        text: &str,
        in_order: impl Fn(Option<usize>, usize) -> Result<(), LabelError>,
    ) -> Result<SecurityLabel, LabelError> {
        let (level, categories) = match text.split_once(':') {
            Some((level, categories)) => (level, Some(categories)),
            None => (text, None),
        };
        let level = self.level_index(text, level)?;
        let mut set = CategorySet::default();
        let mut before = None;
        for given in categories.into_iter().flat_map(|list| list.split(',')) {
            let category = self.category_index(text, given)?;
            in_order(before, category)?;
            if !set.insert(category) {
                return Err(LabelError::DuplicateCategory(shortened(given)));
            }
            before = Some(category);
        }
        Ok(SecurityLabel::new(self.0.id, level, &set))
    }

    fn level_index(&self, text: &str, level: &str) -> Result<u8, LabelError> {
        let levels = &self.0.levels;
        if text.is_empty() {
            let example = levels.first().map(ToString::to_string).unwrap_or_default();
            return Err(LabelError::Empty { example });
        }
        levels.iter().position(|known| known.as_str() == level).and_then(|index| u8::try_from(index).ok()).ok_or_else(
            || LabelError::UnknownLevel { given: shortened(level), known: listed(levels), meant: meant(level, levels) },
        )
    }

    fn category_index(&self, text: &str, given: &str) -> Result<usize, LabelError> {
        if given.is_empty() {
            return Err(LabelError::EmptyCategory(shortened(text)));
        }
        let categories = &self.0.categories;
        categories.binary_search_by(|known| known.as_str().cmp(given)).map_err(|_| LabelError::UnknownCategory {
            given: shortened(given),
            known: if categories.is_empty() {
                String::from("the policy declares none")
            } else {
                format!("the categories are {}", listed(categories))
            },
            meant: meant(given, categories),
        })
    }

    fn category_name(&self, index: usize) -> String {
        self.0.categories.get(index).map(ToString::to_string).unwrap_or_default()
    }

    /// The canonical text of a label. One that belongs to another lattice has no text here and is written `?`, which no
    /// lattice reads.
    #[must_use]
    pub fn text(&self, label: &SecurityLabel) -> String {
        let level = self.0.levels.get(usize::from(label.level()));
        let (true, Some(level)) = (self.owns(label), level) else {
            return String::from("?");
        };
        let mut text = level.to_string();
        let mut separator = ':';
        for name in label.category_indices().filter_map(|index| self.0.categories.get(index)) {
            text.push(separator);
            text.push_str(name.as_str());
            separator = ',';
        }
        text
    }

    /// Whether a label's indices mean this lattice's names.
    #[must_use]
    pub fn owns(&self, label: &SecurityLabel) -> bool {
        label.lattice() == self.0.id
    }

    /// The lowest label: the first level and no category. Every label of this lattice dominates it.
    #[must_use]
    pub fn bottom(&self) -> SecurityLabel {
        SecurityLabel::new(self.0.id, 0, &CategorySet::default())
    }

    /// The highest label: the last level and all categories. It dominates every label of this lattice.
    #[must_use]
    pub fn top(&self) -> SecurityLabel {
        let last = self.0.levels.len().saturating_sub(1);
        let mut all = CategorySet::default();
        for category in 0..self.0.categories.len() {
            all.insert(category);
        }
        SecurityLabel::new(self.0.id, u8::try_from(last).unwrap_or(u8::MAX), &all)
    }

    /// The same label, by names, in another lattice; `None` where that one lacks a name of it, or where `label` is not of
    /// this lattice. The order of levels is the other lattice's own.
    #[must_use]
    pub fn translate(&self, label: &SecurityLabel, to: &Self) -> Option<SecurityLabel> {
        if to.owns(label) {
            return Some(label.clone());
        }
        if !self.owns(label) {
            return None;
        }
        to.parse_label(&self.text(label)).ok()
    }

    /// The levels, low to high.
    #[must_use]
    pub fn levels(&self) -> &[Name] {
        &self.0.levels
    }

    /// The categories, sorted by bytes.
    #[must_use]
    pub fn categories(&self) -> &[Name] {
        &self.0.categories
    }
}

fn neighbours_equal(sorted: &[Name]) -> Option<Name> {
    sorted.windows(2).find_map(|pair| match pair {
        [one, other] if one == other => Some(one.clone()),
        _ => None,
    })
}

/// Names hold neither line feeds nor spaces, so the digest is over an unambiguous text.
fn identify(levels: &[Name], categories: &[Name]) -> LatticeId {
    let mut digest = Sha256::new();
    for (list, separator) in [(levels, "\n"), (categories, " ")] {
        for name in list {
            digest.update(name.as_str());
            digest.update(separator);
        }
    }
    let bits = digest.finalize().iter().take(8).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    LatticeId::from_digest(bits)
}

/// Names for a person: quoted, at most 16 of them.
fn listed(names: &[Name]) -> String {
    const SHOWN: usize = 16;
    let mut text = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

fn meant(given: &str, names: &[Name]) -> Option<String> {
    closest(given, names.iter().map(Name::as_str)).map(str::to_owned)
}
