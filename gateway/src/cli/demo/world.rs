//! Everything that the story needs, started and stopped together.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use bellgate_policy::SpiffeId;
use bellgate_registry::Folder;
use bellgate_spire::authority::{DevelopmentAuthority, Options};
use bellgate_spire::{Identity, server_config};
use http::StatusCode;
use tempfile::TempDir;
use tokio::sync::watch;

use super::client;
use super::files::{self, Sidecar};
use super::processes::{Process, enclave_program};
use super::report::Report;
use super::tools::{self, Tool};

/// The demo's trust domain.
const TRUST_DOMAIN: &str = "demo.bellgate.test";
/// Short, so that rotation is seen.
const SVID_TTL: Duration = Duration::from_secs(60);
/// A gateway that is not ready by then will not be.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// What runs.
pub(super) struct World {
    folder: TempDir,
    authority: DevelopmentAuthority,
    stop: watch::Sender<bool>,
    gateways: Vec<Process>,
    enclave: Process,
    egress: SocketAddr,
    metrics: SocketAddr,
    records_ingress: SocketAddr,
    sidecars: Vec<String>,
}

impl World {
    /// Starts authority, registry, tools, enclave and gateways, and waits until all are ready.
    pub(super) async fn start(report: &mut Report) -> anyhow::Result<Self> {
        report.heading("Starting, in a temporary folder that nobody else can read:");
        let folder = tempfile::Builder::new()
            .prefix("bellgate-demo-")
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir()
            .context("making a temporary folder")?;
        let run = folder.path();
        files::write_shared(run)?;
        let (stop, stopped) = watch::channel(false);
        let authority = start_authority(run, &stopped)?;
        report.starting("a development authority that serves the SPIFFE Workload API; SVIDs live 60 seconds");
        let registry = start_registry(run, &stopped).await?;
        report.starting("a capability registry over mTLS, with `deidentify` and two that misbehave");
        let enclave = start_enclave(run)?;
        report.starting("the enclave host, which runs capabilities in processes of their own");
        let ports: Vec<SocketAddr> = free_ports(12)?;
        let mut ports = ports.into_iter();
        let mut port = || ports.next().context("free ports");
        let (egress, summariser_egress) = (port()?, port()?);
        let workloads = [
            ("search", Tool::Search),
            ("records", Tool::Records),
            ("vault", Tool::Vault),
            ("summariser", Tool::Summariser { egress: summariser_egress }),
        ];
        let mut upstreams = Vec::new();
        let mut addresses = Vec::new();
        for (name, tool) in workloads {
            upstreams.push((name, port()?));
            addresses.push(tools::start(tool).await?);
        }
        let uid = rustix::process::getuid().as_raw();
        let planner = Sidecar {
            name: "planner",
            ingress: egress,
            workload: None,
            egress: Some(egress),
            metrics: port()?,
            upstreams: &upstreams,
            registry,
            uid,
        };
        let planner_metrics = planner.metrics;
        let mut gateways = vec![start_gateway(run, &planner)?];
        let mut all_metrics = vec![planner_metrics];
        for ((name, ingress), workload) in upstreams.iter().zip(addresses) {
            let calls = *name == "summariser";
            let sidecar = Sidecar {
                name,
                ingress: *ingress,
                workload: Some(workload),
                egress: calls.then_some(summariser_egress),
                metrics: port()?,
                // The first is the search: all that it calls.
                upstreams: upstreams.get(..usize::from(calls)).unwrap_or_default(),
                registry,
                uid,
            };
            all_metrics.push(sidecar.metrics);
            gateways.push(start_gateway(run, &sidecar)?);
        }
        report.starting(
            "the agents `planner` and `summariser`, the tools `search`, `records`, `vault`, each behind a gateway of its own",
        );
        let records_ingress = upstreams.iter().find(|(name, _)| *name == "records").map(|(_, address)| *address);
        let tools = upstreams.iter().map(|(name, _)| (*name).to_owned());
        let mut world = Self {
            sidecars: std::iter::once("planner".to_owned()).chain(tools).collect(),
            authority,
            stop,
            gateways,
            enclave,
            egress,
            metrics: planner_metrics,
            records_ingress: records_ingress.context("the address of `records`")?,
            folder,
        };
        world.wait_until_ready(&all_metrics).await?;
        Ok(world)
    }

    async fn wait_until_ready(&mut self, metrics: &[SocketAddr]) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        for address in metrics {
            loop {
                for process in self.gateways.iter_mut().chain([&mut self.enclave]) {
                    process.still_runs()?;
                }
                match client::get(*address, "/readyz").await {
                    Ok(told) if told.status == StatusCode::OK => break,
                    Ok(_) | Err(_) if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(20)).await,
                    Ok(told) => bail!("a gateway is not ready: {}", String::from_utf8_lossy(&told.body).trim_end()),
                    Err(error) => return Err(error.context("a gateway does not answer on its metrics listener")),
                }
            }
        }
        Ok(())
    }

    /// Where the planner sends its requests.
    pub(super) fn egress(&self) -> SocketAddr {
        self.egress
    }

    /// The metrics listener of the planner's gateway.
    pub(super) fn metrics(&self) -> SocketAddr {
        self.metrics
    }

    pub(super) fn metrics_url(&self) -> String {
        format!("http://{}/metrics", self.metrics)
    }

    /// The ingress of the gateway beside `records`.
    pub(super) fn records_ingress(&self) -> SocketAddr {
        self.records_ingress
    }

    /// An identity of the demo's trust domain.
    pub(super) fn identity(&self, name: &str) -> anyhow::Result<Identity> {
        Ok(self.authority.identity(&spiffe_id(name)?)?)
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The config of the planner's gateway.
    pub(super) fn config(&self) -> PathBuf {
        self.folder().join("planner.yaml")
    }

    /// The workloads with a gateway.
    pub(super) fn sidecars(&self) -> Vec<String> {
        self.sidecars.clone()
    }

    /// Ends everything, the last records written. The folder is removed with what is returned.
    pub(super) async fn stop(self) -> TempDir {
        for gateway in self.gateways {
            gateway.stop().await;
        }
        self.enclave.stop().await;
        let _nobody_listens_any_more = self.stop.send(true);
        self.folder
    }
}

/// The SPIFFE ID of a workload of the demo.
pub(super) fn spiffe_id(name: &str) -> anyhow::Result<SpiffeId> {
    Ok(SpiffeId::parse(&format!("spiffe://{TRUST_DOMAIN}/{name}"))?)
}

fn start_authority(run: &Path, stopped: &watch::Receiver<bool>) -> anyhow::Result<DevelopmentAuthority> {
    let authority = DevelopmentAuthority::new(TRUST_DOMAIN, Options { svid_ttl: SVID_TTL, ..Options::default() })?;
    let sockets = run.join("spire");
    std::fs::DirBuilder::new().mode(0o700).create(&sockets)?;
    for name in ["planner", "summariser", "search", "records", "vault", "registry"] {
        let (authority, id, stopped) = (authority.clone(), spiffe_id(name)?, stopped.clone());
        let socket = sockets.join(format!("{name}.sock"));
        tokio::spawn(async move {
            if let Err(error) = authority.serve(&socket, id, stopped).await {
                log::error!("development authority: {error}");
            }
        });
    }
    Ok(authority)
}

async fn start_registry(run: &Path, stopped: &watch::Receiver<bool>) -> anyhow::Result<SocketAddr> {
    let (folder, _) = Folder::open(&run.join("registry")).map_err(|mistakes| {
        anyhow::anyhow!(
            "the registry's folder: {}",
            mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        )
    })?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let identity = Identity::empty();
    let endpoint = format!("unix://{}/spire/registry.sock", run.display());
    let (followed, until) = (identity.clone(), stopped.clone());
    tokio::spawn(async move { bellgate_spire::follow_workload_api(&endpoint, followed, |_| {}, until).await });
    let tls = server_config(&identity, &[b"h2", b"http/1.1"]);
    let stopped = stopped.clone();
    tokio::spawn(async move {
        if let Err(error) = bellgate_registry::serve(listener, tls, folder, stopped).await {
            log::error!("registry: {error}");
        }
    });
    Ok(address)
}

fn start_enclave(run: &Path) -> anyhow::Result<Process> {
    let folder = run.join("enclave");
    std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
    let uid = rustix::process::getuid().as_raw().to_string();
    let socket = folder.join("host.sock");
    let arguments = ["--socket", &socket.to_string_lossy(), "--allow-uid", &uid, "--workers", "2"];
    Process::start("the enclave host", &enclave_program()?, &arguments, &run.join("logs/enclave.log"))
}

fn start_gateway(run: &Path, sidecar: &Sidecar<'_>) -> anyhow::Result<Process> {
    let config = files::write_config(run, sidecar)?;
    let own = std::env::current_exe().context("finding this program")?;
    let name = format!("the gateway beside `{}`", sidecar.name);
    let log = run.join(format!("logs/{}.log", sidecar.name));
    Process::start(&name, &own, &["run", "--config", &config.to_string_lossy()], &log)
}

/// Ports that were free a moment ago, all held at once so that they differ.
fn free_ports(count: usize) -> anyhow::Result<Vec<SocketAddr>> {
    let held: Vec<TcpListener> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    Ok(held.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?)
}
