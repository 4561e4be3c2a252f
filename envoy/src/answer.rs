//! From an outcome to what Envoy does.
//!
//! Every header is set (overwritten, never appended), so that what a peer or a workload sent under that name is gone.
//! Refusals are explicit HTTP answers, faults too: a gRPC error would pass where somebody turned `failure_mode_allow`
//! on.

use bellgate_policy::{Lattice, SecurityLabel, Server};
use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::config::core::v3::{HeaderValue, HeaderValueOption};
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{CheckResponse, DeniedHttpResponse, OkHttpResponse};
use envoy_types::pb::envoy::r#type::v3::HttpStatus;
use envoy_types::pb::google::rpc::Status;

use crate::context::Rendered;
use crate::outcome::Permitted;

const LABEL: &str = "bellgate-label";
const REQUEST_ID: &str = "bellgate-request-id";
/// An orchestrator's word to another gateway.
const TASK: &str = "bellgate-task";
/// Between workload and gateway alone, what only a gateway that decides on answers can say, or a second method beside the
/// one that was decided on.
const REMOVED: [&str; 6] = [
    "bellgate-declare",
    "bellgate-handle",
    "bellgate-rule",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];

/// `google.rpc.Code`.
const OK: i32 = 0;
const PERMISSION_DENIED: i32 = 7;

/// Lets the request pass: with its own label upwards, with the answer's label downwards.
pub(crate) fn permitted(permitted: &Permitted, lattice: &Lattice, request_id: &str) -> CheckResponse {
    let headers = |label: &SecurityLabel| vec![set(LABEL, lattice.text(label)), set(REQUEST_ID, request_id.to_owned())];
    let mut removed = REMOVED.map(str::to_owned).to_vec();
    let upwards = match permitted.permit.object().server {
        // Outside the mesh nobody is told our names and labels.
        Server::Web(_) => {
            removed.extend([LABEL, REQUEST_ID, TASK].map(str::to_owned));
            Vec::new()
        }
        Server::Workload(_) | Server::Enclave => headers(permitted.permit.states()),
    };
    let ok = OkHttpResponse {
        headers: upwards,
        headers_to_remove: removed,
        response_headers_to_add: headers(&permitted.released),
        ..OkHttpResponse::default()
    };
    response(OK, HttpResponse::OkResponse(ok))
}

/// Answers the request with a problem.
pub(crate) fn refused(answer: Rendered, request_id: &str) -> CheckResponse {
    let denied = DeniedHttpResponse {
        status: Some(HttpStatus { code: i32::from(answer.status) }),
        headers: vec![
            set("content-type", "application/problem+json".to_owned()),
            set("cache-control", "no-store".to_owned()),
            set(REQUEST_ID, request_id.to_owned()),
        ],
        body: answer.body,
    };
    response(PERMISSION_DENIED, HttpResponse::DeniedResponse(denied))
}

fn response(code: i32, answer: HttpResponse) -> CheckResponse {
    CheckResponse {
        status: Some(Status { code, ..Status::default() }),
        http_response: Some(answer),
        ..CheckResponse::default()
    }
}

fn set(key: &str, value: String) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue { key: key.to_owned(), value, ..HeaderValue::default() }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    }
}
