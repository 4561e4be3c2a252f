//! The rows that wait for their file, within a bound.

use std::collections::BTreeMap;

use bellgate_policy::Timestamp;
use bellgate_telemetry::{Quarantined, SilverRow, Table};

use crate::partition::Day;
use crate::table::Rows;

/// Where rows go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) table: Table,
    pub(crate) day: Day,
    pub(crate) label: Box<str>,
}

/// How much may wait.
#[derive(Clone, Copy)]
pub(crate) struct Bound {
    pub(crate) rows: usize,
    pub(crate) bytes: usize,
}

/// The rows of one place, and what their texts take.
pub(crate) struct Waiting {
    pub(crate) rows: Rows,
    bytes: usize,
}

/// All rows that wait. There are as many places as there are tables, labels and days among them: a handful.
pub(crate) struct Pending {
    bound: Bound,
    by_table_and_day: BTreeMap<(Table, Day), BTreeMap<Box<str>, Waiting>>,
    rows: usize,
    bytes: usize,
}

/// There was no room for a row of this table.
pub(crate) struct Full(pub(crate) Table);

impl Pending {
    pub(crate) fn new(bound: Bound) -> Self {
        Self { bound, by_table_and_day: BTreeMap::new(), rows: 0, bytes: 0 }
    }

    /// Rows of all tables.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes of them, by what their texts take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a row, and what was seen in it to the entities of its label and day.
    pub(crate) fn add(&mut self, row: SilverRow) -> Result<(), Full> {
        let (table, at, bytes) = (row.table(), row.event().at(), row.event().owned_bytes());
        self.room(table, bytes)?;
        for seen in row.seen() {
            // Refinement has bounded the name far below the limit of a key, so that this is always one.
            let Ok(identity) = seen.identity() else { continue };
            let bytes = identity.len().saturating_mul(2);
            self.count_new(Table::Entities, at, row.event().label(), bytes, |rows| match rows {
                Rows::Entities(entities) => entities.merge(identity, seen, at),
                Rows::Silver(_) | Rows::Quarantine(_) => false,
            });
        }
        let label = row.event().label().to_owned();
        self.count_new(table, at, &label, bytes, |rows| rows.push(row));
        Ok(())
    }

    /// Adds a quarantined record, under its label or, if that can't be read, the one given.
    pub(crate) fn add_quarantined(&mut self, record: Box<Quarantined>, lake_label: &str) -> Result<(), Full> {
        let bytes = record.record.event.owned_bytes();
        self.room(Table::Quarantine, bytes)?;
        let label = record.label().unwrap_or(lake_label).to_owned();
        self.count_new(Table::Quarantine, record.at(), &label, bytes, |rows| rows.push_quarantined(*record));
        Ok(())
    }

    /// Takes out all rows, place by place.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = (Place, Waiting)> + use<> {
        self.rows = 0;
        self.bytes = 0;
        std::mem::take(&mut self.by_table_and_day).into_iter().flat_map(|((table, day), by_label)| {
            by_label.into_iter().map(move |(label, waiting)| (Place { table, day, label }, waiting))
        })
    }

    /// Puts rows back that could not be written. Nothing was added meanwhile, so they fit.
    pub(crate) fn put_back(&mut self, place: Place, waiting: Waiting) {
        self.rows += waiting.rows.len();
        self.bytes += waiting.bytes;
        self.by_table_and_day.entry((place.table, place.day)).or_default().insert(place.label, waiting);
    }

    fn room(&self, table: Table, bytes: usize) -> Result<(), Full> {
        if self.rows < self.bound.rows && self.bytes.saturating_add(bytes) <= self.bound.bytes {
            Ok(())
        } else {
            Err(Full(table))
        }
    }

    /// Changes the rows of a place, and counts a row if the change says that it added one.
    fn count_new(
        &mut self,
        table: Table,
        at: Timestamp,
        label: &str,
        bytes: usize,
        add: impl FnOnce(&mut Rows) -> bool,
    ) {
        let by_label = self.by_table_and_day.entry((table, Day::of(at))).or_default();
        if !by_label.contains_key(label) {
            by_label.insert(label.into(), Waiting { rows: Rows::of(table), bytes: 0 });
        }
        if let Some(waiting) = by_label.get_mut(label)
            && add(&mut waiting.rows)
        {
            waiting.bytes += bytes;
            self.bytes += bytes;
            self.rows += 1;
        }
    }
}
