//! `paths`, `values` and `queries` of a rule.

use std::collections::{BTreeMap, BTreeSet};

use crate::document::{Entry, Mapping, Node};
use crate::name::{Name, shortened};
use crate::route::PathPattern;

use super::body_objects::texts;
use super::{MAX_PLACES, MAX_VALUES};

/// `paths`: templates, each once; none where it is left out.
pub(super) fn paths(fields: &Mapping<'_>) -> Option<Vec<PathPattern>> {
    let Some(list) = fields.optional("paths") else {
        return Some(Vec::new());
    };
    let nodes = list.sequence()?;
    if nodes.is_empty() {
        list.report_with_help("an empty list of paths fits no target", "leave out `paths`, or name one");
        return None;
    }
    if let Some(over) = nodes.get(MAX_PLACES) {
        over.report(format_args!("{} paths are more than the {MAX_PLACES} that are read", nodes.len()));
        return None;
    }
    let mut read: Vec<PathPattern> = Vec::new();
    let mut clean = true;
    for node in nodes {
        match node.parse_with(PathPattern::parse) {
            Some(path) if read.iter().any(|known| known.as_str() == path.as_str()) => {
                node.report(format_args!("`{}` is listed twice", shortened(path.as_str())));
                clean = false;
            }
            Some(path) => read.push(path),
            None => clean = false,
        }
    }
    clean.then_some(read)
}

/// `values`: by parameter of `paths`, what may stand for it.
pub(super) fn values(fields: &Mapping<'_>, paths: &[PathPattern]) -> Option<BTreeMap<Name, BTreeSet<String>>> {
    let Some(node) = fields.optional("values") else {
        return Some(BTreeMap::new());
    };
    let mut read = BTreeMap::new();
    let mut clean = true;
    for entry in node.mapping()?.entries().take(MAX_VALUES) {
        match one_parameter(entry, paths) {
            Some((name, texts)) => drop(read.insert(name, texts)),
            None => clean = false,
        }
    }
    clean.then_some(read)
}

fn one_parameter(entry: Entry<'_>, paths: &[PathPattern]) -> Option<(Name, BTreeSet<String>)> {
    let name = entry.parse_key(Name::new);
    let texts = texts(entry.value);
    let name = name?;
    if !paths.iter().any(|path| path.parameters().any(|parameter| *parameter == name)) {
        entry.report_with_help(
            format_args!("no path of this rule has a parameter `{name}`"),
            format_args!("write `{{{name}}}` as a segment in `paths`, or leave this out"),
        );
        return None;
    }
    Some((name, texts?))
}

/// What of the path stays open, for a rule in which nothing may: the first parameter without values, or `**`.
pub(super) fn open_part(path: &PathPattern, values: &BTreeMap<Name, BTreeSet<String>>) -> Option<String> {
    if path.is_open() {
        return Some(String::from("`**`"));
    }
    path.parameters().find(|name| !values.contains_key(*name)).map(|name| format!("`{{{name}}}`"))
}

/// `queries`, which only means something beside `paths`.
pub(super) fn queries(fields: &Mapping<'_>, has_paths: bool) -> Option<bool> {
    let Some(node) = fields.optional("queries") else {
        return Some(false);
    };
    let queries = Node::bool(node);
    if !has_paths {
        node.report_with_help("without `paths`, every query fits", "leave out `queries`, or add `paths`");
        return None;
    }
    queries
}
