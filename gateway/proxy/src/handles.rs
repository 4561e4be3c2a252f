//! Sessions of the local workload (`design/labels.md`, "Handles").
//!
//! What holds: a handle is only ever one that this gateway has given out; it is believed only from the workload itself,
//! on the listener that it was opened for, while it lives and while the policy trusts the workload to keep its sessions
//! apart. Whatever else stands in `Bellgate-Handle` refuses the request: leaving a session is done by leaving the header
//! out, and that is no way to a lower label, since the workload's own watermark has seen what all of its sessions have.
//!
//! What is bounded: their number and life, by the policy. A request that is delivered when all are taken is delivered
//! without one, and so raises every session; one that brings a task is refused instead, since without its handle there is
//! no task.

use std::sync::Arc;
use std::time::Duration;

use bellgate_policy::{Observation, Policy, SecurityLabel, Subject, Task, Timestamp};
use bellgate_telemetry::Listener;
use bellgate_watermark::{Handle, HandleListener, Opened, Opening};
use serde_json::json;

use crate::core::{Core, Own};
use crate::label_header::Session;

/// Why a handle was refused: one sentence, for the caller.
pub(crate) type Why = String;

/// What is opened, and for whom.
pub(crate) struct Wanted<'a> {
    /// The label that it starts at.
    pub(crate) start: SecurityLabel,
    /// What gave it that label.
    pub(crate) because: Option<Observation>,
    /// Where it will be used.
    pub(crate) listener: HandleListener,
    /// The task that comes with it.
    pub(crate) task: Option<&'a Task>,
    /// How long it should live; the policy's life bounds it.
    pub(crate) life: Option<Duration>,
    /// `delivered`, `task` or `workload`, as a tag.
    pub(crate) origin: &'static str,
    /// The request that it is opened with.
    pub(crate) request_id: &'a str,
}

/// Whether `handle` may still be used.
pub(crate) fn is_open(handle: &Handle, now: Timestamp) -> bool {
    handle.is_open() && now < handle.expires()
}

/// The listener whose handles a request that came in on `listener` may use, and gets.
pub(crate) fn listener(listener: Listener) -> HandleListener {
    match listener {
        Listener::Ingress | Listener::Egress => HandleListener::Egress,
        Listener::Envoy => HandleListener::Envoy,
    }
}

/// The session that a request of the local workload names.
///
/// # Errors
///
/// Why what it names is none.
pub(crate) fn find(
    policy: &Policy,
    own: &Own,
    named: &Session,
    on: HandleListener,
    now: Timestamp,
) -> Result<Option<Arc<Handle>>, Why> {
    let id = match named {
        Session::Absent => return Ok(None),
        Session::Malformed => {
            return Err("`Bellgate-Handle` must be there once, as the 32 hex digits that this gateway gave out".into());
        }
        Session::Handle(id) => id,
    };
    if policy.subject(&own.id).is_none_or(|subject| subject.handles.is_none()) {
        return Err("the policy does not trust you with handles; leave `Bellgate-Handle` out".into());
    }
    match own.watermark.handle(id, own.watermark.clock(now)) {
        Some(handle) if handle.listener() == on => Ok(Some(handle)),
        Some(_) => Err("the handle was opened for another listener; use it where you got it".into()),
        None => {
            Err("the handle is not one that is open here: never given out, expired, or closed; open a new one".into())
        }
    }
}

/// Opens a session.
///
/// # Errors
///
/// Why there is none.
pub(crate) fn open(
    core: &Core,
    policy: &Policy,
    own: &Own,
    subject: &Subject,
    wanted: Wanted<'_>,
) -> Result<Opened, Why> {
    let Some(rule) = &subject.handles else {
        return Err("the policy does not trust this workload with handles".into());
    };
    let now = own.watermark.clock(core.now());
    let mut life = wanted.life.map_or(rule.life, |life| life.min(rule.life));
    if let Some(task) = wanted.task {
        life = life.min(Duration::from_millis(task.expires().0.saturating_sub(now.0)));
    }
    let label = policy.lattice().text(&subject.current(&wanted.start));
    let opening = Opening {
        start: wanted.start,
        because: wanted.because,
        listener: wanted.listener,
        task: wanted.task.map(Task::to_text),
        life,
        limit: rule.limit,
    };
    // It starts no lower than what goes to the workload without a session just now; what has left is no reason.
    core.passage.sweep();
    match own.watermark.open_handle(opening, now) {
        Ok(opened) => {
            let handle = &opened.handle;
            core.metrics.handles_opened.with_label_values(&[wanted.origin]).inc();
            core.audit.record(|| {
                json!({"kind": "handle-opened", "at": now.to_string(), "handle": handle.short(),
                       "listener": handle.listener().as_str(), "task": handle.task().is_some(), "origin": wanted.origin, "label": label,
                       "expires": handle.expires().to_string(), "request_id": wanted.request_id})
            });
            Ok(opened)
        }
        Err(error) => {
            core.metrics.handles_refused.with_label_values(&["limit"]).inc();
            log::warn!("request {}: no handle was opened: {error}", wanted.request_id);
            Err("no more sessions can be opened now; close one, or try again when one has expired".into())
        }
    }
}
