//! The state of before there were journals: one JSON object, replaced whole.
//!
//! ```json
//! {"version":1,"subject":"spiffe://…","label":"RESTRICTED:clinical","cause":{…}}
//! ```
//!
//! It is read once and removed when the journal that has its label is durable. Where there is a journal already, its
//! label is joined: an earlier version may have run in between.

use bellgate_policy::{Lattice, Observation, SecurityLabel};
use serde::Deserialize;

use crate::record::widen;
use crate::state::{Files, StateError};

const MAX_BYTES: u64 = 256 * 1024;

#[derive(Deserialize)]
struct State {
    version: u32,
    subject: String,
    label: String,
    cause: Option<Observation>,
}

/// What an earlier version left.
pub(crate) struct Earlier {
    pub(crate) label: SecurityLabel,
    pub(crate) cause: Option<Observation>,
}

/// Reads it; `Ok(None)` where there is none.
///
/// # Errors
///
/// When the operating system gives an error, or the file is damaged.
pub(crate) fn read(files: &Files, lattice: &Lattice) -> Result<Option<Earlier>, StateError> {
    let name = &files.earlier;
    let Some(bytes) = files.folder.read(name, MAX_BYTES).map_err(files.reading(name))? else { return Ok(None) };
    if widen(bytes.len()) > MAX_BYTES {
        return Err(files.damage(name, format!("it has more than the {MAX_BYTES} bytes that it can have")));
    }
    let state: State = match serde_json::from_slice(&bytes) {
        Ok(state) => state,
        Err(error) => return Err(files.damage(name, format!("expected one JSON object, {error}"))),
    };
    if state.version != 1 {
        return Err(files.damage(name, format!("expected version 1, found {}", state.version)));
    }
    if state.subject != files.subject {
        return Err(files.damage(name, format!("expected the state of `{}`, found another subject's", files.subject)));
    }
    match lattice.parse_label(&state.label) {
        Ok(label) => Ok(Some(Earlier { label, cause: state.cause })),
        Err(error) => Err(files.damage(name, format!("its label is not one of this policy, {error}"))),
    }
}
