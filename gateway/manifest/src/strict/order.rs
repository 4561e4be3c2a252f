//! A total order on the values of a document, in which equal JSON values are equal.
//!
//! `uniqueItems` sorts by it: n log n comparisons, whatever the values are.

use std::cmp::Ordering;

use super::document::{Document, Index, Shape};
use super::number::Number;

impl Document<'_> {
    /// Whether no two elements of an array are equal. Numbers are compared by value (`1` is
    /// `1.0`), objects whatever the order of their members.
    pub(crate) fn all_different(&self, array: Index) -> bool {
        let mut elements: Vec<Index> = self.children(array).collect();
        elements.sort_unstable_by(|&a, &b| self.compare(a, b));
        !elements.windows(2).any(|pair| match pair {
            [a, b] => self.compare(*a, *b) == Ordering::Equal,
            _ => false,
        })
    }

    /// Recursion is bounded by [`MAX_DEPTH`](crate::MAX_DEPTH).
    fn compare(&self, a: Index, b: Index) -> Ordering {
        match (self.shape(a), self.shape(b)) {
            (Shape::Boolean(a), Shape::Boolean(b)) => a.cmp(&b),
            (Shape::Number(a), Shape::Number(b)) => Number::new(self.text(a)).compare(Number::new(self.text(b))),
            (Shape::String(a), Shape::String(b)) => self.text(a).cmp(self.text(b)),
            (Shape::Array { .. }, Shape::Array { .. }) => self.compare_all(self.children(a), self.children(b)),
            (Shape::Object { .. }, Shape::Object { .. }) => self.compare_objects(a, b),
            (a, b) => rank(a).cmp(&rank(b)),
        }
    }

    fn compare_objects(&self, a: Index, b: Index) -> Ordering {
        let (a, b) = (self.members_by_key(a), self.members_by_key(b));
        let keys = |members: &[Index]| -> Vec<&str> { members.iter().map(|&member| self.key(member)).collect() };
        keys(a).cmp(&keys(b)).then_with(|| self.compare_all(a.iter().copied(), b.iter().copied()))
    }

    fn compare_all(&self, mut a: impl Iterator<Item = Index>, mut b: impl Iterator<Item = Index>) -> Ordering {
        loop {
            match (a.next(), b.next()) {
                (None, None) => return Ordering::Equal,
                (None, Some(_)) => return Ordering::Less,
                (Some(_), None) => return Ordering::Greater,
                (Some(a), Some(b)) => match self.compare(a, b) {
                    Ordering::Equal => {}
                    unequal @ (Ordering::Less | Ordering::Greater) => return unequal,
                },
            }
        }
    }
}

fn rank(shape: Shape) -> u8 {
    match shape {
        Shape::Null => 0,
        Shape::Boolean(_) => 1,
        Shape::Number(_) => 2,
        Shape::String(_) => 3,
        Shape::Array { .. } => 4,
        Shape::Object { .. } => 5,
    }
}
