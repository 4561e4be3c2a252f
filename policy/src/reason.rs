//! Why something was refused: a closed set, in the order in which reasons are reported.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::name::shortened;

/// A reason for a refusal. `Ord` is the order of report: the caller is told the least of those that hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The policy names no subject with this SPIFFE ID.
    UnknownSubject,
    /// The current label that was stated or declared can't be read, or lies outside floor and clearance.
    LabelOutOfRange,
    /// The handle of the request is unknown, expired or another's.
    HandleRefused,
    /// No grant covers subject, object and mode, or there is no such object.
    NotGranted,
    /// The policy gives what was asked for no label.
    Unlabelled,
    /// What was asked for can't be decided on this listener or for this method.
    UnsupportedHere,
    /// Simple security: the clearance does not dominate the object's label.
    NoReadUp,
    /// Star: the object's label does not dominate the current label.
    NoWriteDown,
    /// The budget of a `read_down` grant is used up.
    ReadDownBudget,
    /// A guard refused, failed, trapped or overran.
    GuardFailed,
    /// The answer carries a label that the clearance does not dominate.
    Withheld,
}

/// A text that is no reason code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a reason code")]
pub struct UnknownReason(String);

impl Reason {
    /// All reasons, in the order of report.
    pub const ALL: [Self; 11] = [
        Self::UnknownSubject,
        Self::LabelOutOfRange,
        Self::HandleRefused,
        Self::NotGranted,
        Self::Unlabelled,
        Self::UnsupportedHere,
        Self::NoReadUp,
        Self::NoWriteDown,
        Self::ReadDownBudget,
        Self::GuardFailed,
        Self::Withheld,
    ];

    /// The code, as answers, records and metrics spell it.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::UnknownSubject => "unknown-subject",
            Self::LabelOutOfRange => "label-out-of-range",
            Self::HandleRefused => "handle-refused",
            Self::NotGranted => "not-granted",
            Self::Unlabelled => "unlabelled",
            Self::UnsupportedHere => "unsupported-here",
            Self::NoReadUp => "no-read-up",
            Self::NoWriteDown => "no-write-down",
            Self::ReadDownBudget => "read-down-budget",
            Self::GuardFailed => "guard-failed",
            Self::Withheld => "withheld",
        }
    }

    /// Whether the same request can be permitted later with nothing else changed. Labels only rise and policies change by
    /// hand, so only a guard that failed is worth another try.
    #[must_use]
    pub fn can_retry_help(self) -> bool {
        match self {
            Self::GuardFailed => true,
            Self::UnknownSubject
            | Self::LabelOutOfRange
            | Self::HandleRefused
            | Self::NotGranted
            | Self::Unlabelled
            | Self::UnsupportedHere
            | Self::NoReadUp
            | Self::NoWriteDown
            | Self::ReadDownBudget
            | Self::Withheld => false,
        }
    }

    /// One sentence: what happened, and what the caller can do.
    #[must_use]
    pub fn explanation(self) -> &'static str {
        match self {
            Self::UnknownSubject => "The policy names no subject with your SPIFFE ID; ask its author to add one.",
            Self::LabelOutOfRange => {
                "The current label stated or declared for this request can't be read, lies outside your floor and clearance, or goes under a rule that the policy here does not have; send one between them, or none."
            }
            Self::HandleRefused => "The handle is not one that this gateway holds open for you; open a new one.",
            Self::NotGranted => {
                "No grant lets you reach this in this way; ask the policy's author for a grant that names you, the object and the mode."
            }
            Self::Unlabelled => {
                "The policy gives what you asked for no label; ask its author to label the upstream, or a route for this method and path."
            }
            Self::UnsupportedHere => {
                "Requests of this kind can't be decided here; use another method or another listener."
            }
            Self::NoReadUp => {
                "Your clearance does not dominate the object's label; only a subject with a higher clearance can read it."
            }
            Self::NoWriteDown => {
                "What you have read so far is labelled higher than, or apart from, this object; `remedies` names the ways on that the policy offers."
            }
            Self::ReadDownBudget => {
                "The bytes that you may send while reading down are used up until an operator resets them."
            }
            Self::GuardFailed => {
                "The guard of this rule did not pass the content; change the content, or try again if the guard was cut off."
            }
            Self::Withheld => {
                "The answer carries a label that your clearance does not dominate; nothing of it can be released to you."
            }
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, UnknownReason> {
        Self::ALL.into_iter().find(|reason| reason.code() == text).ok_or_else(|| UnknownReason(shortened(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_in_the_order_of_report_and_codes_are_the_serialised_form() {
        assert!(Reason::ALL.is_sorted());
        for reason in Reason::ALL {
            let json = serde_json::to_string(&reason).unwrap();
            assert_eq!(json, format!("\"{}\"", reason.code()));
            assert_eq!(reason.code().parse::<Reason>().unwrap(), reason);
            assert!(reason.explanation().ends_with('.'));
        }
        assert!("no_read_up".parse::<Reason>().is_err());
    }
}
