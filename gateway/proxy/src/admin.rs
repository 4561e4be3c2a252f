//! The operators' socket: a Unix socket that the workload's uid is never let into.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /v1/label` | the workload's current label, and what raised it |
//! | `GET /v1/status` | readiness, policy digest, SVID expiry, open exchanges |
//! | `POST /v1/reload` | reads config and policy anew; 200 with the new digest, or 422 with every mistake |

use std::sync::Arc;

use async_trait::async_trait;
use bellgate_telemetry::Listener;
use http::{Response, StatusCode, header};
use pingora_core::apps::http_app::ServeHttp;
use pingora_core::protocols::http::ServerSession;
use serde_json::{Value, json};

use crate::core::Core;
use crate::observe::readiness;

/// Reads the configuration anew; returns the new policy's digest, or all that is wrong.
pub type Reload = Arc<dyn Fn() -> Result<String, String> + Send + Sync>;

/// The admin listener.
pub struct Admin {
    core: Arc<Core>,
    uids: Vec<u32>,
    reload: Reload,
}

impl Admin {
    /// Serves `core` to the given uids.
    #[must_use]
    pub fn new(core: Arc<Core>, uids: Vec<u32>, reload: Reload) -> Self {
        Self { core, uids, reload }
    }

    fn answer(&self, method: &http::Method, path: &str) -> (StatusCode, Value) {
        match (method.as_str(), path) {
            ("GET", "/v1/label") => self.label(),
            ("GET", "/v1/status") => (StatusCode::OK, self.status()),
            ("POST", "/v1/reload") => match (self.reload)() {
                Ok(digest) => {
                    self.core
                        .audit
                        .record(|| json!({"kind": "reload", "at": self.core.now().to_string(), "policy": digest}));
                    (StatusCode::OK, json!({"policy": digest}))
                }
                Err(mistakes) => {
                    (StatusCode::UNPROCESSABLE_ENTITY, json!({"mistakes": mistakes.lines().collect::<Vec<_>>()}))
                }
            },
            _ => (
                StatusCode::NOT_FOUND,
                json!({"detail": "there are GET /v1/label, GET /v1/status and POST /v1/reload"}),
            ),
        }
    }

    fn label(&self) -> (StatusCode, Value) {
        let Some(own) = self.core.own.load_full() else {
            return (StatusCode::SERVICE_UNAVAILABLE, json!({"detail": "no SVID yet, so no workload and no label"}));
        };
        let reading = own.watermark.reading();
        let snapshot = self.core.snapshot.load();
        let label = snapshot.policy.lattice().text(&reading.label);
        (
            StatusCode::OK,
            json!({"subject": own.id.as_str(), "label": label, "cause": reading.cause, "rises": reading.version}),
        )
    }

    fn status(&self) -> Value {
        let core = &self.core;
        let open = |listener: Listener| core.metrics.exchanges_open.with_label_values(&[listener.as_str()]).get();
        json!({
            "ready": readiness(core).is_ok(),
            "why": readiness(core).err(),
            "instance": core.instance,
            "policy": core.snapshot.load().policy.digest(),
            "svid_expires": core.identity.svid().map(|svid| svid.not_after.to_string()),
            "bundle_generation": core.identity.bundles().generation(),
            "exchanges_open": {
                "ingress": open(Listener::Ingress), "egress": open(Listener::Egress), "envoy": open(Listener::Envoy),
            },
        })
    }
}

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let socket = session.digest().and_then(|digest| digest.socket_digest.clone());
        let uid = socket.and_then(|socket| self.core.peer_uids.uid(&socket));
        let (status, body) = if uid.is_some_and(|uid| self.uids.contains(&uid)) {
            let request = session.req_header();
            self.answer(&request.method, request.uri.path())
        } else {
            log::warn!("admin request refused: uid {uid:?} is not one that the config names");
            (StatusCode::FORBIDDEN, json!({"detail": "your uid is not one that `admin.uids` names"}))
        };
        let body = format!("{body:#}\n").into_bytes();
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let length = http::HeaderValue::from(response.body().len());
        response.headers_mut().insert(header::CONTENT_LENGTH, length);
        response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        response
    }
}
