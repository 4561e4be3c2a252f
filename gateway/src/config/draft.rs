//! The whole file, read section by section, while its places are still known.

use std::path::{Path, PathBuf};

use bellgate_policy::Diagnostic;
use bellgate_policy::document::{Document, Node};

use super::files::Files;
use super::limits::Limits;
use super::listeners::{Listeners, Taken};
use super::manifests::{KindDraft, read_kinds};
use super::services::{
    read_audit, read_enclave, read_identity, read_limits, read_path, read_registry, read_state, read_telemetry,
    read_tenant,
};
use super::settings::{Config, EnclaveSettings, IdentitySettings, RegistrySettings, StateSettings, TelemetrySettings};
use super::upstreams::{UpstreamDraft, Upstreams, read_upstreams};

/// What the file says, with `None` where a mistake was told.
pub(super) struct Draft<'d> {
    file: &'d str,
    pub(super) root: Node<'d>,
    pub(super) policy: Option<(Node<'d>, PathBuf)>,
    pub(super) identity: Option<IdentitySettings>,
    pub(super) identity_node: Option<Node<'d>>,
    tenant: Option<String>,
    state: Option<StateSettings>,
    pub(super) listeners: Listeners,
    /// Whether requests of the local workload pass here.
    pub(super) calls: bool,
    pub(super) upstreams: Vec<UpstreamDraft<'d>>,
    pub(super) upstreams_node: Option<Node<'d>>,
    pub(super) kinds: Vec<KindDraft<'d>>,
    pub(super) kinds_node: Option<Node<'d>>,
    enclave: Option<EnclaveSettings>,
    pub(super) has_enclave: bool,
    registry: Option<RegistrySettings>,
    pub(super) has_registry: bool,
    telemetry: Option<TelemetrySettings>,
    audit: Option<PathBuf>,
    pub(super) limits: Option<Limits>,
}

impl<'d> Draft<'d> {
    /// Reads all sections; mistakes are told to the document. `None` where the file is no mapping at all.
    pub(super) fn read(document: &'d Document, files: &Files) -> Option<Self> {
        let root = document.root();
        let fields = root.mapping()?;
        if let Some(version) = fields.required("version")
            && let Some(other @ (0 | 2..)) = version.u64()
        {
            version.report_with_help(
                format_args!("this is a config of version {other}, and this program reads version 1"),
                "use the program that the config was written for",
            );
        }
        let mut taken = Taken::default();
        let policy = fields.required("policy").and_then(|node| Some((node, read_path(node, files)?)));
        let identity_node = fields.required("identity");
        let identity = identity_node.and_then(|node| read_identity(node, &mut taken));
        let tenant = match fields.optional("tenant") {
            None => Some(String::from("default")),
            Some(node) => read_tenant(node),
        };
        let state = fields.required("state").and_then(|node| read_state(node, files));
        let enclave_node = fields.optional("enclave");
        let enclave = enclave_node.and_then(|node| read_enclave(node, &mut taken));
        let registry_node = fields.optional("registry");
        let listeners = Listeners::read(&fields, &mut taken);
        let (upstreams_node, kinds_node) = (fields.optional("upstreams"), fields.optional("manifests"));
        let draft = Self {
            file: document.file(),
            root,
            policy,
            identity,
            identity_node,
            tenant,
            state,
            listeners,
            calls: fields.optional("egress").is_some() || fields.optional("envoy").is_some(),
            upstreams: read_upstreams(upstreams_node, files),
            upstreams_node,
            kinds: read_kinds(kinds_node, files),
            kinds_node,
            enclave,
            has_enclave: enclave_node.is_some(),
            registry: registry_node.and_then(read_registry),
            has_registry: registry_node.is_some(),
            telemetry: fields.optional("telemetry").and_then(|node| read_telemetry(node, files)),
            audit: fields.optional("audit").and_then(|node| read_audit(node, files)),
            limits: read_limits(fields.optional("limits")),
        };
        fields.deny_unknown();
        Some(draft)
    }

    /// Whether the file has an entry for this upstream, with or without a mistake in it.
    pub(super) fn names_upstream(&self, name: &str) -> bool {
        self.upstreams_node
            .filter(|node| node.is_mapping())
            .and_then(Node::mapping)
            .is_some_and(|section| section.entries().any(|entry| entry.key() == name))
    }

    /// A warning at a place of this file.
    pub(super) fn warning(&self, node: Node<'_>, message: String, help: &str) -> Diagnostic {
        let (line, column) = node.position();
        Diagnostic { file: self.file.into(), line, column, message, help: Some(help.to_owned()) }
    }

    /// The settings, where nothing that is needed is missing. A section with a mistake is `None` too: the caller keeps the result only if
    /// nothing at all was told.
    pub(super) fn settle(self, file: &Path, upstreams: Upstreams) -> Option<Config> {
        Some(Config {
            file: file.to_owned(),
            policy: self.policy?.1,
            identity: self.identity?,
            tenant: self.tenant?,
            state: self.state?,
            ingress: self.listeners.ingress,
            egress: self.listeners.egress,
            envoy: self.listeners.envoy,
            metrics: self.listeners.metrics,
            admin: self.listeners.admin,
            upstreams: upstreams.settings,
            enclave: self.enclave,
            registry: self.registry,
            telemetry: self.telemetry,
            audit: self.audit,
            limits: self.limits?,
        })
    }
}
