//! A security label as numbers: the index of its level and a set of category indices, as its [`Lattice`] numbers them.
//!
//! **What holds.** Labels of one lattice form a lattice under [`SecurityLabel::dominates`], [`SecurityLabel::join`] and
//! [`SecurityLabel::meet`]; the laws are property-tested. Labels of two lattices whose names differ are incomparable, so a
//! label that outlived a reload can cause a refusal and never a permit; [`Lattice::translate`] carries it over by name.
//!
//! **What is bounded.** 64 categories lie inline; more, up to 1,024 (128 bytes), are shared between clones.
//!
//! **What is absent on purpose.** `PartialOrd`: two labels can be incomparable, and a comparison operator would answer
//! `false` where the code meant "refuse". Names: they are the lattice's, and `Debug` shows indices only.
//!
//! [`Lattice`]: crate::Lattice
//! [`Lattice::translate`]: crate::Lattice::translate

use std::fmt;
use std::sync::Arc;

/// Which lattice a label belongs to: 64 bits of the digest over its names, so that equal lattices have equal ids.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct LatticeId(u64);

impl LatticeId {
    /// What a label has that was joined from labels of two lattices. No lattice has this id.
    const NONE: Self = Self(0);

    /// An id from a digest; zero is taken by [`LatticeId::NONE`].
    pub(crate) fn from_digest(bits: u64) -> Self {
        Self(bits.max(1))
    }
}

const BITS: usize = 64;

/// A level and a set of categories, by index. See the module's documentation.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SecurityLabel {
    lattice: LatticeId,
    level: u8,
    categories: Categories,
}

/// A set of indices, 64 a word, lowest first. One set has one form, so that equal sets are equal values.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Categories {
    /// All below 64.
    Few(u64),
    /// At least two words, the last of them not zero.
    Many(Arc<[u64]>),
}

impl Categories {
    fn words(&self) -> &[u64] {
        match self {
            Self::Few(word) => std::slice::from_ref(word),
            Self::Many(words) => words,
        }
    }

    fn from_words(words: &[u64]) -> Self {
        let used = words.iter().rposition(|word| *word != 0).map_or(0, |last| last + 1);
        match words.get(..used) {
            Some([]) | None => Self::Few(0),
            Some([word]) => Self::Few(*word),
            Some(words) => Self::Many(Arc::from(words)),
        }
    }

    fn contains_all(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.words(), other.words());
        mine.len() >= theirs.len() && mine.iter().zip(theirs).all(|(mine, theirs)| theirs & !mine == 0)
    }

    fn union(&self, other: &Self) -> Self {
        if let (Self::Few(mine), Self::Few(theirs)) = (self, other) {
            return Self::Few(mine | theirs);
        }
        // Labels that are joined are mostly comparable: then one of the two sets is shared, and nothing allocated.
        if self.contains_all(other) {
            return self.clone();
        }
        if other.contains_all(self) {
            return other.clone();
        }
        let (mine, theirs) = (self.words(), other.words());
        let word = |words: &[u64], index: usize| words.get(index).copied().unwrap_or(0);
        let joined: Vec<u64> =
            (0..mine.len().max(theirs.len())).map(|index| word(mine, index) | word(theirs, index)).collect();
        Self::from_words(&joined)
    }

    fn intersection(&self, other: &Self) -> Self {
        let both: Vec<u64> = self.words().iter().zip(other.words()).map(|(mine, theirs)| mine & theirs).collect();
        Self::from_words(&both)
    }
}

/// Gathers categories before they become a label.
#[derive(Default)]
pub(crate) struct CategorySet(Vec<u64>);

impl CategorySet {
    /// Adds a category by index. Answers whether it was new.
    pub(crate) fn insert(&mut self, category: usize) -> bool {
        let (word, bit) = (category / BITS, 1_u64 << (category % BITS));
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0.get_mut(word).is_some_and(|bits| {
            let new = *bits & bit == 0;
            *bits |= bit;
            new
        })
    }
}

impl SecurityLabel {
    /// The label of `lattice` with the level of that index and those categories.
    pub(crate) fn new(lattice: LatticeId, level: u8, categories: &CategorySet) -> Self {
        Self { lattice, level, categories: Categories::from_words(&categories.0) }
    }

    pub(crate) fn lattice(&self) -> LatticeId {
        self.lattice
    }

    pub(crate) fn level(&self) -> u8 {
        self.level
    }

    /// The indices of the categories, ascending.
    pub(crate) fn category_indices(&self) -> impl Iterator<Item = usize> + '_ {
        self.categories.words().iter().enumerate().flat_map(|(word, bits)| {
            (0..BITS).filter_map(move |bit| (bits >> bit & 1 == 1).then_some(word * BITS + bit))
        })
    }

    /// Whether information labelled `other` may be held where this label is: this level is at least the other's and these
    /// categories contain the other's. A partial order on the labels of one lattice; `false` between two lattices.
    #[must_use]
    pub fn dominates(&self, other: &Self) -> bool {
        self.lattice == other.lattice
            && self.lattice != LatticeId::NONE
            && self.level >= other.level
            && self.categories.contains_all(&other.categories)
    }

    /// The least label that dominates both. The join of labels of two lattices belongs to none: it dominates nothing and
    /// nothing dominates it.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        Self {
            lattice: self.shared_lattice(other),
            level: self.level.max(other.level),
            categories: self.categories.union(&other.categories),
        }
    }

    /// The greatest label that both dominate. Of labels of two lattices, one that belongs to none, as for
    /// [`SecurityLabel::join`].
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        Self {
            lattice: self.shared_lattice(other),
            level: self.level.min(other.level),
            categories: self.categories.intersection(&other.categories),
        }
    }

    /// Whether the two share a category. Of labels of two lattices nothing is known, so they count as sharing one.
    pub(crate) fn shares_a_category(&self, other: &Self) -> bool {
        self.shared_lattice(other) == LatticeId::NONE
            || self.categories.words().iter().zip(other.categories.words()).any(|(mine, theirs)| mine & theirs != 0)
    }

    fn shared_lattice(&self, other: &Self) -> LatticeId {
        if self.lattice == other.lattice { self.lattice } else { LatticeId::NONE }
    }
}

impl fmt::Debug for SecurityLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecurityLabel({}:", self.level)?;
        f.debug_set().entries(self.category_indices()).finish()?;
        f.write_str(")")
    }
}
