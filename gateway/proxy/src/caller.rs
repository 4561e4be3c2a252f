//! Who sent a request: known from the connection, never from what the request says of itself.

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;
use bellgate_policy::SpiffeId;
use bellgate_spire::{Identity, PeerIdentity, PeerUsage, wall_clock};
use bellgate_telemetry::Listener;
use pingora::proxy::Session;
use pingora_core::listeners::TlsAccept;
use pingora_core::protocols::tls::TlsRef;

use crate::core::{Core, Own};
use crate::refusal::Refusal;
use crate::xfcc;

/// The sender of a request.
#[derive(Clone)]
pub(crate) enum Caller {
    /// The workload that this gateway speaks for.
    Own(SpiffeId),
    /// Another workload, by the certificate of its connection.
    Peer(Arc<PeerIdentity>),
    /// Another workload, as the Envoy beside us verified it.
    Forwarded(SpiffeId),
}

impl Caller {
    /// The SPIFFE ID.
    #[must_use]
    pub(crate) fn id(&self) -> &SpiffeId {
        match self {
            Self::Own(id) | Self::Forwarded(id) => id,
            Self::Peer(peer) => &peer.id,
        }
    }

    /// Hash of the certificate that we saw ourselves.
    #[must_use]
    pub(crate) fn leaf_sha256(&self) -> Option<&[u8; 32]> {
        match self {
            Self::Peer(peer) => Some(&peer.leaf_sha256),
            Self::Own(_) | Self::Forwarded(_) => None,
        }
    }
}

/// Identifies the sender, anew for each request: on a kept-alive connection the bundle may have
/// changed or the certificate expired since the handshake.
///
/// # Errors
///
/// A [`Refusal`] where the sender is not known or no longer trusted.
pub(crate) fn identify(core: &Core, own: &Own, session: &Session, listener: Listener) -> Result<Caller, Refusal> {
    match listener {
        Listener::Ingress => peer(core, session).map(Caller::Peer),
        Listener::Egress => {
            if let Some(uids) = &core.egress_uids {
                check_uid(core, session, uids)?;
            }
            Ok(Caller::Own(own.id.clone()))
        }
        Listener::Envoy => {
            check_uid(core, session, &core.envoy_uids)?;
            let id = xfcc::caller(&session.req_header().headers).map_err(Refusal::Xfcc)?;
            Ok(if id == own.id { Caller::Own(id) } else { Caller::Forwarded(id) })
        }
    }
}

fn peer(core: &Core, session: &Session) -> Result<Arc<PeerIdentity>, Refusal> {
    const UNKNOWN: Refusal = Refusal::Untrusted("the connection has no verified X.509-SVID");
    let digest = session.digest().and_then(|digest| digest.ssl_digest.as_ref()).ok_or(UNKNOWN)?;
    let Verified(peer) = digest.extension.get::<Verified>().ok_or(UNKNOWN)?;
    match peer.still_trusted(&core.identity, core.now()) {
        Ok(()) => Ok(Arc::clone(peer)),
        Err(error) => {
            log::warn!("peer `{}` no longer trusted: {error}", peer.id.as_str());
            Err(Refusal::Untrusted(
                "the certificate of the connection is no longer trusted; connect anew with a fresh SVID",
            ))
        }
    }
}

fn check_uid(core: &Core, session: &Session, uids: &[u32]) -> Result<(), Refusal> {
    let socket = session.digest().and_then(|digest| digest.socket_digest.as_ref());
    let uid = socket.and_then(|socket| core.peer_uids.uid(socket));
    if uid.is_some_and(|uid| uids.contains(&uid)) {
        Ok(())
    } else {
        log::warn!("connection on a Unix listener refused: its uid {uid:?} is not one that the config names");
        Err(Refusal::Untrusted(
            "the process at the other end of the socket does not run as a uid that the config names",
        ))
    }
}

/// A verified peer, kept with its connection.
struct Verified(Arc<PeerIdentity>);

/// Verifies the peer of every handshake, resumed ones too: on those rustls calls no verifier.
pub(crate) struct VerifyPeer(pub(crate) Identity);

#[async_trait]
impl TlsAccept for VerifyPeer {
    async fn handshake_complete_callback(&self, tls: &TlsRef) -> Option<Arc<dyn Any + Send + Sync>> {
        let chain = tls.peer_cert_chain_der()?;
        match PeerIdentity::verify(&self.0, chain, PeerUsage::Client, wall_clock()) {
            Ok(peer) => Some(Arc::new(Verified(Arc::new(peer)))),
            Err(error) => {
                log::warn!("peer refused after its handshake: {error}");
                None
            }
        }
    }
}
