//! What all listeners of one sidecar share.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bellgate_manifest::Limits as BodyLimits;
use bellgate_policy::{SpiffeId, Timestamp};
use bellgate_spire::Identity;
use bellgate_telemetry::{Event, EventSender};
use bellgate_watermark::Watermark;

use crate::append::AppendQueue;
use crate::audit::Audit;
use crate::capability::Capabilities;
use crate::connector::WebRoots;
use crate::flow::Flows;
use crate::metrics::Metrics;
use crate::passage::Passage;
use crate::peer_uid::PeerUids;
use crate::retirement::Retirement;
use crate::snapshot::Current;

/// The workload that this gateway speaks for: known once the first SVID has come.
pub struct Own {
    /// The SPIFFE ID of the SVID that this gateway holds.
    pub id: SpiffeId,
    /// What this instance of the workload has seen.
    pub watermark: Arc<Watermark>,
}

/// HTTP/1.1 or HTTP/2 towards an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.1.
    H1,
    /// HTTP/2, with prior knowledge where the hop is in the clear.
    H2,
}

/// Where the local workload listens.
#[derive(Debug, Clone)]
pub struct LocalWorkload {
    /// A loopback address or a Unix socket.
    pub address: LocalAddress,
    /// What it speaks; an upgrade always goes as HTTP/1.1.
    pub protocol: Protocol,
}

/// A hop that does not leave the pod.
#[derive(Debug, Clone)]
pub enum LocalAddress {
    /// `127.0.0.1:9000`.
    Tcp(std::net::SocketAddr),
    /// `/run/app.sock`.
    Unix(PathBuf),
}

/// Where an upstream of the policy can be reached.
#[derive(Debug, Clone)]
pub struct RemoteAddress {
    /// A host name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What is spoken to it; a gRPC request goes as HTTP/2 and an upgrade as HTTP/1.1 all the same.
    pub protocol: Protocol,
}

/// The bounds of the data path.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Of bodies that are checked.
    pub body: BodyLimits,
    /// Until an upstream's TCP and TLS handshakes are done.
    pub connect_timeout: Duration,
    /// Until an answer begins, and between two pieces of it.
    pub answer_timeout: Duration,
    /// Exchanges open at once; one more hears 503.
    pub max_exchanges: usize,
}

/// The shared state of one sidecar.
pub struct Core {
    /// This process, in events.
    pub instance: String,
    /// Policy and schemas in force.
    pub snapshot: Current,
    /// Our SVID and the trust bundles.
    pub identity: Identity,
    /// `None` until the first SVID.
    pub own: Arc<ArcSwapOption<Own>>,
    /// Where the local workload listens, if it serves.
    pub workload: Option<LocalWorkload>,
    /// Where the policy's upstreams are, by name.
    pub addresses: HashMap<String, RemoteAddress>,
    /// How hosts outside the mesh are verified.
    pub web: Arc<WebRoots>,
    /// The enclave and the registry, where there are any.
    pub capabilities: Option<Capabilities>,
    /// Blind write-ups on their way.
    pub appends: AppendQueue,
    /// The exchanges that are open.
    pub flows: Arc<Flows>,
    /// When pooled connections to a peer stop being used.
    pub retirement: Retirement,
    /// Peers of Unix listeners.
    pub peer_uids: PeerUids,
    /// Uids that may use the egress listener, where that is a Unix socket.
    pub egress_uids: Option<Vec<u32>>,
    /// Uids that may use the Envoy listener.
    pub envoy_uids: Vec<u32>,
    /// What is on its way to the local workload.
    pub passage: Arc<Passage>,
    /// The data path's bounds.
    pub limits: Limits,
    /// Counters.
    pub metrics: Metrics,
    /// The queue before the lake; `None` where the config has no lake.
    pub events: Option<EventSender>,
    /// The audit log.
    pub audit: Audit,
}

impl Core {
    /// Wall time; passed into every decision, so that it is read in one place.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        bellgate_spire::wall_clock()
    }

    /// Queues an event for the lake; never waits. What does not fit is counted by the queue.
    pub(crate) fn tell(&self, event: impl FnOnce() -> Event) {
        if let Some(events) = &self.events {
            events.offer(event());
        }
    }
}
