//! YAML documents, read once: raw text to nodes with line and column, and readers that gather every mistake.
//!
//! Used for policy files and by the gateway for its config. A program reads a document like this:
//!
//! ```
//! use bellgate_policy::document::Document;
//!
//! let document = Document::parse("gateway.yaml", "listen: 9000\nwait: 250ms\nlisen: 1\n")?;
//! if let Some(root) = document.root().mapping() {
//!     let port = root.required("listen").and_then(|node| node.u64_within(1..=65_535));
//!     let wait = root.optional("wait").and_then(|node| node.duration());
//!     root.deny_unknown();
//!     assert_eq!((port, wait.map(|wait| wait.as_millis())), (Some(9000), Some(250)));
//! }
//! let mistakes = document.finish().unwrap_err().to_string();
//! assert!(mistakes.contains("gateway.yaml:3:1: unknown key `lisen`"));
//! assert!(mistakes.contains("did you mean `listen`?"));
//! # Ok::<(), bellgate_policy::Diagnostics>(())
//! ```
//!
//! **What holds.** A reader that answers `None` has reported why, at the node's place. Types come from the reader, not from
//! YAML's guesses: `no` is a string where a string is asked for, and never a bool.
//!
//! **What is bounded.** 4 MiB of text, 200,000 nodes, 32 levels of nesting, 100 reported mistakes.
//!
//! **What is absent on purpose.** Anchors, aliases, merge keys, tags, several documents in a file and keys that are not
//! plain text: each lets a file mean something else than it seems to. Each is reported as a mistake.

mod builder;
mod mapping;
mod node;
mod quantity;
mod suggestion;

use std::cell::RefCell;
use std::sync::Arc;

pub use mapping::{Entry, Mapping};
pub use node::Node;
pub(crate) use quantity::{duration as duration_of, duration_text};
pub use suggestion::closest;

use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use builder::Tree;

/// The longest document, in bytes. A policy at all its other limits is smaller.
pub const MAX_DOCUMENT_BYTES: usize = 4 << 20;
/// How many mistakes are told at once; a person fixes the first ones first.
pub const MAX_DIAGNOSTICS: usize = 100;

/// A document and the mistakes found in it so far.
pub struct Document {
    file: Arc<str>,
    root: Tree,
    found: RefCell<Vec<Diagnostic>>,
}

impl Document {
    /// Reads YAML. `file` is used in messages only.
    ///
    /// # Errors
    /// Where the text is no YAML, or is more than this module takes. Duplicate keys and what the module leaves out on
    /// purpose are kept and told by [`Document::finish`], with all else.
    pub fn parse(file: &str, text: &str) -> Result<Self, Diagnostics> {
        let document = Self {
            file: Arc::from(file),
            root: Tree::nothing(Place { line: 1, column: 1 }),
            found: RefCell::default(),
        };
        match builder::build(text, &document) {
            Some(root) => Ok(Self { root, ..document }),
            None => Err(document.into_diagnostics()),
        }
    }

    /// The file, as it was given to [`Document::parse`].
    #[must_use]
    pub fn file(&self) -> &Arc<str> {
        &self.file
    }

    /// The outermost node.
    #[must_use]
    pub fn root(&self) -> Node<'_> {
        Node::new(self, &self.root)
    }

    /// Ends the reading: all mistakes that were reported, in the order of the file.
    ///
    /// # Errors
    /// Where anything was reported.
    pub fn finish(self) -> Result<(), Diagnostics> {
        let found = self.into_diagnostics();
        if found.0.is_empty() { Ok(()) } else { Err(found) }
    }

    fn into_diagnostics(self) -> Diagnostics {
        let mut found = self.found.into_inner();
        found.sort_by_key(|one| (one.line, one.column));
        found.dedup();
        if found.len() > MAX_DIAGNOSTICS {
            let left = found.len() - MAX_DIAGNOSTICS;
            found.truncate(MAX_DIAGNOSTICS);
            if let Some(last) = found.last_mut() {
                let more = format!("and {left} more mistakes after this one");
                last.help = Some(match last.help.take() {
                    Some(help) => format!("{help}; {more}"),
                    None => more,
                });
            }
        }
        Diagnostics(found)
    }

    /// Whether nothing was reported so far.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.found.borrow().is_empty()
    }

    pub(crate) fn report(&self, place: Place, message: String, help: Option<String>) {
        // More than twice what is told is never shown; the rest of a hostile file costs no memory.
        let mut found = self.found.borrow_mut();
        if found.len() < MAX_DIAGNOSTICS * 100 {
            found.push(Diagnostic {
                file: Arc::clone(&self.file),
                line: place.line,
                column: place.column,
                message,
                help,
            });
        }
    }
}
