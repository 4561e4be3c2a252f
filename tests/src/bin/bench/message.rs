//! The request and its answer, and the little of HTTP/1.1 that both ends need.

use anyhow::Context as _;
use serde_json::json;

/// Bytes of the request's body, and of the answer's.
pub(crate) const BODY_BYTES: usize = 1024;
/// The route of the policy that the request takes.
pub(crate) const PATH: &str = "/v1/orders";
/// The manifest kind of that route.
pub(crate) const KIND: &str = "work-order";

/// The schema that the body conforms to: what real ones are made of (types, required, closed objects, bounds, a
/// pattern, an array of objects).
pub(crate) fn schema() -> serde_json::Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["order", "requester", "priority", "items"],
        "additionalProperties": false,
        "properties": {
            "order": { "type": "string", "pattern": "^[A-Z]{2}-[0-9]{6}$" },
            "requester": { "type": "string", "minLength": 1, "maxLength": 64 },
            "priority": { "type": "integer", "minimum": 0, "maximum": 9 },
            "urgent": { "type": "boolean" },
            "note": { "type": "string", "maxLength": 1024 },
            "items": {
                "type": "array", "minItems": 1, "maxItems": 16,
                "items": {
                    "type": "object",
                    "required": ["sku", "count", "unit"],
                    "additionalProperties": false,
                    "properties": {
                        "sku": { "type": "string", "pattern": "^[a-z0-9-]{1,32}$" },
                        "count": { "type": "integer", "minimum": 1, "maximum": 18_446_744_073_709_551_615_u64 },
                        "unit": { "enum": ["piece", "box", "pallet"] }
                    }
                }
            }
        }
    })
}

/// A body of exactly [`BODY_BYTES`] that conforms to [`schema`].
pub(crate) fn body() -> anyhow::Result<String> {
    let items: Vec<_> =
        (1..=8).map(|n| json!({ "sku": format!("part-{n:04}"), "count": n * 12, "unit": "box" })).collect();
    let with_note = |note: &str| {
        json!({ "order": "AB-004711", "requester": "planner", "priority": 3, "urgent": false, "note": note, "items": items }).to_string()
    };
    let room = BODY_BYTES.checked_sub(with_note("").len()).context("the fields alone are larger than the body")?;
    Ok(with_note(&"n".repeat(room)))
}

/// The whole request for `host`; with `label`, as a caller's gateway sends it.
pub(crate) fn request(host: &str, label: Option<&str>) -> anyhow::Result<Vec<u8>> {
    let body = body()?;
    let length = body.len();
    let label = label.map(|label| format!("bellgate-label: {label}\r\n")).unwrap_or_default();
    Ok(format!("POST {PATH} HTTP/1.1\r\nhost: {host}\r\n{label}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes())
}

/// The whole answer.
pub(crate) fn answer() -> Vec<u8> {
    let body = "y".repeat(BODY_BYTES);
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {BODY_BYTES}\r\n\r\n{body}").into_bytes()
}

/// Bytes of the message at the start of `bytes`, head and body; `None` while its head is not complete. Messages here
/// have a `Content-Length` or no body; anything else is an error.
pub(crate) fn length(bytes: &[u8]) -> anyhow::Result<Option<usize>> {
    let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(bytes.get(..head).unwrap_or_default()).context("a head that is not text")?;
    let mut body = 0;
    for line in text.split("\r\n").skip(1) {
        let (name, value) = line.split_once(':').context("a header without a colon")?;
        if name.eq_ignore_ascii_case("content-length") {
            body = value.trim().parse::<usize>().context("a content-length that is no number")?;
        }
        anyhow::ensure!(
            !name.eq_ignore_ascii_case("transfer-encoding"),
            "a chunked message; both ends of the bench send lengths"
        );
    }
    Ok(Some(head.saturating_add(4).saturating_add(body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_has_exactly_its_size() {
        assert_eq!(body().unwrap().len(), BODY_BYTES);
    }

    #[test]
    fn messages_are_measured_whole() {
        let answer = answer();
        for end in [0, 10, answer.len() - BODY_BYTES - 1] {
            assert_eq!(length(&answer[..end]).unwrap(), None, "{end}");
        }
        assert_eq!(length(&answer).unwrap(), Some(answer.len()));
        assert_eq!(length(&request("x", None).unwrap()).unwrap(), Some(request("x", None).unwrap().len()));
        let labelled = String::from_utf8(request("x", Some("PUBLIC")).unwrap()).unwrap();
        assert!(labelled.contains("\r\nbellgate-label: PUBLIC\r\n"));
        assert!(length(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }
}
