//! Path templates of a rule: which targets it covers.
//!
//! **What holds.** A target fits where its path fits one template, segment by segment, none of them empty, and each value
//! that stands for a named parameter is one of those listed (percent-decoded, byte by byte). A query fits only where the
//! rule says `queries: true`.
//! Where [`Spelling::One`] is asked for, each path has one spelling alone: what a path can hold stands as it is, all else is
//! percent-encoded with upper-case digits. Otherwise the choice among spellings would carry bits past a guard.

use std::collections::{BTreeMap, BTreeSet};

use crate::name::Name;
use crate::route::PathPattern;

/// Templates with the values of their parameters.
#[derive(Clone, Debug)]
pub(crate) struct Templates {
    /// Empty where the rule covers every target.
    pub(crate) paths: Vec<PathPattern>,
    pub(crate) values: BTreeMap<Name, BTreeSet<String>>,
    pub(crate) queries: bool,
    pub(crate) spelling: Spelling,
}

/// How a path can be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Spelling {
    /// In any way that decodes to the same.
    Any,
    /// In one way alone.
    One,
}

impl Templates {
    /// Whether a target, path with query, is covered. One that is not known is covered only where every target is.
    pub(crate) fn fit(&self, target: Option<&str>) -> bool {
        if self.paths.is_empty() {
            return true;
        }
        let Some(target) = target else {
            return false;
        };
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        (query.is_none() || self.queries) && self.paths.iter().any(|pattern| self.fits(pattern, path))
    }

    fn fits(&self, pattern: &PathPattern, path: &str) -> bool {
        pattern.fits_strictly(path, |parameter, written, decoded| {
            let listed = parameter.and_then(|name| self.values.get(name));
            let value = listed.is_none_or(|values| values.iter().any(|value| value.as_bytes() == decoded));
            value && (self.spelling == Spelling::Any || is_canonical(written))
        })
    }
}

/// Whether a segment is percent-encoded only where it must be, and with upper-case digits.
fn is_canonical(segment: &str) -> bool {
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            if !stands_as_it_is(byte) {
                return false;
            }
            continue;
        }
        let (Some(high), Some(low)) = (bytes.next().and_then(digit), bytes.next().and_then(digit)) else {
            return false;
        };
        if stands_as_it_is(high << 4 | low) {
            return false;
        }
    }
    true
}

/// `pchar` of RFC 3986 without the percent sign.
fn stands_as_it_is(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte)
}

/// An upper-case hex digit.
fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn templates(paths: &[&str], values: &[(&str, &[&str])], queries: bool, spelling: Spelling) -> Templates {
        let values = values
            .iter()
            .map(|(name, values)| (Name::new(name).unwrap(), values.iter().map(|value| (*value).to_owned()).collect()));
        Templates {
            paths: paths.iter().map(|path| PathPattern::parse(path).unwrap()).collect(),
            values: values.collect(),
            queries,
            spelling,
        }
    }

    #[test]
    fn targets_fit_by_path_values_and_query() {
        let wiki = templates(&["/wiki/{page}", "/all"], &[("page", &["Aspirin", "a b", "ä"])], false, Spelling::Any);
        for fits in
            ["/wiki/Aspirin", "/wiki/%41spirin", "/wiki/a%20b", "/wiki/%c3%a4", "/wiki/%C3%A4", "/all", "/%61ll"]
        {
            assert!(wiki.fit(Some(fits)), "{fits}");
        }
        for fails in [
            "/wiki/Ibuprofen",
            "/wiki/aspirin",
            "/wiki/Aspirin?x",
            "/wiki/Aspirin?",
            "/wiki/Aspirin/",
            "/wiki//Aspirin",
            "//wiki/Aspirin",
            "/wiki/",
            "/wiki",
            "/wiki/Aspirin/x",
            "/all/",
            "/",
            "",
            "*",
            "wiki/Aspirin",
            "/wiki/%2561spirin",
        ] {
            assert!(!wiki.fit(Some(fails)), "{fails}");
        }
        assert!(!wiki.fit(None));
    }

    #[test]
    fn queries_and_open_ends_where_the_rule_says_so() {
        let open = templates(&["/docs/**", "/{any}"], &[], true, Spelling::Any);
        for fits in ["/docs", "/docs/a/b", "/docs/a?x=1", "/x?y?z"] {
            assert!(open.fit(Some(fits)), "{fits}");
        }
        for fails in ["/docs//a", "/docs/a/", "/", "/x/y"] {
            assert!(!open.fit(Some(fails)), "{fails}");
        }
        let every = templates(&[], &[], false, Spelling::Any);
        assert!(every.fit(Some("/x?y")) && every.fit(None));
        assert!(templates(&["/"], &[], false, Spelling::One).fit(Some("/")));
    }

    #[test]
    fn one_spelling_alone() {
        let one = templates(&["/a:b/{x}"], &[("x", &["v", "a b", "p/q", "100%", "(x)"])], false, Spelling::One);
        for fits in ["/a:b/v", "/a:b/a%20b", "/a:b/p%2Fq", "/a:b/100%25", "/a:b/(x)"] {
            assert!(one.fit(Some(fits)), "{fits}");
        }
        for fails in
            ["/a%3Ab/v", "/%61:b/v", "/a:b/%76", "/a:b/p%2fq", "/a:b/a+b", "/a:b/%28x)", "/a:b/a b", "/a:b/100%"]
        {
            assert!(!one.fit(Some(fails)), "{fails}");
        }
    }
}
