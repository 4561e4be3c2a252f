//! A security label as numbers: the index of its level and a set of category indices, as its [`Lattice`] numbers them.
//!
//! **What holds.** Labels of one lattice form a lattice under [`SecurityLabel::dominates`], [`SecurityLabel::join`] and
//! [`SecurityLabel::meet`]; the laws are property-tested. Labels of two lattices whose names differ are incomparable, so a
//! label that outlived a reload can cause a refusal and never a permit; [`Lattice::translate`] carries it over by name.
//!
//! **What is bounded.** 64 categories lie inline; more, up to 1,024 (128 bytes), cost an allocation.
//!
//! **What is absent on purpose.** `PartialOrd`: two labels can be incomparable, and a comparison operator would answer
//! `false` where the code meant "refuse". Names: they are the lattice's, and `Debug` shows indices only.
//!
//! [`Lattice`]: crate::Lattice
//! [`Lattice::translate`]: crate::Lattice::translate

use std::fmt;

use smallvec::SmallVec;

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
    /// 64 categories a word, lowest first; the last word is never zero, so that equal sets are equal values.
    categories: SmallVec<[u64; 1]>,
}

impl SecurityLabel {
    /// A label of `lattice` with the level of that index and no category.
    pub(crate) fn at_level(lattice: LatticeId, level: u8) -> Self {
        Self { lattice, level, categories: SmallVec::new() }
    }

    /// Adds a category by index. Answers whether it was new.
    pub(crate) fn insert(&mut self, category: usize) -> bool {
        let (word, bit) = (category / BITS, 1_u64 << (category % BITS));
        if self.categories.len() <= word {
            self.categories.resize(word + 1, 0);
        }
        match self.categories.get_mut(word) {
            Some(bits) => {
                let new = *bits & bit == 0;
                *bits |= bit;
                new
            }
            None => false,
        }
    }

    pub(crate) fn lattice(&self) -> LatticeId {
        self.lattice
    }

    pub(crate) fn level(&self) -> u8 {
        self.level
    }

    /// The indices of the categories, ascending.
    pub(crate) fn category_indices(&self) -> impl Iterator<Item = usize> + '_ {
        self.categories.iter().enumerate().flat_map(|(word, bits)| {
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
            && self.categories.len() >= other.categories.len()
            && self.categories.iter().zip(&other.categories).all(|(mine, theirs)| theirs & !mine == 0)
    }

    /// The least label that dominates both. The join of labels of two lattices belongs to none: it dominates nothing and
    /// nothing dominates it.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        let (long, short) = if self.categories.len() >= other.categories.len() { (self, other) } else { (other, self) };
        let mut categories = long.categories.clone();
        for (mine, theirs) in categories.iter_mut().zip(&short.categories) {
            *mine |= theirs;
        }
        Self { lattice: self.shared_lattice(other), level: self.level.max(other.level), categories }
    }

    /// The greatest label that both dominate. Of labels of two lattices, one that belongs to none, as for
    /// [`SecurityLabel::join`].
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        let mut categories: SmallVec<[u64; 1]> =
            self.categories.iter().zip(&other.categories).map(|(mine, theirs)| mine & theirs).collect();
        while categories.last() == Some(&0) {
            categories.pop();
        }
        Self { lattice: self.shared_lattice(other), level: self.level.min(other.level), categories }
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
