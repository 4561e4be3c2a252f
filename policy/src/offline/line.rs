//! One JSON line in, one JSON line out.

use serde::Serialize;

use super::{Inquiry, InquiryError, answer};
use crate::policy::Policy;
use crate::record::VerdictRecord;

/// The longest line, in bytes: a question with a label of the greatest length fits many times.
pub const MAX_LINE_BYTES: usize = 64 * 1024;

/// What a line is answered with: a verdict, or what was wrong with the line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum LineAnswer {
    /// The verdict.
    Verdict(Box<VerdictRecord>),
    /// The line was no question.
    Error {
        /// What was wrong with it, and what was expected.
        error: String,
    },
}

/// Why a line is no question.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// More than [`MAX_LINE_BYTES`].
    #[error("the line is longer than {MAX_LINE_BYTES} bytes")]
    TooLong,
    /// No JSON, or not the members that a question has.
    #[error(
        "the line is no question: {0}; expected {{\"subject\", \"object\", \"mode\", \"current\"?}}, each a string"
    )]
    Json(#[from] serde_json::Error),
    /// A member can't be understood.
    #[error(transparent)]
    Inquiry(#[from] InquiryError),
}

impl LineAnswer {
    /// Whether the line was no question.
    #[must_use]
    pub fn is_error(&self) -> bool {
        match self {
            Self::Verdict(_) => false,
            Self::Error { .. } => true,
        }
    }
}

impl From<LineError> for LineAnswer {
    fn from(error: LineError) -> Self {
        Self::Error { error: error.to_string() }
    }
}

/// Answers one line: `{"subject": .., "object": .., "mode": .., "current": ..}`, the last optional.
#[must_use]
pub fn answer_line(policy: &Policy, line: &str) -> LineAnswer {
    match read_and_answer(policy, line) {
        Ok(record) => LineAnswer::Verdict(Box::new(record)),
        Err(error) => LineAnswer::from(error),
    }
}

fn read_and_answer(policy: &Policy, line: &str) -> Result<VerdictRecord, LineError> {
    if line.len() > MAX_LINE_BYTES {
        return Err(LineError::TooLong);
    }
    let inquiry: Inquiry = serde_json::from_str(line)?;
    Ok(answer(policy, &inquiry)?)
}
