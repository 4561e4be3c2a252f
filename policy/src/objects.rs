//! What one request reaches: an object, or several where values of its body name them.

use std::sync::Arc;

use crate::object::Object;

/// At least one object, each once.
#[derive(Clone, Debug)]
pub struct Objects {
    first: Arc<Object>,
    others: Vec<Arc<Object>>,
    every: bool,
}

impl Objects {
    /// One object.
    #[must_use]
    pub fn one(object: Arc<Object>) -> Self {
        Self { first: object, others: Vec::new(), every: true }
    }

    /// Several, all of which the request reaches.
    pub(crate) fn all_of(first: Arc<Object>, others: Vec<Arc<Object>>) -> Self {
        Self { first, others, every: true }
    }

    /// Several, of which the request will reach some: its body is not read yet.
    pub(crate) fn some_of(first: Arc<Object>, others: Vec<Arc<Object>>) -> Self {
        Self { first, others, every: false }
    }

    /// The first: of a body that names several, what its first value names; of one that is not read, the route itself.
    #[must_use]
    pub fn first(&self) -> &Arc<Object> {
        &self.first
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Object>> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// How many there are: at least one.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        1 + self.others.len()
    }

    /// Whether all must be permitted. `false` where the body is not read: one is then enough, and the question must be
    /// asked again with the body.
    #[must_use]
    pub fn every(&self) -> bool {
        self.every
    }
}
