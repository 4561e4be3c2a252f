//! Where a permitted request goes, and whom we expect there.

use std::net::SocketAddr;
use std::time::Duration;

use pingora::prelude::HttpPeer;
use pingora::proxy::Session;
use pingora_core::protocols::ALPN;
use pingora_core::protocols::tls::CustomALPN;
use pingora_core::{Error, ErrorSource, ErrorType};

use crate::admission::{Destination, Direction, destination};
use crate::answer::{Source, release_answer};
use crate::connector::VIA_CONNECTOR;
use crate::context::Context;
use crate::core::{Core, LocalAddress, Protocol, RemoteAddress};
use crate::refusal::Refusal;
use crate::{read_down, vigil};

/// An idle pooled connection is dropped after this; short beside an SVID's usual hour.
const IDLE: Duration = Duration::from_secs(60);
/// Streams of one HTTP/2 connection; more than one is also how the connector is told to speak it.
const H2_STREAMS: usize = 100;

/// The way a request takes.
pub(crate) enum Route {
    /// To the local workload, in the clear, inside the pod.
    Local {
        /// Whether as HTTP/2.
        h2: bool,
    },
    /// To another gateway, mTLS with SVIDs.
    Mesh {
        /// The upstream's name, which is the host it is called by.
        host: String,
        /// Whether as HTTP/2.
        h2: bool,
    },
    /// Out of the mesh, WebPKI TLS by name.
    Web {
        /// The DNS name.
        host: String,
        /// Whether as HTTP/2.
        h2: bool,
    },
}

impl Route {
    /// Whether HTTP/2 is spoken on it.
    #[must_use]
    pub(crate) fn is_h2(&self) -> bool {
        match self {
            Self::Local { h2 } | Self::Mesh { h2, .. } | Self::Web { h2, .. } => *h2,
        }
    }
}

/// Chooses the peer from the permit. Runs again at every retry.
///
/// # Errors
///
/// A [`Refusal`] where the config has no address for what the policy permits.
pub(crate) async fn peer(core: &Core, session: &Session, ctx: &mut Context) -> Result<Box<HttpPeer>, Refusal> {
    // A retry is decided anew, and so is a first try before which a label rose.
    vigil::decide_anew(core, ctx)?;
    read_down::debit(core, &session.req_header().headers, ctx)?;
    let Some(admitted) = &ctx.admitted else { return Err(Refusal::Internal) };
    let h2_asked = admitted.grpc || session.req_header().version == http::Version::HTTP_2;
    let upgrade = admitted.facts.upgrade;
    if admitted.facts.direction == Direction::Inbound {
        let (peer, h2) = local(core, admitted.grpc, upgrade)?;
        ctx.route = Some(Route::Local { h2 });
        // Whether the workload listens is the workload's doing, and so an answer.
        ctx.contacted = true;
        return Ok(Box::new(peer));
    }
    let (name, sni, host) = match destination(&admitted.permit) {
        Some(Destination::Mesh { name, id }) => (name, id.as_str().to_owned(), None),
        Some(Destination::Web { name, host }) => (name, host.to_owned(), Some(host.to_owned())),
        Some(Destination::Enclave) | None => return Err(Refusal::Internal),
    };
    let address = core.addresses.get(name.as_ref()).ok_or(Refusal::NotConfigured(
        "the policy permits this upstream and this gateway's config has no address for it",
    ))?;
    let h2 = !upgrade && (address.protocol == Protocol::H2 || (h2_asked && host.is_none()));
    let mut peer = HttpPeer::new(resolve(address).await?, true, sni.clone());
    through_our_connector(&mut peer, h2);
    let svid = core.identity.valid_svid(core.now()).ok_or(Refusal::NotReady)?;
    peer.group_key =
        core.retirement.group_key(&sni, svid.serial_hash, core.identity.bundles().generation(), core.now());
    bound(&mut peer, core);
    ctx.route = Some(match host {
        Some(host) => Route::Web { host, h2 },
        None => Route::Mesh { host: name.to_string(), h2 },
    });
    Ok(Box::new(peer))
}

fn local(core: &Core, grpc: bool, upgrade: bool) -> Result<(HttpPeer, bool), Refusal> {
    let workload =
        core.workload.as_ref().ok_or(Refusal::NotConfigured("this gateway's config names no local workload"))?;
    let mut peer = match &workload.address {
        LocalAddress::Tcp(address) => HttpPeer::new(*address, false, String::new()),
        LocalAddress::Unix(path) => {
            let path = path.to_str().ok_or(Refusal::NotConfigured("the local workload's socket path is not UTF-8"))?;
            HttpPeer::new_uds(path, false, String::new())
                .map_err(|_| Refusal::NotConfigured("the local workload's socket path cannot be used"))?
        }
    };
    let h2 = !upgrade && (grpc || workload.protocol == Protocol::H2);
    through_our_connector(&mut peer, h2);
    bound(&mut peer, core);
    Ok((peer, h2))
}

/// Every upstream stream is one of ours, so that every flow can be ended.
fn through_our_connector(peer: &mut HttpPeer, h2: bool) {
    peer.options.alpn = ALPN::Custom(CustomALPN::new(VIA_CONNECTOR.to_vec()));
    peer.options.max_h2_streams = if h2 { H2_STREAMS } else { 1 };
}

fn bound(peer: &mut HttpPeer, core: &Core) {
    let options = &mut peer.options;
    options.connection_timeout = Some(core.limits.connect_timeout);
    options.total_connection_timeout = Some(core.limits.connect_timeout);
    options.read_timeout = Some(core.limits.answer_timeout);
    options.write_timeout = Some(core.limits.answer_timeout);
    options.idle_timeout = Some(IDLE);
}

/// The first address of the upstream's host.
///
/// # Errors
///
/// [`Refusal::Upstream`] where the name does not resolve.
pub(crate) async fn resolve(address: &RemoteAddress) -> Result<SocketAddr, Refusal> {
    if let Ok(ip) = address.host.parse() {
        return Ok(SocketAddr::new(ip, address.port));
    }
    let found = tokio::net::lookup_host((address.host.as_str(), address.port)).await;
    found
        .ok()
        .and_then(|mut addresses| addresses.next())
        .ok_or(Refusal::Upstream("the upstream's host name does not resolve"))
}

/// What an error that Pingora met while proxying means to the caller. The log has the whole of it.
#[must_use]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "Pingora's errors are many, and few of them mean something of their own here"
)]
pub(crate) fn fault(error: &Error, request_id: &str) -> Refusal {
    log::warn!("request {request_id}: {error}");
    if error.esource() == &ErrorSource::Downstream {
        return Refusal::BodyUnreadable;
    }
    match error.etype() {
        ErrorType::HTTPStatus(405) => Refusal::Method,
        ErrorType::HTTPStatus(400) => Refusal::BodyUnreadable,
        ErrorType::ReadTimedout | ErrorType::WriteTimedout => Refusal::UpstreamTimeout,
        ErrorType::TLSHandshakeFailure | ErrorType::TLSHandshakeTimedout | ErrorType::InvalidCert => {
            Refusal::Upstream("the upstream did not prove the identity that the policy names; nothing was sent to it")
        }
        ErrorType::ConnectTimedout
        | ErrorType::ConnectRefused
        | ErrorType::ConnectNoRoute
        | ErrorType::ConnectError
        | ErrorType::ConnectProxyFailure
        | ErrorType::SocketError
        | ErrorType::BindError => Refusal::Upstream("the upstream could not be reached"),
        _ if error.esource() == &ErrorSource::Internal => Refusal::Internal,
        _ => Refusal::Upstream("the upstream broke off before its answer was whole"),
    }
}

/// Our own answer after an upstream was reached tells of that upstream, so it is a release too.
///
/// # Errors
///
/// What has to be answered instead.
pub(crate) fn account_for_failure(core: &Core, ctx: &mut Context, refusal: &Refusal) -> Result<(), Refusal> {
    // That a flow was ended is our own decision as well, and tells nothing of who was at the other end.
    let decided = refusal.is_denial() || matches!(refusal, Refusal::StateNotKept | Refusal::FlowEnded);
    let Some(admitted) = ctx.admitted.as_ref().filter(|_| ctx.contacted && !decided) else { return Ok(()) };
    let snapshot = core.snapshot.load_full();
    let released = release_answer(core, &snapshot.policy, admitted, &Source::Failure, &mut ctx.exchange)?;
    ctx.released = Some(released);
    Ok(())
}
