//! The parser of `text/event-stream`, for the tee: it looks at what passes and changes nothing.
//!
//! It follows the WHATWG HTML standard, section 9.2.6 "Interpreting an event stream": one leading byte order mark is
//! taken away; a line ends with LF, CR or CRLF; a line that begins with a colon is a comment; `data` lines are joined
//! with LF; an `id` with NUL is ignored; `retry` counts only if it is all ASCII digits; what stands before the end of the
//! stream without an empty line after it is never dispatched. Bytes that are not UTF-8 become U+FFFD.
//!
//! What holds: the events don't depend on where the chunks are cut. A law tested with `proptest`.
//!
//! What is bounded ([`SseLimits`]): of a line only the first `line_bytes` are kept, of an event's data only the first
//! `data_bytes`. What is beyond is passed over, not an error, because the stream itself goes on to its reader: the
//! event is dispatched with the part that was kept, [`SseEvent::truncated`] set, and [`SseEvent::data_bytes`] counting
//! all of it. An `event`, `id` or `retry` line that is too long is ignored, as if its value were unusable.
//!
//! Absent on purpose: reconnection and its timer, which belong to a client; a buffer for `Last-Event-ID`.

use std::borrow::Cow;

use memchr::memchr2;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// How much of one line and of one event is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SseLimits {
    /// Bytes of one line, without its end. Default 64 KiB; never less than 64, so that a field's name always fits.
    pub line_bytes: usize,
    /// Bytes of the data of one event, with the line ends between its lines. Default 1 MiB.
    pub data_bytes: usize,
}

impl Default for SseLimits {
    fn default() -> Self {
        Self { line_bytes: 64 * 1024, data_bytes: 1024 * 1024 }
    }
}

/// One dispatched event. It borrows from the parser, and has no `Debug`: its data is a payload.
#[derive(Clone, PartialEq, Eq)]
pub struct SseEvent<'a> {
    /// Which dispatched event of the stream it is, from 0.
    pub offset: u64,
    /// The `event` field, or `message`.
    pub event_type: Cow<'a, str>,
    /// The data, lines joined with LF; only its first part if [`truncated`](Self::truncated), and a character that was
    /// cut in two ends it as U+FFFD.
    pub data: Cow<'a, str>,
    /// Bytes of the whole data as received, whether kept or not.
    pub data_bytes: u64,
    /// The last `id` that the stream has given so far, in this event or before it; empty if none.
    pub last_event_id: Cow<'a, str>,
    /// Whether a limit cut something off this event.
    pub truncated: bool,
}

/// The state between two chunks of one stream.
pub struct SseParser {
    limits: SseLimits,
    /// The kept part of a line whose end has not come yet.
    line: Vec<u8>,
    /// Bytes of that line so far, kept or not.
    line_length: u64,
    at_first_line: bool,
    /// A CR ended the last chunk: an LF that comes first belongs to it.
    after_carriage_return: bool,
    event: Pending,
    last_event_id: Vec<u8>,
    retry_ms: Option<u64>,
    dispatched: u64,
}

/// The event that is being put together.
#[derive(Default)]
struct Pending {
    event_type: Vec<u8>,
    data: Vec<u8>,
    data_bytes: u64,
    data_lines: u64,
    truncated: bool,
}

/// One line: the kept part, and how long it was.
struct Line<'a> {
    kept: &'a [u8],
    length: u64,
}

impl SseParser {
    /// A parser at the beginning of a stream.
    pub fn new(limits: SseLimits) -> Self {
        Self {
            limits: SseLimits { line_bytes: limits.line_bytes.max(64), ..limits },
            line: Vec::new(),
            line_length: 0,
            at_first_line: true,
            after_carriage_return: false,
            event: Pending::default(),
            last_event_id: Vec::new(),
            retry_ms: None,
            dispatched: 0,
        }
    }

    /// Takes the next chunk, however it was cut, and hands out each event that it completes.
    pub fn push(&mut self, chunk: &[u8], mut on_event: impl FnMut(SseEvent<'_>)) {
        let mut rest = chunk;
        if self.after_carriage_return && !rest.is_empty() {
            self.after_carriage_return = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while let Some((line, end, after)) = memchr2(b'\n', b'\r', rest).and_then(|at| split_at_byte(rest, at)) {
            self.end_line(line, &mut on_event);
            rest = after;
            if end == b'\r' {
                self.after_carriage_return = rest.is_empty();
                rest = rest.strip_prefix(b"\n").unwrap_or(rest);
            }
        }
        self.keep(rest);
    }

    /// The reconnection time that the stream asked for last, in milliseconds.
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    /// How many events were dispatched so far.
    pub fn dispatched(&self) -> u64 {
        self.dispatched
    }

    /// Keeps the beginning of a line, within the limit.
    fn keep(&mut self, part: &[u8]) {
        let room = self.limits.line_bytes.saturating_sub(self.line.len());
        self.line.extend_from_slice(first(part, room));
        self.line_length = self.line_length.saturating_add(length(part));
    }

    /// A line is complete: the kept beginning, if it began in an earlier chunk, and `end_part`.
    fn end_line(&mut self, end_part: &[u8], on_event: &mut impl FnMut(SseEvent<'_>)) {
        if self.line_length == 0 {
            let kept = first(end_part, self.limits.line_bytes);
            self.interpret(&Line { kept, length: length(end_part) }, on_event);
            return;
        }
        self.keep(end_part);
        let kept = std::mem::take(&mut self.line);
        let length = std::mem::take(&mut self.line_length);
        self.interpret(&Line { kept: &kept, length }, on_event);
        self.line = kept; // its memory serves the next line
        self.line.clear();
    }

    fn interpret(&mut self, line: &Line<'_>, on_event: &mut impl FnMut(SseEvent<'_>)) {
        let line = if std::mem::take(&mut self.at_first_line) { line.without_byte_order_mark() } else { line.part(0) };
        if line.length == 0 {
            return self.dispatch(on_event);
        }
        let colon = memchr::memchr(b':', line.kept);
        let name = first(line.kept, colon.unwrap_or(line.kept.len()));
        let value = match colon {
            None => Line { kept: &[], length: 0 },
            Some(at) => {
                let value = line.part(at.saturating_add(1));
                if value.kept.first() == Some(&b' ') { value.part(1) } else { value }
            }
        };
        match name {
            b"data" => self.event.add_data(&value, self.limits.data_bytes),
            b"event" if value.is_whole() => value.kept.clone_into(&mut self.event.event_type),
            b"id" if value.is_whole() && memchr::memchr(0, value.kept).is_none() => {
                value.kept.clone_into(&mut self.last_event_id);
            }
            b"retry" if value.is_whole() => self.retry_ms = milliseconds(value.kept).or(self.retry_ms),
            _ => {} // a comment, an unknown field, or a value that can't be used
        }
    }

    fn dispatch(&mut self, on_event: &mut impl FnMut(SseEvent<'_>)) {
        if self.event.data_lines > 0 {
            let event = &self.event;
            on_event(SseEvent {
                offset: self.dispatched,
                event_type: match event.event_type.as_slice() {
                    [] => Cow::Borrowed("message"),
                    name => String::from_utf8_lossy(name),
                },
                data: String::from_utf8_lossy(&event.data),
                data_bytes: event.data_bytes,
                last_event_id: String::from_utf8_lossy(&self.last_event_id),
                truncated: event.truncated,
            });
            self.dispatched = self.dispatched.saturating_add(1);
        }
        self.event.clear();
    }
}

impl Pending {
    fn add_data(&mut self, value: &Line<'_>, limit: usize) {
        if self.data_lines > 0 {
            self.append(b"\n", 1, limit);
        }
        self.data_lines = self.data_lines.saturating_add(1);
        self.append(value.kept, value.length, limit);
    }

    fn append(&mut self, kept: &[u8], length_of_all: u64, limit: usize) {
        // What comes after a gap would not be the beginning any more.
        let room = if self.truncated { 0 } else { limit.saturating_sub(self.data.len()) };
        let part = first(kept, room);
        self.data.extend_from_slice(part);
        self.data_bytes = self.data_bytes.saturating_add(length_of_all);
        self.truncated |= length(part) < length_of_all;
    }

    fn clear(&mut self) {
        self.event_type.clear();
        self.data.clear();
        self.data_bytes = 0;
        self.data_lines = 0;
        self.truncated = false;
    }
}

impl<'a> Line<'a> {
    /// What follows the first `skip` bytes.
    fn part(&self, skip: usize) -> Line<'a> {
        let kept = self.kept.get(skip..).unwrap_or_default();
        let skipped = self.kept.len().saturating_sub(kept.len());
        Line { kept, length: self.length.saturating_sub(u64::try_from(skipped).unwrap_or(u64::MAX)) }
    }

    fn without_byte_order_mark(&self) -> Line<'a> {
        if self.kept.starts_with(BYTE_ORDER_MARK) { self.part(BYTE_ORDER_MARK.len()) } else { self.part(0) }
    }

    fn is_whole(&self) -> bool {
        length(self.kept) == self.length
    }
}

/// The bytes before `at`, the byte there, and those after it.
fn split_at_byte(bytes: &[u8], at: usize) -> Option<(&[u8], u8, &[u8])> {
    let (before, from) = bytes.split_at_checked(at)?;
    let (byte, after) = from.split_first()?;
    Some((before, *byte, after))
}

fn first(bytes: &[u8], most: usize) -> &[u8] {
    bytes.get(..most).unwrap_or(bytes)
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// All ASCII digits, or nothing. More than 64 bits can hold counts as the most they can.
fn milliseconds(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let text = str::from_utf8(value).ok()?;
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
