//! What Envoy says of a request, read once.
//!
//! Envoy sends headers in one of two forms (`encode_raw_headers`): a map whose repeated names were joined by commas, or
//! a list. Both are read. Nothing in here is believed of headers but what they mean for the request itself: who the
//! peer is stands in `source.principal` alone.
//!
//! Where a body ends matters more here than on the gateway's own listeners, since after an OK nothing is asked again:
//! see [`Body`].
//!
//! Source: `envoy/service/auth/v3/attribute_context.proto`,
//! `source/extensions/filters/common/ext_authz/check_request_utils.cc` (a peer's own `x-envoy-auth-partial-body` is
//! dropped before Envoy sets its own).

use std::collections::HashMap;

use envoy_types::pb::envoy::config::core::v3::HeaderMap;
use envoy_types::pb::envoy::service::auth::v3::CheckRequest;

/// Set by Envoy on what it sends to us, where it has buffered a body.
const PARTIAL_BODY: &str = "x-envoy-auth-partial-body";
/// A context extension of Envoy's config: bodies are buffered on this route before we are asked.
const BODY_EXTENSION: (&str, &str) = ("bellgate-body", "whole");
/// Raises the current label of a request of the local workload.
const DECLARE: &str = "bellgate-declare";
/// The session of a request of the local workload.
const HANDLE: &str = "bellgate-handle";
/// Grants for one task, from an orchestrator.
const TASK: &str = "bellgate-task";

/// One request, as far as it can be decided on.
pub(crate) struct Facts {
    /// `source.principal`: the first URI SAN of the certificate that Envoy verified; empty without one.
    pub(crate) principal: String,
    /// The peer's certificate, URL-encoded PEM; empty where Envoy does not send it.
    pub(crate) certificate: String,
    /// As it came: methods are case-sensitive.
    pub(crate) method: String,
    /// Path and query, undecoded.
    pub(crate) target: String,
    /// `Host` or `:authority`, lower case, without port; `None` where it is not a host.
    pub(crate) host: Option<String>,
    /// What is known of the body.
    pub(crate) body: Body,
    /// Why the request is one whose flow goes on after the answer, if it is.
    pub(crate) open_flow: Option<OpenFlow>,
    /// `Content-Encoding` other than identity.
    pub(crate) coded: bool,
    /// `Bellgate-Declare`, if it is there; `Err` where it is there more than once or not text.
    pub(crate) declared: Result<Option<String>, ()>,
    /// `Bellgate-Handle`, likewise.
    pub(crate) handle: Result<Option<String>, ()>,
    /// Whether there is a `Bellgate-Task`.
    pub(crate) has_task: bool,
}

/// What is known of a request's body.
pub(crate) enum Body {
    /// There is none.
    Absent,
    /// All of it.
    Whole(Vec<u8>),
    /// There is more than we were given, or there may be.
    Unseen,
}

/// A flow that goes on after the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenFlow {
    /// WebSocket and others; CONNECT in all its forms.
    Upgrade,
    /// gRPC, of which every method may stream.
    Grpc,
}

impl Facts {
    /// Reads a check; `None` where Envoy sent no HTTP request with it.
    pub(crate) fn read(check: CheckRequest) -> Option<Self> {
        let attributes = check.attributes?;
        let http = attributes.request?.http?;
        let headers = Headers { map: &http.headers, list: http.header_map.as_ref() };
        let peer = attributes.source.unwrap_or_default();
        let raw = if http.raw_body.is_empty() { http.body.into_bytes() } else { http.raw_body };
        let (name, value) = BODY_EXTENSION;
        let buffered = attributes.context_extensions.get(name).is_some_and(|found| found == value);
        let old_protocol = http.protocol.starts_with("HTTP/1");
        let body = body(&headers, raw, buffered || old_protocol);
        Some(Self {
            principal: peer.principal,
            certificate: peer.certificate,
            host: host(&http.host),
            body,
            open_flow: open_flow(&headers, &http.method),
            coded: headers.values("content-encoding").any(|coding| !coding.eq_ignore_ascii_case(b"identity")),
            declared: headers.one(DECLARE),
            handle: headers.one(HANDLE),
            has_task: headers.values(TASK).next().is_some(),
            method: http.method,
            target: http.path,
        })
    }
}

/// `end_is_known`: a request without any header that says so has no body. Over HTTP/1 that is the protocol's rule; over
/// HTTP/2 and later, data can follow all the same, and only Envoy's config tells us that Envoy would have waited for
/// it.
fn body(headers: &Headers<'_>, raw: Vec<u8>, end_is_known: bool) -> Body {
    if let Some(partial) = headers.values(PARTIAL_BODY).next() {
        return if partial == b"false" { Body::Whole(raw) } else { Body::Unseen };
    }
    if headers.values("transfer-encoding").next().is_some() {
        return Body::Unseen;
    }
    match headers.values("content-length").next() {
        Some(length) => match std::str::from_utf8(length).ok().and_then(|text| text.trim().parse::<usize>().ok()) {
            Some(0) => Body::Absent,
            Some(length) if length == raw.len() => Body::Whole(raw),
            _ => Body::Unseen,
        },
        None if raw.is_empty() && end_is_known => Body::Absent,
        None => Body::Unseen,
    }
}

fn open_flow(headers: &Headers<'_>, method: &str) -> Option<OpenFlow> {
    let is_grpc = |kind: &[u8]| kind.get(..16).is_some_and(|start| start.eq_ignore_ascii_case(b"application/grpc"));
    if method == "CONNECT" || headers.values("upgrade").next().is_some() || headers.values(":protocol").next().is_some()
    {
        Some(OpenFlow::Upgrade)
    } else if headers.values("content-type").any(is_grpc) {
        Some(OpenFlow::Grpc)
    } else {
        None
    }
}

/// Without port, in lower case; `None` where it is not a host (RFC 3986 section 3.2, without userinfo).
fn host(authority: &str) -> Option<String> {
    let parsed: http::uri::Authority = authority.parse().ok()?;
    let host = parsed.host().trim_end_matches('.');
    (!authority.contains('@') && !host.is_empty()).then(|| host.to_ascii_lowercase())
}

/// Headers in either of Envoy's forms; names are lower case in both.
struct Headers<'a> {
    map: &'a HashMap<String, String>,
    list: Option<&'a HeaderMap>,
}

impl<'a> Headers<'a> {
    fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mapped = self.map.get(name).map(String::as_bytes);
        let wanted = name.to_owned();
        let listed = self
            .list
            .into_iter()
            .flat_map(|list| &list.headers)
            .filter(move |header| header.key.eq_ignore_ascii_case(&wanted));
        mapped.into_iter().chain(listed.map(|header| {
            if header.raw_value.is_empty() { header.value.as_bytes() } else { header.raw_value.as_slice() }
        }))
    }

    fn one(&self, name: &str) -> Result<Option<String>, ()> {
        let mut values = self.values(name);
        let Some(value) = values.next() else {
            return Ok(None);
        };
        match values.next() {
            Some(_) => Err(()),
            None => std::str::from_utf8(value).map(|text| Some(text.to_owned())).map_err(|_| ()),
        }
    }
}
