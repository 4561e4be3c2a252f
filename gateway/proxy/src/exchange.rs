//! One exchange, one record, written once.

use std::sync::Arc;
use std::time::Instant;

use bellgate_policy::{Decision, Policy, Reason, SecurityLabel, Timestamp};
use bellgate_telemetry::{DecisionEvent, DowngradeEvent, Event, ExchangeEvent, Listener, Point, Ruling};
use serde_json::json;

use crate::core::Core;
use crate::metrics::status_class;
use crate::passage::OnItsWay;
use crate::refusal::Refusal;

/// What is known of an exchange while it goes on.
pub(crate) struct Exchange {
    /// Our own name for it: a UUIDv7.
    pub(crate) request_id: String,
    /// Where it came in.
    pub(crate) listener: Listener,
    /// When.
    pub(crate) at: Timestamp,
    began: Instant,
    /// The method, once read.
    pub(crate) method: String,
    /// SPIFFE ID of the caller, once known.
    pub(crate) subject: String,
    /// Name of the object in the policy, once known.
    pub(crate) object: String,
    /// The access mode, once known.
    pub(crate) mode: &'static str,
    /// What of it is on its way to the local workload.
    pub(crate) on_its_way: OnItsWay,
    /// The session, by the beginning of its handle's SHA-256.
    pub(crate) handle: Option<String>,
    /// The label of the exchange itself: current label joined with what was released.
    pub(crate) label: Option<SecurityLabel>,
    /// Why it was refused.
    pub(crate) refused: Option<&'static str>,
    /// Whether it streamed.
    pub(crate) stream: bool,
    /// Bytes of the request's body that went upwards.
    pub(crate) request_bytes: u64,
    /// Bytes of the answer's body that were released.
    pub(crate) response_bytes: u64,
}

impl Exchange {
    /// Begins an exchange.
    #[must_use]
    pub(crate) fn begin(listener: Listener, at: Timestamp) -> Self {
        Self {
            request_id: uuid::Uuid::now_v7().to_string(),
            listener,
            at,
            began: Instant::now(),
            method: String::new(),
            subject: String::new(),
            object: String::new(),
            mode: "",
            on_its_way: OnItsWay::default(),
            handle: None,
            label: None,
            refused: None,
            stream: false,
            request_bytes: 0,
            response_bytes: 0,
        }
    }

    /// A decision was made: counted, audited and told to the lake, together.
    pub(crate) fn report(
        &mut self,
        core: &Core,
        policy: &Policy,
        point: Point,
        decision: &Decision,
        reasons: &[Reason],
    ) {
        let lattice = policy.lattice();
        decision.subject.as_ref().clone_into(&mut self.subject);
        decision.object.as_ref().clone_into(&mut self.object);
        self.mode = decision.mode.as_str();
        let reason = reasons.first().map_or("", |reason| reason.code());
        let ruling = if reasons.is_empty() { Ruling::Permit } else { Ruling::Refuse };
        core.metrics
            .decisions
            .with_label_values(&[self.listener.as_str(), point.as_str(), self.mode, ruling.as_str(), reason])
            .inc();
        if let (Some(downgrade), Ruling::Permit) = (&decision.downgrade, ruling) {
            core.metrics.downgrades.with_label_values(&[downgrade.kind.as_str()]).inc();
        }
        let label = label_of(decision).unwrap_or_else(|| lattice.bottom());
        self.carries(&label);
        if !core.audit.is_on() && core.events.is_none() {
            return;
        }
        let text = |label: &Option<SecurityLabel>| label.as_ref().map(|label| lattice.text(label));
        let event = DecisionEvent {
            request_id: self.request_id.clone(),
            point,
            at: core.now(),
            subject: self.subject.clone(),
            object: self.object.clone(),
            mode: self.mode.to_owned(),
            permit: reasons.is_empty(),
            reasons: reasons.iter().map(|reason| reason.code().to_owned()).collect(),
            current: text(&decision.current),
            object_label: text(&decision.object_label),
            clearance: text(&decision.clearance),
            rule: decision.rule.as_deref().map(str::to_owned),
            cause_request_id: decision.cause.as_ref().map(|cause| cause.request_id.clone()),
            cause_object: decision.cause.as_ref().map(|cause| cause.object.clone()),
            cause_at: decision.cause.as_ref().map(|cause| cause.at),
            cause_label: decision.cause.as_ref().map(|cause| cause.label.clone()),
            downgrade: decision.downgrade.as_ref().map(|downgrade| DowngradeEvent {
                kind: downgrade.kind.as_str().to_owned(),
                rule: downgrade.rule.to_string(),
                label: lattice.text(&downgrade.label),
            }),
            handle: self.handle.clone(),
            policy: policy.digest().to_owned(),
            label: lattice.text(&label),
        };
        core.audit.record(|| json!({"kind": "decision", "listener": self.listener.as_str(), "decision": event}));
        core.tell(|| Event::Decision(Box::new(event)));
    }

    /// The exchange carries `label` too.
    pub(crate) fn carries(&mut self, label: &SecurityLabel) {
        self.label = Some(self.label.as_ref().map_or_else(|| label.clone(), |own| own.join(label)));
    }

    /// The request was refused, by a decision or otherwise.
    pub(crate) fn refuse(&mut self, core: &Core, refusal: &Refusal) {
        self.refused = Some(refusal.code());
        if let Refusal::Manifest(rejection) = refusal {
            core.metrics.manifests.with_label_values(&[rejection.cause.code()]).inc();
        }
        core.metrics.refusals.with_label_values(&[self.listener.as_str(), refusal.code()]).inc();
    }

    /// Writes the one record: counters, access log, event.
    pub(crate) fn finish(&mut self, core: &Core, policy: &Arc<Policy>, status: u16) {
        let took = self.began.elapsed();
        let listener = self.listener.as_str();
        core.metrics.exchanges.with_label_values(&[listener, status_class(status)]).inc();
        core.metrics.exchange_seconds.with_label_values(&[listener]).observe(took.as_secs_f64());
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        log::debug!(
            target: "access",
            "{listener} {} {} -> {} {} {status} {} {}us",
            self.request_id,
            self.subject,
            self.object,
            self.mode,
            self.refused.unwrap_or("-"),
            micros
        );
        let lattice = policy.lattice();
        core.tell(|| {
            Event::Exchange(Box::new(ExchangeEvent {
                request_id: std::mem::take(&mut self.request_id),
                instance: core.instance.clone(),
                at: self.at,
                listener: self.listener,
                method: std::mem::take(&mut self.method),
                subject: std::mem::take(&mut self.subject),
                object: std::mem::take(&mut self.object),
                mode: self.mode.to_owned(),
                verdict: if self.refused.is_some() { Ruling::Refuse } else { Ruling::Permit },
                reason: self.refused.map(str::to_owned),
                status,
                request_bytes: self.request_bytes,
                response_bytes: self.response_bytes,
                duration_us: micros,
                label: lattice.text(self.label.as_ref().unwrap_or(&lattice.bottom())),
                stream: self.stream,
                policy: policy.digest().to_owned(),
            }))
        });
    }
}

/// A record of a decision tells of the subject's label and of the object's: it carries both.
fn label_of(decision: &Decision) -> Option<SecurityLabel> {
    match (&decision.current, &decision.object_label) {
        (Some(current), Some(object)) => Some(current.join(object)),
        (Some(label), None) | (None, Some(label)) => Some(label.clone()),
        (None, None) => None,
    }
}
