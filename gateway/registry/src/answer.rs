//! One request to a served folder, one answer.
//!
//! `GET` and `HEAD` of `/api/v1/registry/capabilities/{urn}/download`: 200 with `application/wasm`, `Content-Length` and an `ETag` that is the
//! SHA-256; 304 to an `If-None-Match` that names it. Everything else is a problem document (RFC 9457) whose `type` says what it is.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use percent_encoding::percent_decode_str;

use crate::base::{CAPABILITIES, DOWNLOAD};
use crate::{Digest, Folder, Urn};

/// Answers from what lies in `folder` now. The body of the request is not looked at.
pub(crate) async fn answer<B>(folder: Folder, request: Request<B>) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return Problem::Method.response();
    }
    let Some(urn) = asked(request.uri().path()) else {
        return Problem::NotHere.response();
    };
    let Ok(urn) = urn else {
        return Problem::NotUrn.response();
    };
    let (parts, _) = request.into_parts();
    // Reading and hashing 10 MiB takes milliseconds that other connections don't have to wait for.
    let found = tokio::task::spawn_blocking(move || match folder.find(&urn) {
        Ok(Some(entry)) => folder.read(&entry).map(|bytes| Some((entry.digest, bytes))),
        Ok(None) => Ok(None),
        Err(error) => Err(error),
    });
    match found.await {
        Ok(Ok(Some((digest, bytes)))) => deliver(&parts.method, &parts.headers, &digest, bytes),
        Ok(Ok(None)) => Problem::UnknownUrn.response(),
        Ok(Err(error)) => {
            log::error!("the folder can't be served: {error}");
            Problem::Folder.response()
        }
        Err(_) => Problem::Folder.response(),
    }
}

/// The name in a path: `None` where the path is not this interface's. Slashes that a careless client left unescaped belong to the name,
/// which is never used as a path.
fn asked(path: &str) -> Option<Result<Urn, ()>> {
    let name = path.strip_prefix(CAPABILITIES)?.strip_suffix(DOWNLOAD)?;
    Some(percent_decode_str(name).decode_utf8().map_err(|_| ()).and_then(|text| Urn::parse(&text).map_err(|_| ())))
}

fn deliver(method: &Method, headers: &HeaderMap, digest: &Digest, bytes: Bytes) -> Response<Full<Bytes>> {
    let tag = format!("\"{digest}\"");
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let known = known
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|held| held == "*" || held.trim_start_matches("W/") == tag);
    let length = HeaderValue::from(bytes.len());
    let mut response = Response::new(Full::new(if known || method == Method::HEAD { Bytes::new() } else { bytes }));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/wasm"));
        response.headers_mut().insert(CONTENT_LENGTH, length);
    }
    response
}

#[derive(Clone, Copy)]
enum Problem {
    Method,
    NotHere,
    NotUrn,
    UnknownUrn,
    Folder,
}

impl Problem {
    fn response(self) -> Response<Full<Bytes>> {
        let (status, code, detail) = match self {
            Self::Method => {
                (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "this registry answers GET and HEAD")
            }
            Self::NotHere => (
                StatusCode::NOT_FOUND,
                "no-such-path",
                "this registry has /api/v1/registry/capabilities/{urn}/download",
            ),
            Self::NotUrn => (StatusCode::BAD_REQUEST, "not-a-urn", "the name is no urn; escape it as one path segment"),
            Self::UnknownUrn => (StatusCode::NOT_FOUND, "unknown-urn", "this registry has no capability of that urn"),
            Self::Folder => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "registry-broken",
                "the capability can't be served; the registry's log says why",
            ),
        };
        let problem = serde_json::json!({
            "type": format!("urn:bellgate:problem:{code}"),
            "status": status.as_u16(),
            "detail": detail,
        });
        let mut response = Response::new(Full::from(problem.to_string()));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if matches!(self, Self::Method) {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_in_a_path() {
        let path = |middle: &str| format!("{CAPABILITIES}{middle}{DOWNLOAD}");
        let name = |middle: &str| asked(&path(middle)).map(|urn| urn.map(|urn| urn.to_string()));
        assert_eq!(name("urn:x:a"), Some(Ok("urn:x:a".into())));
        assert_eq!(name("urn%3Ax%3Aa"), Some(Ok("urn:x:a".into())));
        assert_eq!(name("urn:x:a%2Fb%253F"), Some(Ok("urn:x:a/b%3F".into())));
        assert_eq!(name("urn:x:a/../b"), Some(Ok("urn:x:a/../b".into())));
        assert_eq!(name(""), Some(Err(())));
        assert_eq!(name("../../etc/passwd"), Some(Err(())));
        assert_eq!(name("urn:x:%FF"), Some(Err(())));
        assert_eq!(asked("/"), None);
        assert_eq!(asked("/api/v1/registry/capabilities/download"), None);
        assert_eq!(asked("/api/v1/registry/capabilities/urn:x:a"), None);
    }
}
