//! Task grants: what an orchestrator that the policy names gives a workload for one task.
//!
//! **What is bounded.** The text (8 KiB), the grants of a task (64), the values of a grant (64 each).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::mode::Mode;
use crate::policy::Policy;
use crate::spiffe_id::SpiffeId;
use crate::timestamp::Timestamp;

/// The longest text of a task, in bytes: what common HTTP servers accept in one header.
pub const MAX_TASK_BYTES: usize = 8 * 1024;
/// How many grants a task can have.
pub const MAX_TASK_GRANTS: usize = 64;
/// How many values a grant of a task can have in all.
pub const MAX_TASK_VALUES: usize = 64;

/// What an orchestrator asks for (`Bellgate-Task`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskRequest {
    /// What the task may do.
    pub grants: Vec<TaskGrant>,
    /// How long, such as `10m`; the rule's own `life` where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub life: Option<String>,
}

/// One grant of a task.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskGrant {
    /// An object of the policy.
    pub object: String,
    /// Access modes; those of the rule where they are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modes: Vec<Mode>,
    /// By JSON Pointer into the body: the strings that may stand there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, Vec<String>>,
}

/// A task that a policy has accepted.
#[derive(Clone, PartialEq, Eq)]
pub struct Task {
    expires: Timestamp,
    text: String,
}

/// Why a task was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    /// No rule lets this subject give that workload tasks.
    #[error("no rule of the policy lets `{orchestrator}` open tasks for `{workload}`: add one under `orchestrators`")]
    NotAnOrchestrator {
        /// Who asked.
        orchestrator: String,
        /// For whom.
        workload: String,
    },
}

impl Policy {
    /// Reads and checks a task that `orchestrator` gives `workload`: `text` is a [`TaskRequest`] as JSON.
    ///
    /// # Errors
    /// Where the policy does not let that orchestrator give it.
    pub fn task(
        &self,
        orchestrator: &SpiffeId,
        workload: &SpiffeId,
        _text: &str,
        _now: Timestamp,
    ) -> Result<Task, TaskError> {
        Err(TaskError::NotAnOrchestrator { orchestrator: orchestrator.to_string(), workload: workload.to_string() })
    }

    /// Reads and checks a task that was kept as [`Task::to_text`] gave it, under this policy and at this time.
    ///
    /// # Errors
    /// As [`Policy::task`], and where the task has expired or the text is none that was kept.
    pub fn kept_task(&self, workload: &SpiffeId, _text: &str, _now: Timestamp) -> Result<Task, TaskError> {
        Err(TaskError::NotAnOrchestrator { orchestrator: String::new(), workload: workload.to_string() })
    }
}

impl Task {
    /// When it ends.
    #[must_use]
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// A text to keep, which [`Policy::kept_task`] reads again.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.text.clone()
    }
}
