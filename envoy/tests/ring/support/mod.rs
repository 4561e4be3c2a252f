//! A running ext_authz service over a fixed policy, and what talks to it.

pub(crate) mod checks;
pub(crate) mod envoy;
pub(crate) mod h2c;
pub(crate) mod mesh;
pub(crate) mod pki;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bellgate_envoy::{Check, Context, DEFAULT_TIMEOUT, ExtAuthz, Outcome, Own, Rendered, ServeError};
use bellgate_policy::{Policy, SpiffeId, Timestamp};
use bellgate_watermark::{Missing, Watermark};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

/// Every kind of subject and object that the table of the tests needs.
pub(crate) const POLICY: &str = r#"
version: 1
categories: [clinical]
subjects:
  planner: { id: spiffe://demo.bellgate.test/planner, floor: PUBLIC, clearance: "RESTRICTED:clinical", gateway: true }
  auditor: { id: spiffe://demo.bellgate.test/auditor, clearance: STANDARD }
  reporter: { id: spiffe://demo.bellgate.test/reporter, clearance: PUBLIC }
  records: { id: spiffe://demo.bellgate.test/records, clearance: "RESTRICTED:clinical" }
  search: { id: spiffe://demo.bellgate.test/search, clearance: PUBLIC }
  archive: { id: spiffe://demo.bellgate.test/archive, clearance: RESTRICTED }
  database: { id: spiffe://demo.bellgate.test/database, clearance: "RESTRICTED:clinical", multilevel: "keeps its rows apart" }
  relay: { id: spiffe://demo.bellgate.test/relay, floor: PUBLIC, clearance: RESTRICTED, holds_no_data: "a relay" }
upstreams:
  records:
    workload: records
    label: "RESTRICTED:clinical"
    routes:
      patients: { methods: [GET], path: "/patients/{id}" }
      orders: { methods: [POST], path: /orders, manifest: order }
      drop: { methods: [POST], path: /drop, mode: append }
  search: { workload: search, label: PUBLIC }
  archive: { workload: archive, label: STANDARD }
  database: { workload: database, label: RESTRICTED, routes: { news: { methods: [GET], path: /news, label: PUBLIC } } }
  relay: { workload: relay, label: RESTRICTED }
  web: { web: api.example.com, label: PUBLIC }
  claims: { web: claims.example.com, label: PUBLIC, declares: true }
grants:
  - { subject: planner, object: records, modes: [observe, alter, append] }
  - { subject: planner, object: search, modes: [observe, alter] }
  - { subject: planner, object: archive, modes: [observe] }
  - { subject: planner, object: web, modes: [observe, alter] }
  - { subject: planner, object: claims, modes: [observe] }
  - { subject: planner, object: database, modes: [observe] }
  - { subject: auditor, object: records, modes: [observe] }
  - { subject: auditor, object: archive, modes: [observe] }
  - { subject: auditor, object: relay, modes: [alter] }
  - { subject: reporter, object: database, modes: [observe] }
"#;

pub(crate) fn policy() -> Arc<Policy> {
    Arc::new(Policy::parse("policy.yaml", POLICY).unwrap_or_else(|mistakes| panic!("{mistakes}")))
}

/// How a check ended, as the observer was told: a reason or a code, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) request_id: String,
    pub(crate) code: String,
    pub(crate) own_workload: bool,
    /// The request whose observation raised the current label.
    pub(crate) cause: Option<String>,
}

/// A gateway beside one workload.
pub(crate) struct Gateway {
    pub(crate) folder: TempDir,
    pub(crate) policy: Arc<Policy>,
    pub(crate) watermark: Arc<Watermark>,
    pub(crate) own: SpiffeId,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
}

impl Gateway {
    /// Beside the workload that the policy calls `name`, with no state yet.
    pub(crate) fn beside(name: &str) -> Self {
        Self::under(policy(), name)
    }

    /// The same under another policy.
    pub(crate) fn under(policy: Arc<Policy>, name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let subject = policy.subject_named(name).unwrap();
        let (watermark, _) =
            Watermark::open(folder.path(), subject, policy.lattice(), Missing::Floor, Timestamp(0)).unwrap();
        Self {
            own: subject.id.clone(),
            watermark: Arc::new(watermark),
            policy: Arc::clone(&policy),
            folder,
            seen: Arc::default(),
        }
    }

    /// Hooks that word denials by their first reason and take every manifest but `bad`.
    pub(crate) fn context(&self) -> Context {
        let policy = Arc::clone(&self.policy);
        let own = Own { id: self.own.clone(), watermark: Arc::clone(&self.watermark) };
        let seen = Arc::clone(&self.seen);
        Context {
            policy: Arc::new(move || Arc::clone(&policy)),
            own: Arc::new(move || Some(own.clone())),
            manifest: Arc::new(|_, kind, body, _| {
                let answer =
                    || Rendered { status: 422, body: format!("{{\"reason\":\"manifest\",\"kind\":\"{kind}\"}}") };
                if body == b"bad" { Err(answer()) } else { Ok(()) }
            }),
            render: Arc::new(|_, denial, request_id| Rendered {
                status: 403,
                body: format!("{{\"reason\":\"{}\",\"request_id\":\"{request_id}\"}}", denial.first().code()),
            }),
            observe: Arc::new(move |check| seen.lock().unwrap().push(see(check))),
            timeout: DEFAULT_TIMEOUT,
        }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("authz.sock")
    }

    pub(crate) fn serve(&self, context: Context) -> Serving {
        self.serve_for(context, &[rustix::process::geteuid().as_raw()])
    }

    pub(crate) fn serve_for(&self, context: Context, uids: &[u32]) -> Serving {
        let (stop, shutdown) = watch::channel(false);
        let (socket, uids) = (self.socket(), uids.to_vec());
        let task = tokio::spawn(async move { ExtAuthz::new(context).serve(&socket, &uids, shutdown).await });
        Serving { stop, task, socket: self.socket() }
    }

    pub(crate) fn last_seen(&self) -> Seen {
        self.seen.lock().unwrap().last().unwrap().clone()
    }

    pub(crate) fn label(&self) -> String {
        self.policy.lattice().text(&self.watermark.reading().label)
    }
}

fn see(check: &Check<'_>) -> Seen {
    let (code, cause) = match check.outcome {
        Outcome::Permitted(_) => ("permit", None),
        Outcome::Denied(denial) => (denial.first().code(), denial.decision().cause.clone()),
        Outcome::NonConforming { .. } => ("manifest", None),
        Outcome::Fault(fault) => (fault.code(), None),
        _ => ("unknown", None),
    };
    Seen {
        request_id: check.request_id.to_owned(),
        code: code.to_owned(),
        own_workload: check.own_workload,
        cause: cause.map(|cause| cause.request_id.clone()),
    }
}

/// A service that runs.
pub(crate) struct Serving {
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<(), ServeError>>,
    socket: PathBuf,
}

impl Serving {
    /// A client, as soon as the socket is there.
    pub(crate) async fn client(&self) -> AuthorizationClient<Channel> {
        let address = format!("unix://{}", self.socket.display());
        for _ in 0..500 {
            match AuthorizationClient::connect(address.clone()).await {
                Ok(client) => return client,
                Err(_) if !self.task.is_finished() => tokio::time::sleep(Duration::from_millis(10)).await,
                Err(error) => panic!("the service ended, and {error}"),
            }
        }
        panic!("the service doesn't answer on {}", self.socket.display());
    }

    pub(crate) async fn stop(self) -> Result<(), ServeError> {
        self.stop.send_replace(true);
        self.task.await.unwrap()
    }

    /// For a service that ends by itself.
    pub(crate) async fn ended(self) -> Result<(), ServeError> {
        self.task.await.unwrap()
    }
}
