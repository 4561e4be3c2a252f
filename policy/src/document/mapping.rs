//! A mapping of a document: fields with known keys, or names that the author chose.

use std::cell::RefCell;
use std::fmt::Display;

use super::builder::{Key, Tree};
use super::{Document, Node, closest};
use crate::name::shortened;

/// A mapping. Keys that were asked for are known; [`Mapping::deny_unknown`] reports the others.
pub struct Mapping<'d> {
    document: &'d Document,
    node: Node<'d>,
    entries: &'d [(Key, Tree)],
    known: RefCell<Vec<&'static str>>,
}

/// A key that the author chose, and its value.
#[derive(Clone, Copy)]
pub struct Entry<'d> {
    document: &'d Document,
    key: &'d Key,
    /// The value.
    pub value: Node<'d>,
}

impl<'d> Mapping<'d> {
    pub(super) fn new(document: &'d Document, node: Node<'d>, entries: &'d [(Key, Tree)]) -> Self {
        Self { document, node, entries, known: RefCell::default() }
    }

    /// The mapping as a node, to report at.
    #[must_use]
    pub fn node(&self) -> Node<'d> {
        self.node
    }

    /// The value of a key that must be there and have a value; reports where it does not.
    pub fn required(&self, key: &'static str) -> Option<Node<'d>> {
        let node = self.field(key);
        match node {
            Some(node) if !node.is_nothing() => return Some(node),
            Some(node) => node.report(format_args!("`{key}` has no value")),
            None => self.node.report(format_args!("`{key}` is missing here")),
        }
        None
    }

    /// The value of a key that can be left out; `None` also where it has no value.
    pub fn optional(&self, key: &'static str) -> Option<Node<'d>> {
        self.field(key).filter(|node| !node.is_nothing())
    }

    fn field(&self, key: &'static str) -> Option<Node<'d>> {
        let mut known = self.known.borrow_mut();
        if !known.contains(&key) {
            known.push(key);
        }
        let (_, tree) = self.entries.iter().find(|(known, _)| known.text == key)?;
        Some(Node::new(self.document, tree))
    }

    /// All keys and values, in the order of the file: for mappings whose keys are names.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'d>> + use<'d> {
        let document = self.document;
        self.entries.iter().map(move |(key, tree)| Entry { document, key, value: Node::new(document, tree) })
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Reports every key that nobody asked for. Call it last.
    pub fn deny_unknown(&self) {
        let known = self.known.borrow();
        for (key, value) in self.entries {
            if known.contains(&key.text.as_str()) {
                continue;
            }
            let message = format!("unknown key `{}`", shortened(&key.text));
            let without_value = Node::new(self.document, value).is_nothing();
            let help = if let Some(meant) = closest(&key.text, known.iter().copied()) {
                format!("did you mean `{meant}`?")
            } else if without_value && value.place.line == key.place.line {
                // `{ clearance: RESTRICTED:a,b }` is read as two keys.
                String::from("put quotes around a value that holds a comma")
            } else {
                format!("the keys here are {}", listed(&known))
            };
            self.document.report(key.place, message, Some(help));
        }
    }
}

fn listed(keys: &[&str]) -> String {
    keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}

impl<'d> Entry<'d> {
    /// The key as written.
    #[must_use]
    pub fn key(self) -> &'d str {
        &self.key.text
    }

    /// Line and column of the key, both from 1.
    #[must_use]
    pub fn position(self) -> (usize, usize) {
        (self.key.place.line, self.key.place.column)
    }

    pub(crate) fn place(self) -> crate::diagnostic::Place {
        self.key.place
    }

    /// Reports a mistake at the key.
    pub fn report(self, message: impl Display) {
        self.document.report(self.key.place, message.to_string(), None);
    }

    /// Reports a mistake at the key, with what to do about it.
    pub fn report_with_help(self, message: impl Display, help: impl Display) {
        let help = Some(help.to_string());
        self.document.report(self.key.place, message.to_string(), help);
    }

    /// Reads the key with a parser of the caller's; what the parser says is reported at the key.
    pub fn parse_key<T, E: Display>(self, read: impl FnOnce(&'d str) -> Result<T, E>) -> Option<T> {
        match read(&self.key.text) {
            Ok(key) => Some(key),
            Err(error) => {
                self.report(error);
                None
            }
        }
    }
}
