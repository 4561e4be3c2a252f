//! The audit log, read back: JSON lines, of which only what is asked about is kept.
//!
//! What is bounded: a line, [`MOST_BYTES`]. A line that is no record (the last one after a crash, say) is counted and passed over; records
//! of kinds that this version does not know are passed over, too.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

use serde::Deserialize;

/// No record is as long: labels are at most 8 KiB on the wire.
const MOST_BYTES: u64 = 1 << 20;

/// One line.
#[derive(Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Record {
    /// One verdict, at one decision point.
    Decision { listener: String, decision: Box<Decided> },
    /// The watermark rose.
    WatermarkRaised(Raised),
    /// A session of the workload's was opened.
    HandleOpened { handle: String, label: String },
    /// An operator let the workload start anew.
    LabelReset(Reset),
    /// Records that did not fit into the queue.
    Gap { dropped: u64 },
    #[serde(other)]
    Other,
}

/// A verdict.
#[derive(Clone, Deserialize)]
pub(crate) struct Decided {
    pub(crate) request_id: String,
    /// `request`, `delivery`, `release` or `stream`.
    pub(crate) point: String,
    pub(crate) at: String,
    pub(crate) subject: String,
    pub(crate) object: String,
    pub(crate) mode: String,
    pub(crate) permit: bool,
    pub(crate) reasons: Vec<String>,
    pub(crate) current: Option<String>,
    pub(crate) object_label: Option<String>,
    pub(crate) clearance: Option<String>,
    pub(crate) rule: Option<String>,
    pub(crate) cause_request_id: Option<String>,
    pub(crate) cause_object: Option<String>,
    pub(crate) cause_at: Option<String>,
    #[serde(default)]
    pub(crate) cause_label: Option<String>,
    pub(crate) policy: String,
    /// The rule that let it go with another label than the current one.
    #[serde(default)]
    pub(crate) downgrade: Option<Downgrade>,
    /// A short digest of the handle that it went under.
    #[serde(default)]
    pub(crate) handle: Option<String>,
}

/// By which rule something went with another label than the current one.
#[derive(Clone, Deserialize)]
pub(crate) struct Downgrade {
    pub(crate) kind: String,
    pub(crate) rule: String,
    pub(crate) label: String,
}

/// A rise: of the workload's own label, of that of a handle, or of both.
#[derive(Clone, Deserialize)]
pub(crate) struct Raised {
    pub(crate) at: String,
    pub(crate) request_id: String,
    pub(crate) object: String,
    /// The label of what was observed.
    pub(crate) observed: String,
    /// The workload's own label before.
    pub(crate) before: String,
    /// The workload's own label from then on.
    pub(crate) label: String,
    /// A short digest of the handle that it was observed under; without one it reached all that were open.
    #[serde(default)]
    pub(crate) handle: Option<String>,
}

impl Raised {
    /// Whether the workload's own label rose, and not only that of a handle.
    pub(crate) fn of_workload(&self) -> bool {
        self.before != self.label
    }
}

/// A reset.
#[derive(Clone, Deserialize)]
pub(crate) struct Reset {
    pub(crate) at: String,
    pub(crate) uid: u32,
    pub(crate) reason: String,
    pub(crate) label: String,
}

/// Reads `file` line by line; returns how many lines were no records.
///
/// # Errors
///
/// When the file can't be read.
pub(crate) fn read(file: &Path, mut tell: impl FnMut(Record)) -> io::Result<u64> {
    let mut lines = BufReader::new(File::open(file)?);
    let (mut line, mut unread) = (Vec::new(), 0_u64);
    loop {
        line.clear();
        if lines.by_ref().take(MOST_BYTES).read_until(b'\n', &mut line)? == 0 {
            return Ok(unread);
        }
        if line.last() != Some(&b'\n') && u64::try_from(line.len()).is_ok_and(|length| length == MOST_BYTES) {
            lines.skip_until(b'\n')?;
            unread = unread.saturating_add(1);
            continue;
        }
        match serde_json::from_slice(&line) {
            Ok(record) => tell(record),
            Err(_) => unread = unread.saturating_add(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_told_in_order_and_what_is_none_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.jsonl");
        let raised = r#"{"kind":"watermark-raised","at":"2026-11-23T12:00:00Z","request_id":"r","object":"o","observed":"PUBLIC","before":"PUBLIC","label":"PUBLIC","more":1}"#;
        let long = "x".repeat(usize::try_from(MOST_BYTES).unwrap() + 5);
        let text = format!(
            "{raised}\nnonsense\n{{\"kind\":\"of-tomorrow\"}}\n{long}\n{{\"kind\":\"gap\",\"dropped\":3}}\n{raised}\n{{\"kind\":\"gap\","
        );
        std::fs::write(&file, text).unwrap();
        let mut kinds = Vec::new();
        let unread = read(&file, |record| {
            kinds.push(match record {
                Record::WatermarkRaised(raised) => raised.request_id,
                Record::Gap { dropped } => format!("gap {dropped}"),
                Record::Other => "other".into(),
                Record::Decision { .. } | Record::LabelReset(_) | Record::HandleOpened { .. } => "?".into(),
            });
        })
        .unwrap();
        assert_eq!(kinds, ["r", "other", "gap 3", "r"]);
        assert_eq!(unread, 3);
        assert!(read(&folder.path().join("none"), |_| {}).is_err());
    }
}
