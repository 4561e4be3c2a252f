//! A piece of text of a document: a slice of the body, or of what was unescaped.

/// Where a string or number of a document lies. Twelve bytes, no allocation of its own.
#[derive(Clone, Copy)]
pub(crate) enum Text {
    /// Without escapes: the bytes of the body themselves.
    Body {
        /// First byte.
        start: u32,
        /// One past the last.
        end: u32,
    },
    /// With escapes: what they stand for.
    Unescaped {
        /// First byte.
        start: u32,
        /// One past the last.
        end: u32,
    },
}

impl Text {
    /// No text.
    pub(super) const EMPTY: Self = Self::Body { start: 0, end: 0 };

    pub(super) fn len(self) -> usize {
        let (Self::Body { start, end } | Self::Unescaped { start, end }) = self;
        end.saturating_sub(start) as usize
    }

    pub(super) fn of<'a>(self, body: &'a str, unescaped: &'a str) -> &'a str {
        match self {
            Self::Body { start, end } => body.get(start as usize..end as usize),
            Self::Unescaped { start, end } => unescaped.get(start as usize..end as usize),
        }
        .unwrap_or_default()
    }
}
