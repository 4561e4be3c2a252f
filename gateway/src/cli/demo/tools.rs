//! The tools of the demo and its second agent: small real servers on loopback, each the workload of a sidecar.
#![expect(clippy::indexing_slicing, reason = "a `serde_json::Value` gives null where it has no such member")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::client::{self, Ask};

/// How many events the vitals stream has.
pub(super) const VITALS: usize = 300;

type Body = BoxBody<Bytes, Infallible>;

/// A tool by name.
#[derive(Clone, Copy)]
pub(super) enum Tool {
    Search,
    Records,
    Vault,
    /// An agent that looks up what it is told to summarise, through its own gateway.
    Summariser {
        egress: SocketAddr,
    },
}

/// Starts a tool; returns where it listens.
pub(super) async fn start(tool: Tool) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let service =
                    service_fn(move |request| async move { Ok::<_, Infallible>(answer(tool, request).await) });
                let served =
                    auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
                if let Err(error) = served {
                    log::debug!("tool: {error}");
                }
            });
        }
    });
    Ok(address)
}

async fn answer(tool: Tool, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let segments: Vec<&str> = head.uri.path().trim_matches('/').split('/').collect();
    match (tool, &head.method, segments.as_slice()) {
        (Tool::Search, &Method::POST, ["v1", "search" | "careful-search"]) => {
            let query = serde_json::from_slice::<Value>(&body).ok();
            let asked = query.as_ref().and_then(|query| query["query"].as_str()).unwrap_or_default();
            let words = asked.split(' ').count();
            json(&json!({"asked": asked, "results": [
                {"title": "Hypertension in adults: diagnosis and management", "words_matched": words},
                {"title": "Drug interactions of ACE inhibitors", "words_matched": words.min(2)},
            ]}))
        }
        (Tool::Records, &Method::GET, ["v1", "patients", id]) => json(&patient(id)),
        (Tool::Records, &Method::GET, ["v1", "patients", _, "vitals"]) => vitals(),
        (Tool::Records, &Method::POST, ["v1", "patients", _, "notes"]) => json(&json!({"stored": true})),
        (Tool::Vault, &Method::POST, ["v1", "reports"]) => json(&json!({"stored": true})),
        (Tool::Summariser { egress }, &Method::POST, ["v1", "summaries"]) => summary(egress, &body).await,
        (Tool::Vault, &Method::GET, _) => json(&json!({"settlements": ["sealed"]})),
        _ => {
            let mut response = json(&json!({"detail": "no such page"}));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}

/// Looks up what it was given before it writes; tells how that went.
async fn summary(egress: SocketAddr, body: &Bytes) -> Response<Body> {
    let given = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let about = given["conditions"][0]["display"].as_str().unwrap_or("health").to_owned();
    let question = json!({"manifest_version": "1.0.0", "query": about});
    let ask = Ask {
        method: Method::POST,
        host: "search",
        path: "/v1/search",
        body: Some(Bytes::from(question.to_string())),
        handle: None,
    };
    match client::ask(egress, ask).await {
        Ok(told) => json(&json!({
            "summary": format!("One patient with {about}."),
            "search": {"status": told.status.as_u16(), "answer": told.json(), "microseconds": u64::try_from(told.took.as_micros()).unwrap_or(u64::MAX)},
        })),
        Err(error) => {
            let mut response = json(&json!({"detail": error.to_string()}));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        }
    }
}

fn patient(id: &str) -> Value {
    json!({
        "patient": {
            "mrn": id, "name": "A. Example", "birth_date": "1957-03-14", "phone": "+1 555 0100",
            "address": {"street": "1 Sample Street", "city": "Springfield", "zip": "00000"},
        },
        "conditions": [{"code": "I10", "display": "Essential hypertension", "onset": "2019"}],
        "medication": [{"name": "ramipril", "dose_mg": 5}],
        "blood_pressure": {"systolic": 142, "diastolic": 88},
    })
}

fn json(value: &Value) -> Response<Body> {
    let body = Full::new(Bytes::from(value.to_string()));
    let mut response = Response::new(body.boxed());
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

/// Server-sent events, in bursts, as a monitor sends them.
fn vitals() -> Response<Body> {
    let events = futures::stream::iter(0..VITALS).then(|beat| async move {
        if beat % 50 == 49 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let pulse = 60 + beat % 17;
        let event = format!("id: {beat}\nevent: vitals\ndata: {{\"beat\":{beat},\"pulse\":{pulse}}}\n\n");
        Ok::<_, Infallible>(Frame::data(Bytes::from(event)))
    });
    let mut response = Response::new(BodyExt::boxed(StreamBody::new(Box::pin(events))));
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/event-stream"));
    response
}
