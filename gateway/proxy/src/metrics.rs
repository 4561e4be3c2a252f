//! What Prometheus sees: counts under small enums. No identities, no labels, no data.

use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

/// From 50 µs to about 26 s, each bucket twice the one before.
fn latency_buckets() -> Vec<f64> {
    (0..20).map(|power| 50e-6 * f64::from(1 << power)).collect()
}

/// Every metric of the data path; handed in, never global.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    /// Verdicts by listener, decision point, mode, verdict and reason.
    pub decisions: IntCounterVec,
    /// Finished exchanges by listener and status class.
    pub exchanges: IntCounterVec,
    /// Seconds from the request's head to its last byte, by listener.
    pub exchange_seconds: HistogramVec,
    /// Exchanges that are open now, by listener.
    pub exchanges_open: IntGaugeVec,
    /// Refusals that are not decisions, by code.
    pub refusals: IntCounterVec,
    /// Manifests by outcome.
    pub manifests: IntCounterVec,
    /// Capability calls by outcome.
    pub capability_calls: IntCounterVec,
    /// Uses of guards by decision point and outcome.
    pub guard_calls: IntCounterVec,
    /// Seconds of a capability call.
    pub capability_seconds: Histogram,
    /// How often the watermark rose.
    pub watermark_raises: IntCounter,
    /// How often an operator reset it.
    pub label_resets: IntCounter,
    /// Requests that went below their sender's current label, by the kind of the rule.
    pub downgrades: IntCounterVec,
    /// Bytes of target and headers spent on reading down.
    pub read_down_bytes: IntCounter,
    /// Sessions opened, by who wanted them.
    pub handles_opened: IntCounterVec,
    /// Sessions that were not opened or not believed, by why.
    pub handles_refused: IntCounterVec,
    /// Sessions that are open now.
    pub handles_open: IntGauge,
    /// Blind write-ups by outcome.
    pub appends: IntCounterVec,
    /// Open flows that were ended, by protocol and by what their client was left with.
    pub flows_ended: IntCounterVec,
    /// Server-sent events teed.
    pub stream_events: IntCounter,
    /// Telemetry events that did not fit into the queue, by kind.
    pub events_dropped: IntCounterVec,
    /// Audit records that did not fit into the queue.
    pub audit_dropped: IntCounter,
    /// Seconds until our SVID expires; negative once it has.
    pub svid_expiry: Gauge,
    /// How often the trust bundles changed.
    pub bundle_generation: IntGauge,
    /// 1 while `/readyz` says yes.
    pub ready: IntGauge,
}

impl Metrics {
    /// A fresh set in a registry of its own.
    ///
    /// # Errors
    ///
    /// When two metrics have one name: a mistake in this file, found at start.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counters = |name: &str, help: &str, tags: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
            let metric = IntCounterVec::new(Opts::new(name, help), tags)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let metric = IntCounter::new(name, help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let metric = IntGauge::new(name, help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let exchange_seconds = HistogramVec::new(
            HistogramOpts::new(
                "bellgate_exchange_duration_seconds",
                "Time from the request's head to the end of the exchange.",
            )
            .buckets(latency_buckets()),
            &["listener"],
        )?;
        registry.register(Box::new(exchange_seconds.clone()))?;
        let capability_seconds = Histogram::with_opts(
            HistogramOpts::new("bellgate_capability_duration_seconds", "Time of a capability call, fetch included.")
                .buckets(latency_buckets()),
        )?;
        registry.register(Box::new(capability_seconds.clone()))?;
        let exchanges_open =
            IntGaugeVec::new(Opts::new("bellgate_exchanges_open", "Exchanges that are open now."), &["listener"])?;
        registry.register(Box::new(exchanges_open.clone()))?;
        let svid_expiry = Gauge::new("bellgate_svid_expiry_seconds", "Time until this gateway's SVID expires.")?;
        registry.register(Box::new(svid_expiry.clone()))?;
        Ok(Self {
            decisions: counters(
                "bellgate_decisions_total",
                "Label decisions, by the first reason of a refusal.",
                &["listener", "point", "mode", "verdict", "reason"],
            )?,
            exchanges: counters("bellgate_exchanges_total", "Finished exchanges.", &["listener", "status"])?,
            exchange_seconds,
            exchanges_open,
            refusals: counters(
                "bellgate_refusals_total",
                "Requests refused, by problem type.",
                &["listener", "problem"],
            )?,
            manifests: counters("bellgate_manifests_total", "Bodies checked against a schema.", &["outcome"])?,
            capability_calls: counters("bellgate_capability_calls_total", "Capability calls.", &["outcome"])?,
            guard_calls: counters(
                "bellgate_guard_calls_total",
                "Bodies that had to pass a guard.",
                &["point", "outcome"],
            )?,
            capability_seconds,
            watermark_raises: counter("bellgate_watermark_raises_total", "How often the workload's watermark rose.")?,
            label_resets: counter("bellgate_label_resets_total", "How often an operator reset the watermark.")?,
            downgrades: counters(
                "bellgate_downgrades_total",
                "Requests that a rule let go below the current label, or without a grant.",
                &["kind"],
            )?,
            read_down_bytes: counter("bellgate_read_down_bytes_total", "Bytes spent on reading down.")?,
            handles_opened: counters("bellgate_handles_opened_total", "Sessions opened.", &["origin"])?,
            handles_refused: counters("bellgate_handles_refused_total", "Sessions refused.", &["why"])?,
            handles_open: gauge("bellgate_handles_open", "Sessions that are open now.")?,
            appends: counters("bellgate_appends_total", "Blind write-ups.", &["outcome"])?,
            flows_ended: counters(
                "bellgate_flows_ended_total",
                "Open flows ended because a label, the policy or the time moved on.",
                &["protocol", "how"],
            )?,
            stream_events: counter("bellgate_stream_events_total", "Server-sent events teed.")?,
            events_dropped: counters(
                "bellgate_events_dropped_total",
                "Telemetry events that did not fit into the queue.",
                &["kind"],
            )?,
            audit_dropped: counter("bellgate_audit_dropped_total", "Audit records that did not fit into the queue.")?,
            svid_expiry,
            bundle_generation: gauge("bellgate_bundle_generation", "How often the trust bundles changed since start.")?,
            ready: gauge("bellgate_ready", "1 while the gateway is ready.")?,
            registry,
        })
    }

    /// Where the program adds metrics of its own parts (the lake).
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The text exposition format, version 0.0.4.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut out) {
            log::error!("metrics not rendered: {error}");
        }
        out
    }
}

/// The class of a status, as a tag.
#[must_use]
pub fn status_class(status: u16) -> &'static str {
    match status {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        500..=599 => "5xx",
        _ => "none",
    }
}
