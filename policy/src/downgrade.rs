//! What lifts the star property: the kinds of rules that can, and one use of such a rule.
//!
//! **What holds.** A [`Downgrade`] stands in a [`crate::Permit`] only where a rule of the policy gives it; everything else
//! of the decision held already.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::label::SecurityLabel;
use crate::name::shortened;

/// The kind of a rule under which a request goes that the star property, or the access matrix alone, would refuse.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleKind {
    /// A grant with `read_down`: an observation of what does not dominate the current label, within a budget.
    ReadDown,
    /// An entry of `trusted`: a subject that may write below its current label.
    Trusted,
    /// A grant with a guard that runs on the body before it leaves.
    Guard,
    /// A grant for one task, given by an orchestrator.
    Task,
}

/// A text that names no kind of rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a kind of rule: expected `read-down`, `trusted`, `guard` or `task`")]
pub struct UnknownRuleKind(String);

impl RuleKind {
    /// All kinds, in the order in which they are tried.
    pub const ALL: [Self; 4] = [Self::ReadDown, Self::Trusted, Self::Task, Self::Guard];

    /// The kind as `Bellgate-Rule`, records and metrics spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadDown => "read-down",
            Self::Trusted => "trusted",
            Self::Guard => "guard",
            Self::Task => "task",
        }
    }
}

impl fmt::Display for RuleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RuleKind {
    type Err = UnknownRuleKind;

    fn from_str(text: &str) -> Result<Self, UnknownRuleKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| UnknownRuleKind(shortened(text)))
    }
}

/// A use of a rule that lifts something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Downgrade {
    /// The kind of the rule.
    pub kind: RuleKind,
    /// Its ID in the policy.
    pub rule: Arc<str>,
    /// The label under which the request goes: for the wire and for delivery.
    pub label: SecurityLabel,
    /// Why the policy trusts it, where the rule says so.
    pub reason: Option<Arc<str>>,
    /// Whether the star property was lifted. `false` for a task grant that only added to the access matrix; `label` is then
    /// the current label.
    pub lifts: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_spelt_alike_everywhere() {
        for kind in RuleKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
        for other in ["", "Task", "read_down", "task ", "trusted,guard"] {
            assert!(other.parse::<RuleKind>().is_err(), "{other}");
        }
    }
}
