//! Whom a request is for: its authority, once.
//!
//! HTTP/1.1 says it in `Host` (and in an absolute-form target), HTTP/2 in `:authority` (and
//! perhaps `Host`). Where it is said twice it must be said alike (RFC 9113 section 8.3.1), or a
//! server behind us could follow the other one.

use pingora::http::RequestHeader;

/// Why the authority of a request cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// Neither `Host` nor `:authority`.
    #[error("the request names no host; send `Host` (HTTP/1.1) or `:authority` (HTTP/2)")]
    Missing,
    /// Two `Host` headers, or `Host` and `:authority` that differ.
    #[error("the request names its host more than once and not alike; send it once")]
    Conflict,
    /// Userinfo, spaces, or bytes that are not visible ASCII.
    #[error("the request's host is not a host name with an optional port")]
    Malformed,
}

/// The host that the request is for, in lower case, without the port.
///
/// # Errors
///
/// An [`AuthorityError`] where it is missing, said twice, or not a host.
pub fn host(request: &RequestHeader) -> Result<String, AuthorityError> {
    let mut hosts = request.headers.get_all(http::header::HOST).iter();
    let header = hosts.next().map(|value| value.to_str().map_err(|_| AuthorityError::Malformed)).transpose()?;
    if hosts.next().is_some() {
        return Err(AuthorityError::Conflict);
    }
    let target = request.uri.authority().map(http::uri::Authority::as_str);
    let authority = match (header, target) {
        (Some(header), Some(target)) if !header.eq_ignore_ascii_case(target) => return Err(AuthorityError::Conflict),
        (Some(authority), _) | (None, Some(authority)) => authority,
        (None, None) => return Err(AuthorityError::Missing),
    };
    without_port(authority)
}

fn without_port(authority: &str) -> Result<String, AuthorityError> {
    let parsed: http::uri::Authority = authority.parse().map_err(|_| AuthorityError::Malformed)?;
    if authority.contains('@') || parsed.host().is_empty() {
        return Err(AuthorityError::Malformed);
    }
    Ok(parsed.host().trim_end_matches('.').to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str, hosts: &[&str]) -> RequestHeader {
        let mut header = RequestHeader::build("GET", target.as_bytes(), None).unwrap();
        header.set_uri(target.parse().unwrap());
        for host in hosts {
            header.append_header("host", *host).unwrap();
        }
        header
    }

    #[test]
    fn table() {
        for (target, hosts, expected) in [
            ("/", &["search"][..], Ok("search")),
            ("/", &["Search.LOCALHOST:15001"], Ok("search.localhost")),
            ("/", &["search."], Ok("search")),
            ("http://search/x", &["search"], Ok("search")),
            ("http://search/x", &[], Ok("search")),
            ("http://search/x", &["SEARCH"], Ok("search")),
            ("http://search/x", &["records"], Err(AuthorityError::Conflict)),
            ("/", &["search", "search"], Err(AuthorityError::Conflict)),
            ("/", &[], Err(AuthorityError::Missing)),
            ("/", &["user@search"], Err(AuthorityError::Malformed)),
            ("/", &["se arch"], Err(AuthorityError::Malformed)),
            ("/", &[""], Err(AuthorityError::Malformed)),
        ] {
            assert_eq!(host(&request(target, hosts)).as_deref(), expected.as_ref().copied(), "{target} {hosts:?}");
        }
    }
}
