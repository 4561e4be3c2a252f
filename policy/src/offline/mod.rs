//! The offline questions: what `bellgate policy decide` answers, for authors, CI and comparison with other programs.
//!
//! **What holds.** The verdict is [`crate::decide`]'s own. A current label that is given must lie between floor and
//! clearance like one that a gateway states, whether or not the policy says that a gateway speaks for the subject; where
//! none is given, a fresh instance is meant, whose current label is the floor.
//!
//! **What is bounded.** A line: [`MAX_LINE_BYTES`].
//!
//! **What is absent on purpose.** Reading and printing: texts come in and go out.

mod explanation;
mod line;

use crate::content::Content;
use crate::decide::{Asked, Question, Standing, suppose};
use crate::document::closest;
use crate::lattice::{LabelError, Lattice};
use crate::mode::{Mode, UnknownMode};
use crate::name::{Name, shortened};
use crate::policy::Policy;
use crate::record::VerdictRecord;
use crate::spiffe_id::{SpiffeId, SpiffeIdError};
use crate::timestamp::Timestamp;

pub use explanation::explain;
pub use line::{LineAnswer, LineError, MAX_LINE_BYTES, answer_line, summary};

/// A question in words.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inquiry {
    /// A subject's name in the policy, or a SPIFFE ID.
    pub subject: String,
    /// An object's name: `upstream`, `upstream/route` or `capability`.
    pub object: String,
    /// An access mode.
    pub mode: String,
    /// The current label, categories in any order; the floor where it is left out.
    #[serde(default)]
    pub current: Option<String>,
}

/// Why a question can't be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InquiryError {
    /// Neither a name of the policy nor a SPIFFE ID.
    #[error("`{given}` is not a subject of the policy{meant}: give a name of it, or a SPIFFE ID")]
    Subject {
        /// What was given.
        given: String,
        /// `, did you mean ..`, or nothing.
        meant: String,
    },
    /// Begins like a SPIFFE ID and is none.
    #[error(transparent)]
    SpiffeId(#[from] SpiffeIdError),
    /// No access mode.
    #[error(transparent)]
    Mode(#[from] UnknownMode),
    /// No label of the policy.
    #[error("current label: {0}")]
    Current(#[from] LabelError),
}

/// Answers a question. An object that the policy does not have is `not-granted`, a SPIFFE ID that it does not have
/// `unknown-subject`: both are verdicts and no errors.
///
/// # Errors
/// Where a part of the question can't be understood.
pub fn answer(policy: &Policy, inquiry: &Inquiry) -> Result<VerdictRecord, InquiryError> {
    let id = subject_id(policy, &inquiry.subject)?;
    let mode: Mode = inquiry.mode.parse()?;
    let lattice: &Lattice = policy.lattice();
    let stated = match &inquiry.current {
        Some(text) => Some(lattice.parse_label(text)?),
        None => policy.subject(&id).map(|subject| subject.floor.clone()),
    };
    let question = Question {
        subject: &id,
        object: match policy.object(&inquiry.object) {
            Some(object) => Asked::Known(object),
            None => Asked::Unknown(&inquiry.object),
        },
        mode,
        standing: stated.as_ref().map_or(Standing::Unstated, |label| Standing::Stated { label, rule: None }),
        task: None,
        target: None,
        content: Content::Nothing,
        now: Timestamp::default(),
    };
    Ok(suppose(policy, &question).record(lattice))
}

fn subject_id(policy: &Policy, text: &str) -> Result<SpiffeId, InquiryError> {
    if let Some(subject) = policy.subject_named(text) {
        return Ok(subject.id.clone());
    }
    if text.contains(':') {
        return Ok(SpiffeId::parse_workload(text)?);
    }
    let names = policy.subjects().map(|subject| &subject.name);
    let meant = closest(text, names.map(Name::as_str));
    Err(InquiryError::Subject {
        given: shortened(text),
        meant: meant.map_or_else(String::new, |meant| format!(", did you mean `{meant}`?")),
    })
}
