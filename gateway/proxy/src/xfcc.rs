//! `x-forwarded-client-cert`, as Envoy writes it.
//!
//! Believed on the Envoy listener alone, whose peer is known by its uid; stripped everywhere else
//! and set from the verified peer. One element with one URI, or nothing: a list would be a chain
//! of proxies of whom we know one.

use bellgate_policy::SpiffeId;
use http::HeaderMap;

/// The header's name.
pub const XFCC: &str = "x-forwarded-client-cert";

/// Why no caller can be read from the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum XfccError {
    /// No header: Envoy is not set to `SANITIZE_SET`.
    #[error("the request has no x-forwarded-client-cert; set `forward_client_cert_details: SANITIZE_SET` in Envoy")]
    Missing,
    /// More than one header or element.
    #[error("x-forwarded-client-cert has more than one element; Envoy must replace what callers send")]
    Several,
    /// No `URI`, or several.
    #[error(
        "x-forwarded-client-cert must have exactly one `URI`; set `set_current_client_cert_details: {{ uri: true }}` in Envoy"
    )]
    NotOneUri,
    /// The URI is not a SPIFFE ID.
    #[error("the `URI` of x-forwarded-client-cert is not a SPIFFE ID of a workload")]
    NotSpiffe,
}

/// The caller that Envoy verified.
///
/// # Errors
///
/// An [`XfccError`] unless there is exactly one element with exactly one SPIFFE ID.
pub fn caller(headers: &HeaderMap) -> Result<SpiffeId, XfccError> {
    let mut values = headers.get_all(XFCC).iter();
    let value = values.next().ok_or(XfccError::Missing)?;
    if values.next().is_some() {
        return Err(XfccError::Several);
    }
    let text = value.to_str().map_err(|_| XfccError::NotSpiffe)?;
    let mut uri = None;
    for pair in split_outside_quotes(text, ';').ok_or(XfccError::NotOneUri)? {
        if split_outside_quotes(pair, ',').ok_or(XfccError::NotOneUri)?.len() > 1 {
            return Err(XfccError::Several);
        }
        if let Some((key, value)) = pair.split_once('=')
            && key.trim().eq_ignore_ascii_case("uri")
            && uri.replace(value.trim().trim_matches('"')).is_some()
        {
            return Err(XfccError::NotOneUri);
        }
    }
    SpiffeId::parse(uri.ok_or(XfccError::NotOneUri)?).map_err(|_| XfccError::NotSpiffe)
}

/// The element for a verified caller, in Envoy's form.
#[must_use]
pub fn element(by: &SpiffeId, leaf_sha256: Option<&[u8; 32]>, caller: &SpiffeId) -> String {
    let hash = leaf_sha256.map(|hash| format!("Hash={};", hex::encode(hash))).unwrap_or_default();
    format!("By={by};{hash}URI={caller}", by = by.as_str(), caller = caller.as_str())
}

/// `None` where a quote is not closed.
fn split_outside_quotes(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if c == separator && !quoted => {
                parts.push(text.get(start..at)?);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text.get(start..)?);
    (!quoted).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        for (values, expected) in [
            (&["By=spiffe://a.test/gw;Hash=00;URI=spiffe://a.test/planner"][..], Ok("spiffe://a.test/planner")),
            (&["URI=spiffe://a.test/planner"], Ok("spiffe://a.test/planner")),
            (
                &["Subject=\"CN=x;URI=spiffe://a.test/vault,O=y\";URI=spiffe://a.test/planner"],
                Ok("spiffe://a.test/planner"),
            ),
            (&[][..], Err(XfccError::Missing)),
            (&["URI=spiffe://a.test/a", "URI=spiffe://a.test/b"], Err(XfccError::Several)),
            (&["URI=spiffe://a.test/a,URI=spiffe://a.test/b"], Err(XfccError::Several)),
            (&["URI=spiffe://a.test/a;URI=spiffe://a.test/b"], Err(XfccError::NotOneUri)),
            (&["Hash=00"], Err(XfccError::NotOneUri)),
            (&["Subject=\"open;URI=spiffe://a.test/a"], Err(XfccError::NotOneUri)),
            (&["URI=https://a.test/a"], Err(XfccError::NotSpiffe)),
            (&["URI=spiffe://A.test/a"], Err(XfccError::NotSpiffe)),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(XFCC, value.parse().unwrap());
            }
            assert_eq!(caller(&headers).as_ref().map(SpiffeId::as_str), expected.as_ref().map(|id| *id), "{values:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let by = SpiffeId::parse("spiffe://a.test/records").unwrap();
        let id = SpiffeId::parse("spiffe://a.test/planner").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(XFCC, element(&by, Some(&[7; 32]), &id).parse().unwrap());
        assert_eq!(caller(&headers), Ok(id));
    }
}
