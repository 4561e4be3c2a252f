//! The tables: what rows of each kind look like in columns. `COLUMNS.md` says what they mean.
//!
//! The rows of a file are sorted by time, then by identity, then by all the rest, so that equal sets of rows are laid
//! down in one way only.

mod entities;
mod quarantine;
mod rows;
mod silver;

pub(crate) use entities::Entities;
pub(crate) use rows::Rows;
