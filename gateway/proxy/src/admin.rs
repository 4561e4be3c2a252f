//! The operators' socket: a Unix socket that the workload's uid is never let into.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /v1/label` | the workload's current label, the whole chain of what raised it, budgets, open sessions |
//! | `POST /v1/label/reset`, `{"reason": "…"}` | 200: the label is back at the floor, budgets are whole, sessions closed |
//! | `GET /v1/status` | readiness, policy digest, SVID expiry, open exchanges |
//! | `POST /v1/reload` | reads config and policy anew; 200 with the new digest, or 422 with every mistake |
//!
//! A reset is for when the workload has been started anew, or has otherwise lost what it read. It does not make anything
//! unseen: an answer that is still open counts again with its next piece, and what was let go a moment before it counts
//! as let go after it.

mod label;

use std::sync::Arc;

use async_trait::async_trait;
use bellgate_telemetry::Listener;
use http::{Response, StatusCode, header};
use parking_lot::Mutex;
use pingora_core::apps::http_app::ServeHttp;
use pingora_core::protocols::http::ServerSession;
use serde_json::{Value, json};

use crate::core::Core;
use crate::observe::readiness;

/// Reads the configuration anew; returns the new policy's digest, or all that is wrong.
pub type Reload = Arc<dyn Fn() -> Result<String, String> + Send + Sync>;

/// Most bytes of a request's body.
const MAX_BODY: usize = 4 * 1024;

/// The admin listener.
pub struct Admin {
    core: Arc<Core>,
    uids: Vec<u32>,
    reload: Reload,
    last_reset: Mutex<Option<Value>>,
}

impl Admin {
    /// Serves `core` to the given uids.
    #[must_use]
    pub fn new(core: Arc<Core>, uids: Vec<u32>, reload: Reload) -> Self {
        Self { core, uids, reload, last_reset: Mutex::default() }
    }

    async fn answer(&self, session: &mut ServerSession, uid: u32) -> (StatusCode, Value) {
        let request = session.req_header();
        match (request.method.as_str(), request.uri.path()) {
            ("GET", "/v1/label") => label::show(&self.core, self.last_reset.lock().clone()),
            ("POST", "/v1/label/reset") => match read_body(session).await {
                Ok(body) => label::reset(&self.core, &self.last_reset, &body, uid).await,
                Err(why) => (StatusCode::UNPROCESSABLE_ENTITY, json!({"detail": why})),
            },
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
                json!({"detail": "there are GET /v1/label, POST /v1/label/reset, GET /v1/status and POST /v1/reload"}),
            ),
        }
    }

    fn status(&self) -> Value {
        let core = &self.core;
        let open = |listener: Listener| core.metrics.exchanges_open.with_label_values(&[listener.as_str()]).get();
        json!({
            "ready": readiness(core).is_ok(),
            "why": readiness(core).err(),
            "instance": core.instance,
            "subject": core.own.load().as_ref().map(|own| own.id.as_str().to_owned()),
            "uid": rustix::process::geteuid().as_raw(),
            "policy": core.snapshot.load().policy.digest(),
            "svid_expires": core.identity.svid().map(|svid| svid.not_after.to_string()),
            "bundle_generation": core.identity.bundles().generation(),
            "exchanges_open": {
                "ingress": open(Listener::Ingress), "egress": open(Listener::Egress), "envoy": open(Listener::Envoy),
            },
        })
    }
}

/// The whole body, bounded.
async fn read_body(session: &mut ServerSession) -> Result<Vec<u8>, &'static str> {
    let mut body = Vec::new();
    while let Some(chunk) =
        session.read_request_body().await.map_err(|_| "the body could not be read; send it again")?
    {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BODY {
            return Err("the body has more than 4096 bytes; shorten the reason");
        }
    }
    Ok(body)
}

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let socket = session.digest().and_then(|digest| digest.socket_digest.clone());
        let uid = socket.and_then(|socket| self.core.peer_uids.uid(&socket));
        let (status, body) = match uid.filter(|uid| self.uids.contains(uid)) {
            Some(uid) => self.answer(session, uid).await,
            None => {
                log::warn!("admin request refused: uid {uid:?} is not one that the config names");
                (StatusCode::FORBIDDEN, json!({"detail": "your uid is not one that `admin.uids` names", "uid": uid}))
            }
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
