//! Why a body was refused, in words that never repeat its values.
//!
//! What comes from the document appears in one place only: the keys inside
//! [`Violation::instance_path`], with control characters escaped and the length bounded. All other
//! text comes from the schema, from the policy, or from this package.

use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

/// A body that was refused: one cause, and what it violates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Why, from a closed set.
    pub cause: RejectionCause,
    /// What was expected where, in the order of the schema's keywords and the document's members.
    /// Empty where the body could not be read as JSON at all.
    pub violations: Vec<Violation>,
    /// Whether there may be more violations than are listed.
    pub truncated: bool,
}

/// One expectation of the schema that the document does not meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// JSON pointer into the document; empty for the whole document.
    pub instance_path: String,
    /// JSON pointer into the schema file, ending in the keyword.
    pub schema_path: String,
    /// The schema's keyword, such as `maxLength`.
    pub keyword: String,
    /// What was expected, never what was found.
    pub message: String,
}

/// The closed set of causes. Offsets are bytes from the start of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RejectionCause {
    /// The body has more bytes than [`Limits::bytes`](crate::Limits::bytes).
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The body nests deeper than [`Limits::depth`](crate::Limits::depth).
    TooDeep {
        /// Where the first container too many opens.
        offset: usize,
        /// The limit in levels.
        limit: usize,
    },
    /// The body has more values than [`Limits::members`](crate::Limits::members).
    TooManyMembers {
        /// Where the first value too many begins.
        offset: usize,
        /// The limit in values.
        limit: usize,
    },
    /// A key is longer than [`Limits::key_bytes`](crate::Limits::key_bytes).
    KeyTooLong {
        /// Where the key begins.
        offset: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The schema validator took more steps than [`Limits::work`](crate::Limits::work).
    TooMuchWork {
        /// The limit in steps.
        limit: u64,
    },
    /// The body is not UTF-8.
    NotUtf8 {
        /// The first byte that is not.
        offset: usize,
    },
    /// The body starts with a byte order mark.
    ByteOrderMark,
    /// The body is not JSON.
    Syntax {
        /// Where reading stopped.
        offset: usize,
        /// What could have stood there.
        expected: &'static str,
    },
    /// A string holds half of a surrogate pair.
    LoneSurrogate {
        /// Where the escape begins.
        offset: usize,
    },
    /// A number is beyond what a 64-bit float can hold: above its range, or not zero and below it.
    NumberOutOfRange {
        /// Where the number begins.
        offset: usize,
    },
    /// An object has the same key twice, after unescaping.
    DuplicateKey {
        /// Where the second one begins.
        offset: usize,
    },
    /// The body does not state its version where the policy expects it, as a string.
    VersionMissing {
        /// The JSON pointer where it belongs.
        pointer: Arc<str>,
        /// The versions that are accepted.
        known: Arc<[Arc<str>]>,
    },
    /// The body states a version that the policy does not name.
    VersionUnknown {
        /// The JSON pointer where it stands.
        pointer: Arc<str>,
        /// The versions that are accepted.
        known: Arc<[Arc<str>]>,
    },
    /// The body does not conform to its schema.
    Schema,
    /// Nobody loaded a schema for this kind: a mistake of the configuration, not of the body.
    KindUnknown,
}

impl RejectionCause {
    /// The stable code of the cause, as in problem documents and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too-large",
            Self::TooDeep { .. } => "too-deep",
            Self::TooManyMembers { .. } => "too-many-members",
            Self::KeyTooLong { .. } => "key-too-long",
            Self::TooMuchWork { .. } => "too-much-work",
            Self::NotUtf8 { .. } => "not-utf8",
            Self::ByteOrderMark => "byte-order-mark",
            Self::Syntax { .. } => "syntax",
            Self::LoneSurrogate { .. } => "lone-surrogate",
            Self::NumberOutOfRange { .. } => "number-out-of-range",
            Self::DuplicateKey { .. } => "duplicate-key",
            Self::VersionMissing { .. } => "version-missing",
            Self::VersionUnknown { .. } => "version-unknown",
            Self::Schema => "schema",
            Self::KindUnknown => "kind-unknown",
        }
    }

    /// The HTTP status: 413 for a limit, 400 for what is not strict JSON, 422 for JSON that does
    /// not conform, 500 for a kind that nobody loaded.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::TooLarge { .. }
            | Self::TooDeep { .. }
            | Self::TooManyMembers { .. }
            | Self::KeyTooLong { .. }
            | Self::TooMuchWork { .. } => 413,
            Self::NotUtf8 { .. }
            | Self::ByteOrderMark
            | Self::Syntax { .. }
            | Self::LoneSurrogate { .. }
            | Self::NumberOutOfRange { .. }
            | Self::DuplicateKey { .. } => 400,
            Self::VersionMissing { .. } | Self::VersionUnknown { .. } | Self::Schema => 422,
            Self::KindUnknown => 500,
        }
    }
}

/// One sentence about the cause and what to do about it.
impl fmt::Display for RejectionCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit } => {
                write!(f, "the body is larger than {limit} bytes, send less at once")
            }
            Self::TooDeep { offset, limit } => {
                write!(f, "the body nests deeper than {limit} levels at byte {offset}, flatten it")
            }
            Self::TooManyMembers { offset, limit } => {
                write!(f, "the body has more than {limit} values, the next one at byte {offset}, send fewer at once")
            }
            Self::KeyTooLong { offset, limit } => {
                write!(f, "the key at byte {offset} is longer than {limit} bytes, shorten it")
            }
            Self::TooMuchWork { limit } => {
                write!(f, "comparing the body with its schema takes more than {limit} steps, send a simpler one")
            }
            Self::NotUtf8 { offset } => {
                write!(f, "the body is not UTF-8 at byte {offset}, encode it as UTF-8")
            }
            Self::ByteOrderMark => f.write_str("the body starts with a byte order mark, leave it out"),
            Self::Syntax { offset, expected } => {
                write!(f, "the body is not JSON: expected {expected} at byte {offset}")
            }
            Self::LoneSurrogate { offset } => {
                write!(f, "the escape at byte {offset} is half of a surrogate pair, write both halves")
            }
            Self::NumberOutOfRange { offset } => {
                write!(f, "the number at byte {offset} is beyond the range of a 64-bit float, send it as a string")
            }
            Self::DuplicateKey { offset } => write!(f, "the key at byte {offset} stands twice in its object, keep one"),
            Self::VersionMissing { pointer, known } => {
                write!(f, "no version at `{pointer}`, state one of {} there as a string", listed(known))
            }
            Self::VersionUnknown { pointer, known } => {
                write!(f, "the version at `{pointer}` is not accepted here, use one of {}", listed(known))
            }
            Self::Schema => f.write_str("the body does not conform to its schema"),
            Self::KindUnknown => f.write_str("no schema is loaded for this kind of body, tell the operator"),
        }
    }
}

fn listed(known: &[Arc<str>]) -> String {
    let quoted: Vec<String> = known.iter().map(|version| format!("`{version}`")).collect();
    quoted.join(", ")
}

impl Rejection {
    /// The HTTP status of the cause; see [`RejectionCause::status`].
    #[must_use]
    pub fn status(&self) -> u16 {
        self.cause.status()
    }

    /// The members that a problem document (RFC 9457) about this rejection has besides the
    /// standard ones: `error`, `cause`, `detail`, `violations`, `truncated`.
    #[must_use]
    pub fn to_problem(&self) -> Value {
        let violations: Vec<Value> = self.violations.iter().map(Violation::to_json).collect();
        json!({
            "error": "ManifestConformanceError",
            "cause": self.cause.code(),
            "detail": self.cause.to_string(),
            "violations": violations,
            "truncated": self.truncated,
        })
    }
}

impl Violation {
    fn to_json(&self) -> Value {
        json!({
            "instance_path": self.instance_path,
            "schema_path": self.schema_path,
            "keyword": self.keyword,
            "message": self.message,
        })
    }
}
