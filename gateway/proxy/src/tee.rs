//! Server-sent events, seen in passing.
//!
//! The tee sees each chunk that is released and hands on what it found there; it never holds a
//! chunk back and never waits. Metadata alone: payload capture is off.

use bellgate_policy::Timestamp;
use bellgate_telemetry::sse::{SseLimits, SseParser};
use bellgate_telemetry::{Event, StreamEvent};
use http::HeaderMap;

use crate::core::Core;

/// The tee of one answer.
pub(crate) struct Tee {
    parser: SseParser,
    stream_id: String,
    label: String,
}

impl Tee {
    /// A tee where the answer is a stream of events.
    #[must_use]
    pub(crate) fn of(headers: &HeaderMap, stream_id: &str, label: String) -> Option<Self> {
        let value = headers.get(http::header::CONTENT_TYPE)?.to_str().ok()?;
        let media_type = value.split(';').next()?.trim();
        media_type.eq_ignore_ascii_case("text/event-stream").then(|| Self {
            parser: SseParser::new(SseLimits::default()),
            stream_id: stream_id.to_owned(),
            label,
        })
    }

    /// A chunk was released.
    pub(crate) fn saw(&mut self, core: &Core, chunk: &[u8], at: Timestamp) {
        let Self { parser, stream_id, label } = self;
        parser.push(chunk, |event| {
            core.metrics.stream_events.inc();
            core.tell(|| {
                Event::StreamEvent(Box::new(StreamEvent {
                    stream_id: stream_id.clone(),
                    offset: event.offset,
                    at,
                    event_type: event.event_type.into_owned(),
                    event_id: Some(event.last_event_id.into_owned()).filter(|id| !id.is_empty()),
                    data_bytes: event.data_bytes,
                    label: label.clone(),
                }))
            });
        });
    }
}
