//! `capabilities`: modules that run in the enclave, by URN and digest.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crate::capability::{Capability, CapabilityLimits};
use crate::document::{Entry, Mapping, Node};
use crate::name::{Name, shortened};
use crate::object::{Object, Server};

use super::MAX_CAPABILITIES;
use super::draft::{Draft, section};

/// One wasm page at the least; 4 GiB is all that a 32-bit memory can be.
const MEMORY: RangeInclusive<u64> = 65_536..=4 << 30;
const FUEL: RangeInclusive<u64> = 1..=1_000_000_000_000;
const WALL: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60);
/// Bodies are read in full, so both are bounded by what a gateway can hold for each call.
const BODY: RangeInclusive<u64> = 1..=256 << 20;

pub(super) fn read(root: &Mapping<'_>, draft: &mut Draft) {
    for entry in section(root, "capabilities", MAX_CAPABILITIES) {
        let free = draft.claim_object(entry, entry.key());
        if let Some(capability) = read_one(entry, draft).filter(|_| free) {
            let index = capability.object.index;
            draft.extents.insert(entry.key().to_owned(), index..index + 1);
            draft.objects.push(Arc::clone(&capability.object));
            draft.capabilities.push(Arc::new(capability));
        }
    }
}

fn read_one(entry: Entry<'_>, draft: &mut Draft) -> Option<Capability> {
    let name = entry.parse_key(Name::new);
    let fields = entry.value.mapping()?;
    let urn = fields.required("urn").and_then(|node| node.parse_with(urn));
    let sha256 = fields.required("sha256").and_then(|node| node.parse_with(sha256));
    let entry_point = fields.required("entry").and_then(|node| node.parse_with(entry_point));
    let label = fields.required("label").and_then(|node| draft.label(node));
    let input = draft.manifest(&fields, "input");
    let output = draft.manifest(&fields, "output");
    let limits = match fields.optional("limits") {
        Some(node) => read_limits(node),
        None => Some(CapabilityLimits::default()),
    };
    fields.deny_unknown();

    Some(Capability {
        object: Arc::new(Object {
            name: Arc::from(entry.key()),
            label: Some(label?),
            server: Server::Enclave,
            declares: false,
            upstream: None,
            index: draft.objects.len(),
            lineage: vec![draft.objects.len()],
            by_value: false,
            has_manifest: false,
            place: entry.place(),
        }),
        name: name?,
        urn: urn?,
        sha256: sha256?,
        entry: entry_point?,
        input,
        output,
        limits: limits?,
    })
}

fn read_limits(node: Node<'_>) -> Option<CapabilityLimits> {
    let fields = node.mapping()?;
    let standard = CapabilityLimits::default();
    let memory = fields.optional("memory").map_or(Some(standard.memory_bytes), |node| node.size_within(MEMORY));
    let fuel = fields.optional("fuel").map_or(Some(standard.fuel), |node| node.u64_within(FUEL));
    let wall = fields
        .optional("wall")
        .map_or(Some(Duration::from_millis(standard.wall_ms)), |node| node.duration_within(WALL));
    let input = fields.optional("input").map_or(Some(standard.input_bytes), |node| node.size_within(BODY));
    let output = fields.optional("output").map_or(Some(standard.output_bytes), |node| node.size_within(BODY));
    fields.deny_unknown();
    Some(CapabilityLimits {
        memory_bytes: memory?,
        fuel: fuel?,
        wall_ms: u64::try_from(wall?.as_millis()).ok()?,
        input_bytes: input?,
        output_bytes: output?,
    })
}

/// Why a text of a capability can't be taken.
#[derive(Debug, thiserror::Error)]
enum CapabilityError {
    #[error("`{0}` is not a URN: write `urn:`, a namespace, `:` and a name, without spaces, at most 512 characters")]
    Urn(String),
    #[error("`{0}` is not a SHA-256 digest: write 64 lower-case hex digits")]
    Digest(String),
    #[error("`{0}` is not the name of an exported function: write 1 to 128 visible characters")]
    EntryPoint(String),
}

/// The outline of a URN (RFC 8141); the registry reads it in full.
fn urn(text: &str) -> Result<String, CapabilityError> {
    let mut parts = text.splitn(3, ':');
    let scheme = parts.next().is_some_and(|part| part.eq_ignore_ascii_case("urn"));
    let namespace = parts.next().is_some_and(|part| {
        (2..=32).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    });
    let name = parts.next().is_some_and(|part| !part.is_empty());
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    if scheme && namespace && name && visible && text.len() <= 512 {
        Ok(text.to_owned())
    } else {
        Err(CapabilityError::Urn(shortened(text)))
    }
}

fn sha256(text: &str) -> Result<String, CapabilityError> {
    let hex = text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if hex && text.len() == 64 { Ok(text.to_owned()) } else { Err(CapabilityError::Digest(shortened(text))) }
}

fn entry_point(text: &str) -> Result<String, CapabilityError> {
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    if visible && (1..=128).contains(&text.len()) {
        Ok(text.to_owned())
    } else {
        Err(CapabilityError::EntryPoint(shortened(text)))
    }
}
