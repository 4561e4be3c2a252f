//! `subjects`: who may be known, between which labels.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crate::document::{Entry, Mapping, Node};
use crate::name::Name;
use crate::spiffe_id::SpiffeId;
use crate::subject::{Handles, Subject};

use super::MAX_SUBJECTS;
use super::draft::{Draft, given, section};

/// How many handles can be open at once: a gateway's memory for them is bounded.
const HANDLES: RangeInclusive<u64> = 1..=1_000_000;
const DEFAULT_HANDLES: u64 = 1024;
/// How long a handle can live.
const HANDLE_LIFE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(7 * 24 * 3600);
const DEFAULT_HANDLE_LIFE: Duration = Duration::from_secs(3600);

pub(super) fn read(root: &Mapping<'_>, draft: &mut Draft) {
    let mut ids: HashMap<SpiffeId, &str> = HashMap::new();
    for (index, entry) in section(root, "subjects", MAX_SUBJECTS).into_iter().enumerate() {
        draft.subject_names.insert(entry.key().to_owned(), index);
        let subject = read_one(entry, index, &mut ids, draft);
        draft.subjects.push(subject.map(Arc::new));
    }
}

fn read_one<'d>(
    entry: Entry<'d>,
    index: usize,
    ids: &mut HashMap<SpiffeId, &'d str>,
    draft: &Draft,
) -> Option<Subject> {
    let name = entry.parse_key(Name::new);
    let fields = entry.value.mapping()?;
    let id = read_id(&fields, entry.key(), ids);
    let clearance_at = fields.required("clearance");
    let clearance = clearance_at.and_then(|node| draft.label(node));
    let floor_at = fields.optional("floor");
    let floor = match floor_at {
        Some(node) => draft.label(node),
        None => clearance.clone(),
    };
    let multilevel_at = fields.optional("multilevel");
    let multilevel = multilevel_at.map(|node| node.non_empty_string());
    let holds_no_data = fields.optional("holds_no_data").map(|node| node.non_empty_string());
    let handles = fields.optional("handles").map(read_handles);
    let gateway = fields.optional("gateway").map(|node| node.bool());
    fields.deny_unknown();

    let (floor, clearance) = (floor?, clearance?);
    if let Some(at) = floor_at
        && !clearance.dominates(&floor)
    {
        at.report_with_help(
            "the floor must be dominated by the clearance",
            "a floor is the lowest that the current label can be; the clearance is the highest",
        );
        return None;
    }
    if let Some(at) = multilevel_at
        && floor != clearance
    {
        at.report_with_help("a multilevel workload's floor is its clearance", "leave out `floor`, or `multilevel`");
        return None;
    }
    Some(Subject {
        name: name?,
        id: id?,
        floor,
        clearance,
        gateway: given(gateway)?.unwrap_or(false),
        multilevel: given(multilevel)?.map(str::to_owned),
        holds_no_data: given(holds_no_data)?.map(str::to_owned),
        handles: given(handles)?,
        index,
        place: entry.place(),
    })
}

/// `handles`: that it keeps its sessions apart, how many it has, and for how long.
fn read_handles(node: Node<'_>) -> Option<Handles> {
    let fields = node.mapping()?;
    let reason = fields.required("reason").and_then(Node::non_empty_string);
    let limit = fields.optional("limit").map_or(Some(DEFAULT_HANDLES), |node| node.u64_within(HANDLES));
    let life = fields.optional("life").map_or(Some(DEFAULT_HANDLE_LIFE), |node| node.duration_within(HANDLE_LIFE));
    fields.deny_unknown();
    Some(Handles { reason: reason?.to_owned(), limit: usize::try_from(limit?).ok()?, life: life? })
}

fn read_id<'d>(fields: &Mapping<'d>, name: &'d str, ids: &mut HashMap<SpiffeId, &'d str>) -> Option<SpiffeId> {
    let node = fields.required("id")?;
    let id = node.parse_with(SpiffeId::parse_workload)?;
    match ids.get(&id) {
        Some(other) => {
            node.report_with_help(
                format_args!("subject `{other}` has this SPIFFE ID already"),
                "one ID is one subject: leave one of the two out, or give it an ID of its own",
            );
            None
        }
        None => {
            ids.insert(id.clone(), name);
            Some(id)
        }
    }
}
