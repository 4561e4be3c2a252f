//! A document that has been read: all values in one vector, in the order of the text.

use serde_json::{Map, Value};

use super::number::Number;
use super::reader::Reader;
use super::text::Text;
use crate::{Limits, RejectionCause};

/// A JSON document that passed the strict reader. It borrows the body; strings without escapes
/// and all numbers are slices of it.
///
/// No `Debug`: it holds a payload.
pub struct Document<'b> {
    pub(super) body: &'b str,
    /// The strings that held escapes, one after the other.
    pub(super) unescaped: String,
    /// Every value, each container before what it holds.
    pub(super) entries: Vec<Entry>,
    /// The members of every object, each object's run ordered by key.
    pub(super) by_key: Vec<Index>,
}

/// The position of a value in its document; the root is 0.
pub(crate) type Index = u32;

/// One value and where it belongs.
pub(super) struct Entry {
    /// The key, for a member of an object; empty otherwise.
    pub(super) key: Text,
    /// What it is.
    pub(super) shape: Shape,
    /// Where the next value after this one and all that it holds is.
    pub(super) next: Index,
    /// The byte of the body where the member's key or the value begins.
    pub(super) offset: u32,
    /// The bytes of the JSON pointer that leads here.
    pub(super) path_bytes: u32,
}

/// What a value is.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    Null,
    Boolean(bool),
    Number(Text),
    String(Text),
    Array {
        len: u32,
    },
    Object {
        len: u32,
        /// Where its run in `by_key` begins.
        run: u32,
    },
}

impl<'b> Document<'b> {
    /// Reads a body.
    ///
    /// # Errors
    /// The first mistake, or the first limit that is passed. The cause holds offsets only.
    pub fn read(body: &'b [u8], limits: &Limits) -> Result<Self, RejectionCause> {
        Reader::read(body, limits)
    }

    /// The same document as a `serde_json` value. Integers within 64 bits are exact there, others
    /// become the nearest 64-bit float.
    #[must_use]
    pub fn to_value(&self) -> Value {
        self.value(0)
    }

    /// The string at a JSON pointer (RFC 6901); `None` where there is nothing, or no string.
    #[must_use]
    pub fn string_at(&self, pointer: &str) -> Option<&str> {
        match self.shape(self.find(pointer)?) {
            Shape::String(text) => Some(self.text(text)),
            Shape::Null | Shape::Boolean(_) | Shape::Number(_) | Shape::Array { .. } | Shape::Object { .. } => None,
        }
    }

    /// How many values there are: the root, members and elements.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a document has a root")]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The integers that 64 bits do not hold: where, and how written.
    pub(crate) fn long_integers(&self) -> impl Iterator<Item = (String, &str)> {
        (0..).zip(&self.entries).filter_map(|(index, entry)| {
            let Shape::Number(text) = entry.shape else {
                return None;
            };
            let literal = self.text(text);
            let long = Number::new(literal).is_long_integer();
            long.then(|| Some((self.path_to(index)?, literal)))?
        })
    }

    /// The JSON pointer to a value.
    fn path_to(&self, index: Index) -> Option<String> {
        let mut path = String::new();
        let mut at = 0;
        while at != index {
            let (position, child) = (0..).zip(self.children(at)).find(|&(_, child)| index < self.after(child))?;
            path = if let Shape::Object { .. } = self.shape(at) {
                crate::pointer::join(&path, self.key(child))
            } else {
                format!("{path}/{position}")
            };
            at = child;
        }
        Some(path)
    }

    /// The value at a JSON pointer.
    pub(crate) fn find(&self, pointer: &str) -> Option<Index> {
        let mut at = 0;
        for segment in crate::pointer::segments(pointer)? {
            at = match self.shape(at) {
                Shape::Object { .. } => self.member(at, &segment)?,
                Shape::Array { .. } => {
                    let index = crate::pointer::array_index(&segment)?;
                    self.children(at).nth(index)?
                }
                Shape::Null | Shape::Boolean(_) | Shape::Number(_) | Shape::String(_) => {
                    return None;
                }
            };
        }
        Some(at)
    }

    /// What a value is. An index that no document gave is nothing at all.
    pub(crate) fn shape(&self, at: Index) -> Shape {
        self.entry(at).map_or(Shape::Null, |entry| entry.shape)
    }

    /// The key of a member; empty for what is not one.
    pub(crate) fn key(&self, at: Index) -> &str {
        self.entry(at).map_or("", |entry| self.text(entry.key))
    }

    /// The bytes of the JSON pointer to a value.
    pub(crate) fn path_bytes(&self, at: Index) -> u32 {
        self.entry(at).map_or(0, |entry| entry.path_bytes)
    }

    /// How many values a value is made of, itself included.
    pub(crate) fn size(&self, at: Index) -> u32 {
        self.entry(at).map_or(0, |entry| entry.next.saturating_sub(at))
    }

    /// The members or elements of a container, in the order of the text.
    pub(crate) fn children(&self, at: Index) -> impl Iterator<Item = Index> + use<'_, 'b> {
        let end = self.entry(at).map_or(0, |entry| entry.next);
        let first = at.saturating_add(1);
        std::iter::successors((first < end).then_some(first), move |&child| {
            let next = self.entry(child)?.next;
            (next < end).then_some(next)
        })
    }

    /// The value after a value and all that it holds.
    pub(crate) fn after(&self, at: Index) -> Index {
        self.entry(at).map_or(Index::MAX, |entry| entry.next)
    }

    /// The member of an object with this key.
    pub(crate) fn member(&self, at: Index, key: &str) -> Option<Index> {
        let run = self.members_by_key(at);
        let found = run.binary_search_by(|&member| self.key(member).cmp(key));
        run.get(found.ok()?).copied()
    }

    /// The members of an object, ordered by key.
    pub(super) fn members_by_key(&self, at: Index) -> &[Index] {
        let Shape::Object { len, run } = self.shape(at) else {
            return &[];
        };
        let start = run as usize;
        self.by_key.get(start..start.saturating_add(len as usize)).unwrap_or_default()
    }

    pub(crate) fn text(&self, text: Text) -> &str {
        text.of(self.body, &self.unescaped)
    }

    pub(super) fn entry(&self, at: Index) -> Option<&Entry> {
        self.entries.get(at as usize)
    }

    /// Recursion is bounded by [`MAX_DEPTH`](crate::MAX_DEPTH).
    fn value(&self, at: Index) -> Value {
        match self.shape(at) {
            Shape::Null => Value::Null,
            Shape::Boolean(value) => Value::Bool(value),
            Shape::Number(text) => Number::new(self.text(text)).to_value(),
            Shape::String(text) => Value::String(self.text(text).to_owned()),
            Shape::Array { .. } => self.children(at).map(|element| self.value(element)).collect(),
            Shape::Object { .. } => {
                let members = self.children(at).map(|member| (self.key(member).to_owned(), self.value(member)));
                Value::Object(members.collect::<Map<_, _>>())
            }
        }
    }
}
