//! Why a schema can't be used: mistakes of the operator, found before the first body.

use thiserror::Error;

/// A schema, or a set of kinds, that can't be compiled.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SchemaError {
    /// A limit is outside its range.
    #[error("the limit `{name}` is {value}, but it must be between {least} and {most}")]
    Limit {
        /// Its name.
        name: &'static str,
        /// What was given.
        value: u64,
        /// The least that makes sense.
        least: u64,
        /// The most that is allowed.
        most: u64,
    },
    /// Two sources have the same kind.
    #[error("the kind `{kind}` is defined twice, merge its versions")]
    KindTwice {
        /// The kind.
        kind: String,
    },
    /// A kind has no schema, or both versions and a default.
    #[error("the kind `{kind}` {problem}")]
    Kind {
        /// The kind.
        kind: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A file is not strict JSON.
    #[error("`{file}`: {problem}")]
    Text {
        /// The file.
        file: String,
        /// What is wrong, with the byte.
        problem: String,
    },
    /// The fragment names nothing in the file.
    #[error("`{file}`: nothing at `#{fragment}`{hint}")]
    Fragment {
        /// The file.
        file: String,
        /// The JSON pointer.
        fragment: String,
        /// A name close to it, or nothing.
        hint: String,
    },
    /// `$schema` names no draft that is known here.
    #[error(
        "`{file}`: `$schema` is `{draft}`, which names none of the drafts known here, use draft-04, draft-06, draft-07, 2019-09 or 2020-12"
    )]
    Draft {
        /// The file.
        file: String,
        /// What it says.
        draft: String,
    },
    /// The schema is not a schema: a keyword has a value that its draft does not allow, a
    /// reference leads nowhere, a pattern does not compile.
    #[error("`{file}`: at `#{path}`: {problem}")]
    Schema {
        /// The file.
        file: String,
        /// JSON pointer into the file.
        path: String,
        /// What is wrong and what to do.
        problem: String,
    },
}
