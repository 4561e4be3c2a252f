//! The gRPC service `SpiffeWorkloadAPI`, as far as X.509 goes; every other method answers `Unimplemented`.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use bellgate_policy::SpiffeId;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use rustls_pki_types::CertificateDer;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::{Grpc, ServerStreamingService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use super::messages::{X509BundlesRequest, X509BundlesResponse, X509Svid, X509SvidRequest, X509SvidResponse};
use super::{AuthorityError, DevelopmentAuthority};
use crate::clock::between;
use crate::wall_clock;

/// Every request must carry this metadata, so that a request forged through a browser or a proxy can't (Workload Endpoint, section 6).
const REQUIRED_METADATA: &str = "workload.spiffe.io";

/// One identity, offered to whoever may reach the socket.
#[derive(Clone)]
pub(super) struct WorkloadApi {
    pub(super) authority: DevelopmentAuthority,
    pub(super) id: SpiffeId,
    pub(super) shutdown: watch::Receiver<bool>,
}

impl Service<http::Request<Body>> for WorkloadApi {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let api = self.clone();
        Box::pin(async move {
            Ok(match request.uri().path() {
                "/SpiffeWorkloadAPI/FetchX509SVID" => {
                    Grpc::new(ProstCodec::default()).server_streaming(FetchSvids(api), request).await
                }
                "/SpiffeWorkloadAPI/FetchX509Bundles" => {
                    Grpc::new(ProstCodec::default()).server_streaming(FetchBundles(api), request).await
                }
                _ => Status::unimplemented("only x.509 is served here").into_http(),
            })
        })
    }
}

struct FetchSvids(WorkloadApi);
struct FetchBundles(WorkloadApi);

impl ServerStreamingService<X509SvidRequest> for FetchSvids {
    type Response = X509SvidResponse;
    type ResponseStream = BoxStream<'static, Result<X509SvidResponse, Status>>;
    type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<X509SvidRequest>) -> Self::Future {
        ready(check(&request).map(|()| Response::new(pushes(self.0.clone(), svids))))
    }
}

impl ServerStreamingService<X509BundlesRequest> for FetchBundles {
    type Response = X509BundlesResponse;
    type ResponseStream = BoxStream<'static, Result<X509BundlesResponse, Status>>;
    type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<X509BundlesRequest>) -> Self::Future {
        ready(check(&request).map(|()| Response::new(pushes(self.0.clone(), bundles))))
    }
}

fn check<T>(request: &Request<T>) -> Result<(), Status> {
    match request.metadata().get(REQUIRED_METADATA) {
        Some(value) if value == "true" => Ok(()),
        Some(_) | None => Err(Status::invalid_argument("send the metadata `workload.spiffe.io: true`")),
    }
}

/// A message, and when the next one is due even if nothing changes.
type Push<M> = (M, Option<Instant>);

struct Pushing<M> {
    api: WorkloadApi,
    changes: watch::Receiver<u64>,
    due: Option<Instant>,
    first: bool,
    make: fn(&WorkloadApi) -> Result<Push<M>, AuthorityError>,
}

/// The first message at once, then one whenever it is due or the authority changed, until the shutdown or the first failure.
fn pushes<M: Send + 'static>(
    api: WorkloadApi,
    make: fn(&WorkloadApi) -> Result<Push<M>, AuthorityError>,
) -> BoxStream<'static, Result<M, Status>> {
    let pushing = Pushing { changes: api.authority.inner.changes.subscribe(), api, due: None, first: true, make };
    stream::unfold(Some(pushing), |pushing| async {
        let mut pushing = pushing?;
        if !pushing.first && !pushing.wait().await {
            return None;
        }
        pushing.first = false;
        pushing.changes.mark_unchanged();
        match (pushing.make)(&pushing.api) {
            Ok((message, due)) => {
                pushing.due = due;
                Some((Ok(message), Some(pushing)))
            }
            Err(error) => Some((Err(Status::internal(error.to_string())), None)),
        }
    })
    .boxed()
}

impl<M> Pushing<M> {
    /// Waits for the next push; `false` at the shutdown.
    async fn wait(&mut self) -> bool {
        let due = self.due;
        let timer = async move {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = self.api.shutdown.wait_for(|stop| *stop) => false,
            changed = self.changes.changed() => changed.is_ok(),
            () = timer => true,
        }
    }
}

fn svids(api: &WorkloadApi) -> Result<Push<X509SvidResponse>, AuthorityError> {
    let issued = api.authority.sign(&api.id)?;
    let half = between(wall_clock(), issued.not_after).checked_div(2).unwrap_or_default();
    let state = api.authority.inner.state.load();
    let message = X509SvidResponse {
        svids: vec![X509Svid {
            spiffe_id: api.id.as_str().to_owned(),
            x509_svid: issued.certificate.to_vec(),
            x509_svid_key: issued.key.secret_pkcs8_der().to_vec(),
            bundle: joined(&state.roots()),
            hint: String::new(),
        }],
        crl: Vec::new(),
        federated_bundles: keyed(&state.federated),
    };
    let due = Instant::now().checked_add(half);
    Ok((message, due))
}

fn bundles(api: &WorkloadApi) -> Result<Push<X509BundlesResponse>, AuthorityError> {
    let state = api.authority.inner.state.load();
    let mut bundles = keyed(&state.federated);
    bundles.insert(format!("spiffe://{}", api.authority.trust_domain()), joined(&state.roots()));
    let message = X509BundlesResponse { crl: Vec::new(), bundles };
    Ok((message, None))
}

fn keyed<'a>(
    federated: impl IntoIterator<Item = (&'a String, &'a Vec<CertificateDer<'static>>)>,
) -> HashMap<String, Vec<u8>> {
    federated.into_iter().map(|(trust_domain, roots)| (format!("spiffe://{trust_domain}"), joined(roots))).collect()
}

fn joined(certificates: &[CertificateDer<'_>]) -> Vec<u8> {
    certificates.iter().flat_map(|certificate| certificate.iter().copied()).collect()
}
