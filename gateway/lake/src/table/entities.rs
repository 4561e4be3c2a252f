//! The table of entities: one row for each that a batch has seen, per label and day.
//!
//! Sightings merge by rules that don't care about order, repetition or how the batches were cut: the least of the first
//! times, the greatest of the last, the least spelling of the name. Readers merge rows of several batches by the same
//! rules, as `COLUMNS.md` shows.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use bellgate_policy::Timestamp;
use bellgate_telemetry::{Seen, Tenant};

use crate::columns::Columns;

/// Entities of one label and day, by the name of their identity.
#[derive(Default)]
pub(crate) struct Entities {
    seen: BTreeMap<Box<[u8]>, Entity>,
}

struct Entity {
    kind: &'static str,
    name: String,
    first_seen: Timestamp,
    last_seen: Timestamp,
}

impl Entities {
    pub(crate) fn len(&self) -> usize {
        self.seen.len()
    }

    /// Merges one sighting. Says whether it is an entity that was not there before.
    pub(crate) fn merge(&mut self, identity: Box<[u8]>, seen: Seen<'_>, at: Timestamp) -> bool {
        match self.seen.entry(identity) {
            Entry::Occupied(mut there) => {
                let entity = there.get_mut();
                entity.first_seen = entity.first_seen.min(at);
                entity.last_seen = entity.last_seen.max(at);
                if seen.name < entity.name.as_str() {
                    seen.name.clone_into(&mut entity.name);
                }
                false
            }
            Entry::Vacant(place) => {
                place.insert(Entity { kind: seen.kind, name: seen.name.to_owned(), first_seen: at, last_seen: at });
                true
            }
        }
    }

    pub(super) fn first_seen(&self) -> Option<Timestamp> {
        self.seen.values().map(|entity| entity.first_seen).min()
    }

    pub(super) fn batch(&self, tenant: &Tenant) -> Result<Option<RecordBatch>, ArrowError> {
        let mut rows: Vec<(&[u8], &Entity)> =
            self.seen.iter().map(|(identity, entity)| (&**identity, entity)).collect();
        if rows.is_empty() {
            return Ok(None);
        }
        // By identity they are sorted already, and no two share one.
        rows.sort_by_key(|(_, entity)| entity.first_seen);
        Columns::identified(&rows, tenant, |(identity, _)| identity)?
            .time("first_seen", |(_, entity)| entity.first_seen)
            .time("last_seen", |(_, entity)| entity.last_seen)
            .text("kind", |(_, entity)| entity.kind)
            .text("name", |(_, entity)| &entity.name)
            .batch()
            .map(Some)
    }
}
