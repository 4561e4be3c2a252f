//! What may flow: security labels, subjects, objects, access modes, and the decision over them.
//!
//! **What holds.** [`decide`] is the only place that builds a [`Permit`]; what it does not permit is refused. Where the star
//! property alone fails, a rule of the policy can lift it (`read_down`, a trusted subject, a task, a guard): the permit then
//! has a [`Downgrade`], which names the rule and the label to state. Answers are decided apart from requests, by
//! [`release`]. A [`Policy`] exists only if its file had no mistake at all.
//!
//! **What is bounded.** Every list of a policy file (see [`language`]), the file itself (see [`document`]), the text form of a
//! label on the wire ([`MAX_WIRE_LABEL_BYTES`]), a task ([`MAX_TASK_BYTES`]), and the values of a body that are looked at.
//!
//! **What is absent on purpose.** No clock, files, network, environment or threads: time and bytes are passed in, and
//! `clippy.toml` of this package refuses the rest. No `PartialOrd` on a label: a lattice is not an order of the kind that
//! `<` suggests. No `Default` for a permit or a clearance.
//!
//! **Source.** Bell & LaPadula, "Secure Computer Systems: Unified Exposition and Multics Interpretation" (MTR-2997, 1976);
//! Weissman, "Security controls in the ADEPT-50 time-sharing system" (1969), for the high-water mark.

mod capability;
mod content;
mod decide;
mod diagnostic;
pub mod document;
mod downgrade;
mod grant;
mod guard;
mod label;
pub mod language;
mod lattice;
mod lift;
mod matcher;
mod mode;
mod name;
mod naming;
mod object;
mod objects;
pub mod offline;
mod orchestrator;
mod pointer;
mod policy;
mod read_down;
mod reason;
mod record;
mod release;
mod remedy;
mod resolve;
mod route;
mod spiffe_id;
mod subject;
mod task;
mod templates;
mod timestamp;
mod trusted;
mod verdict;
mod warning;
mod weigh;

pub use capability::{Capability, CapabilityLimits};
pub use content::Content;
pub use decide::{Asked, Question, Standing, decide, refuse};
pub use diagnostic::{Diagnostic, Diagnostics};
pub use downgrade::{Downgrade, RuleKind, UnknownRuleKind};
pub use guard::{Guard, GuardPoint};
pub use label::SecurityLabel;
pub use lattice::{LabelError, Lattice, LatticeError, MAX_CATEGORIES, MAX_LEVELS, MAX_WIRE_LABEL_BYTES};
pub use mode::{Mode, UnknownMode};
pub use name::{Name, NameError};
pub use object::{Object, Server, Upstream};
pub use objects::Objects;
pub use pointer::PointerError;
pub use policy::Policy;
pub use read_down::ReadDown;
pub use reason::{Reason, UnknownReason};
pub use record::{DowngradeRecord, VerdictRecord, VisibleLabels};
pub use release::{Answer, Release, Serving, release, release_guarded};
pub use remedy::Remedy;
pub use resolve::{RequestShape, Target};
pub use route::{Methods, PathPattern, PatternError, Route};
pub use spiffe_id::{MAX_SPIFFE_ID_BYTES, SpiffeId, SpiffeIdError};
pub use subject::{Handles, Subject};
pub use task::{MAX_TASK_BYTES, MAX_TASK_GRANTS, MAX_TASK_VALUES, Task, TaskError, TaskGrant, TaskRequest};
pub use timestamp::{NoInstant, Timestamp, TimestampError};
pub use verdict::{Decision, Denial, Observation, Permit, Verdict};
