//! Every bound of one sidecar that its config may set, with the reason for its default and for its range.

use std::time::Duration;

/// The bounds of one sidecar. Each is named as in the file's `limits:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes of a body that is checked against a schema.
    pub(crate) body: usize,
    /// Nesting of a checked body: objects and arrays.
    pub(crate) depth: usize,
    /// Members and elements of a checked body, all levels together.
    pub(crate) members: usize,
    /// Violations that one rejection lists.
    pub(crate) errors: usize,
    /// Permitted `append` requests that may wait for their upstream at once.
    pub(crate) append_queue: usize,
    /// Until an upstream's TCP and TLS handshakes are done.
    pub(crate) connect_timeout: Duration,
    /// Until an upstream's answer begins, and between two pieces of it.
    pub(crate) answer_timeout: Duration,
    /// Connections of one listener at once.
    pub(crate) max_connections: usize,
}

/// One row of the table: name, default, range and reason. `check` and the documentation are made of it.
pub(crate) struct Bound {
    /// The key in `limits:`.
    pub(crate) name: &'static str,
    /// Used when the file is silent: a count, bytes or milliseconds.
    pub(crate) default: u64,
    /// The least that makes sense.
    pub(crate) least: u64,
    /// The most that can be asked for.
    pub(crate) most: u64,
    /// How the file writes it.
    pub(crate) unit: Unit,
    /// Why it is there, and why this default.
    pub(crate) reason: &'static str,
}

/// How the file writes a bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unit {
    /// `1MiB`, or plain bytes.
    Bytes,
    /// `3s`, `500ms`.
    Time,
    /// A whole number.
    Count,
}
