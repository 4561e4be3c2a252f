//! Who is who: SPIFFE identities, how they reach this process, and what TLS makes of them.
//!
//! What holds:
//! - A peer is known by the one URI SAN of a certificate that passed every leaf rule of the X.509-SVID standard, chained to the
//!   trust bundle of *its own* trust domain. Nothing else of a certificate (subject, DNS names, serial) names anybody here.
//! - SVID and bundles are read at each handshake from one live handle, [`Identity`]; a rotation or a withdrawn bundle counts from
//!   the next handshake on, and for a connection that is already open from the next [`PeerIdentity::still_trusted`].
//! - Handshakes are refused, in both directions, until the first SVID is there, and again once the last one has expired.
//! - Time is the highest wall time that has been seen: a clock that steps back revives nothing that had expired.
//! - Between workloads only TLS 1.3 is spoken, without resumption, early data or SNI.
//!
//! What is bounded: certificates in a chain ([`MAX_CHAIN`]), bytes of one certificate ([`MAX_CERTIFICATE_BYTES`]), the wait between two
//! tries to reach the Workload API ([`MAX_RETRY_WAIT`]), a message of the Workload API (4 MiB, tonic's own limit).
//!
//! What is absent on purpose: CRLs and OCSP (SPIFFE revokes by short lives and by bundles), JWT-SVIDs, certificates from files,
//! the Workload API over TCP (its answers carry private keys), SDS.
//!
//! Sources: the SPIFFE standards `SPIFFE-ID`, `X509-SVID` and `SPIFFE_Workload_API` (github.com/spiffe/spiffe, folder `standards`);
//! RFC 5280 for certificates; RFC 8446 for TLS 1.3.

pub mod authority;
mod bundle;
mod certificate;
mod clock;
mod identity;
mod leaf;
mod peer;
mod provider;
mod retry;
mod settings;
mod source;
mod svid;
mod svid_error;
mod verifier;
mod verify;
mod web;

pub use bundle::{BundleError, TrustBundleSet};
pub use certificate::{MAX_CERTIFICATE_BYTES, MAX_CHAIN};
pub use clock::wall_clock;
pub use identity::{Identity, Readiness};
pub use leaf::PeerUsage;
pub use peer::PeerIdentity;
pub use provider::{install_crypto_provider, tls13_provider};
pub use retry::MAX_RETRY_WAIT;
pub use settings::{client_config, server_config};
pub use source::{EndpointError, SourceEvent, check_endpoint, follow_workload_api};
pub use svid::Svid;
pub use svid_error::SvidError;
pub use verifier::{ClientVerifier, ServerVerifier, SvidResolver};
pub use web::{WebTlsError, web_client_config};
