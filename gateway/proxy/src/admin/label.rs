//! What a workload has read, for its operators; and the reset, which is theirs alone.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bellgate_policy::{Lattice, Observation, Policy, SecurityLabel, Subject};
use bellgate_watermark::{Handle, Link, Watermark};
use http::StatusCode;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::core::{Core, Own};
use crate::passage::ON_ITS_WAY;

/// Sessions that are listed.
const LISTED: usize = 256;
/// Characters of a reason.
const MAX_REASON: usize = 500;
/// A little more than what was let go takes to leave.
const SETTLE: Duration = Duration::from_millis(50);

/// `GET /v1/label`.
pub(super) fn show(core: &Core, last_reset: Option<Value>) -> (StatusCode, Value) {
    let Some(own) = core.own.load_full() else { return not_yet() };
    let snapshot = core.snapshot.load();
    let policy = &snapshot.policy;
    let Some(subject) = policy.subject(&own.id) else { return not_yet() };
    let (lattice, watermark) = (policy.lattice(), &own.watermark);
    let reading = watermark.reading();
    let chain: Vec<Value> = watermark.chain(None).iter().map(|link| link_json(lattice, link)).collect();
    (
        StatusCode::OK,
        json!({
            "subject": own.id.as_str(),
            "name": subject.name.as_ref(),
            "label": lattice.text(&reading.label),
            "floor": lattice.text(&subject.floor),
            "clearance": lattice.text(&subject.clearance),
            "floats": subject.floats(),
            "version": watermark.version(),
            "rises": reading.version,
            "cause": reading.cause,
            "chain": chain,
            "reset": last_reset,
            "budgets": budgets(policy, subject, watermark),
            "handles": {
                "limit": subject.handles.as_ref().map(|handles| handles.limit),
                "open": watermark.handles_open(),
                "list": handles(lattice, watermark),
            },
            "policy": policy.digest(),
        }),
    )
}

fn not_yet() -> (StatusCode, Value) {
    (StatusCode::SERVICE_UNAVAILABLE, json!({"detail": "no SVID yet, so no workload and no label"}))
}

/// One step: what was observed, and where the label stood then. Steps without an observation say what they were.
fn link_json(lattice: &Lattice, link: &Link) -> Value {
    let mut members = match link.observation.as_deref().map(observation_json) {
        Some(Value::Object(members)) => members,
        _ => Map::from_iter(["request_id", "object", "at", "label"].map(|name| (name.to_owned(), Value::Null))),
    };
    members.insert("kind".to_owned(), json!(link.kind.as_str()));
    members.insert("after".to_owned(), json!(lattice.text(&link.label_after)));
    Value::Object(members)
}

fn observation_json(observation: &Observation) -> Value {
    json!({"request_id": observation.request_id, "object": observation.object, "at": observation.at.to_string(),
           "label": observation.label})
}

/// Every budget of this subject, and what was spent under rules that are gone.
fn budgets(policy: &Policy, subject: &Subject, watermark: &Watermark) -> Vec<Value> {
    let spent = watermark.spent();
    let rules = policy.read_downs_of(&subject.id);
    let known: Vec<_> = rules.map(|rule| (rule.rule.to_string(), rule.budget)).collect();
    let names: BTreeSet<&str> = known.iter().map(|(rule, _)| rule.as_str()).collect();
    let gone = spent.iter().filter(|(rule, _)| !names.contains(rule.as_str()));
    known
        .iter()
        .map(|(rule, budget)| json!({"rule": rule, "spent": spent.get(rule).copied().unwrap_or(0), "budget": budget}))
        .chain(gone.map(|(rule, spent)| json!({"rule": rule, "spent": spent, "budget": null})))
        .collect()
}

/// The newest first.
fn handles(lattice: &Lattice, watermark: &Watermark) -> Vec<Value> {
    let mut open = watermark.handles(LISTED);
    open.sort_by_key(|handle| std::cmp::Reverse(handle.opened_at()));
    open.iter().map(|handle| handle_json(lattice, watermark, handle)).collect()
}

fn handle_json(lattice: &Lattice, watermark: &Watermark, handle: &Handle) -> Value {
    json!({"handle": handle.short(), "label": lattice.text(&watermark.reading_of(handle).label),
           "listener": handle.listener().as_str(), "task": handle.task().map(|_| "task"),
           "opened_at": handle.opened_at().to_string(), "expires": handle.expires().to_string()})
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResetRequest {
    reason: String,
}

/// `POST /v1/label/reset`.
pub(super) async fn reset(core: &Core, last: &Mutex<Option<Value>>, body: &[u8], uid: u32) -> (StatusCode, Value) {
    let reason = match read_reason(body) {
        Ok(reason) => reason,
        Err(why) => return (StatusCode::UNPROCESSABLE_ENTITY, json!({"detail": why})),
    };
    let Some(own) = core.own.load_full() else { return not_yet() };
    // What was let go just now gets the time to leave; what is let go meanwhile will count as let go after the reset.
    tokio::time::sleep(ON_ITS_WAY + SETTLE).await;
    core.passage.let_go(Instant::now());
    let policy = std::sync::Arc::clone(&core.snapshot.load().policy);
    let Some(subject) = policy.subject(&own.id) else { return not_yet() };
    let at = core.now();
    let done = match own.watermark.reset(&reason, uid, at, subject) {
        Ok(done) => done,
        Err(error) => {
            log::error!("the label was not reset: {error}");
            return (StatusCode::SERVICE_UNAVAILABLE, json!({"detail": format!("nothing has changed: {error}")}));
        }
    };
    core.metrics.label_resets.inc();
    let text = |label: &SecurityLabel| policy.lattice().text(label);
    let (before, label) = (text(&done.before), text(&done.after));
    log::warn!("uid {uid} reset the label from {before} to {label}: {reason}");
    let told = told(&own, &before, &label, &at.to_string(), &reason, uid, done.handles_closed);
    core.audit.record(|| {
        let mut record = told.clone();
        if let Value::Object(members) = &mut record {
            members.insert("kind".to_owned(), json!("label-reset"));
        }
        record
    });
    *last.lock() = Some(json!({"reason": reason, "uid": uid, "at": at.to_string(), "before": before}));
    (StatusCode::OK, told)
}

fn told(own: &Own, before: &str, label: &str, at: &str, reason: &str, uid: u32, closed: usize) -> Value {
    json!({"subject": own.id.as_str(), "before": before, "label": label, "at": at, "reason": reason, "uid": uid,
           "handles_closed": closed})
}

fn read_reason(body: &[u8]) -> Result<String, String> {
    let request: ResetRequest =
        serde_json::from_slice(body).map_err(|_| "the body must be `{\"reason\": \"why it is reset\"}`".to_owned())?;
    let reason = request.reason.trim();
    let length = reason.chars().count();
    if reason.is_empty() {
        return Err("`reason` is empty; say why, for who reads the audit log".to_owned());
    }
    if length > MAX_REASON {
        return Err(format!("`reason` has {length} characters, and {MAX_REASON} are the most; shorten it"));
    }
    if reason.chars().any(char::is_control) {
        return Err("`reason` has control characters; write one line of text".to_owned());
    }
    Ok(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_required_and_bounded() {
        let body = |reason: &str| json!({"reason": reason}).to_string();
        for (reason, taken) in [
            (String::new(), false),
            (" \t".into(), false),
            ("a".into(), true),
            ("ä".repeat(MAX_REASON - 1), true),
            ("ä".repeat(MAX_REASON), true),
            ("ä".repeat(MAX_REASON + 1), false),
            ("two\nlines".into(), false),
        ] {
            assert_eq!(read_reason(body(&reason).as_bytes()).is_ok(), taken, "{} characters", reason.chars().count());
        }
        for body in ["", "{}", "[]", "{\"reason\": 1}", "{\"reason\": \"a\", \"force\": true}"] {
            assert!(read_reason(body.as_bytes()).is_err(), "{body}");
        }
    }
}
