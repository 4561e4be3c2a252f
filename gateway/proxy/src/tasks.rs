//! Grants for one task (`design/labels.md`, "Task grants").
//!
//! An orchestrator sends them with a request, in `Bellgate-Task`; its own gateway lets them pass, and the gateway of the
//! workload that is to do the task believes them or refuses the request. What it believes becomes part of the handle that
//! it opens for that request, and is read again under the policy in force with each request that names the handle: a task
//! ends with its time, with its handle, and with the rule that allowed it.

use std::sync::Arc;

use bellgate_policy::{Policy, SpiffeId, Task, Timestamp};
use bellgate_watermark::Handle;

use crate::core::Own;
use crate::handles::Why;

/// The task that `orchestrator` sends with a request for our own workload.
///
/// # Errors
///
/// Why it is not accepted.
pub(crate) fn accept(
    policy: &Policy,
    orchestrator: &SpiffeId,
    own: &Own,
    text: &str,
    now: Timestamp,
) -> Result<Task, Why> {
    policy
        .task(orchestrator, &own.id, text, own.watermark.clock(now))
        .map_err(|error| format!("the task in `Bellgate-Task` is not accepted: {error}"))
}

/// The task of a handle, under the policy in force.
///
/// # Errors
///
/// Why the handle has none any more; it was opened for it, and is no session without it.
pub(crate) fn of(policy: &Policy, own: &Own, handle: &Handle, now: Timestamp) -> Result<Option<Arc<Task>>, Why> {
    let Some(text) = handle.task() else { return Ok(None) };
    policy
        .kept_task(&own.id, text, own.watermark.clock(now))
        .map(|task| Some(Arc::new(task)))
        .map_err(|error| format!("the task of this handle is not accepted any more: {error}"))
}
