//! The pass over the bytes.

use super::document::{Document, Entry, Index, Shape};
use super::number::Number;
use super::text::Text;
use crate::{Limits, MAX_DEPTH, RejectionCause};

/// Bodies are addressed with 32 bits.
const MOST_BYTES: usize = u32::MAX as usize / 2;

/// Where the pass is, and what is open.
pub(super) struct Reader<'b, 'l> {
    document: Document<'b>,
    limits: &'l Limits,
    at: usize,
    open: Vec<Container>,
    /// The members of the object that is being closed, reused for each.
    members: Vec<Index>,
}

/// An object or array that is not closed yet.
struct Container {
    index: Index,
    len: u32,
    object: bool,
}

/// What may stand next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// A value, whose key has been read if it is a member.
    Value,
    /// The first element of an array, or its end.
    FirstElement,
    /// The first key of an object, or its end.
    FirstKey,
    /// A comma, or the end of the container; the end of the body if none is open.
    CommaOrEnd,
}

impl<'b, 'l> Reader<'b, 'l> {
    pub(super) fn read(body: &'b [u8], limits: &'l Limits) -> Result<Document<'b>, RejectionCause> {
        let most = limits.bytes.min(MOST_BYTES);
        if body.len() > most {
            return Err(RejectionCause::TooLarge { limit: most });
        }
        if body.starts_with(b"\xEF\xBB\xBF") {
            return Err(RejectionCause::ByteOrderMark);
        }
        let text =
            std::str::from_utf8(body).map_err(|error| RejectionCause::NotUtf8 { offset: error.valid_up_to() })?;
        let document = Document { body: text, unescaped: String::new(), entries: Vec::new(), by_key: Vec::new() };
        let reader = Reader { document, limits, at: 0, open: Vec::new(), members: Vec::new() };
        reader.run()
    }

    fn run(mut self) -> Result<Document<'b>, RejectionCause> {
        let mut next = Next::Value;
        let mut key = (Text::EMPTY, 0);
        loop {
            self.skip_whitespace();
            let byte = self.peek();
            next = match (next, byte) {
                (Next::CommaOrEnd, _) if self.open.is_empty() => {
                    return match byte {
                        None => Ok(self.document),
                        Some(_) => Err(self.expected("the end of the body")),
                    };
                }
                (Next::FirstElement, Some(b']'))
                | (Next::FirstKey, Some(b'}'))
                | (Next::CommaOrEnd, Some(b']' | b'}')) => self.close()?,
                (Next::CommaOrEnd, Some(b',')) => {
                    self.at += 1;
                    if self.in_object() {
                        self.skip_whitespace();
                        key = self.key()?;
                    }
                    Next::Value
                }
                (Next::CommaOrEnd, _) => return Err(self.expected(self.comma_or_end())),
                (Next::FirstKey, _) => {
                    key = self.key()?;
                    Next::Value
                }
                (Next::Value | Next::FirstElement, _) => self.value(std::mem::replace(&mut key, (Text::EMPTY, 0)))?,
            };
        }
    }

    /// Reads a value whole, or the opening of a container.
    fn value(&mut self, (key, key_offset): (Text, usize)) -> Result<Next, RejectionCause> {
        let start = self.at;
        let offset = if self.in_object() { key_offset } else { start };
        if self.document.entries.len() >= self.limits.members {
            return Err(RejectionCause::TooManyMembers { offset, limit: self.limits.members });
        }
        let shape = match self.peek() {
            Some(b'{') => Shape::Object { len: 0, run: 0 },
            Some(b'[') => Shape::Array { len: 0 },
            Some(b'"') => Shape::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => Shape::Number(self.number()?),
            Some(b't') => self.word("true", Shape::Boolean(true))?,
            Some(b'f') => self.word("false", Shape::Boolean(false))?,
            Some(b'n') => self.word("null", Shape::Null)?,
            Some(_) | None => return Err(self.expected("a value")),
        };
        let index = narrow(self.document.entries.len());
        let path_bytes = self.path_bytes(key);
        self.document.entries.push(Entry {
            key,
            shape,
            next: index.saturating_add(1),
            offset: narrow(offset),
            path_bytes,
        });
        if let Some(container) = self.open.last_mut() {
            container.len += 1;
        }
        match shape {
            Shape::Object { .. } => self.open(index, true, Next::FirstKey),
            Shape::Array { .. } => self.open(index, false, Next::FirstElement),
            Shape::Null | Shape::Boolean(_) | Shape::Number(_) | Shape::String(_) => Ok(Next::CommaOrEnd),
        }
    }

    fn open(&mut self, index: Index, object: bool, next: Next) -> Result<Next, RejectionCause> {
        let limit = self.limits.depth.min(MAX_DEPTH);
        if self.open.len() >= limit {
            return Err(RejectionCause::TooDeep { offset: self.at, limit });
        }
        self.at += 1;
        self.open.push(Container { index, len: 0, object });
        Ok(next)
    }

    fn close(&mut self) -> Result<Next, RejectionCause> {
        let bracket = if self.in_object() { b'}' } else { b']' };
        if self.peek() != Some(bracket) {
            return Err(self.expected(self.comma_or_end()));
        }
        self.at += 1;
        let end = narrow(self.document.entries.len());
        let Some(container) = self.open.pop() else {
            return Err(self.expected("a value"));
        };
        if let Some(entry) = self.document.entries.get_mut(container.index as usize) {
            entry.next = end;
        }
        let shape =
            if container.object { self.index_members(&container)? } else { Shape::Array { len: container.len } };
        if let Some(entry) = self.document.entries.get_mut(container.index as usize) {
            entry.shape = shape;
        }
        Ok(Next::CommaOrEnd)
    }

    /// Orders the members of an object by key, and finds a key that stands twice.
    fn index_members(&mut self, object: &Container) -> Result<Shape, RejectionCause> {
        let document = &self.document;
        self.members.clear();
        self.members.extend(document.children(object.index));
        self.members.sort_unstable_by(|&a, &b| document.key(a).cmp(document.key(b)).then(a.cmp(&b)));
        let second = self
            .members
            .windows(2)
            .filter_map(|pair| match pair {
                [a, b] if document.key(*a) == document.key(*b) => document.entry(*b),
                _ => None,
            })
            .map(|entry| entry.offset)
            .min();
        if let Some(offset) = second {
            return Err(RejectionCause::DuplicateKey { offset: offset as usize });
        }
        let run = narrow(document.by_key.len());
        self.document.by_key.extend_from_slice(&self.members);
        Ok(Shape::Object { len: object.len, run })
    }

    /// Reads a key and its colon.
    fn key(&mut self) -> Result<(Text, usize), RejectionCause> {
        let offset = self.at;
        if self.peek() != Some(b'"') {
            return Err(self.expected("a key in double quotes"));
        }
        let key = self.string()?;
        if key.len() > self.limits.key_bytes {
            return Err(RejectionCause::KeyTooLong { offset, limit: self.limits.key_bytes });
        }
        self.skip_whitespace();
        if self.peek() != Some(b':') {
            return Err(self.expected("`:`"));
        }
        self.at += 1;
        Ok((key, offset))
    }

    /// Reads a string from its opening quote to its closing one.
    fn string(&mut self) -> Result<Text, RejectionCause> {
        self.at += 1;
        let start = self.at;
        let unescaped = self.document.unescaped.len();
        let mut copied = start;
        loop {
            self.skip_plain();
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    self.copy(copied);
                    self.escape()?;
                    copied = self.at;
                }
                Some(_) => return Err(self.expected("an escape instead of a control character")),
                None => return Err(self.expected("`\"`")),
            }
        }
        let text = if copied == start {
            Text::Body { start: narrow(start), end: narrow(self.at) }
        } else {
            self.copy(copied);
            Text::Unescaped { start: narrow(unescaped), end: narrow(self.document.unescaped.len()) }
        };
        self.at += 1;
        Ok(text)
    }

    /// Copies what stands between `from` and here to the unescaped text.
    fn copy(&mut self, from: usize) {
        let piece = self.document.body.get(from..self.at).unwrap_or_default();
        self.document.unescaped.push_str(piece);
    }

    /// Reads an escape from its backslash on, and appends what it stands for.
    fn escape(&mut self) -> Result<(), RejectionCause> {
        let offset = self.at;
        self.at += 1;
        let stands_for = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                let character = self.unicode_escape(offset)?;
                self.document.unescaped.push(character);
                return Ok(());
            }
            Some(_) | None => return Err(self.expected("an escape")),
        };
        self.at += 1;
        self.document.unescaped.push(stands_for);
        Ok(())
    }

    /// Reads the digits of `\u`, and the second escape of a surrogate pair.
    fn unicode_escape(&mut self, offset: usize) -> Result<char, RejectionCause> {
        let lone = RejectionCause::LoneSurrogate { offset };
        let first = self.four_digits()?;
        if let Some(character) = char::from_u32(first) {
            return Ok(character);
        }
        if first >= 0xDC00 || self.peek() != Some(b'\\') || self.byte(self.at + 1) != Some(b'u') {
            return Err(lone);
        }
        self.at += 2;
        let second = self.four_digits()?;
        if !(0xDC00..=0xDFFF).contains(&second) {
            return Err(lone);
        }
        let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        char::from_u32(code).ok_or(lone)
    }

    fn four_digits(&mut self) -> Result<u32, RejectionCause> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else {
                return Err(self.expected("a hexadecimal digit"));
            };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }

    fn number(&mut self) -> Result<Text, RejectionCause> {
        let offset = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = self.document.body.get(offset..self.at).unwrap_or_default();
        if !Number::new(text).in_range() {
            return Err(RejectionCause::NumberOutOfRange { offset });
        }
        Ok(Text::Body { start: narrow(offset), end: narrow(self.at) })
    }

    fn digits(&mut self) -> Result<(), RejectionCause> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.expected("a digit"));
        }
        Ok(())
    }

    fn word(&mut self, word: &'static str, shape: Shape) -> Result<Shape, RejectionCause> {
        let end = self.at + word.len();
        if self.document.body.get(self.at..end) != Some(word) {
            return Err(self.expected("a value"));
        }
        self.at = end;
        Ok(shape)
    }

    fn skip_whitespace(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Skips what stands for itself inside a string.
    fn skip_plain(&mut self) {
        let rest = self.document.body.as_bytes().get(self.at..);
        let special = |&byte: &u8| byte == b'"' || byte == b'\\' || byte < 0x20;
        let rest = rest.unwrap_or_default();
        self.at += rest.iter().position(special).unwrap_or(rest.len());
    }

    /// The bytes of the JSON pointer to a new value with this key in the innermost container.
    fn path_bytes(&self, key: Text) -> u32 {
        let Some(container) = self.open.last() else {
            return 0;
        };
        // An index of up to ten digits counts like a key of ten bytes.
        let segment = if container.object { key.len() } else { 10 };
        self.document.path_bytes(container.index).saturating_add(narrow(segment)).saturating_add(1)
    }

    fn in_object(&self) -> bool {
        self.open.last().is_some_and(|container| container.object)
    }

    fn comma_or_end(&self) -> &'static str {
        if self.in_object() { "`,` or `}`" } else { "`,` or `]`" }
    }

    fn expected(&self, expected: &'static str) -> RejectionCause {
        RejectionCause::Syntax { offset: self.at, expected }
    }

    fn peek(&self) -> Option<u8> {
        self.byte(self.at)
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.document.body.as_bytes().get(at).copied()
    }
}

/// Positions fit into 32 bits because the body does ([`MOST_BYTES`]).
fn narrow(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}
