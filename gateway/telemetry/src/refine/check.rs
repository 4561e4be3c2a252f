//! What an event must be to become a row.

use bellgate_policy::{Name, Timestamp};

use crate::event::{CapabilityCallEvent, DecisionEvent, DowngradeEvent, Event, ExchangeEvent, StreamEvent};

/// The most bytes of one text of an event: 8 KiB, what a label may have at most.
pub const MAX_TEXT_BYTES: usize = 8 * 1024;

/// The most reasons of one decision; the policy knows eleven.
pub const MAX_REASONS: usize = 32;

/// The last millisecond of the year 9999, in UTC: a date has four digits of year.
const LAST_TIME: Timestamp = Timestamp(253_402_300_799_999);

/// Why a record is in quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// It doesn't say which request it belongs to.
    RequestIdMissing,
    /// Its label doesn't have the form of one, or the categories aren't sorted.
    LabelUnreadable,
    /// Its time is after the year 9999.
    TimeOutOfRange,
    /// One of its texts is longer than [`MAX_TEXT_BYTES`], or it has more than [`MAX_REASONS`] reasons.
    TextTooLong,
    /// Its HTTP status is none: neither 0 nor 100 to 999.
    StatusOutOfRange,
    /// It permits and gives reasons against it, or refuses without any.
    Contradiction,
}

impl Why {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::RequestIdMissing,
        Self::LabelUnreadable,
        Self::TimeOutOfRange,
        Self::TextTooLong,
        Self::StatusOutOfRange,
        Self::Contradiction,
    ];

    /// The code in the lake.
    pub fn code(self) -> &'static str {
        match self {
            Self::RequestIdMissing => "request-id-missing",
            Self::LabelUnreadable => "label-unreadable",
            Self::TimeOutOfRange => "time-out-of-range",
            Self::TextTooLong => "text-too-long",
            Self::StatusOutOfRange => "status-out-of-range",
            Self::Contradiction => "contradiction",
        }
    }
}

pub(super) fn event(event: &Event) -> Result<(), Why> {
    require(!event.request_id().is_empty(), Why::RequestIdMissing)?;
    require(is_label(event.label()), Why::LabelUnreadable)?;
    require(is_time(event.at()), Why::TimeOutOfRange)?;
    match event {
        Event::Exchange(event) => exchange(event),
        Event::Decision(event) => decision(event),
        Event::StreamEvent(event) => stream_event(event),
        Event::CapabilityCall(event) => capability_call(event),
    }
}

fn exchange(event: &ExchangeEvent) -> Result<(), Why> {
    let ExchangeEvent { request_id, instance, method, subject, object, mode, reason, policy, .. } = event;
    texts([request_id, instance, method, subject, object, mode, policy])?;
    texts(reason)?;
    require(event.status == 0 || (100..=999).contains(&event.status), Why::StatusOutOfRange)
}

fn decision(event: &DecisionEvent) -> Result<(), Why> {
    let DecisionEvent { request_id, subject, object, mode, policy, .. } = event;
    texts([request_id, subject, object, mode, policy])?;
    let DecisionEvent { current, object_label, clearance, rule, cause_request_id, .. } = event;
    texts([current, object_label, clearance, rule, cause_request_id].into_iter().flatten())?;
    let DecisionEvent { cause_object, cause_label, handle, .. } = event;
    texts([cause_object, cause_label, handle].into_iter().flatten())?;
    if let Some(DowngradeEvent { kind, rule, label }) = &event.downgrade {
        texts([kind, rule, label])?;
    }
    texts(&event.reasons)?;
    require(event.reasons.len() <= MAX_REASONS, Why::TextTooLong)?;
    require(event.cause_at.is_none_or(is_time), Why::TimeOutOfRange)?;
    require(event.permit == event.reasons.is_empty(), Why::Contradiction)
}

fn stream_event(event: &StreamEvent) -> Result<(), Why> {
    texts([&event.stream_id, &event.event_type])?;
    texts(&event.event_id)
}

fn capability_call(event: &CapabilityCallEvent) -> Result<(), Why> {
    let CapabilityCallEvent { request_id, capability, urn, digest, outcome, .. } = event;
    texts([request_id, capability, urn, digest])?;
    require(outcome.len() <= MAX_TEXT_BYTES, Why::TextTooLong)
}

fn texts<'a>(texts: impl IntoIterator<Item = &'a String>) -> Result<(), Why> {
    require(texts.into_iter().all(|text| text.len() <= MAX_TEXT_BYTES), Why::TextTooLong)
}

fn require(holds: bool, why: Why) -> Result<(), Why> {
    if holds { Ok(()) } else { Err(why) }
}

pub(super) fn is_time(at: Timestamp) -> bool {
    at <= LAST_TIME
}

/// Whether a text has the canonical form of a label: a name, and after a colon names in strictly rising order.
pub(super) fn is_label(text: &str) -> bool {
    if text.len() > MAX_TEXT_BYTES {
        return false;
    }
    let (level, categories) = match text.split_once(':') {
        Some((level, categories)) => (level, Some(categories)),
        None => (text, None),
    };
    is_name(level)
        && categories.is_none_or(|categories| {
            categories.split(',').all(is_name) && categories.split(',').is_sorted_by(|one, next| one < next)
        })
}

fn is_name(text: &str) -> bool {
    Name::new(text).is_ok()
}
