//! Where the lake lies, and how much of it may be in memory.

use std::path::PathBuf;
use std::time::Duration;

use bellgate_telemetry::Tenant;

/// The settings of a lake.
#[derive(Clone, Debug)]
pub struct LakeConfig {
    /// The folder of the lake. Made with mode 0700 if it isn't there.
    pub root: PathBuf,
    /// Whose rows they are: a column, and the namespace of their UUIDs.
    pub tenant: Tenant,
    /// The lake's own label in canonical form (`lake: {label: ..}` of the policy): what a quarantined record is kept
    /// under if its own label can't be read.
    pub label: String,
    /// Rows that make a batch. Default 10,000.
    pub flush_rows: usize,
    /// The longest that a row waits for its batch to be full. Default 1 s.
    pub flush_interval: Duration,
    /// Rows that are kept in memory while the disk refuses; new ones beyond are dropped and counted. Default 100,000.
    pub max_rows: usize,
    /// Bytes of such rows, counted by what their texts take. Default 64 MiB.
    pub max_bytes: usize,
}

impl LakeConfig {
    /// The defaults, for a folder, a tenant and the lake's own label.
    pub fn new(root: impl Into<PathBuf>, tenant: Tenant, label: impl Into<String>) -> Self {
        Self {
            root: root.into(),
            tenant,
            label: label.into(),
            flush_rows: 10_000,
            flush_interval: Duration::from_secs(1),
            max_rows: 100_000,
            max_bytes: 64 * 1024 * 1024,
        }
    }
}
