//! What one body may cost, named and bounded.
//!
//! Every limit is checked before or while the body is read, or while it is validated; none needs
//! a clock. A body that meets a limit exactly passes, one more is refused.

/// The deepest nesting that [`Limits::depth`] may allow.
///
/// The reader keeps its own stack on the heap, but the schema validator recurses once or more per
/// level of the document, and a thread's stack is finite.
pub const MAX_DEPTH: usize = 256;

/// The bounds of one validation. Start from [`Limits::default`] and change what differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the body as received. 1 MiB by default: what the gateway holds back in memory.
    pub bytes: usize,
    /// Open objects and arrays at any point of the document; `[]` has depth 1. 64 by default, at
    /// most [`MAX_DEPTH`].
    pub depth: usize,
    /// Values in the whole document: the root, each member of an object and each element of an
    /// array count one. 100 000 by default.
    pub members: usize,
    /// Bytes of one object key after unescaping. 1 024 by default: keys are repeated in instance
    /// paths, values are not.
    pub key_bytes: usize,
    /// Violations listed in a [`Rejection`](crate::Rejection). 64 by default.
    pub errors: usize,
    /// Steps of the schema validator: each look at a value costs one, long strings cost more.
    /// 20 million by default, well under a second. It holds back documents that make a recursive
    /// schema do the same work again and again.
    pub work: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 1 << 20, depth: 64, members: 100_000, key_bytes: 1_024, errors: 64, work: 20_000_000 }
    }
}
