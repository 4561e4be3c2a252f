//! A trust domain with its authority, a folder, and the policy that most tests use.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bellgate_policy::SpiffeId;
use bellgate_spire::authority::{DevelopmentAuthority, Options, WorkloadApiSocket};
use bellgate_spire::{Identity, client_config, install_crypto_provider};
use rustls::ClientConfig;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::Sidecar;

/// The trust domain of every mesh.
pub const TRUST_DOMAIN: &str = "mesh.bellgate.test";

/// The policy of every mesh, unless a test writes another.
pub const POLICY: &str = include_str!("mesh/policy.yaml");
const SCHEMAS: [(&str, &str); 3] = [
    ("query-v1.json", include_str!("mesh/query-v1.json")),
    ("query-v2.json", include_str!("mesh/query-v2.json")),
    ("text.json", include_str!("mesh/text.json")),
];

/// What a test runs in; everything ends with it.
pub struct Mesh {
    folder: TempDir,
    /// The authority of [`TRUST_DOMAIN`].
    pub authority: DevelopmentAuthority,
    stop: watch::Sender<bool>,
}

/// `spiffe://<trust domain>/<name>`; a name with a scheme is taken as it is.
///
/// # Panics
/// On a name that makes no SPIFFE ID.
#[must_use]
pub fn spiffe_id(name: &str) -> SpiffeId {
    let text = if name.contains("://") { name.to_owned() } else { format!("spiffe://{TRUST_DOMAIN}/{name}") };
    SpiffeId::parse(&text).unwrap()
}

impl Mesh {
    /// SVIDs that outlive the test.
    #[must_use]
    pub fn new() -> Self {
        Self::with_ttl(Duration::from_secs(3600))
    }

    /// SVIDs that live for `svid_ttl` and are renewed at half of it.
    ///
    /// # Panics
    /// When the temporary folder can't be made.
    #[must_use]
    pub fn with_ttl(svid_ttl: Duration) -> Self {
        install_crypto_provider();
        let folder = tempfile::Builder::new()
            .prefix("bg-")
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir()
            .unwrap();
        let options = Options { svid_ttl, ..Options::default() };
        let mesh = Self {
            folder,
            authority: DevelopmentAuthority::new(TRUST_DOMAIN, options).unwrap(),
            stop: watch::channel(false).0,
        };
        mesh.write("policy.yaml", POLICY);
        for (name, text) in SCHEMAS {
            mesh.write(name, text);
        }
        mesh
    }

    /// The folder of everything.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file into the folder.
    ///
    /// # Panics
    /// When it can't.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder().join(name), text).unwrap();
    }

    /// Opens the Workload API socket that gives `name` its SVIDs.
    ///
    /// # Panics
    /// When it can't be opened.
    pub fn open_workload_api(&self, name: &str) {
        let socket = WorkloadApiSocket::bind(&self.folder().join(format!("{name}-api.sock"))).unwrap();
        let (authority, stopped, id) = (self.authority.clone(), self.stop.subscribe(), spiffe_id(name));
        tokio::spawn(async move { socket.serve(&authority, id, stopped).await });
    }

    /// A sidecar of workload `name` to be configured and started.
    #[must_use]
    pub fn sidecar(&self, name: &str) -> Sidecar<'_> {
        Sidecar::new(self, name)
    }

    /// A fresh SVID for `name` with the bundles of now.
    ///
    /// # Panics
    /// On a name of another trust domain.
    #[must_use]
    pub fn identity(&self, name: &str) -> Identity {
        self.authority.identity(&spiffe_id(name)).unwrap()
    }

    /// An SVID of another authority, with this mesh's bundles: it knows whom it talks to, and may not be known.
    ///
    /// # Panics
    /// On a name of a third trust domain.
    #[must_use]
    pub fn outsider(&self, authority: &DevelopmentAuthority, id: &str) -> Identity {
        let identity = Identity::empty();
        identity.publish(authority.issue(&spiffe_id(id)).unwrap(), self.authority.trust_bundles().unwrap());
        identity
    }

    /// HTTP/1.1 over mTLS as `name` with a fresh SVID, towards the gateway of `expected`.
    #[must_use]
    pub fn tls(&self, name: &str, expected: &str) -> Arc<ClientConfig> {
        client_config(&self.identity(name), &spiffe_id(expected), &[b"http/1.1"])
    }

    /// HTTP/2 over mTLS as `name` with a fresh SVID, towards the gateway of `expected`.
    #[must_use]
    pub fn tls_h2(&self, name: &str, expected: &str) -> Arc<ClientConfig> {
        client_config(&self.identity(name), &spiffe_id(expected), &[b"h2"])
    }
}

impl Default for Mesh {
    fn default() -> Self {
        Self::new()
    }
}

/// An address that was free a moment ago.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_address() -> SocketAddr {
    // Below the range from which the kernel gives ports to those who ask for none, so that no other test is given it meanwhile.
    use std::sync::atomic::{AtomicU16, Ordering};
    const FIRST: u16 = 18_000;
    const COUNT: u16 = 12_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap();
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + start.wrapping_add(step) % COUNT;
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return listener.local_addr().unwrap();
        }
    }
    panic!("no port is free");
}
