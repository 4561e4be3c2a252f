//! Checks as Envoy sends them, and its answers taken apart.

use std::collections::BTreeMap;

use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::config::core::v3::{HeaderMap, HeaderValue, HeaderValueOption};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use tonic::transport::Channel;

/// One request as Envoy would describe it.
#[derive(Clone, Default)]
pub(crate) struct Ask {
    pub(crate) principal: String,
    pub(crate) method: String,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) protocol: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The context extension of the bootstraps.
    pub(crate) declared_whole: bool,
    /// As `encode_raw_headers` sends them.
    pub(crate) raw_headers: bool,
}

impl Ask {
    /// `METHOD host/path` by the workload `name` over HTTP/1.1, without body.
    pub(crate) fn of(name: &str, method: &str, target: &str) -> Self {
        let (host, path) = target.split_once('/').unwrap();
        Self {
            principal: format!("spiffe://demo.bellgate.test/{name}"),
            method: method.to_owned(),
            host: host.to_owned(),
            path: format!("/{path}"),
            protocol: "HTTP/1.1".to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A body that Envoy has buffered whole.
    pub(crate) fn body(mut self, body: &str) -> Self {
        self.body = body.as_bytes().to_vec();
        self.header("content-length", &body.len().to_string()).header("x-envoy-auth-partial-body", "false")
    }

    pub(crate) fn http2(mut self) -> Self {
        self.protocol = "HTTP/2".to_owned();
        self
    }

    pub(crate) fn principal(mut self, principal: &str) -> Self {
        self.principal = principal.to_owned();
        self
    }

    fn message(self) -> CheckRequest {
        let mut http = HttpRequest {
            method: self.method,
            path: self.path,
            host: self.host,
            protocol: self.protocol,
            raw_body: self.body,
            ..Default::default()
        };
        if self.raw_headers {
            let headers = self.headers.into_iter().map(|(key, value)| HeaderValue {
                key,
                raw_value: value.into_bytes(),
                ..Default::default()
            });
            http.header_map = Some(HeaderMap { headers: headers.collect() });
        } else {
            http.headers = self.headers.into_iter().collect();
        }
        let extensions =
            if self.declared_whole { vec![("bellgate-body".to_owned(), "whole".to_owned())] } else { Vec::new() };
        CheckRequest {
            attributes: Some(AttributeContext {
                source: Some(Peer { principal: self.principal, ..Default::default() }),
                request: Some(Request { http: Some(http), ..Default::default() }),
                context_extensions: extensions.into_iter().collect(),
                ..Default::default()
            }),
        }
    }
}

/// What Envoy is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    Ok { upwards: BTreeMap<String, String>, downwards: BTreeMap<String, String>, removed: Vec<String> },
    Refused { status: i32, reason: String, headers: BTreeMap<String, String> },
}

impl Told {
    /// `ok`, or the reason of the refusal.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Ok { .. } => "ok",
            Self::Refused { reason, .. } => reason,
        }
    }
}

pub(crate) async fn ask(client: &mut AuthorizationClient<Channel>, ask: Ask) -> Told {
    tell(client, ask.message()).await
}

pub(crate) async fn tell(client: &mut AuthorizationClient<Channel>, message: CheckRequest) -> Told {
    let response = client.check(message).await.unwrap().into_inner();
    let grpc = response.status.unwrap().code;
    match response.http_response.unwrap() {
        HttpResponse::OkResponse(ok) => {
            assert_eq!(grpc, 0);
            Told::Ok {
                upwards: headers(ok.headers),
                downwards: headers(ok.response_headers_to_add),
                removed: ok.headers_to_remove,
            }
        }
        HttpResponse::DeniedResponse(denied) | HttpResponse::ErrorResponse(denied) => {
            assert_eq!(grpc, 7);
            let problem: serde_json::Value = serde_json::from_str(&denied.body).unwrap();
            Told::Refused {
                status: denied.status.unwrap().code,
                reason: problem["reason"].as_str().unwrap().to_owned(),
                headers: headers(denied.headers),
            }
        }
    }
}

/// Every header must be one that overwrites.
fn headers(options: Vec<HeaderValueOption>) -> BTreeMap<String, String> {
    let count = options.len();
    let headers: BTreeMap<_, _> = options
        .into_iter()
        .map(|option| {
            assert_eq!(option.append_action, i32::from(HeaderAppendAction::OverwriteIfExistsOrAdd));
            let header = option.header.unwrap();
            (header.key, header.value)
        })
        .collect();
    assert_eq!(headers.len(), count, "a header is set twice");
    headers
}
