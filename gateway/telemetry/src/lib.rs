//! What the gateway tells about its work, and how that becomes rows. Pure.
//!
//! - [`event`]: what happened, as typed values: an exchange, a decision, one event of a stream, one call of a capability.
//! - [`queue`]: the bounded way from the data path to the lake. Offering never waits; what finds no room is counted.
//! - [`sse`]: the parser of `text/event-stream`, for the tee.
//! - [`mod@entity`]: the name from which the UUID of a row is made, so that others can make the same.
//! - [`mod@refine`]: bronze to silver. Total: a record becomes a row, or is quarantined with the reason.
//!
//! Absent on purpose: a clock, files, threads, the network. Time comes in with the event, and the lake
//! (`bellgate-lake`) owns the thread and the disk. Payloads: an event carries metadata only.

pub mod entity;
pub mod event;
mod number;
pub mod queue;
pub mod refine;
pub mod sse;

pub use entity::{Key, KeyError, Tenant};
pub use event::{
    CapabilityCallEvent, DecisionEvent, DowngradeEvent, Event, EventKind, ExchangeEvent, Listener, Point, Ruling,
    StreamEvent,
};
pub use queue::{EventReceiver, EventSender, QueueReading, channel};
pub use refine::{BronzeRecord, Quarantined, Seen, SilverRow, Table, Why, refine};
