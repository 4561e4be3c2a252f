//! Two levels and one category: four labels, two of them incomparable. A label here is two bits.

use bellgate_policy::SecurityLabel;

pub(crate) const LABELS: usize = 4;

/// The level is bit 0, the category bit 1; domination is inclusion.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Label(u8);

impl Label {
    pub(crate) const BOTTOM: Self = Self(0);
    pub(crate) const TOP: Self = Self(3);

    pub(crate) fn all() -> [Self; LABELS] {
        [Self(0), Self(1), Self(2), Self(3)]
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    pub(crate) fn text(self) -> &'static str {
        ["LOW", "HIGH", "LOW:c", "HIGH:c"][self.index()]
    }

    pub(crate) fn dominates(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) fn join(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn meet(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// One bit of it, over the two labels `LOW` and `HIGH:c`.
    pub(crate) fn bit(self, bit: usize) -> Self {
        if self.0 >> bit & 1 == 1 { Self::TOP } else { Self::BOTTOM }
    }

    /// The one of `labels`, in the order of [`Label::all`], that the code means.
    pub(crate) fn of(labels: &[SecurityLabel; LABELS], label: &SecurityLabel) -> Self {
        let index = labels.iter().position(|known| known == label).unwrap();
        Self::all()[index]
    }
}
