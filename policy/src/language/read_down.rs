//! `read_down` of a grant.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::diagnostic::Place;
use crate::document::Node;
use crate::mode::Mode;
use crate::read_down::ReadDown;
use crate::templates::{Spelling, Templates};

use super::{headers, templates};

/// From one byte to what nobody would still call a budget.
const BUDGET: RangeInclusive<u64> = 1..=1 << 30;
/// What is kept without being listed: what the subject can read at all.
const ALWAYS_KEPT: &str = "accept";

/// Reads `read_down` of a grant with these modes.
pub(super) fn read(node: Node<'_>, rule: &Arc<str>, modes: Option<&[(Mode, Place)]>) -> Option<Arc<ReadDown>> {
    let fields = node.mapping()?;
    let budget = fields.required("budget").and_then(|node| node.size_within(BUDGET));
    let paths = templates::paths(&fields);
    let values = match &paths {
        Some(paths) => templates::values(&fields, paths),
        None => fields.optional("values").map_or(Some(BTreeMap::new()), |_| None),
    };
    let queries = templates::queries(&fields, fields.optional("paths").is_some());
    let listed = fields.optional("headers").map_or(Some(Vec::new()), headers::names);
    fields.deny_unknown();
    if modes.is_some_and(|modes| modes.iter().all(|(mode, _)| *mode != Mode::Observe)) {
        node.report_with_help(
            "`read_down` lifts nothing here: it is for `observe`, and the grant does not give it",
            "add `observe` to `modes`, or leave out `read_down`",
        );
        return None;
    }
    let mut headers = listed?;
    if !headers.iter().any(|name| name == ALWAYS_KEPT) {
        headers.push(ALWAYS_KEPT.to_owned());
    }
    Some(Arc::new(ReadDown {
        rule: Arc::clone(rule),
        budget: budget?,
        headers,
        templates: Templates { paths: paths?, values: values?, queries: queries?, spelling: Spelling::Any },
    }))
}
