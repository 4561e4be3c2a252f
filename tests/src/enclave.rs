//! A real enclave host and a real registry, for sidecars that run capabilities.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::mesh::free_address;
use crate::program::bellgate_enclave;
use crate::{Mesh, Process, bellgate, until};

/// A module and what it is known by.
pub struct Module {
    name: String,
    bytes: Vec<u8>,
}

impl Module {
    /// One that is committed as WebAssembly: `deidentify`, `spin` or `flood`.
    ///
    /// # Panics
    /// When there is none of this name.
    #[must_use]
    pub fn committed(name: &str) -> Self {
        let bytes = std::fs::read(guests().join(format!("{name}.wasm"))).unwrap();
        Self { name: name.to_owned(), bytes }
    }

    /// One of `attacks/`, assembled now.
    ///
    /// # Panics
    /// When there is none of this name.
    #[must_use]
    pub fn attack(name: &str) -> Self {
        let bytes = wat::parse_file(guests().join(format!("attacks/{name}.wat"))).unwrap();
        Self { name: name.to_owned(), bytes }
    }

    fn sha256(&self) -> String {
        hex::encode(Sha256::digest(&self.bytes))
    }
}

fn guests() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../enclave-host/guests")
}

/// An enclave host and a registry that serves some modules.
pub struct Enclave {
    /// The enclave host.
    pub host: Process,
    /// The registry.
    pub registry: Process,
    socket: PathBuf,
    log: PathBuf,
    address: SocketAddr,
    modules: Vec<Module>,
}

impl Enclave {
    /// Starts both in the folder of `mesh`; a module is called `urn:bellgate:actionspace:solver:<name>:v1`.
    ///
    /// # Panics
    /// When one of them does not listen.
    pub async fn start(mesh: &Mesh, modules: Vec<Module>) -> Self {
        let folder = mesh.folder().join("registry");
        std::fs::create_dir(&folder).unwrap();
        let mut index = Vec::new();
        for module in &modules {
            let file = format!("{}.wasm", module.name);
            std::fs::write(folder.join(&file), &module.bytes).unwrap();
            index.push(json!({"urn": urn(&module.name), "file": file, "sha256": module.sha256()}));
        }
        std::fs::write(folder.join("index.json"), json!({"version": 1, "capabilities": index}).to_string()).unwrap();
        mesh.open_workload_api("registry");
        let (address, api) = (free_address(), mesh.folder().join("registry-api.sock"));
        let arguments = [
            "registry",
            "serve",
            "--folder",
            &folder.to_string_lossy(),
            "--listen",
            &address.to_string(),
            "--workload-api",
            &format!("unix://{}", api.display()),
        ];
        let registry = Process::start(&bellgate(), &arguments, &mesh.folder().join("registry.log"));
        let enclave = mesh.folder().join("enclave");
        std::fs::DirBuilder::new().mode(0o700).create(&enclave).unwrap();
        let (socket, log) = (enclave.join("host.sock"), mesh.folder().join("enclave.log"));
        let host = start_host(&socket, &log);
        let started = Self { host, registry, socket, log, address, modules };
        started.ready().await;
        started
    }

    async fn ready(&self) {
        until("the registry listens", || async { tokio::net::TcpStream::connect(self.address).await.ok() }).await;
        until("the enclave listens", || async { tokio::net::UnixStream::connect(&self.socket).await.ok() }).await;
    }

    /// Starts the host again, once it has ended.
    ///
    /// # Panics
    /// When it does not listen.
    pub async fn start_again(&mut self) {
        // A killed one leaves its socket behind.
        drop(std::fs::remove_file(&self.socket));
        self.host = start_host(&self.socket, &self.log);
        self.ready().await;
    }

    /// The sections `enclave` and `registry` of a config.
    #[must_use]
    pub fn config(&self) -> String {
        self.config_with_host(&self.socket)
    }

    /// The same with another host's socket.
    #[must_use]
    pub fn config_with_host(&self, socket: &std::path::Path) -> String {
        let mut text = String::new();
        let uid = rustix::process::getuid().as_raw();
        writeln!(text, "enclave: {{ socket: \"unix:{}\", uid: {uid} }}", socket.display()).unwrap();
        write!(
            text,
            "registry: {{ url: \"https://{}\", id: {} }}",
            self.address,
            crate::spiffe_id("registry").as_str()
        )
        .unwrap();
        text
    }

    /// `policy` with `@name@` replaced by the digest of the module.
    #[must_use]
    pub fn pin(&self, policy: &str) -> String {
        let replace = |text: String, module: &Module| text.replace(&format!("@{}@", module.name), &module.sha256());
        self.modules.iter().fold(policy.to_owned(), replace)
    }

    /// Waits until a worker of the host is computing.
    ///
    /// # Panics
    /// When none does.
    pub async fn computes(&self) {
        until("a guest computes", || std::future::ready((self.busiest_worker() > 10).then_some(()))).await;
    }

    /// The most clock ticks that one of its children has used.
    fn busiest_worker(&self) -> u64 {
        let parent = self.host.id().to_string();
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        let stats = entries.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
        // proc_pid_stat(5): after the name in parentheses come state (3), parent (4), and user time (14).
        let ticks = stats.filter_map(|stat| {
            let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
            (*fields.get(1)? == parent).then_some(fields.get(11)?.parse::<u64>().ok()?)
        });
        ticks.max().unwrap_or(0)
    }
}

fn urn(name: &str) -> String {
    format!("urn:bellgate:actionspace:solver:{name}:v1")
}

fn start_host(socket: &std::path::Path, log: &std::path::Path) -> Process {
    let uid = rustix::process::getuid().as_raw().to_string();
    let arguments = ["--socket", &socket.to_string_lossy(), "--allow-uid", &uid, "--workers", "2"];
    Process::start(&bellgate_enclave(), &arguments, log)
}
