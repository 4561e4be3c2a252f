//! The sidecar's config file: read once, parsed once, all mistakes told together.

mod address;
mod limits;
mod settings;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bellgate_manifest::SchemaStore;
use bellgate_policy::{Name, Policy};

pub(crate) use address::{HostPort, TcpOrUnix};
pub(crate) use limits::Limits;
pub(crate) use settings::*;

/// A config with everything that its files say. Immutable: a reload makes another.
pub(crate) struct Loaded {
    /// The settings.
    pub(crate) config: Config,
    /// The policy that `policy:` names.
    pub(crate) policy: Arc<Policy>,
    /// The schemas of `manifests:`, compiled within the config's limits.
    pub(crate) schemas: Arc<SchemaStore>,
    /// PEM bytes of the extra roots of upstreams of the web.
    pub(crate) roots: BTreeMap<Name, Vec<u8>>,
    /// What is allowed and likely not meant.
    pub(crate) warnings: Vec<String>,
    /// Every file that was read, in order.
    pub(crate) files: Vec<PathBuf>,
}
