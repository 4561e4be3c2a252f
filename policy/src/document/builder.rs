//! From YAML events to a tree with places. Not recursive: depth is a number here, not the stack.

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use super::{Document, MAX_DOCUMENT_BYTES};
use crate::diagnostic::Place;
use crate::name::shortened;

/// How deep collections may nest.
const MAX_DEPTH: usize = 32;
/// How many nodes a document may have.
const MAX_NODES: usize = 200_000;

/// A node of the tree.
pub(super) struct Tree {
    pub(super) place: Place,
    pub(super) content: Content,
}

/// What a node is.
pub(super) enum Content {
    /// No value, `~` or `null`.
    Nothing,
    Scalar {
        text: String,
        /// Written without quotes, so that it can be a number or a bool.
        plain: bool,
    },
    Sequence(Vec<Tree>),
    Mapping(Vec<(Key, Tree)>),
}

/// A key of a mapping.
pub(super) struct Key {
    pub(super) place: Place,
    pub(super) text: String,
}

impl Tree {
    pub(super) fn nothing(place: Place) -> Self {
        Self { place, content: Content::Nothing }
    }
}

/// A collection that is not closed yet.
struct Open {
    tree: Tree,
    /// In a mapping: the key whose value comes next.
    key: Option<Key>,
    /// In a mapping: whether the next node is the value of a key that was refused.
    skip_value: bool,
}

struct Builder<'a> {
    document: &'a Document,
    open: Vec<Open>,
    root: Option<Tree>,
    documents: usize,
    nodes: usize,
}

/// Builds the tree of a text; `None` where something was reported that leaves none.
pub(super) fn build(text: &str, document: &Document) -> Option<Tree> {
    let start = Place { line: 1, column: 1 };
    if text.len() > MAX_DOCUMENT_BYTES {
        let message = format!("the file has {} bytes, and {MAX_DOCUMENT_BYTES} are read at most", text.len());
        document.report(start, message, None);
        return None;
    }
    let mut builder = Builder { document, open: Vec::new(), root: None, documents: 0, nodes: 0 };
    let mut events = Parser::new(StrInput::new(text.trim_start_matches('\u{feff}')));
    while let Some(event) = events.next_event() {
        match event {
            Ok((event, span)) => builder.take(event, place(span))?,
            Err(error) => {
                let at = error.marker();
                let place = Place { line: at.line(), column: at.col() + 1 };
                let message = format!("this is not YAML: {}", error.info());
                document.report(place, message, None);
                return None;
            }
        }
    }
    Some(builder.root.unwrap_or_else(|| Tree::nothing(start)))
}

fn place(span: Span) -> Place {
    Place { line: span.start.line().max(1), column: span.start.col() + 1 }
}

impl Builder<'_> {
    /// Takes one event; `None` stops the reading, with the reason reported.
    fn take(&mut self, event: Event<'_>, at: Place) -> Option<()> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.refuse(at, "a second document begins here, and a file holds one");
                    return None;
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_extras(at, anchor, tag.is_some());
                let plain = style == ScalarStyle::Plain;
                let nothing = plain && matches!(text.as_ref(), "" | "~" | "null");
                if self.takes_key(at, &text, nothing) {
                    return Some(());
                }
                let content =
                    if nothing { Content::Nothing } else { Content::Scalar { text: text.into_owned(), plain } };
                self.count(at)?;
                self.place_node(Tree { place: at, content });
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_extras(at, anchor, tag.is_some());
                self.begin(at, Content::Sequence(Vec::new()))?;
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_extras(at, anchor, tag.is_some());
                self.begin(at, Content::Mapping(Vec::new()))?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    self.place_node(open.tree);
                }
            }
            Event::Alias(_) => {
                self.refuse(at, "aliases are not read: write the value out");
                if !self.takes_key(at, "*", true) {
                    self.place_node(Tree::nothing(at));
                }
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Some(())
    }

    fn refuse(&self, at: Place, message: &str) {
        self.document.report(at, message.to_owned(), None);
    }

    fn refuse_extras(&self, at: Place, anchor: usize, tagged: bool) {
        if anchor > 0 {
            self.refuse(at, "anchors are not read: leave out the `&name`");
        }
        if tagged {
            self.refuse(at, "tags are not read: leave out the `!name`");
        }
    }

    fn count(&mut self, at: Place) -> Option<()> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let message = format!("the file has more than {MAX_NODES} values");
            self.document.report(at, message, None);
            return None;
        }
        Some(())
    }

    fn begin(&mut self, at: Place, content: Content) -> Option<()> {
        self.count(at)?;
        if self.open.len() >= MAX_DEPTH {
            let message = format!("this nests deeper than {MAX_DEPTH} levels");
            self.document.report(at, message, None);
            return None;
        }
        self.refuse_complex_key(at);
        self.open.push(Open { tree: Tree { place: at, content }, key: None, skip_value: false });
        Some(())
    }

    /// A collection that begins where a key is due: its place is taken by a key that no mapping knows.
    fn refuse_complex_key(&mut self, at: Place) {
        if let Some(open) = self.open.last_mut()
            && matches!(open.tree.content, Content::Mapping(_))
            && open.key.is_none()
            && !open.skip_value
        {
            self.refuse(at, "a key must be plain text, and this one is a list or a mapping");
        }
    }

    /// Whether this scalar is a key of the innermost mapping, and so is done with.
    fn takes_key(&mut self, at: Place, text: &str, nothing: bool) -> bool {
        let Some(open) = self.open.last_mut() else {
            return false;
        };
        let Content::Mapping(entries) = &open.tree.content else {
            return false;
        };
        if open.key.is_some() || open.skip_value {
            return false;
        }
        let first = entries.iter().find(|(key, _)| key.text == text);
        if nothing {
            open.skip_value = true;
            self.document.report(at, String::from("a key is missing here"), None);
        } else if text == "<<" {
            open.skip_value = true;
            let message = String::from("merge keys are not read: write the values out");
            self.document.report(at, message, None);
        } else if let Some((first, _)) = first {
            open.skip_value = true;
            let message = format!(
                "key `{}` stands here a second time; it first stands in line {}",
                shortened(text),
                first.place.line
            );
            let help = Some(String::from("keep one of the two"));
            self.document.report(at, message, help);
        } else {
            open.key = Some(Key { place: at, text: text.to_owned() });
        }
        true
    }

    /// Puts a finished node where it belongs.
    fn place_node(&mut self, mut tree: Tree) {
        let Some(open) = self.open.last_mut() else {
            self.root.get_or_insert(tree);
            return;
        };
        match &mut open.tree.content {
            Content::Sequence(items) => items.push(tree),
            Content::Mapping(entries) => match open.key.take() {
                Some(key) => {
                    // YAML places a value that is not there behind the key's colon.
                    if matches!(tree.content, Content::Nothing) {
                        tree.place = key.place;
                    }
                    entries.push((key, tree));
                }
                // The value of a refused key, or a collection in the place of a key, whose value is then refused too.
                None => open.skip_value = !open.skip_value,
            },
            Content::Nothing | Content::Scalar { .. } => {}
        }
    }
}
