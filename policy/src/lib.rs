//! What may flow: security labels, subjects, objects, access modes, and the decision over them.
//!
//! **What holds.** [`decide`] is the only place that builds a [`Permit`]; what it does not permit is refused. Answers are
//! decided apart from requests, by [`release`]. A [`Policy`] exists only if its file had no mistake at all.
//!
//! **What is bounded.** Every list of a policy file (see [`language`]), the file itself (see [`document`]), and the text
//! form of a label on the wire ([`MAX_WIRE_LABEL_BYTES`]).
//!
//! **What is absent on purpose.** No clock, files, network, environment or threads: time and bytes are passed in, and
//! `clippy.toml` of this package refuses the rest. No `PartialOrd` on a label: a lattice is not an order of the kind that
//! `<` suggests. No `Default` for a permit or a clearance.
//!
//! **Source.** Bell & LaPadula, "Secure Computer Systems: Unified Exposition and Multics Interpretation" (MTR-2997, 1976);
//! Weissman, "Security controls in the ADEPT-50 time-sharing system" (1969), for the high-water mark.

mod capability;
mod decide;
mod diagnostic;
pub mod document;
mod grant;
mod label;
pub mod language;
mod lattice;
mod mode;
mod name;
mod object;
pub mod offline;
mod policy;
mod reason;
mod record;
mod release;
mod resolve;
mod route;
mod spiffe_id;
mod subject;
mod timestamp;
mod verdict;
mod warning;

pub use capability::{Capability, CapabilityLimits};
pub use decide::{Asked, Question, Standing, decide, refuse};
pub use diagnostic::{Diagnostic, Diagnostics};
pub use label::SecurityLabel;
pub use lattice::{LabelError, Lattice, LatticeError, MAX_CATEGORIES, MAX_LEVELS, MAX_WIRE_LABEL_BYTES};
pub use mode::{Mode, UnknownMode};
pub use name::{Name, NameError};
pub use object::{Object, Server, Upstream};
pub use policy::Policy;
pub use reason::{Reason, UnknownReason};
pub use record::{VerdictRecord, VisibleLabels};
pub use release::{Answer, Release, Serving, release};
pub use resolve::{RequestShape, Target};
pub use route::{Methods, PathPattern, PatternError, Route};
pub use spiffe_id::{MAX_SPIFFE_ID_BYTES, SpiffeId, SpiffeIdError};
pub use subject::Subject;
pub use timestamp::{Timestamp, TimestampError};
pub use verdict::{Decision, Denial, Observation, Permit, Verdict};
