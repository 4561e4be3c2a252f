//! Reading a request's body before any upstream is chosen.
//!
//! Pingora keeps at most 64 KiB of a body that was read early and replays that much upstream; one
//! byte more and it replays nothing. So with a stated length the replay buffer is switched on only
//! for the last 64 KiB, the whole body is kept here, and the filter that sees the replay puts the
//! whole in its place. Without a stated length we cannot know when the tail begins, and 64 KiB is
//! the limit.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use pingora::proxy::Session;

use crate::refusal::Refusal;

/// Pingora's replay buffer, in bytes.
pub(crate) const REPLAY: usize = 64 * 1024;

/// Reads the whole body, at most `limit` bytes.
///
/// # Errors
///
/// A [`Refusal`] where the body is coded, too large, or ends early. Nothing more of the connection
/// can be used then.
pub(crate) async fn read_whole(session: &mut Session, limit: usize) -> Result<Bytes, Refusal> {
    refuse_content_coding(session)?;
    let length = stated_length(session)?;
    if length.is_some_and(|length| length > limit) {
        return Err(Refusal::BodyTooLarge(limit));
    }
    let mut body = BytesMut::with_capacity(length.unwrap_or(0));
    loop {
        if length.is_none_or(|length| length.saturating_sub(body.len()) <= REPLAY) {
            session.enable_retry_buffering();
        }
        let Some(chunk) = session.read_request_body().await.map_err(|_| Refusal::BodyUnreadable)? else { break };
        body.extend_from_slice(&chunk);
        if body.len() > limit {
            return Err(Refusal::BodyTooLarge(limit));
        }
        if length.is_none() && body.len() > REPLAY {
            return Err(Refusal::BodyNeedsLength(REPLAY));
        }
    }
    // Without an end there are trailers, which are no part of a manifest.
    if length.is_some_and(|length| length != body.len()) || !session.as_mut().is_body_done() {
        return Err(Refusal::BodyUnreadable);
    }
    if !body.is_empty() && session.get_retry_buffer().is_none() {
        // It came in one piece that is larger than what Pingora replays.
        return Err(Refusal::BodyNeedsLength(REPLAY));
    }
    Ok(body.freeze())
}

fn refuse_content_coding(session: &Session) -> Result<(), Refusal> {
    let codings = session.req_header().headers.get_all(header::CONTENT_ENCODING);
    let plain = codings.iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity"));
    if plain { Ok(()) } else { Err(Refusal::ContentCoding) }
}

fn stated_length(session: &Session) -> Result<Option<usize>, Refusal> {
    let Some(value) = session.req_header().headers.get(header::CONTENT_LENGTH) else { return Ok(None) };
    let length = value.to_str().ok().and_then(|text| text.parse().ok());
    length.map(Some).ok_or(Refusal::BodyUnreadable)
}

/// Answers `Expect: 100-continue` (RFC 9110 section 10.1.1) here and takes it away, so that an
/// upstream has nothing to answer: a 100 of its own would be an answer before the answer.
pub(crate) async fn answer_expectation(session: &mut Session) -> Result<(), Refusal> {
    if expects_continue(session) {
        session.write_continue_response().await.map_err(|_| Refusal::BodyUnreadable)?;
    }
    session.req_header_mut().remove_header("expect");
    Ok(())
}

fn expects_continue(session: &Session) -> bool {
    session
        .req_header()
        .headers
        .get(header::EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// What is checked as JSON must not be read as anything else behind us: one `Content-Type`, JSON in UTF-8, or none.
pub(crate) fn refuse_other_than_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    match (types.next(), types.next()) {
        (None, _) => Ok(()),
        (Some(one), None) if one.to_str().is_ok_and(is_json) => Ok(()),
        (Some(_), _) => Err(Refusal::ContentType),
    }
}

/// `application/json` or a type that ends in `+json` (RFC 6839), with no parameter but `charset=utf-8`.
fn is_json(value: &str) -> bool {
    let mut parts = value.split(';').map(|part| part.trim().to_ascii_lowercase());
    let media = parts.next().unwrap_or_default();
    let named = media == "application/json" || (media.starts_with("application/") && media.ends_with("+json"));
    named && parts.all(|parameter| matches!(parameter.as_str(), "charset=utf-8" | "charset=\"utf-8\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_checked_as_json_is_called_json_or_nothing() {
        for (values, passes) in [
            (&[][..], true),
            (&["application/json"], true),
            (&["Application/JSON; charset=UTF-8"], true),
            (&["application/problem+json;charset=\"utf-8\""], true),
            (&["application/x-www-form-urlencoded"], false),
            (&["application/json; charset=utf-7"], false),
            (&["application/json; boundary=x"], false),
            (&["text/json"], false),
            (&["application/json, text/plain"], false),
            (&["application/json", "application/json"], false),
            (&[""], false),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_TYPE, value.parse().unwrap());
            }
            assert_eq!(refuse_other_than_json(&headers).is_ok(), passes, "{values:?}");
        }
    }
}
