//! Bronze to silver: what happened becomes a row of a typed table, or goes to quarantine with the reason.
//!
//! What holds:
//! - Total: every record lands in exactly one of the two, and a quarantined one keeps its event.
//! - A [`SilverRow`] is made here alone, so what the lake stores has passed.
//! - The identity of a row follows from the event, never from when or with what it was refined. The keys of each
//!   table, in order (how they become a UUID: [`mod@crate::entity`]):
//!
//! | table | keys |
//! | --- | --- |
//! | events | `"exchange"`, request_id |
//! | decisions | `"decision"`, request_id, point, subject, object, mode, at |
//! | stream_tokens | `"stream"`, stream_id, offset |
//! | capability_calls | `"capability_call"`, request_id, urn, at |
//! | entities | `"entity"`, kind (`subject`, `object` or `capability`), name |
//! | quarantine | `"quarantine"`, event_kind, request_id, at, why, the event as JSON |
//!
//! Texts are text keys, `offset` is a number, and `at` is a number: milliseconds since 1970 in UTC.
//!
//! What is bounded: every text of an event, [`MAX_TEXT_BYTES`] each, and [`MAX_REASONS`] reasons.
//!
//! Absent on purpose: knowledge of the policy. That a label has the form of one is checked here; whether it exists is
//! the policy's to say, and a reader's clearance decides at reading.

use bellgate_policy::Timestamp;

use crate::entity::{Key, KeyError, Tenant, write_name};
use crate::event::{CapabilityCallEvent, DecisionEvent, Event, ExchangeEvent, StreamEvent};

mod check;

pub use check::{MAX_REASONS, MAX_TEXT_BYTES, Why};

/// A record as it came: an event, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BronzeRecord {
    /// Whose row it becomes.
    pub tenant: Tenant,
    /// What happened.
    pub event: Event,
}

/// A table of the silver layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// One row for each exchange.
    Events,
    /// One row for each verdict.
    Decisions,
    /// One row for each event of a stream.
    StreamTokens,
    /// One row for each call of a capability.
    CapabilityCalls,
    /// One row for each subject, object and capability that was seen; to be merged by the reader.
    Entities,
    /// One row for each event that could not be refined.
    Quarantine,
}

impl Table {
    /// All tables, in the order of their counters.
    pub const ALL: [Self; 6] =
        [Self::Events, Self::Decisions, Self::StreamTokens, Self::CapabilityCalls, Self::Entities, Self::Quarantine];

    /// The name of its folder, in metrics and in SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Decisions => "decisions",
            Self::StreamTokens => "stream_tokens",
            Self::CapabilityCalls => "capability_calls",
            Self::Entities => "entities",
            Self::Quarantine => "quarantine",
        }
    }

    /// The table of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.as_str() == name)
    }
}

/// A row that has passed. Made by [`refine`] alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilverRow {
    record: BronzeRecord,
    name: Box<[u8]>,
}

impl SilverRow {
    /// The table it belongs to.
    pub fn table(&self) -> Table {
        match &self.record.event {
            Event::Exchange(_) => Table::Events,
            Event::Decision(_) => Table::Decisions,
            Event::StreamEvent(_) => Table::StreamTokens,
            Event::CapabilityCall(_) => Table::CapabilityCalls,
        }
    }

    /// Whose it is.
    pub fn tenant(&self) -> &Tenant {
        &self.record.tenant
    }

    /// Its columns.
    pub fn event(&self) -> &Event {
        &self.record.event
    }

    /// The name whose UUIDv5 in the tenant's namespace is the row's `entity_uuid`.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// What was seen in it: its subject, its object, its capability; those that are empty left out.
    pub fn seen(&self) -> impl Iterator<Item = Seen<'_>> {
        let (subject, object, capability) = match &self.record.event {
            Event::Exchange(event) => (event.subject.as_str(), event.object.as_str(), ""),
            Event::Decision(event) => (event.subject.as_str(), event.object.as_str(), ""),
            Event::CapabilityCall(event) => ("", "", event.urn.as_str()),
            Event::StreamEvent(_) => ("", "", ""),
        };
        [("subject", subject), ("object", object), ("capability", capability)]
            .into_iter()
            .filter(|(_, name)| !name.is_empty())
            .map(|(kind, name)| Seen { kind, name })
    }
}

/// One sighting of an entity. An entity's attributes merge by rules that don't care about order or repetition:
/// `first_seen` by the least, `last_seen` by the greatest, and `name`, which can differ only in its Unicode
/// normalisation form, by the least in the order of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen<'a> {
    /// `subject`, `object` or `capability`.
    pub kind: &'static str,
    /// A subject's SPIFFE ID or name, an object's name in the policy, a capability's URN; as it came.
    pub name: &'a str,
}

impl Seen<'_> {
    /// The name whose UUIDv5 in the tenant's namespace is the entity's `entity_uuid`.
    ///
    /// # Errors
    /// [`KeyError::TooLong`], which a name out of a [`SilverRow`] never is.
    pub fn identity(&self) -> Result<Box<[u8]>, KeyError> {
        identity([Key::text("entity"), Key::text(self.kind), Key::text(self.name)])
    }
}

/// A record that could not become a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// The reason.
    pub why: Why,
    /// The record, as it came.
    pub record: BronzeRecord,
}

impl Quarantined {
    /// The event as JSON, for whoever looks into it: metadata only, and cut at [`MAX_TEXT_BYTES`].
    pub fn event_json(&self) -> String {
        let mut json = serde_json::to_string(&self.record.event).unwrap_or_default();
        json.truncate(json.floor_char_boundary(MAX_TEXT_BYTES));
        json
    }

    /// The name whose UUIDv5 in the tenant's namespace is the row's `entity_uuid`.
    pub fn name(&self) -> Box<[u8]> {
        let event = &self.record.event;
        let request_id = event.request_id();
        let json = self.event_json();
        let mut name = Vec::new();
        // All are far below the limit of a key once they are cut, so the missing keys never stand here.
        let keys = [
            Key::text("quarantine"),
            Key::text(event.kind().as_str()),
            Key::text(request_id.get(..request_id.floor_char_boundary(MAX_TEXT_BYTES)).unwrap_or_default()),
            Ok(Key::from(event.at().0)),
            Key::text(self.why.code()),
            Key::text(&json),
        ];
        write_name(keys.into_iter().map(|key| key.unwrap_or(Key::MISSING)), &mut name);
        name.into()
    }

    /// The event's label if it has the form of one; else the row has to be kept under the label of the lake.
    pub fn label(&self) -> Option<&str> {
        let label = self.record.event.label();
        check::is_label(label).then_some(label)
    }

    /// When it happened, if that is a time that a date can be given to; else it is kept under 1970-01-01.
    pub fn at(&self) -> Timestamp {
        let at = self.record.event.at();
        if check::is_time(at) { at } else { Timestamp(0) }
    }
}

/// Refines one record.
///
/// # Errors
/// The record with the reason, if it can't be a row.
pub fn refine(record: BronzeRecord) -> Result<SilverRow, Box<Quarantined>> {
    match check::event(&record.event).and_then(|()| name_of(&record.event).map_err(|_| Why::TextTooLong)) {
        Ok(name) => Ok(SilverRow { record, name }),
        Err(why) => Err(Box::new(Quarantined { why, record })),
    }
}

fn name_of(event: &Event) -> Result<Box<[u8]>, KeyError> {
    match event {
        Event::Exchange(event) => {
            let ExchangeEvent { request_id, .. } = &**event;
            identity([Key::text("exchange"), Key::text(request_id)])
        }
        Event::Decision(event) => {
            let DecisionEvent { request_id, point, subject, object, mode, at, .. } = &**event;
            identity([
                Key::text("decision"),
                Key::text(request_id),
                Key::text(point.as_str()),
                Key::text(subject),
                Key::text(object),
                Key::text(mode),
                Ok(Key::from(at.0)),
            ])
        }
        Event::StreamEvent(event) => {
            let StreamEvent { stream_id, offset, .. } = &**event;
            identity([Key::text("stream"), Key::text(stream_id), Ok(Key::from(*offset))])
        }
        Event::CapabilityCall(event) => {
            let CapabilityCallEvent { request_id, urn, at, .. } = &**event;
            identity([Key::text("capability_call"), Key::text(request_id), Key::text(urn), Ok(Key::from(at.0))])
        }
    }
}

fn identity<'a>(keys: impl IntoIterator<Item = Result<Key<'a>, KeyError>>) -> Result<Box<[u8]>, KeyError> {
    let mut name = Vec::with_capacity(64);
    for key in keys {
        write_name([key?], &mut name);
    }
    Ok(name.into())
}

#[cfg(test)]
mod tests;
