//! The listeners of one sidecar, as Pingora services.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bellgate_spire::{ClientVerifier, SvidResolver};
use bellgate_telemetry::Listener;
use pingora::proxy::{HttpProxy, ProxyServiceBuilder};
use pingora_core::apps::HttpServerOptions;
use pingora_core::listeners::tls::TlsSettings;
use pingora_core::protocols::ALPN;
use pingora_core::server::Server;
use pingora_core::server::configuration::ServerConf;
use pingora_core::services::background::background_service;
use pingora_core::services::listening::Service;

use crate::admin::Admin;
use crate::caller::VerifyPeer;
use crate::connector::{UpstreamConnector, WebRoots};
use crate::core::Core;
use crate::gateway::Gateway;
use crate::observe::Observe;
use crate::watchman::Watchman;

/// An HTTP/2 connection without a stream is closed after this.
const H2_IDLE: Duration = Duration::from_secs(60);

/// Where a sidecar listens.
#[derive(Debug, Clone, Default)]
pub struct Doors {
    /// mTLS for other workloads.
    pub ingress: Option<SocketAddr>,
    /// Plain HTTP for the local workload.
    pub egress: Option<Door>,
    /// h2c for the Envoy beside us.
    pub envoy: Option<PathBuf>,
    /// `/metrics`, `/healthz`, `/readyz`.
    pub metrics: Option<SocketAddr>,
    /// For operators.
    pub admin: Option<PathBuf>,
}

/// A plain listener.
#[derive(Debug, Clone)]
pub enum Door {
    /// A loopback address.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// How the server as a whole behaves.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Threads of each data-path listener.
    pub threads: usize,
    /// Seconds that open exchanges are given at a graceful stop.
    pub grace_seconds: u64,
    /// Where Pingora keeps its own files; a folder of mode 0700.
    pub run_folder: PathBuf,
}

/// Builds the server with all its listeners. Nothing listens until it runs.
///
/// # Errors
///
/// When the TLS settings cannot be built.
pub fn build(
    core: &Arc<Core>,
    web: &Arc<WebRoots>,
    doors: &Doors,
    admin: Option<Admin>,
    settings: &ServerSettings,
) -> pingora_core::Result<Server> {
    let mut server = Server::new_with_opt_and_conf(None, configuration(settings));
    server.bootstrap();
    if let Some(address) = doors.ingress {
        let mut service = proxy(core, web, &server, Listener::Ingress);
        service.add_tls_with_settings(&address.to_string(), None, tls(core)?);
        server.add_service(service);
    }
    if let Some(door) = &doors.egress {
        let mut service = proxy(core, web, &server, Listener::Egress);
        match door {
            Door::Tcp(address) => service.add_tcp(&address.to_string()),
            Door::Unix(path) => service.add_uds(&path.to_string_lossy(), Some(Permissions::from_mode(0o660))),
        }
        server.add_service(service);
    }
    if let Some(path) = &doors.envoy {
        let mut service = proxy(core, web, &server, Listener::Envoy);
        service.add_uds(&path.to_string_lossy(), Some(Permissions::from_mode(0o660)));
        server.add_service(service);
    }
    if let Some(address) = doors.metrics {
        let mut service = Service::new("metrics".to_owned(), Observe::new(Arc::clone(core)));
        service.add_tcp(&address.to_string());
        server.add_service(service);
    }
    server.add_service(background_service("watchman", Watchman(Arc::clone(core))));
    if let (Some(path), Some(admin)) = (&doors.admin, admin) {
        let mut service = Service::new("admin".to_owned(), admin);
        service.add_uds(&path.to_string_lossy(), Some(Permissions::from_mode(0o600)));
        server.add_service(service);
    }
    Ok(server)
}

fn configuration(settings: &ServerSettings) -> ServerConf {
    let file = |name: &str| settings.run_folder.join(name).to_string_lossy().into_owned();
    ServerConf {
        threads: settings.threads,
        // Labels are decided in `upstream_peer` anew at each try; more tries add load, not luck.
        max_retries: 2,
        upstream_keepalive_pool_size: 256,
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(settings.grace_seconds),
        pid_file: file("pingora.pid"),
        upgrade_sock: file("pingora-upgrade.sock"),
        ..ServerConf::default()
    }
}

fn proxy(
    core: &Arc<Core>,
    web: &Arc<WebRoots>,
    server: &Server,
    listener: Listener,
) -> Service<HttpProxy<Gateway, UpstreamConnector>> {
    let mut options = HttpServerOptions::default();
    options.h2c = listener != Listener::Ingress;
    // HTTP/1.1's own is set with each request.
    options.h2_idle_timeout = Some(H2_IDLE);
    ProxyServiceBuilder::new(&server.configuration, Gateway::new(Arc::clone(core), listener))
        .name(listener.as_str())
        .server_options(options)
        .custom(
            UpstreamConnector::new(Arc::clone(core), Arc::clone(web)),
            // No custom protocol is spoken downstream.
            Arc::new(|_, _, _| Box::pin(async { None })),
        )
        .build()
}

/// TLS 1.3 only, through the process's provider; a client certificate is required.
fn tls(core: &Core) -> pingora_core::Result<TlsSettings> {
    let identity = &core.identity;
    let mut settings = TlsSettings::with_callbacks(Box::new(VerifyPeer(identity.clone())))?;
    settings.set_cert_resolver(Arc::new(SvidResolver::new(identity.clone())));
    settings.set_client_cert_verifier(Arc::new(ClientVerifier::new(identity.clone())));
    settings.set_alpn(ALPN::H2H1);
    Ok(settings)
}
