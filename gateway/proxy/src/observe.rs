//! What Prometheus and the kubelet ask: `/metrics`, `/healthz`, `/readyz`. Public by design, so it
//! names no identity, no label and no data.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bellgate_spire::Readiness;
use bellgate_telemetry::{EventKind, EventSender};
use http::{Response, StatusCode, header};
use pingora_core::apps::http_app::ServeHttp;
use pingora_core::protocols::http::ServerSession;

use crate::core::Core;

/// The metrics listener.
pub(crate) struct Observe {
    core: Arc<Core>,
    dropped: [AtomicU64; 4],
    audit_dropped: AtomicU64,
}

impl Observe {
    /// Serves what `core` counts.
    #[must_use]
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core, dropped: Default::default(), audit_dropped: AtomicU64::new(0) }
    }

    fn answer(&self, path: &str) -> (StatusCode, &'static str, Vec<u8>) {
        const TEXT: &str = "text/plain; charset=utf-8";
        match path {
            "/metrics" => {
                self.sample();
                (StatusCode::OK, prometheus::TEXT_FORMAT, self.core.metrics.render())
            }
            "/healthz" => (StatusCode::OK, TEXT, b"ok\n".to_vec()),
            "/readyz" => match readiness(&self.core) {
                Ok(()) => (StatusCode::OK, TEXT, b"ready\n".to_vec()),
                Err(why) => (StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("not ready: {why}\n").into_bytes()),
            },
            _ => (StatusCode::NOT_FOUND, TEXT, b"there are /metrics, /healthz and /readyz\n".to_vec()),
        }
    }

    /// Values that are read rather than counted.
    fn sample(&self) {
        let core = &self.core;
        let metrics = &core.metrics;
        if let Some(svid) = core.identity.svid() {
            #[expect(clippy::cast_precision_loss, reason = "seconds until expiry are far below 2^52")]
            let seconds = (svid.not_after.0 as f64 - core.now().0 as f64) / 1000.0;
            metrics.svid_expiry.set(seconds);
        }
        metrics.bundle_generation.set(i64::try_from(core.identity.bundles().generation()).unwrap_or(i64::MAX));
        let sessions = core.own.load().as_ref().map_or(0, |own| own.watermark.handles_open());
        metrics.handles_open.set(i64::try_from(sessions).unwrap_or(i64::MAX));
        metrics.ready.set(i64::from(readiness(core).is_ok()));
        if let Some(reading) = core.events.as_ref().map(EventSender::reading) {
            for (kind, seen) in EventKind::ALL.into_iter().zip(&self.dropped) {
                let total = reading.dropped(kind);
                let before = seen.swap(total, Ordering::Relaxed);
                metrics.events_dropped.with_label_values(&[kind.as_str()]).inc_by(total.saturating_sub(before));
            }
        }
        let total = core.audit.dropped();
        metrics.audit_dropped.inc_by(total.saturating_sub(self.audit_dropped.swap(total, Ordering::Relaxed)));
    }
}

/// Whether requests can be served.
///
/// # Errors
///
/// Why not, in words that name nobody.
pub(crate) fn readiness(core: &Core) -> Result<(), &'static str> {
    match core.identity.readiness(core.now()) {
        Readiness::Ready => {}
        Readiness::NoSvid => return Err("no SVID yet; the Workload API is being asked"),
        Readiness::ExpiresSoon => return Err("the SVID expires soon and no newer one has come"),
        other => return Err(other.code()),
    }
    if core.own.load().is_none() {
        return Err("the policy does not name the workload whose SVID this gateway holds");
    }
    Ok(())
}

#[async_trait]
impl ServeHttp for Observe {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let (status, content_type, body) = self.answer(session.req_header().uri.path());
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let length = http::HeaderValue::from(response.body().len());
        response.headers_mut().insert(header::CONTENT_LENGTH, length);
        response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
        response
    }
}
