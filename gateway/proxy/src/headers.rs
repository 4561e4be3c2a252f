//! Headers that only a gateway may set, and headers that nobody may pass.

use http::{HeaderMap, Uri, header, uri};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora_core::{Error, ErrorType, OrErr, Result};

use crate::admission::Direction;
use crate::context::Context;
use crate::label_header::{DECLARE, HANDLE, LABEL, REQUEST_ID, RULE, TASK};
use crate::upstream::Route;
use crate::xfcc::{self, XFCC};
use crate::{guard, read_down};

/// What only gateways say, and what a workload says to its own gateway alone.
const OURS: [&str; 5] = [LABEL, RULE, DECLARE, HANDLE, REQUEST_ID];

/// Method overrides would let a body say another method than the one that was decided on.
const OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// Makes of the request that came the request that goes.
///
/// # Errors
///
/// When a header that this gateway sets cannot be written, which refuses the request.
pub(crate) fn prepare_request(request: &mut RequestHeader, ctx: &Context) -> Result<()> {
    let (Some(admitted), Some(route)) = (&ctx.admitted, &ctx.route) else {
        return Error::e_explain(ErrorType::InternalError, "no permit");
    };
    if route.is_h2() {
        // First, so that a `Connection` header cannot nominate away what is set below.
        strip_connection_headers(request);
    }
    guard::keep_listed(request, ctx)?;
    let reads_down = admitted.permit.read_down().filter(|_| admitted.facts.direction == Direction::Outbound);
    if let Some(rule) = reads_down {
        read_down::keep_listed(rule, request);
    }
    for name in OURS.into_iter().chain([XFCC]).chain(OVERRIDES) {
        request.remove_header(name);
    }
    // An orchestrator's task is for the gateway of the workload that it is sent to, and for nobody else.
    if admitted.facts.direction == Direction::Inbound || !matches!(route, Route::Mesh { .. }) {
        request.remove_header(TASK);
    }
    request.insert_header(REQUEST_ID, &ctx.exchange.request_id)?;
    match admitted.facts.direction {
        Direction::Inbound => {
            let element = xfcc::element(&admitted.own.id, admitted.caller.leaf_sha256(), admitted.caller.id());
            request.insert_header(XFCC, element)?;
            if let Some(id) = &admitted.opened {
                request.insert_header(HANDLE, id.reveal())?;
            }
        }
        Direction::Outbound => {}
    }
    match route {
        Route::Local { .. } => {}
        Route::Mesh { .. } => {
            let label = ctx.snapshot.policy.lattice().text(admitted.permit.states());
            request.insert_header(LABEL, label)?;
            if let Some(downgrade) = admitted.permit.downgrade() {
                request.insert_header(RULE, downgrade.kind.as_str())?;
            }
        }
        // Outside the mesh nobody is told our names and labels.
        Route::Web { .. } => {
            request.remove_header(REQUEST_ID);
        }
    }
    set_target(request, &admitted.target, route)
}

/// A body that was read whole is sent with its length, so that it can leave in one piece with the head.
///
/// # Errors
///
/// When the header cannot be written, which refuses the request.
pub(crate) fn state_length(request: &mut RequestHeader, ctx: &Context) -> Result<()> {
    if let Some(body) = ctx.body.as_ref().filter(|body| !body.is_empty()) {
        request.remove_header("transfer-encoding");
        request.insert_header(header::CONTENT_LENGTH, body.len())?;
    }
    Ok(())
}

/// What was decided on is what is forwarded: the path in normal form, and the host of the object.
fn set_target(request: &mut RequestHeader, target: &str, route: &Route) -> Result<()> {
    let host = match route {
        Route::Local { .. } => None,
        Route::Mesh { host, .. } | Route::Web { host, .. } => Some(host.as_str()),
    };
    if let Some(host) = host {
        request.remove_header("host");
        request.insert_header(header::HOST, host)?;
    } else if !request.headers.contains_key(header::HOST)
        && let Some(authority) = request.uri.authority().map(|authority| authority.as_str().to_owned())
    {
        // HTTP/2 says it in `:authority`, which goes with the target that is replaced below.
        request.insert_header(header::HOST, authority)?;
    }
    let named = request.headers.get(header::HOST).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (host, scheme) = match host {
        Some(host) => (Some(host), uri::Scheme::HTTPS),
        None => (named.as_deref(), uri::Scheme::HTTP),
    };
    let uri = match host {
        Some(host) if route.is_h2() => {
            request.remove_header("host");
            request.set_version(http::Version::HTTP_2);
            Uri::builder().scheme(scheme).authority(host).path_and_query(target).build()
        }
        _ => Uri::builder().path_and_query(target).build(),
    };
    request.set_uri(uri.or_err(ErrorType::InternalError, "the normal form of the target is not a URI")?);
    Ok(())
}

/// RFC 9113 section 8.2.2. Pingora does this on its own HTTP/2 path and not on a custom one.
pub(crate) fn strip_connection_headers(request: &mut RequestHeader) {
    let nominated: Vec<String> = request
        .headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty())
        .collect();
    for name in nominated {
        request.remove_header(name.as_str());
    }
    for name in ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "http2-settings"] {
        request.remove_header(name);
    }
    let trailers =
        request.headers.get(header::TE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"trailers"));
    if !trailers {
        request.remove_header("te");
    }
}

/// Makes of the answer that came the answer that is released.
///
/// # Errors
///
/// When a header that this gateway sets cannot be written, which withholds the answer.
pub(crate) fn prepare_answer(answer: &mut ResponseHeader, request_id: &str, label: &str) -> Result<()> {
    for name in OURS.into_iter().chain([TASK, "alt-svc"]) {
        answer.remove_header(name);
    }
    answer.insert_header(LABEL, label)?;
    answer.insert_header(REQUEST_ID, request_id)?;
    Ok(())
}

/// Takes every header out.
pub(crate) fn empty(answer: &mut ResponseHeader) {
    let names: Vec<header::HeaderName> = answer.headers.keys().cloned().collect();
    for name in names {
        answer.remove_header(&name);
    }
}

/// Labels in trailers come after the bytes that they would label.
pub(crate) fn strip_labels(trailers: &mut HeaderMap) {
    for name in OURS.into_iter().chain([TASK, "alt-svc"]) {
        trailers.remove(name);
    }
}
