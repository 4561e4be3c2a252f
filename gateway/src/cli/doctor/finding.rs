//! What one check came to.

use serde::Serialize;

/// How a check went.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// As it must be.
    Ok,
    /// Sound or not, depending on what doctor can't know.
    Warn,
    /// The labels do not mean what they say.
    Fail,
    /// Nobody can see it from here.
    Unseen,
}

/// The outcome of one check.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    /// A stable code.
    pub(super) check: &'static str,
    /// How it went.
    pub(super) status: Status,
    /// What is there.
    pub(super) found: String,
    /// What must be; empty where that is what was found.
    pub(super) expected: String,
    /// What to do about it; empty where nothing is to be done.
    #[serde(rename = "do")]
    pub(super) todo: String,
}

impl Finding {
    /// It is as it must be.
    pub(super) fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, status: Status::Ok, found: found.into(), expected: String::new(), todo: String::new() }
    }

    /// It may be wrong.
    pub(super) fn warn(
        check: &'static str,
        found: impl Into<String>,
        expected: impl Into<String>,
        todo: impl Into<String>,
    ) -> Self {
        Self { check, status: Status::Warn, found: found.into(), expected: expected.into(), todo: todo.into() }
    }

    /// It is wrong.
    pub(super) fn fail(
        check: &'static str,
        found: impl Into<String>,
        expected: impl Into<String>,
        todo: impl Into<String>,
    ) -> Self {
        Self { check, status: Status::Fail, found: found.into(), expected: expected.into(), todo: todo.into() }
    }

    /// It can't be seen from here.
    pub(super) fn unseen(check: &'static str, what: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { check, status: Status::Unseen, found: what.into(), expected: String::new(), todo: todo.into() }
    }
}
