//! Sections about what this sidecar itself needs: `identity`, `state`, `enclave`, `registry`, `telemetry`, `audit`, `limits`.

use std::path::PathBuf;
use std::time::Duration;

use bellgate_policy::SpiffeId;
use bellgate_policy::document::{Node, closest};
use bellgate_registry::Base;

use super::address::parse_unix;
use super::files::Files;
use super::limits::{BOUNDS, Bound, Limits, Unit};
use super::listeners::{Taken, read_uid};
use super::settings::{
    EnclaveSettings, IdentitySettings, MissingState, RegistrySettings, StateSettings, TelemetrySettings,
};

/// Reads `identity`.
pub(super) fn read_identity(node: Node<'_>, taken: &mut Taken) -> Option<IdentitySettings> {
    let fields = node.mapping()?;
    let workload_api = fields.required("workload_api").and_then(|node| {
        let socket = node.parse_with(parse_unix)?;
        taken.unix(node, &socket, "identity.workload_api");
        let endpoint = format!("unix://{}", socket.display());
        bellgate_spire::check_endpoint(&endpoint).map_err(|error| node.report(error)).ok()?;
        Some(endpoint)
    });
    let id = match fields.optional("id") {
        None => Some(None),
        Some(node) => node.parse_with(SpiffeId::parse_workload).map(Some),
    };
    fields.deny_unknown();
    Some(IdentitySettings { workload_api: workload_api?, id: id? })
}

/// Reads `state`.
pub(super) fn read_state(node: Node<'_>, files: &Files) -> Option<StateSettings> {
    let fields = node.mapping()?;
    let directory = fields.required("directory").and_then(|node| read_path(node, files));
    let missing = match fields.optional("missing") {
        None => Some(MissingState::Clearance),
        Some(node) => match node.string() {
            Some("clearance") => Some(MissingState::Clearance),
            Some("floor") => Some(MissingState::Floor),
            Some(_) => node.expected("`clearance` or `floor`"),
            None => None,
        },
    };
    fields.deny_unknown();
    Some(StateSettings { directory: directory?, missing: missing? })
}

/// Reads `enclave`.
pub(super) fn read_enclave(node: Node<'_>, taken: &mut Taken) -> Option<EnclaveSettings> {
    let fields = node.mapping()?;
    let socket = fields.required("socket").and_then(|node| {
        let socket = node.parse_with(parse_unix)?;
        taken.unix(node, &socket, "enclave.socket");
        Some(socket)
    });
    let uid = fields.required("uid").and_then(read_uid);
    fields.deny_unknown();
    Some(EnclaveSettings { socket: socket?, uid: uid? })
}

/// Reads `registry`.
pub(super) fn read_registry(node: Node<'_>) -> Option<RegistrySettings> {
    let fields = node.mapping()?;
    let url = fields.required("url").and_then(|node| node.parse_with(Base::parse));
    let id = fields.required("id").and_then(|node| node.parse_with(SpiffeId::parse_workload));
    fields.deny_unknown();
    Some(RegistrySettings { url: url?, id: id? })
}

/// Reads `telemetry`.
pub(super) fn read_telemetry(node: Node<'_>, files: &Files) -> Option<TelemetrySettings> {
    let fields = node.mapping()?;
    let lake = fields.required("lake").and_then(|node| read_path(node, files));
    // An event has about 300 bytes: the default holds some 20 MiB, two seconds of a fully loaded core.
    let queue = match fields.optional("queue") {
        None => Some(65_536),
        Some(node) => node.u64_within(1..=1 << 20),
    };
    let flush = match fields.optional("flush") {
        None => Some((10_000, Duration::from_secs(1))),
        Some(node) => read_flush(node),
    };
    fields.deny_unknown();
    let (flush_rows, flush_interval) = flush?;
    Some(TelemetrySettings { lake: lake?, queue: count(queue?)?, flush_rows: count(flush_rows)?, flush_interval })
}

fn read_flush(node: Node<'_>) -> Option<(u64, Duration)> {
    let fields = node.mapping()?;
    let rows = match fields.optional("rows") {
        None => Some(10_000),
        Some(node) => node.u64_within(1..=1_000_000),
    };
    let interval = match fields.optional("interval") {
        None => Some(Duration::from_secs(1)),
        Some(node) => node.duration_within(Duration::from_millis(10)..=Duration::from_secs(3_600)),
    };
    fields.deny_unknown();
    Some((rows?, interval?))
}

/// Reads `audit`.
pub(super) fn read_audit(node: Node<'_>, files: &Files) -> Option<PathBuf> {
    let fields = node.mapping()?;
    let file = fields.required("file").and_then(|node| read_path(node, files));
    fields.deny_unknown();
    file
}

/// Reads `tenant`: it is hashed into every name of the lake, so it can't be changed later, and it is written into lines.
pub(super) fn read_tenant(node: Node<'_>) -> Option<String> {
    let tenant = node.non_empty_string()?;
    if tenant.len() > 128 || tenant.chars().any(char::is_control) {
        return node.expected("1 to 128 bytes without control characters");
    }
    Some(tenant.to_owned())
}

/// Reads `limits`: what the file leaves out has its default.
pub(super) fn read_limits(node: Option<Node<'_>>) -> Option<Limits> {
    let mut limits = Limits::standard();
    let Some(node) = node else { return Some(limits) };
    let mut sound = true;
    for entry in node.mapping()?.entries() {
        let Some(bound) = BOUNDS.iter().find(|bound| bound.name == entry.key()) else {
            let names = || BOUNDS.iter().map(|bound| bound.name);
            let help = match closest(entry.key(), names()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("the limits are `{}`", names().collect::<Vec<_>>().join("`, `")),
            };
            entry.report_with_help(format_args!("unknown limit `{}`", entry.key()), help);
            sound = false;
            continue;
        };
        match read_bound(entry.value, bound) {
            Some(value) => limits.set(bound, value),
            None => sound = false,
        }
    }
    sound.then_some(limits)
}

fn read_bound(node: Node<'_>, bound: &Bound) -> Option<u64> {
    match bound.unit {
        Unit::Bytes => node.size_within(bound.least..=bound.most),
        Unit::Count => node.u64_within(bound.least..=bound.most),
        Unit::Time => {
            let range = Duration::from_millis(bound.least)..=Duration::from_millis(bound.most);
            node.duration_within(range).and_then(|time| u64::try_from(time.as_millis()).ok())
        }
    }
}

/// Reads a path, relative to the config's folder.
pub(super) fn read_path(node: Node<'_>, files: &Files) -> Option<PathBuf> {
    let path = node.non_empty_string()?;
    if path.contains('\0') {
        return node.expected("a path without a NUL");
    }
    Some(files.resolve(path))
}

fn count(value: u64) -> Option<usize> {
    usize::try_from(value).ok()
}
