//! One JSON line in, one JSON line out.

use serde::Serialize;

use super::{Inquiry, InquiryError, answer};
use crate::policy::Policy;
use crate::record::VerdictRecord;
use crate::timestamp::Timestamp;

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
        /// Which line, from 1.
        line: u64,
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
        "the line is no question: {0}; expected {{\"subject\", \"object\", \"mode\", \"current\"?, \"target\"?, \"body\"?, \"rule\"?, \"orchestrator\"?, \"task\"?, \"at\"?}}"
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

/// Answers one line, an [`Inquiry`] as JSON: `{"subject": .., "object": .., "mode": .., "current": ..}` and more. `number`
/// counts from 1 and stands in the answer where the line is no question; `now` is the time of questions that name none.
#[must_use]
pub fn answer_line(policy: &Policy, number: u64, line: &[u8], now: Timestamp) -> LineAnswer {
    match read_and_answer(policy, line, now) {
        Ok(record) => LineAnswer::Verdict(Box::new(record)),
        Err(error) => LineAnswer::Error { line: number, error: error.to_string() },
    }
}

fn read_and_answer(policy: &Policy, line: &[u8], now: Timestamp) -> Result<VerdictRecord, LineError> {
    if line.len() > MAX_LINE_BYTES {
        return Err(LineError::TooLong);
    }
    let inquiry: Inquiry = serde_json::from_slice(line)?;
    Ok(answer(policy, &inquiry, now)?)
}

/// An answer in one line for a person.
#[must_use]
pub fn summary(answer: &LineAnswer) -> String {
    match answer {
        LineAnswer::Error { line, error } => format!("error line {line}: {error}"),
        LineAnswer::Verdict(record) => {
            let asked = format!("{} {} {}", record.subject, record.mode, record.object);
            let reasons: Vec<&str> = record.reasons.iter().map(|reason| reason.code()).collect();
            match (&record.rule, &record.downgrade) {
                (Some(rule), Some(lift)) if record.permit => {
                    format!("permit {asked}: {rule}, as {} under {} {}", lift.label, lift.kind, lift.rule)
                }
                (Some(rule), None) if record.permit => format!("permit {asked}: {rule}"),
                (Some(_) | None, _) => format!("refuse {asked}: {}", reasons.join(", ")),
            }
        }
    }
}
