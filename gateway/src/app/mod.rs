//! Wiring: from a loaded config to a running gateway, and to its orderly end.

mod authz;
mod folders;
mod identity;
mod lake;
mod lake_metrics;
mod modules;
mod reload;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use arc_swap::{ArcSwap, ArcSwapOption};
use bellgate_manifest::Limits as BodyLimits;
use bellgate_proxy::admin::Admin;
use bellgate_proxy::append::AppendQueue;
use bellgate_proxy::audit::{Audit, AuditWriter};
use bellgate_proxy::capability::Capabilities;
use bellgate_proxy::connector::WebRoots;
use bellgate_proxy::core::{Core, Limits, LocalAddress, LocalWorkload, Protocol, RemoteAddress};
use bellgate_proxy::enclave::EnclaveClient;
use bellgate_proxy::metrics::Metrics;
use bellgate_proxy::peer_uid::PeerUids;
use bellgate_proxy::retirement::Retirement;
use bellgate_proxy::server::{self, Door, Doors, ServerSettings};
use bellgate_proxy::snapshot::Snapshot;
use bellgate_spire::Identity;
use pingora_core::server::RunArgs;
use tokio::sync::watch;

use crate::config::{self, Config, EgressListen, Loaded, TcpOrUnix};

/// Open exchanges are given this long at a graceful stop.
const GRACE_SECONDS: u64 = 5;
/// Threads for all that is not on the data path: the Workload API, blind write-ups, `ext_authz`.
const CONTROL_THREADS: usize = 2;

/// Logs to standard error; `RUST_LOG` chooses what.
pub(crate) fn logging() {
    // The program's own lines, and what Pingora warns of. A second call (the demo) changes nothing.
    let _already_set = env_logger::Builder::new()
        .parse_filters(
            &std::env::var("RUST_LOG")
                .unwrap_or_else(|_| "info,pingora=warn,pingora_core=warn,pingora_proxy=warn".into()),
        )
        .try_init();
}

/// Runs the gateway until it is told to stop; then lets open exchanges end, and writes what is queued.
///
/// # Errors
///
/// When a folder, a file or a socket cannot be had.
pub(crate) fn run(loaded: Loaded, threads: usize) -> anyhow::Result<()> {
    bellgate_spire::install_crypto_provider();
    let config = loaded.config.clone();
    folders::prepare(&config)?;
    let control = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("control")
        .enable_all()
        .build()
        .context("starting threads")?;
    let (stop, stopped) = watch::channel(false);
    let metrics = Metrics::new().context("metrics")?;
    let (events, lake) = lake::start(&config, &loaded.policy, &metrics)?;
    let (audit, audit_writer) = audit(&config)?;
    let web = Arc::new(web_roots(&loaded));
    let (appends, append_worker) = AppendQueue::new(config.limits.append_queue);
    let identity = Identity::empty();
    let core = Arc::new(Core {
        instance: uuid::Uuid::now_v7().to_string(),
        snapshot: Arc::new(ArcSwap::from_pointee(Snapshot {
            policy: Arc::clone(&loaded.policy),
            schemas: Arc::clone(&loaded.schemas),
        })),
        identity: identity.clone(),
        own: Arc::new(ArcSwapOption::empty()),
        workload: config.ingress.as_ref().map(local_workload),
        addresses: addresses(&config),
        web: Arc::clone(&web),
        capabilities: capabilities(&config, &identity)?,
        appends,
        flows: Arc::default(),
        passage: Arc::default(),
        retirement: Retirement::default(),
        peer_uids: PeerUids::default(),
        egress_uids: match config.egress.as_ref().map(|egress| &egress.listen) {
            Some(EgressListen::Unix(unix)) => Some(unix.uids.clone()),
            Some(EgressListen::Loopback(_)) | None => None,
        },
        envoy_uids: config.envoy.as_ref().map(|envoy| envoy.listen.uids.clone()).unwrap_or_default(),
        limits: limits(&config),
        metrics,
        events,
        audit,
    });
    control.spawn(identity::follow(Arc::clone(&core), config.clone(), stopped.clone()));
    control.spawn(append_worker.run(Arc::clone(&core)));
    authz::spawn(&control, &core, &config, &stopped);
    let admin = config.admin.as_ref().map(|admin| {
        Admin::new(Arc::clone(&core), admin.uids.clone(), reload::handler(Arc::clone(&core), config.clone()))
    });
    let settings = ServerSettings { threads, grace_seconds: GRACE_SECONDS, run_folder: config.state.directory.clone() };
    let server = server::build(&core, &web, &doors(&config), admin, &settings)
        .map_err(|error| anyhow::anyhow!("building the listeners: {error}"))?;
    log::info!("instance {} with policy {}", core.instance, loaded.policy.digest());
    server.run(RunArgs::default());
    let _nobody_listens_any_more = stop.send(true);
    lake::close(lake);
    if let Some(writer) = audit_writer {
        writer.close();
    }
    control.shutdown_timeout(std::time::Duration::from_secs(1));
    Ok(())
}

fn audit(config: &Config) -> anyhow::Result<(Audit, Option<AuditWriter>)> {
    let Some(file) = &config.audit else { return Ok((Audit::off(), None)) };
    let (audit, writer) = Audit::open(file).with_context(|| format!("opening the audit file `{}`", file.display()))?;
    Ok((audit, Some(writer)))
}

fn web_roots(loaded: &Loaded) -> WebRoots {
    let mut roots = WebRoots::default();
    for (name, pem) in &loaded.roots {
        if let Some(bellgate_policy::Server::Web(host)) =
            loaded.policy.upstream(name.as_ref()).map(|upstream| &upstream.server)
        {
            roots.add(host, pem.clone());
        }
    }
    roots
}

fn local_workload(ingress: &config::IngressSettings) -> LocalWorkload {
    LocalWorkload {
        address: match &ingress.workload {
            TcpOrUnix::Tcp(address) => LocalAddress::Tcp(*address),
            TcpOrUnix::Unix(path) => LocalAddress::Unix(path.clone()),
        },
        protocol: protocol(ingress.protocol),
    }
}

fn addresses(config: &Config) -> HashMap<String, RemoteAddress> {
    let remote = |settings: &config::UpstreamSettings| RemoteAddress {
        host: settings.address.host().to_owned(),
        port: settings.address.port(),
        protocol: protocol(settings.protocol),
    };
    config.upstreams.iter().map(|(name, settings)| (name.to_string(), remote(settings))).collect()
}

fn protocol(protocol: config::Protocol) -> Protocol {
    match protocol {
        config::Protocol::H1 => Protocol::H1,
        config::Protocol::H2 => Protocol::H2,
    }
}

fn capabilities(config: &Config, identity: &Identity) -> anyhow::Result<Option<Capabilities>> {
    let (Some(enclave), Some(registry)) = (&config.enclave, &config.registry) else { return Ok(None) };
    Ok(Some(Capabilities {
        enclave: EnclaveClient::new(&enclave.socket, enclave.uid),
        modules: modules::source(registry, identity)?,
    }))
}

fn limits(config: &Config) -> Limits {
    let limits = &config.limits;
    Limits {
        body: BodyLimits {
            bytes: limits.body,
            depth: limits.depth,
            members: limits.members,
            errors: limits.errors,
            ..BodyLimits::default()
        },
        connect_timeout: limits.connect_timeout,
        answer_timeout: limits.answer_timeout,
        max_exchanges: limits.max_exchanges,
    }
}

fn doors(config: &Config) -> Doors {
    let socket = |unix: &config::UnixListen| -> PathBuf { unix.socket.clone() };
    Doors {
        ingress: config.ingress.as_ref().map(|ingress| ingress.listen),
        egress: config.egress.as_ref().map(|egress| match &egress.listen {
            EgressListen::Loopback(address) => Door::Tcp(*address),
            EgressListen::Unix(unix) => Door::Unix(socket(unix)),
        }),
        envoy: config.envoy.as_ref().map(|envoy| socket(&envoy.listen)),
        metrics: config.metrics.as_ref().map(|metrics| metrics.listen),
        admin: config.admin.as_ref().map(socket),
    }
}
