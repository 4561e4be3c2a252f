//! The highest clearance that a workload ever had here: where it starts when its journal can't be used.
//!
//! ```json
//! {"version":1,"subject":"spiffe://…","clearance":"RESTRICTED:clinical","crc32":"0f5a…"}
//! ```
//!
//! The checksum is over subject and clearance: one flipped bit must not make another clearance of this.

use bellgate_policy::{Lattice, SecurityLabel};
use serde::{Deserialize, Serialize};

use crate::record::widen;
use crate::state::{Files, StateError};

/// A label of 1,024 categories with names of 32 bytes is about 34 KiB.
const MAX_BYTES: u64 = 64 * 1024;
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    version: u32,
    subject: String,
    clearance: String,
    crc32: String,
}

/// What is kept of it.
pub(crate) enum Highest {
    /// Nothing was ever kept.
    Never,
    /// This.
    Known(SecurityLabel),
    /// Something that can't be read, or names that the policy does not know.
    Unknown,
}

/// Reads it.
///
/// # Errors
///
/// When the operating system gives an error.
pub(crate) fn read(files: &Files, lattice: &Lattice) -> Result<Highest, StateError> {
    let read = files.folder.read(&files.clearance, MAX_BYTES).map_err(files.reading(&files.clearance))?;
    let Some(bytes) = read else { return Ok(Highest::Never) };
    let kept = serde_json::from_slice::<Kept>(&bytes).ok().filter(|kept| {
        widen(bytes.len()) <= MAX_BYTES
            && kept.version == FORMAT
            && kept.subject == files.subject
            && kept.crc32 == checksum(&kept.subject, &kept.clearance)
    });
    let label = kept.and_then(|kept| lattice.parse_label(&kept.clearance).ok());
    Ok(label.map_or(Highest::Unknown, Highest::Known))
}

/// Keeps it, durably.
///
/// # Errors
///
/// When the operating system gives an error.
pub(crate) fn write(files: &Files, lattice: &Lattice, label: &SecurityLabel) -> Result<(), StateError> {
    let clearance = lattice.text(label);
    let crc32 = checksum(&files.subject, &clearance);
    let kept = Kept { version: FORMAT, subject: files.subject.clone(), clearance, crc32 };
    let aside = format!("{}.new", files.clearance);
    serde_json::to_vec(&kept)
        .map_err(Into::into)
        .and_then(|bytes| files.replace(&aside, &files.clearance, &bytes))
        .map_err(files.writing(&files.clearance))
}

fn checksum(subject: &str, clearance: &str) -> String {
    let mut sum = crc32fast::Hasher::new();
    sum.update(subject.as_bytes());
    sum.update(b"\n");
    sum.update(clearance.as_bytes());
    format!("{:08x}", sum.finalize())
}
