//! Routes: which methods and paths of an upstream are an object of their own.
//!
//! **Patterns.** Literal segments, `{name}` for exactly one segment, and `/**` at the end for any number of segments.
//! A path segment is compared after percent-decoding; empty segments (`//`, a slash at the end) count for nothing. Both
//! widen what a route takes in, so that another spelling of a path can't slip past its label.
//!
//! **What is absent on purpose.** Regular expressions, queries, and ignoring case: servers differ there, and an author
//! whose server ignores case should say so with `/**`.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use percent_encoding::percent_decode_str;

use crate::name::{Name, shortened};
use crate::naming::Naming;
use crate::object::Object;

/// A route of an upstream. Built only by [`crate::Policy::parse`].
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name in the upstream.
    pub name: Name,
    /// The methods that it takes.
    pub methods: Methods,
    /// The paths that it takes.
    pub pattern: PathPattern,
    /// Its object, `upstream/route`.
    pub object: Arc<Object>,
    /// Whether requests are accepted blindly: nothing comes back.
    pub append: bool,
    /// The manifest kind that bodies must conform to.
    pub manifest: Option<Name>,
    /// How values of its bodies name objects, where they do.
    pub(crate) naming: Option<Arc<Naming>>,
}

/// The methods of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Methods {
    /// Every method.
    Any,
    /// These, in upper case; `GET` takes `HEAD` with it.
    Listed(Vec<String>),
}

impl Methods {
    /// Whether a request with this method belongs to the route. Methods differ by case (RFC 9110, section 9.1).
    #[must_use]
    pub fn contains(&self, method: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(listed) => listed.iter().any(|known| known == method || (known == "GET" && method == "HEAD")),
        }
    }

    /// A method that both lists take, where there is one.
    pub(crate) fn shared_with(&self, other: &Self) -> Option<String> {
        match (self, other) {
            (Self::Any, Self::Any) => Some(String::from("every method")),
            (Self::Listed(listed), Self::Any) | (Self::Any, Self::Listed(listed)) => listed.first().cloned(),
            (Self::Listed(listed), Self::Listed(_)) => listed
                .iter()
                .find(|method| other.contains(method))
                .or_else(|| match other {
                    Self::Listed(others) => others.iter().find(|method| self.contains(method)),
                    Self::Any => None,
                })
                .cloned(),
        }
    }
}

/// A pattern over paths. See the module's documentation.
#[derive(Clone, Debug)]
pub struct PathPattern {
    text: String,
    segments: Vec<Segment>,
    /// Whether it ends with `/**`.
    open: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// This text, percent-decoded.
    Literal(Vec<u8>),
    /// Any one segment, under this name.
    One(Name),
}

/// Why a text is no path pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It does not begin with a slash.
    #[error("`{0}` does not begin with `/`")]
    NoSlash(String),
    /// Longer than 2,048 bytes or 64 segments.
    #[error("a path pattern has at most 2048 characters and 64 segments, and this one has more")]
    TooLong,
    /// Two slashes in a row, or one at the end.
    #[error("`{0}` has an empty segment: leave out the slash that nothing follows")]
    EmptySegment(String),
    /// A segment is `.` or `..`.
    #[error("`{0}` has a segment `.` or `..`, which no request is forwarded with")]
    DotSegment(String),
    /// `**` stands before the end.
    #[error("`{0}` has `**` before its end: only the last segment can be `**`")]
    OpenInside(String),
    /// Braces or stars that are not a whole segment.
    #[error("`{segment}` is neither a plain segment nor `{{name}}` nor `**`")]
    PartialParameter {
        /// The segment.
        segment: String,
    },
    /// A character that a path of a request can't hold.
    #[error("`{segment}` holds `{found}`: percent-encode it")]
    Character {
        /// The segment.
        segment: String,
        /// The character, escaped.
        found: String,
    },
    /// A `%` without two hex digits, or one that encodes a slash, a backslash or NUL, which requests are refused for.
    #[error("`{segment}` has a percent-encoding that no request is forwarded with")]
    Encoding {
        /// The segment.
        segment: String,
    },
}

impl PathPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Where the text is not of the form that the module's documentation gives.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        const MAX_BYTES: usize = 2048;
        const MAX_SEGMENTS: usize = 64;
        if text.len() > MAX_BYTES {
            return Err(PatternError::TooLong);
        }
        let rest = text.strip_prefix('/').ok_or_else(|| PatternError::NoSlash(shortened(text)))?;
        let (closed, open) = match rest.strip_suffix("**") {
            Some("") => ("", true),
            Some(before) if before.ends_with('/') => (before.trim_end_matches('/'), true),
            Some(_) | None => (rest, false),
        };
        let mut segments = Vec::new();
        for segment in closed.split('/').filter(|_| !closed.is_empty()) {
            segments.push(read_segment(text, segment)?);
        }
        if segments.len() > MAX_SEGMENTS {
            return Err(PatternError::TooLong);
        }
        Ok(Self { text: text.to_owned(), segments, open })
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a path, with its leading slash and without a query, fits.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let Some(path) = path.strip_prefix('/') else {
            return false;
        };
        let mut given = path.split('/').filter(|segment| !segment.is_empty());
        let all_fit = self.segments.iter().all(|segment| match given.next() {
            Some(given) => segment.fits(given),
            None => false,
        });
        all_fit && (self.open || given.next().is_none())
    }

    /// The names of its parameters, in order.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &Name> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::One(name) => Some(name),
            Segment::Literal(_) => None,
        })
    }

    /// Whether it ends with `/**`.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Whether a path fits segment by segment, none of them empty. `takes` is asked of each with its parameter's name, or
    /// `None` for a literal one, as it is written and as it is decoded.
    pub(crate) fn fits_strictly(&self, path: &str, takes: impl Fn(Option<&Name>, &str, &[u8]) -> bool) -> bool {
        let Some(rest) = path.strip_prefix('/') else {
            return false;
        };
        let mut given = rest.split('/').filter(|_| !rest.is_empty());
        let all_fit = self.segments.iter().all(|segment| {
            let Some(written) = given.next().filter(|written| !written.is_empty()) else {
                return false;
            };
            let decoded: Cow<'_, [u8]> = percent_decode_str(written).into();
            match segment {
                Segment::One(name) => takes(Some(name), written, &decoded),
                Segment::Literal(literal) => decoded.as_ref() == literal.as_slice() && takes(None, written, &decoded),
            }
        });
        all_fit && if self.open { given.all(|segment| !segment.is_empty()) } else { given.next().is_none() }
    }

    /// Of two patterns that fit one path, the one that says more about it comes first: compared from the left, a literal
    /// before `{name}` before `**`. `Equal` only where both fit exactly the same paths.
    #[must_use]
    pub fn compare_specificity(&self, other: &Self) -> Ordering {
        for (mine, theirs) in self.segments.iter().zip(&other.segments) {
            match (mine, theirs) {
                (Segment::Literal(_), Segment::One(_)) => return Ordering::Less,
                (Segment::One(_), Segment::Literal(_)) => return Ordering::Greater,
                (Segment::Literal(mine), Segment::Literal(theirs)) if mine != theirs => {
                    return mine.cmp(theirs);
                }
                (Segment::Literal(_), Segment::Literal(_)) | (Segment::One(_), Segment::One(_)) => {}
            }
        }
        let length = other.segments.len().cmp(&self.segments.len());
        length.then(self.open.cmp(&other.open))
    }
}

impl Segment {
    fn fits(&self, given: &str) -> bool {
        match self {
            Self::One(_) => true,
            Self::Literal(literal) if given.contains('%') => {
                let decoded: Cow<'_, [u8]> = percent_decode_str(given).into();
                decoded.as_ref() == literal.as_slice()
            }
            Self::Literal(literal) => given.as_bytes() == literal.as_slice(),
        }
    }
}

fn read_segment(pattern: &str, segment: &str) -> Result<Segment, PatternError> {
    match segment {
        "" => return Err(PatternError::EmptySegment(shortened(pattern))),
        "." | ".." => return Err(PatternError::DotSegment(shortened(pattern))),
        "**" => return Err(PatternError::OpenInside(shortened(pattern))),
        _ => {}
    }
    let quoted = || shortened(segment);
    if segment.contains(['{', '}', '*']) {
        let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let parameter = name.and_then(|name| Name::new(name).ok());
        return parameter.map(Segment::One).ok_or_else(|| PatternError::PartialParameter { segment: quoted() });
    }
    if let Some(found) = segment.chars().find(|c| !is_path_char(*c)) {
        return Err(PatternError::Character { segment: quoted(), found: found.escape_debug().to_string() });
    }
    let decoded: Vec<u8> = percent_decode_str(segment).collect();
    let broken = segment
        .split('%')
        .skip(1)
        .any(|after| !after.get(..2).is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit())));
    let forbidden = decoded.iter().any(|byte| b"/\\\0".contains(byte));
    let dots = decoded == b"." || decoded == b"..";
    if broken || forbidden || dots {
        return Err(PatternError::Encoding { segment: quoted() });
    }
    Ok(Segment::Literal(decoded))
}

/// `pchar` of RFC 3986, with `%`.
fn is_path_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~!$&'()+,;=:@%".contains(c)
}
