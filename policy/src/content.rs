//! What is known of a request's body when a question is asked.

use serde_json::Value;

/// The body, as far as it is known. Only a body that its manifest's schema has accepted, with no key twice, is
/// [`Content::Json`].
#[derive(Clone, Copy)]
pub enum Content<'a> {
    /// It was not read yet. What depends on it is taken to hold: ask again with the body before anything leaves.
    Unread,
    /// There is none, or it is not looked at: what depends on it does not hold.
    Nothing,
    /// The validated body.
    Json(&'a Value),
}
