//! Follows the SPIFFE Workload API: keeps an [`Identity`] supplied with the latest SVID and bundles, for as long as the process lives.
//!
//! What holds: it never gives up and never panics; what came last stays in place until it expires, whatever the agent does; a
//! message whose own SVID or own trust domain's bundle can't be used changes nothing; a foreign bundle that can't be used leaves out that
//! one trust domain. An agent that holds the stream open but forgets to rotate is dialled anew once the SVID is about to expire.

use std::time::Duration;

use futures::{Stream, StreamExt};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use spiffe::transport::Endpoint;
use spiffe::{WorkloadApiClient, WorkloadApiError, X509Bundle, X509Context, X509Svid};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use bellgate_policy::Timestamp;

use crate::clock::{between, wall_clock};
use crate::identity::soon;
use crate::retry::{MAX_RETRY_WAIT, Retry};
use crate::verify::verify_chain;
use crate::{BundleError, Identity, PeerUsage, Svid, SvidError, TrustBundleSet};

/// How long a connection, and then the first message, may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What happened at the Workload API, in the order in which it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceEvent {
    /// The agent took the connection; nothing has been received yet.
    Connected,
    /// New material is in place.
    Updated {
        /// End of validity of the new SVID.
        not_after: Timestamp,
        /// Generation of the trust bundles now in place.
        generation: u64,
    },
    /// The bundle of a foreign trust domain can't be used; its workloads are refused.
    BundleRefused {
        /// The foreign trust domain.
        trust_domain: String,
        /// What is wrong with it.
        why: String,
    },
    /// No connection, or no more; what was there before stays in place until it expires.
    Lost {
        /// What went wrong, in one sentence.
        why: String,
        /// When the next try comes.
        retry_in: Duration,
    },
}

/// Why an endpoint of the Workload API can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not an endpoint URI.
    #[error("`{endpoint}` is no workload api endpoint: {why}; give `unix:///path/to/socket`")]
    Invalid {
        /// What was given.
        endpoint: String,
        /// What the endpoint parser says.
        why: String,
    },
    /// TCP.
    #[error("`{endpoint}` is tcp, over which private keys would travel in the clear; give `unix:///path/to/socket`")]
    Tcp {
        /// What was given.
        endpoint: String,
    },
}

/// Why one connection to the Workload API came to nothing.
#[derive(Debug, thiserror::Error)]
enum Interruption {
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    #[error("the workload api answers: {0}")]
    Api(#[from] WorkloadApiError),
    #[error("no {0} within {1:?}")]
    Slow(&'static str, Duration),
    #[error("the workload api ended the stream")]
    Ended,
    #[error("the workload api let the svid come close to its end at {0} without a new one")]
    NotRotated(Timestamp),
    #[error("the workload api sent no svid; register this workload with the agent")]
    NoSvid,
    #[error("the svid that the workload api sent can't be used: {0}")]
    Svid(#[from] SvidError),
    #[error("the own trust bundle that the workload api sent can't be used: {0}")]
    Bundle(#[from] BundleError),
}

/// Reads an endpoint as this package would use it, without touching the socket. For checks of a config.
///
/// # Errors
/// Not `unix:///absolute/path`, or TCP.
pub fn check_endpoint(endpoint: &str) -> Result<(), EndpointError> {
    parse(endpoint).map(|_| ())
}

fn parse(endpoint: &str) -> Result<Endpoint, EndpointError> {
    match Endpoint::parse(endpoint) {
        Ok(Endpoint::Tcp { .. }) => Err(EndpointError::Tcp { endpoint: endpoint.to_owned() }),
        Ok(parsed) => Ok(parsed),
        Err(error) => Err(EndpointError::Invalid { endpoint: endpoint.to_owned(), why: error.to_string() }),
    }
}

/// Streams SVID and bundles from the Workload API at `endpoint` (`unix:///path`) into `identity`, until `shutdown` says true or its
/// sender is gone.
///
/// The socket may be missing at the start, and may come and go. Between two tries it waits, twice as long each time up to
/// [`crate::MAX_RETRY_WAIT`], with jitter. `events` is called for each happening, from this task, and must not block.
pub async fn follow_workload_api(
    endpoint: &str,
    identity: Identity,
    events: impl Fn(SourceEvent) + Send + Sync,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut retry = Retry::default();
    loop {
        let began = Instant::now();
        let interruption = tokio::select! {
            biased;
            _ = shutdown.wait_for(|stop| *stop) => return,
            interruption = follow_once(endpoint, &identity, &events) => interruption,
        };
        // An agent that takes a connection and drops it at once is no success.
        if began.elapsed() >= MAX_RETRY_WAIT {
            retry.reset();
        }
        let retry_in = retry.next_wait(rand::random());
        events(SourceEvent::Lost { why: interruption.to_string(), retry_in });
        tokio::select! {
            biased;
            _ = shutdown.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(retry_in) => {}
        }
    }
}

/// One connection, from dialling to whatever ends it.
async fn follow_once(
    endpoint: &str,
    identity: &Identity,
    events: &(impl Fn(SourceEvent) + Send + Sync),
) -> Interruption {
    match connect(endpoint).await {
        Ok(contexts) => {
            events(SourceEvent::Connected);
            receive(contexts, identity, events).await
        }
        Err(interruption) => interruption,
    }
}

async fn connect(
    endpoint: &str,
) -> Result<impl Stream<Item = Result<X509Context, WorkloadApiError>> + Unpin, Interruption> {
    let endpoint = parse(endpoint)?;
    let client = timeout(ANSWER_WITHIN, WorkloadApiClient::connect(endpoint))
        .await
        .map_err(|_| Interruption::Slow("connection", ANSWER_WITHIN))??;
    let contexts = timeout(ANSWER_WITHIN, client.stream_x509_contexts())
        .await
        .map_err(|_| Interruption::Slow("answer", ANSWER_WITHIN))??;
    Ok(Box::pin(contexts))
}

async fn receive(
    mut contexts: impl Stream<Item = Result<X509Context, WorkloadApiError>> + Unpin,
    identity: &Identity,
    events: &(impl Fn(SourceEvent) + Send + Sync),
) -> Interruption {
    let mut patience = ANSWER_WITHIN;
    let mut silent = Interruption::Slow("svid", ANSWER_WITHIN);
    loop {
        let context = match timeout(patience, contexts.next()).await {
            Err(_) => return silent,
            Ok(None) => return Interruption::Ended,
            Ok(Some(Err(error))) => return error.into(),
            Ok(Some(Ok(context))) => context,
        };
        let now = wall_clock();
        let (svid, bundles) = match material(&context, identity.latest(now), events) {
            Ok(material) => material,
            Err(interruption) => return interruption,
        };
        let not_after = svid.not_after;
        // A breath after the moment from which the SVID counts as about to expire.
        patience = between(now, soon(&svid)).saturating_add(Duration::from_millis(100));
        silent = Interruption::NotRotated(not_after);
        identity.publish(svid, bundles);
        events(SourceEvent::Updated { not_after, generation: identity.bundles().generation() });
    }
}

/// Reads one message whole, before any of it is put in place.
fn material(
    context: &X509Context,
    now: Timestamp,
    events: &(impl Fn(SourceEvent) + Send + Sync),
) -> Result<(Svid, TrustBundleSet), Interruption> {
    let svid = own_svid(context.default_svid().ok_or(Interruption::NoSvid)?)?;
    let mut bundles = TrustBundleSet::empty();
    for (trust_domain, bundle) in context.bundle_set().iter() {
        let name = trust_domain.as_str();
        match bundles.insert(name, authorities(bundle)) {
            Ok(()) => {}
            Err(error) if name == svid.id.trust_domain() => return Err(error.into()),
            Err(error) => events(SourceEvent::BundleRefused { trust_domain: name.to_owned(), why: error.to_string() }),
        }
    }
    // An SVID that its own bundle does not vouch for would be refused by every peer.
    verify_chain(&bundles, &svid.chain, PeerUsage::Server, now)?;
    Ok((svid, bundles))
}

fn own_svid(svid: &X509Svid) -> Result<Svid, SvidError> {
    let chain =
        svid.cert_chain().iter().map(|certificate| CertificateDer::from(certificate.as_bytes().to_vec())).collect();
    let key = PrivatePkcs8KeyDer::from(svid.private_key().as_bytes().to_vec());
    Svid::from_der(chain, PrivateKeyDer::Pkcs8(key))
}

fn authorities(bundle: &X509Bundle) -> Vec<CertificateDer<'static>> {
    bundle.authorities().iter().map(|certificate| CertificateDer::from(certificate.as_bytes().to_vec())).collect()
}

#[cfg(test)]
mod tests;
