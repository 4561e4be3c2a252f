//! Why a task was not accepted: what was found, what was expected, what to do.

use std::time::Duration;

use crate::document::duration_text;
use crate::mode::Mode;
use crate::pointer::PointerError;
use crate::timestamp::Timestamp;

use super::{MAX_TASK_BYTES, MAX_TASK_GRANTS, MAX_TASK_VALUES};

/// Why a task was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    /// More than [`MAX_TASK_BYTES`].
    #[error("the task has {0} bytes, and {MAX_TASK_BYTES} are read at most: split it")]
    TooLong(usize),
    /// No JSON, or not the members that a task has.
    #[error(
        "the task can't be read: {0}; expected {{\"grants\": [{{\"object\", \"modes\"?, \"values\"?}}], \"life\"?}}"
    )]
    Malformed(String),
    /// No grant at all.
    #[error("`grants` is empty, and such a task lets nobody do anything: name an object")]
    NoGrants,
    /// More than [`MAX_TASK_GRANTS`].
    #[error("`grants` has {0} entries, and {MAX_TASK_GRANTS} are read at most: split the task")]
    TooManyGrants(usize),
    /// More than [`MAX_TASK_VALUES`] in one grant.
    #[error("`{at}.values` has {given} texts, and {MAX_TASK_VALUES} are read at most: split the grant")]
    TooManyValues {
        /// Which grant.
        at: String,
        /// How many there are.
        given: usize,
    },
    /// `life` is no duration, or none at all.
    #[error("`life`: {0}")]
    Life(String),
    /// `life` is longer than the rules allow.
    #[error("`life` is {}, and the policy allows {} at most: ask for less, or leave it out", duration_text(*given), duration_text(*most))]
    LifeTooLong {
        /// What was asked for.
        given: Duration,
        /// What the rules allow.
        most: Duration,
    },
    /// No rule lets this subject open tasks for that workload.
    #[error("no rule of the policy lets `{orchestrator}` open tasks for `{workload}`: add one under `orchestrators`")]
    NotAnOrchestrator {
        /// Who asked.
        orchestrator: String,
        /// For whom.
        workload: String,
    },
    /// The rules that did have expired.
    #[error("the rule that lets `{orchestrator}` open tasks expired at {at}: have it renewed under `orchestrators`")]
    RuleExpired {
        /// Who asked.
        orchestrator: String,
        /// When the last of them did.
        at: Timestamp,
    },
    /// No rule of the orchestrator names the object.
    #[error("`{at}.object` is `{object}`, which no rule lets this orchestrator grant; it may grant {allowed}")]
    Object {
        /// Which grant.
        at: String,
        /// What was asked for.
        object: String,
        /// What its rules name, for a person.
        allowed: String,
    },
    /// The rule does not have the mode.
    #[error("`{at}.modes` has `{mode}`, and the rule lets this orchestrator grant {allowed} on `{object}`")]
    Mode {
        /// Which grant.
        at: String,
        /// What was asked for.
        mode: Mode,
        /// On what.
        object: String,
        /// What the rule has, for a person.
        allowed: String,
    },
    /// A mode stands twice.
    #[error("`{at}.modes` lists `{mode}` twice: leave one of the two out")]
    ModeTwice {
        /// Which grant.
        at: String,
        /// The mode.
        mode: Mode,
    },
    /// The rule asks for values that the grant does not give.
    #[error(
        "`{at}.values` lacks `{pointer}`: say which texts may stand there, such as {{\"{pointer}\": [\"..\"]}}, or `[]` for none"
    )]
    ValueMissing {
        /// Which grant.
        at: String,
        /// Where in the body.
        pointer: String,
    },
    /// A key of `values` is no JSON Pointer.
    #[error("`{at}.values`: {error}")]
    Pointer {
        /// Which grant.
        at: String,
        /// What is wrong.
        error: PointerError,
    },
    /// Values for an object whose bodies nobody validates.
    #[error("`{at}.values` can't be looked at: no manifest validates the bodies of `{object}`; leave it out")]
    NoBody {
        /// Which grant.
        at: String,
        /// On what.
        object: String,
    },
    /// A kept task has ended.
    #[error("the task ended at {at}: open a new one")]
    Expired {
        /// When.
        at: Timestamp,
    },
    /// A text that was not kept for this workload.
    #[error("the text is no task that was kept here: {0}")]
    NotKept(String),
}
