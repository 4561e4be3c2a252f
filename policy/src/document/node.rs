//! One node of a document and the readers of its value.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::builder::{Content, Tree};
use super::{Document, Mapping, quantity};
use crate::diagnostic::Place;
use crate::name::shortened;

/// A node: a value and its place. A reader that answers `None` has reported why.
#[derive(Clone, Copy)]
pub struct Node<'d> {
    document: &'d Document,
    tree: &'d Tree,
}

impl<'d> Node<'d> {
    pub(super) fn new(document: &'d Document, tree: &'d Tree) -> Self {
        Self { document, tree }
    }

    /// Line and column, both from 1, column in characters.
    #[must_use]
    pub fn position(self) -> (usize, usize) {
        (self.tree.place.line, self.tree.place.column)
    }

    pub(crate) fn place(self) -> Place {
        self.tree.place
    }

    /// Reports a mistake at this node. Lower case, one sentence, no full stop.
    pub fn report(self, message: impl Display) {
        self.document.report(self.tree.place, message.to_string(), None);
    }

    /// Reports a mistake at this node, with what to do about it.
    pub fn report_with_help(self, message: impl Display, help: impl Display) {
        let help = Some(help.to_string());
        self.document.report(self.tree.place, message.to_string(), help);
    }

    /// Whether there is no value: nothing after the key, `~` or `null`.
    #[must_use]
    pub fn is_nothing(self) -> bool {
        matches!(self.tree.content, Content::Nothing)
    }

    /// Whether the value is a scalar, so that one key can take a short form and a long one.
    #[must_use]
    pub fn is_scalar(self) -> bool {
        matches!(self.tree.content, Content::Scalar { .. })
    }

    /// Whether the value is a mapping.
    #[must_use]
    pub fn is_mapping(self) -> bool {
        matches!(self.tree.content, Content::Mapping(_))
    }

    /// Whether the value is a sequence.
    #[must_use]
    pub fn is_sequence(self) -> bool {
        matches!(self.tree.content, Content::Sequence(_))
    }

    /// Reads a mapping with named fields, or of names to values.
    #[must_use]
    pub fn mapping(self) -> Option<Mapping<'d>> {
        match &self.tree.content {
            Content::Mapping(entries) => Some(Mapping::new(self.document, self, entries)),
            Content::Nothing | Content::Scalar { .. } | Content::Sequence(_) => {
                self.expected("a mapping (`key: value`)")
            }
        }
    }

    /// Reads a list.
    #[must_use]
    pub fn sequence(self) -> Option<Vec<Self>> {
        match &self.tree.content {
            Content::Sequence(items) => Some(items.iter().map(|tree| Self::new(self.document, tree)).collect()),
            Content::Nothing | Content::Scalar { .. } | Content::Mapping(_) => self.expected("a list (`[a, b]`)"),
        }
    }

    /// Reads text: any scalar, quoted or not, just as it is written.
    #[must_use]
    pub fn string(self) -> Option<&'d str> {
        match &self.tree.content {
            Content::Scalar { text, .. } => Some(text),
            Content::Nothing | Content::Sequence(_) | Content::Mapping(_) => self.expected("text"),
        }
    }

    /// Reads text that is not empty.
    #[must_use]
    pub fn non_empty_string(self) -> Option<&'d str> {
        let text = self.string()?;
        if text.trim().is_empty() {
            return self.expected("text that is not empty");
        }
        Some(text)
    }

    /// Reads text with a parser of the caller's; what the parser says is reported here.
    pub fn parse_with<T, E: Display>(self, read: impl FnOnce(&'d str) -> Result<T, E>) -> Option<T> {
        match read(self.string()?) {
            Ok(value) => Some(value),
            Err(error) => {
                self.report(error);
                None
            }
        }
    }

    /// Reads a whole number from 0 on: `4096`, `4_096` or `4e3`.
    #[must_use]
    pub fn u64(self) -> Option<u64> {
        self.quantity("a whole number", quantity::whole)
    }

    /// Reads a whole number within limits, both included.
    #[must_use]
    pub fn u64_within(self, limits: RangeInclusive<u64>) -> Option<u64> {
        let value = self.u64()?;
        self.within(value, &limits, |limit| limit.to_string())
    }

    /// Reads `true` or `false`, and nothing that resembles them.
    #[must_use]
    pub fn bool(self) -> Option<bool> {
        self.quantity("`true` or `false`", |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(String::from("write `true` or `false`, without quotes")),
        })
    }

    /// Reads a duration: a whole number and `ms`, `s`, `m`, `h` or `d`.
    #[must_use]
    pub fn duration(self) -> Option<Duration> {
        self.quantity("a duration such as `250ms` or `1s`", quantity::duration)
    }

    /// Reads a duration within limits, both included.
    #[must_use]
    pub fn duration_within(self, limits: RangeInclusive<Duration>) -> Option<Duration> {
        let value = self.duration()?;
        self.within(value, &limits, |limit| quantity::duration_text(*limit))
    }

    /// Reads a size in bytes: a whole number, alone or with `B`, `KiB`, `MiB` or `GiB`.
    #[must_use]
    pub fn size(self) -> Option<u64> {
        self.quantity("a size such as `64MiB`", quantity::size)
    }

    /// Reads a size within limits, in bytes, both included.
    #[must_use]
    pub fn size_within(self, limits: RangeInclusive<u64>) -> Option<u64> {
        let value = self.size()?;
        self.within(value, &limits, |limit| quantity::size_text(*limit))
    }

    fn quantity<T>(self, what: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let Content::Scalar { text, plain } = &self.tree.content else {
            return self.expected(what);
        };
        match read(text) {
            Ok(value) if *plain => Some(value),
            Ok(_) => {
                self.report_with_help(format_args!("expected {what}, found text in quotes"), "leave out the quotes");
                None
            }
            Err(help) => {
                self.report_with_help(format_args!("expected {what}, found `{}`", shortened(text)), help);
                None
            }
        }
    }

    fn within<T: PartialOrd>(self, value: T, limits: &RangeInclusive<T>, text: impl Fn(&T) -> String) -> Option<T> {
        if limits.contains(&value) {
            return Some(value);
        }
        self.report(format_args!(
            "`{}` is outside the limits: {} to {} are allowed",
            self.string().map(shortened).unwrap_or_default(),
            text(limits.start()),
            text(limits.end())
        ));
        None
    }

    /// Reports that something else was expected here.
    pub fn expected<T>(self, what: impl Display) -> Option<T> {
        self.report(format_args!("expected {what}, found {}", self.description()));
        None
    }

    fn description(self) -> String {
        match &self.tree.content {
            Content::Nothing => String::from("nothing"),
            Content::Scalar { text, .. } => format!("`{}`", shortened(text)),
            Content::Sequence(_) => String::from("a list"),
            Content::Mapping(_) => String::from("a mapping"),
        }
    }
}
