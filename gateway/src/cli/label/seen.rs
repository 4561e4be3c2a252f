//! The admin socket's answers, as far as they are shown.

use serde::Deserialize;

/// The answer to `GET /v1/label`.
#[derive(Deserialize)]
pub(super) struct Seen {
    pub(super) subject: String,
    pub(super) name: Option<String>,
    pub(super) label: String,
    pub(super) floor: String,
    pub(super) clearance: String,
    pub(super) floats: bool,
    pub(super) chain: Vec<Rise>,
    pub(super) reset: Option<LastReset>,
    pub(super) budgets: Vec<Budget>,
    pub(super) handles: Handles,
    pub(super) policy: String,
}

impl Seen {
    /// Whether an observation raised it.
    pub(super) fn rose(&self) -> bool {
        self.chain.iter().any(|rise| rise.request_id.is_some())
    }
}

/// One step of the label: an observation that raised it, or how it came to where it was.
#[derive(Deserialize)]
pub(super) struct Rise {
    /// `observed`, or `start`, `reset`, `missing` and the like, which have no request.
    pub(super) kind: String,
    pub(super) request_id: Option<String>,
    pub(super) object: Option<String>,
    pub(super) at: Option<String>,
    pub(super) label: Option<String>,
    pub(super) after: String,
}

impl Rise {
    /// What it was.
    pub(super) fn what(&self) -> &str {
        match (&self.object, self.kind.as_str()) {
            (Some(object), _) => object,
            (None, "start") => "(new, at its floor)",
            (None, "reset") => "(reset)",
            (None, "missing") => "(its state was missing)",
            (None, "damaged") => "(its state was damaged)",
            (None, "taken-over") => "(from an older state file)",
            (None, "policy") => "(a new policy)",
            (None, other) => other,
        }
    }
}

/// The last reset.
#[derive(Deserialize)]
pub(super) struct LastReset {
    pub(super) reason: String,
    pub(super) uid: u32,
    pub(super) at: String,
    pub(super) before: String,
}

/// What was sent under a `read_down` rule since the last reset.
#[derive(Deserialize)]
pub(super) struct Budget {
    pub(super) rule: String,
    pub(super) spent: u64,
    /// `None` where the policy no longer has the rule.
    pub(super) budget: Option<u64>,
}

/// The open handles.
#[derive(Deserialize)]
pub(super) struct Handles {
    /// `None` where the policy gives this subject none.
    pub(super) limit: Option<u64>,
    pub(super) open: u64,
    pub(super) list: Vec<Handle>,
}

/// An open handle, by a short digest of it.
#[derive(Deserialize)]
pub(super) struct Handle {
    pub(super) handle: String,
    pub(super) label: String,
    pub(super) task: Option<String>,
    pub(super) opened_at: String,
    pub(super) expires: String,
}

/// The answer to `POST /v1/label/reset`.
#[derive(Deserialize)]
pub(super) struct Done {
    pub(super) subject: String,
    pub(super) before: String,
    pub(super) label: String,
    pub(super) at: String,
    pub(super) handles_closed: u64,
}
