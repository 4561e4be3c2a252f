//! Server-sent events, seen in passing.
//!
//! The tee sees each chunk that is released and hands on what it found there; it never holds a
//! chunk back and never waits. Metadata alone: payload capture is off.

use bellgate_policy::Timestamp;
use bellgate_telemetry::sse::SseParser;
use bellgate_telemetry::{Event, StreamEvent};
use http::HeaderMap;

use crate::core::Core;

/// The tee of one answer.
pub struct Tee {
    parser: SseParser,
    stream_id: String,
    label: String,
    offset: u64,
}

impl Tee {
    /// A tee where the answer is a stream of events.
    #[must_use]
    pub fn of(headers: &HeaderMap, stream_id: &str, label: String) -> Option<Self> {
        let value = headers.get(http::header::CONTENT_TYPE)?.to_str().ok()?;
        let media_type = value.split(';').next()?.trim();
        media_type.eq_ignore_ascii_case("text/event-stream").then(|| Self {
            parser: SseParser::new(),
            stream_id: stream_id.to_owned(),
            label,
            offset: 0,
        })
    }

    /// A chunk was released.
    pub fn saw(&mut self, core: &Core, chunk: &[u8], at: Timestamp) {
        let Self { parser, stream_id, label, offset } = self;
        parser.push(chunk, |event| {
            core.metrics.stream_events.inc();
            core.events.offer(Event::StreamEvent(Box::new(StreamEvent {
                stream_id: stream_id.clone(),
                offset: *offset,
                at,
                event_type: event.event_type().to_owned(),
                event_id: event.id().map(str::to_owned),
                data_bytes: u64::try_from(event.data().len()).unwrap_or(u64::MAX),
                label: label.clone(),
            })));
            *offset = offset.saturating_add(1);
        });
    }
}
