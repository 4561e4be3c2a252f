//! What a config file says, once it has been parsed: every path resolved, every default filled in, every address checked.
//!
//! Nothing in here is secret, and nothing refers to what lies in the files that a config names: see [`super::Loaded`] for those.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bellgate_policy::{Name, SpiffeId};
use bellgate_registry::Base;

use super::address::{HostPort, TcpOrUnix};
use super::limits::Limits;

/// One sidecar's settings.
#[derive(Clone)]
pub(crate) struct Config {
    /// The config file itself, as it was given.
    pub(crate) file: PathBuf,
    /// The policy file.
    pub(crate) policy: PathBuf,
    /// Where this sidecar's identity comes from.
    pub(crate) identity: IdentitySettings,
    /// Whose rows these are: the partition of the lake and the namespace of every `entity_uuid`. 1 to 128 bytes.
    pub(crate) tenant: String,
    /// Where the watermark is kept.
    pub(crate) state: StateSettings,
    /// Requests of other workloads for the local one.
    pub(crate) ingress: Option<IngressSettings>,
    /// Requests of the local workload to others.
    pub(crate) egress: Option<EgressSettings>,
    /// The Envoy beside this sidecar.
    pub(crate) envoy: Option<EnvoySettings>,
    /// Prometheus and the kubelet.
    pub(crate) metrics: Option<MetricsSettings>,
    /// Operators.
    pub(crate) admin: Option<UnixListen>,
    /// Where each upstream that this sidecar calls can be reached, by its name in the policy. An upstream of the web that the file
    /// does not mention is here too, with its DNS name and port 443.
    pub(crate) upstreams: BTreeMap<Name, UpstreamSettings>,
    /// The socket of `bellgate-enclave`.
    pub(crate) enclave: Option<EnclaveSettings>,
    /// Where capabilities are fetched from.
    pub(crate) registry: Option<RegistrySettings>,
    /// The lake, and the queue before it.
    pub(crate) telemetry: Option<TelemetrySettings>,
    /// The audit file, JSON lines.
    pub(crate) audit: Option<PathBuf>,
    /// Every bound that can be set.
    pub(crate) limits: Limits,
}

/// Where this sidecar's identity comes from.
#[derive(Clone)]
pub(crate) struct IdentitySettings {
    /// The Workload API, as `unix:///path`.
    pub(crate) workload_api: String,
    /// The only identity to accept for ourselves; `None`: the first that the Workload API gives.
    pub(crate) id: Option<SpiffeId>,
}

/// Where the watermark is kept, and what holds when it is not there.
#[derive(Clone)]
pub(crate) struct StateSettings {
    /// A folder of this sidecar alone.
    pub(crate) directory: PathBuf,
    /// The watermark of a subject whose state is missing.
    pub(crate) missing: MissingState,
}

/// The watermark of a subject whose state is missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MissingState {
    /// The subject may have seen all that it may see.
    Clearance,
    /// The subject has seen nothing: true only where state, workload and everything that the workload stores end together.
    Floor,
}

/// Requests of other workloads for the local one.
#[derive(Clone)]
pub(crate) struct IngressSettings {
    /// mTLS, h1 and h2.
    pub(crate) listen: SocketAddr,
    /// The local workload: loopback or a Unix socket, since this hop is in the clear.
    pub(crate) workload: TcpOrUnix,
    /// What the local workload speaks.
    pub(crate) protocol: Protocol,
}

/// Requests of the local workload to others.
#[derive(Clone)]
pub(crate) struct EgressSettings {
    /// h1 and h2c in the clear: loopback or a Unix socket.
    pub(crate) listen: EgressListen,
}

/// Where the local workload finds its sidecar.
#[derive(Clone)]
pub(crate) enum EgressListen {
    /// A loopback address: whoever is in the pod can connect.
    Loopback(SocketAddr),
    /// A Unix socket with the uids that may connect.
    Unix(UnixListen),
}

/// A Unix socket that this sidecar creates.
#[derive(Clone, Debug)]
pub(crate) struct UnixListen {
    /// Absolute, at most 107 bytes.
    pub(crate) socket: PathBuf,
    /// Who may connect (`SO_PEERCRED`): never empty, no duplicates.
    pub(crate) uids: Vec<u32>,
}

/// The Envoy beside this sidecar.
#[derive(Clone)]
pub(crate) struct EnvoySettings {
    /// h2c with XFCC.
    pub(crate) listen: UnixListen,
    /// `envoy.service.auth.v3.Authorization` for the same uids.
    pub(crate) ext_authz: Option<PathBuf>,
}

/// Prometheus and the kubelet: `/metrics`, `/healthz`, `/readyz`.
#[derive(Clone)]
pub(crate) struct MetricsSettings {
    /// Plain HTTP; nothing on it names an identity, a label or data.
    pub(crate) listen: SocketAddr,
}

/// Where an upstream can be reached.
#[derive(Clone)]
pub(crate) struct UpstreamSettings {
    /// The other sidecar's ingress, or a server of the web.
    pub(crate) address: HostPort,
    /// What is spoken to it.
    pub(crate) protocol: Protocol,
    /// Roots to trust beside the public ones, PEM, for upstreams of the web alone.
    pub(crate) roots: Option<PathBuf>,
}

/// HTTP/1.1 or HTTP/2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Protocol {
    /// HTTP/1.1.
    H1,
    /// HTTP/2; in the clear with prior knowledge (h2c).
    H2,
}

/// The socket of `bellgate-enclave`.
#[derive(Clone)]
pub(crate) struct EnclaveSettings {
    /// The socket that the enclave host creates.
    pub(crate) socket: PathBuf,
    /// The uid that the enclave host must run as (`SO_PEERCRED`).
    pub(crate) uid: u32,
}

/// Where capabilities are fetched from.
#[derive(Clone)]
pub(crate) struct RegistrySettings {
    /// `https://`.
    pub(crate) url: Base,
    /// The exact SPIFFE ID of the registry.
    pub(crate) id: SpiffeId,
}

/// The lake, and the queue before it.
#[derive(Clone)]
pub(crate) struct TelemetrySettings {
    /// The lake's root folder.
    pub(crate) lake: PathBuf,
    /// Events that may wait; what does not fit is dropped and counted.
    pub(crate) queue: usize,
    /// Rows of one table that make a file.
    pub(crate) flush_rows: usize,
    /// The longest that a row waits before it is in a file.
    pub(crate) flush_interval: Duration,
}
