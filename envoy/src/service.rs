//! The gRPC service: bounds around the judge, and one place that observes and answers.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bellgate_policy::{Policy, Timestamp};
use bellgate_spire::wall_clock;
use envoy_types::pb::envoy::service::auth::v3::authorization_server::Authorization;
use envoy_types::pb::envoy::service::auth::v3::{CheckRequest, CheckResponse};
use tokio::sync::{Semaphore, watch};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::answer;
use crate::context::Context;
use crate::facts::{Body, Facts};
use crate::judge::Judge;
use crate::outcome::{Check, Fault, Outcome};
use crate::serve::{ServeError, serve};

/// Checks at once, over all connections. Each can hold a body of 1 MiB and a blocking thread while a disk syncs.
const MAX_CHECKS: usize = 128;

/// `envoy.service.auth.v3.Authorization` over the decision of [`bellgate_policy::decide`]. Cheap to clone.
#[derive(Clone)]
pub struct ExtAuthz {
    context: Context,
    places: Arc<Semaphore>,
}

impl ExtAuthz {
    /// A service with these getters and hooks.
    #[must_use]
    pub fn new(context: Context) -> Self {
        Self { context, places: Arc::new(Semaphore::new(MAX_CHECKS)) }
    }

    /// Serves on the Unix socket `socket` (0600; 0660 where `uids` names others than root and the gateway itself) for
    /// peers with one of `uids`, until `shutdown` holds `true` or its sender is gone. Open checks get 3 s more. Needs a
    /// tokio runtime with time and I/O.
    ///
    /// # Errors
    ///
    /// Before the first connection: no uids, a path that can't be bound. Afterwards: the server's own end.
    pub async fn serve(self, socket: &Path, uids: &[u32], shutdown: watch::Receiver<bool>) -> Result<(), ServeError> {
        serve(self, socket, uids, shutdown).await
    }

    /// Decides one check and answers it; every path out of here but [`Outcome::Permitted`] refuses.
    async fn answer(&self, request: CheckRequest) -> CheckResponse {
        let (at, began) = (wall_clock(), Instant::now());
        let request_id = Uuid::now_v7().to_string();
        let settled = self.settle(request, &request_id, at).await;
        (self.context.observe)(&settled.check(&request_id, at, began.elapsed()));
        settled.response(&self.context, &request_id)
    }

    async fn settle(&self, request: CheckRequest, request_id: &str, at: Timestamp) -> Settled {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return Settled::fault(Fault::Busy);
        };
        let (context, id) = (self.context.clone(), request_id.to_owned());
        // Off the runtime's threads: schemas cost CPU and a rise costs a disk sync. The place is held until the work
        // ends, in time or not.
        let work = tokio::task::spawn_blocking(move || {
            let settled = Settled::of(&context, request, &id, at);
            drop(place);
            settled
        });
        match tokio::time::timeout(self.context.timeout, work).await {
            Ok(Ok(settled)) => settled,
            Ok(Err(error)) => {
                log::error!("request {request_id}: the check failed: {error}");
                Settled::fault(Fault::Internal)
            }
            Err(_) => Settled::fault(Fault::TimedOut),
        }
    }
}

/// An outcome with what is said of it.
struct Settled {
    outcome: Outcome,
    policy: Option<Arc<Policy>>,
    method: String,
    body_bytes: u64,
    own_workload: bool,
}

impl Settled {
    fn of(context: &Context, request: CheckRequest, request_id: &str, now: Timestamp) -> Self {
        let Some(facts) = Facts::read(request) else {
            return Self::fault(Fault::NotHttp);
        };
        let Some(own) = (context.own)() else {
            return Self::fault(Fault::NotReady);
        };
        let policy = (context.policy)();
        let outcome = Judge { context, policy: &policy, own: &own, request_id, now }.judge(&facts);
        let own_workload = own.id.as_str() == facts.principal;
        let body_bytes = match &facts.body {
            Body::Whole(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Body::Absent | Body::Unseen => 0,
        };
        Self { outcome, policy: Some(policy), method: facts.method, body_bytes, own_workload }
    }

    fn fault(fault: Fault) -> Self {
        Self { outcome: Outcome::Fault(fault), policy: None, method: String::new(), body_bytes: 0, own_workload: false }
    }

    fn check<'a>(&'a self, request_id: &'a str, at: Timestamp, took: Duration) -> Check<'a> {
        Check {
            request_id,
            at,
            took,
            method: &self.method,
            body_bytes: self.body_bytes,
            own_workload: self.own_workload,
            policy: self.policy.as_deref(),
            outcome: &self.outcome,
        }
    }

    fn response(self, context: &Context, request_id: &str) -> CheckResponse {
        match (self.outcome, self.policy) {
            (Outcome::Permitted(permitted), Some(policy)) => {
                answer::permitted(&permitted, policy.lattice(), request_id)
            }
            (Outcome::Denied(denial), Some(policy)) => {
                answer::refused((context.render)(&policy, &denial, request_id), request_id)
            }
            (Outcome::NonConforming { answer, .. }, _) => answer::refused(answer, request_id),
            (Outcome::Fault(fault), _) => answer::refused(fault.render(request_id), request_id),
            (Outcome::Permitted(_) | Outcome::Denied(_), None) => {
                answer::refused(Fault::Internal.render(request_id), request_id)
            }
        }
    }
}

#[tonic::async_trait]
impl Authorization for ExtAuthz {
    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        Ok(Response::new(self.answer(request.into_inner()).await))
    }
}
