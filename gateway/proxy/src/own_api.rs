//! What the local workload may ask of its own gateway: the host `bellgate` on the egress listener.
//!
//! | request | answer |
//! | --- | --- |
//! | `POST /v1/handles`, `{"life":"10m"}` or no body | 201 `{"handle","expires","label"}`: a session that starts at the workload's own watermark |
//! | `GET /v1/handles/{handle}` | 200 `{"expires","label","task"}` |
//! | `DELETE /v1/handles/{handle}` | 204: the session is over |
//! | `GET /v1/label` | 200 `{"label","floor","clearance"}`: that of the handle in `Bellgate-Handle`, or the workload's own |
//!
//! It tells the workload its own label and nothing else, and nothing here lowers one. An upstream that the policy calls
//! `bellgate` is not reached by that name.

use std::sync::Arc;
use std::time::Duration;

use bellgate_policy::{Policy, SecurityLabel, Subject};
use bellgate_telemetry::Listener;
use bellgate_watermark::Handle;
use bytes::Bytes;
use pingora::proxy::Session;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::core::{Core, Own};
use crate::handles::{self, Wanted};
use crate::label_header::{self, Session as Named};
use crate::refusal::Refusal;
use crate::request::Next;
use crate::{body, reply};

/// The host under which the gateway itself is asked.
const HOSTS: [&str; 2] = ["bellgate", "bellgate.localhost"];
const MAX_BODY: usize = 4 * 1024;
const HANDLES: &str = "/v1/handles";

/// Whether a request of the local workload is for the gateway itself.
#[must_use]
pub(crate) fn is_for_us(host: &str) -> bool {
    HOSTS.contains(&host)
}

/// One request, with what it is answered from.
pub(crate) struct Asked<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) own: &'a Own,
    pub(crate) listener: Listener,
    pub(crate) request_id: &'a str,
    /// The path in normal form.
    pub(crate) path: &'a str,
    /// The session that the request names.
    pub(crate) session: Option<Arc<Handle>>,
}

/// Answers a request.
///
/// # Errors
///
/// A [`Refusal`] that says what there is.
pub(crate) async fn answer(core: &Core, session: &mut Session, asked: Asked<'_>) -> Result<Next, Refusal> {
    const NONE: Refusal =
        Refusal::NotFound("there are POST /v1/handles, GET and DELETE /v1/handles/{handle}, and GET /v1/label");
    let Some(subject) = asked.policy.subject(&asked.own.id) else {
        return Err(Refusal::NotConfigured("the policy does not name this gateway's own workload"));
    };
    let method = session.req_header().method.clone();
    let (status, told) = match (method.as_str(), asked.path) {
        ("GET", "/v1/label") => (200, Some(label(&asked, subject))),
        ("POST", HANDLES) => {
            body::answer_expectation(session).await?;
            let text = timeout(core.limits.answer_timeout, body::read_whole(session, MAX_BODY))
                .await
                .map_err(|_| Refusal::BodyUnreadable)??;
            (201, Some(open(core, &asked, subject, &text)?))
        }
        (method @ ("GET" | "DELETE"), path) => {
            let named = path.strip_prefix(HANDLES).and_then(|rest| rest.strip_prefix('/')).ok_or(NONE)?;
            let handle = find(core, &asked, named)?;
            if method == "GET" {
                (200, Some(show(&asked, subject, &handle)))
            } else {
                close(core, &asked, &handle);
                (204, None)
            }
        }
        _ => return Err(NONE),
    };
    let bytes = told.map_or_else(Bytes::new, |told| told.to_string().into());
    let content_type = (!bytes.is_empty()).then_some("application/json");
    reply::send(session, status, content_type, asked.request_id, None, bytes)
        .await
        .map_err(|_| Refusal::BodyUnreadable)?;
    Ok(Next::Answered)
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenRequest {
    life: Option<String>,
}

fn open(core: &Core, asked: &Asked<'_>, subject: &Subject, text: &[u8]) -> Result<Value, Refusal> {
    const EXPECTED: Refusal = Refusal::BadRequest(
        "the body must be empty or `{\"life\": \"10m\"}`: a whole number of at least 1 and one of `s`, `m`, `h`, `d`",
    );
    let request: OpenRequest =
        if text.is_empty() { OpenRequest::default() } else { serde_json::from_slice(text).map_err(|_| EXPECTED)? };
    let life = request.life.as_deref().map(|life| duration(life).ok_or(EXPECTED)).transpose()?;
    let start = asked.own.watermark.reading().label.clone();
    let wanted = Wanted {
        start,
        because: None,
        listener: handles::listener(asked.listener),
        task: None,
        life,
        origin: "workload",
        request_id: asked.request_id,
    };
    let opened = handles::open(core, asked.policy, asked.own, subject, wanted).map_err(Refusal::Handle)?;
    let mut told = show(asked, subject, &opened.handle);
    if let Value::Object(members) = &mut told {
        members.insert("handle".to_owned(), json!(opened.id.reveal()));
    }
    Ok(told)
}

fn find(core: &Core, asked: &Asked<'_>, text: &str) -> Result<Arc<Handle>, Refusal> {
    let named = label_header::handle_of(text);
    let found = handles::find(asked.policy, asked.own, &named, handles::listener(asked.listener), core.now());
    let refused = |why| {
        core.metrics.handles_refused.with_label_values(&["request"]).inc();
        Refusal::Handle(why)
    };
    match (found, &named) {
        (Ok(Some(handle)), Named::Handle(_)) => Ok(handle),
        (Ok(_), _) => Err(refused("the path names no handle".to_owned())),
        (Err(why), _) => Err(refused(why)),
    }
}

fn close(core: &Core, asked: &Asked<'_>, handle: &Handle) {
    asked.own.watermark.close_handle(handle);
    core.audit.record(|| {
        json!({"kind": "handle-closed", "at": core.now().to_string(), "handle": handle.short(),
               "listener": handle.listener().as_str(), "task": handle.task().is_some(),
               "label": asked.policy.lattice().text(&asked.own.watermark.reading_of(handle).label),
               "expires": handle.expires().to_string(), "request_id": asked.request_id})
    });
}

fn show(asked: &Asked<'_>, subject: &Subject, handle: &Handle) -> Value {
    let label = asked.own.watermark.reading_of(handle).label;
    json!({"expires": handle.expires().to_string(), "label": told_label(asked.policy, subject, &label),
           "task": handle.task().is_some()})
}

fn label(asked: &Asked<'_>, subject: &Subject) -> Value {
    let watermark = &asked.own.watermark;
    let label = match &asked.session {
        Some(handle) => watermark.reading_of(handle).label.clone(),
        None => watermark.reading().label.clone(),
    };
    let lattice = asked.policy.lattice();
    json!({"label": told_label(asked.policy, subject, &label), "floor": lattice.text(&subject.floor),
           "clearance": lattice.text(&subject.clearance)})
}

/// Null where the label lies above a clearance that was lowered: its text would say more than the workload may know.
fn told_label(policy: &Policy, subject: &Subject, label: &SecurityLabel) -> Value {
    let current = subject.current(label);
    if subject.clearance.dominates(&current) { json!(policy.lattice().text(&current)) } else { Value::Null }
}

/// `30s`, `10m`, `12h`, `7d`.
fn duration(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let digits = text.strip_suffix(unit).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let number: u64 = digits.parse().ok().filter(|number| *number > 0)?;
    number.checked_mul(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_a_whole_number_and_a_unit() {
        for (text, seconds) in [("1s", Some(1)), ("10m", Some(600)), ("2h", Some(7200)), ("7d", Some(604_800))] {
            assert_eq!(duration(text).map(|life| life.as_secs()), seconds, "{text}");
        }
        for text in ["", "s", "0s", "-1s", "+1s", "1", "1ms", "1 s", "1.5h", "18446744073709551615d", "é"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
