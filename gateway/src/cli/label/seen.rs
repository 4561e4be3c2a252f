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

/// One observation that raised the label.
#[derive(Deserialize)]
pub(super) struct Rise {
    pub(super) request_id: String,
    pub(super) object: String,
    pub(super) at: String,
    pub(super) label: String,
    pub(super) after: String,
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
