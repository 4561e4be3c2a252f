//! Names and values of headers that a rule keeps.

use std::collections::{BTreeMap, BTreeSet};

use crate::document::Node;
use crate::guard::{ACCEPTED, CONTENT_TYPES};
use crate::name::shortened;

use super::MAX_PLACES;
use super::body_objects::texts;

/// Headers that no rule can keep: the gateway sets them itself, they hold for one connection, or they name a session.
const NEVER_KEPT: [&str; 18] = [
    "connection",
    "content-length",
    "cookie",
    "cookie2",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "last-event-id",
    "proxy-authorization",
    "proxy-connection",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-http-method-override",
];

/// Why a text is no header that a rule can keep.
#[derive(Debug, thiserror::Error)]
enum HeaderError {
    #[error("`{0}` is not the name of a header: write it in lower case, such as `accept-language`")]
    NoName(String),
    #[error("`{0}` can't be kept: the gateway sets it itself, or it holds for one connection or session")]
    Never(String),
    #[error("`{0}` is listed twice")]
    Twice(String),
}

fn header_name(text: &str, before: &[String]) -> Result<String, HeaderError> {
    let token = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.!#$%&'*+^`|~".contains(&byte);
    if !(1..=64).contains(&text.len()) || !text.bytes().all(token) {
        return Err(HeaderError::NoName(shortened(text)));
    }
    if NEVER_KEPT.contains(&text) || text.starts_with("bellgate-") {
        return Err(HeaderError::Never(text.to_owned()));
    }
    if before.iter().any(|known| known == text) {
        return Err(HeaderError::Twice(text.to_owned()));
    }
    Ok(text.to_owned())
}

/// A list of names.
pub(super) fn names(list: Node<'_>) -> Option<Vec<String>> {
    let nodes = list.sequence()?;
    if let Some(over) = nodes.get(MAX_PLACES) {
        over.report(format_args!("{} headers are more than the {MAX_PLACES} that are read", nodes.len()));
        return None;
    }
    let mut names = Vec::new();
    let mut clean = true;
    for node in nodes {
        match node.parse_with(|text| header_name(text, &names)) {
            Some(name) => names.push(name),
            None => clean = false,
        }
    }
    clean.then_some(names)
}

/// By name, the values that pass: a mapping of names to lists of values, or a list of `content-type` and `accept`, whose
/// usual values are known.
pub(super) fn values(node: Node<'_>) -> Option<BTreeMap<String, BTreeSet<String>>> {
    let mut kept = BTreeMap::new();
    let mut clean = true;
    if node.is_mapping() {
        let mut names = Vec::new();
        let entries = node.mapping()?;
        if let Some(over) = entries.entries().nth(MAX_PLACES) {
            over.report(format_args!("{} headers are more than the {MAX_PLACES} that are read", entries.len()));
            return None;
        }
        for entry in entries.entries() {
            let name = entry.parse_key(|text| header_name(text, &names));
            match (name, texts(entry.value)) {
                (Some(name), Some(values)) => {
                    names.push(name.clone());
                    kept.insert(name, values);
                }
                _ => clean = false,
            }
        }
        return clean.then_some(kept);
    }
    let nodes = node.sequence()?;
    for (name, node) in names(node)?.into_iter().zip(nodes) {
        match usual(&name) {
            Some(values) => drop(kept.insert(name, values)),
            None => {
                node.report_with_help(
                    format_args!("any value of `{name}` could pass beside the guard"),
                    format_args!("say which ones may: `headers: {{ {name}: [..] }}`"),
                );
                clean = false;
            }
        }
    }
    clean.then_some(kept)
}

/// The usual values of a header that has some.
pub(super) fn usual(name: &str) -> Option<BTreeSet<String>> {
    let values: &[&str] = match name {
        "content-type" => &CONTENT_TYPES,
        "accept" => &ACCEPTED,
        _ => return None,
    };
    Some(values.iter().map(|value| (*value).to_owned()).collect())
}
