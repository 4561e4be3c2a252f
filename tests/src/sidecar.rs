//! A sidecar: its config, its process, and what a test asks of it.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use http::{Method, Request};

use crate::mesh::free_address;
use crate::{Client, Mesh, Process, Told, bellgate, empty, get, until};

/// A sidecar that is not started yet.
pub struct Sidecar<'a> {
    mesh: &'a Mesh,
    name: String,
    policy: String,
    workload: Option<(SocketAddr, &'static str)>,
    upstreams: Vec<(String, SocketAddr, &'static str)>,
    missing: &'static str,
    limits: String,
    admin_uids: Vec<u32>,
    extra: String,
    manifests: String,
    workload_api: bool,
}

/// The kinds that the policy of most tests names.
const MANIFESTS: &str = "  query: { version_at: /version, versions: { \"1\": query-v1.json, \"2\": query-v2.json } }\n  text: { schema: text.json }\n";

impl<'a> Sidecar<'a> {
    pub(crate) fn new(mesh: &'a Mesh, name: &str) -> Self {
        Self {
            mesh,
            name: name.to_owned(),
            policy: "policy.yaml".to_owned(),
            workload: None,
            upstreams: Vec::new(),
            missing: "floor",
            limits: String::new(),
            admin_uids: vec![rustix::process::getuid().as_raw()],
            extra: String::new(),
            manifests: MANIFESTS.to_owned(),
            workload_api: true,
        }
    }

    /// Serves the workload at `address`, over HTTP/1.1.
    #[must_use]
    pub fn serves(mut self, address: SocketAddr) -> Self {
        self.workload = Some((address, "h1"));
        self
    }

    /// Serves the workload at `address`, over h2c.
    #[must_use]
    pub fn serves_h2(mut self, address: SocketAddr) -> Self {
        self.workload = Some((address, "h2"));
        self
    }

    /// Opens an egress listener and reaches upstream `name` at `address`.
    #[must_use]
    pub fn calls(mut self, name: &str, address: SocketAddr) -> Self {
        self.upstreams.push((name.to_owned(), address, "h1"));
        self
    }

    /// As [`Self::calls`], over HTTP/2 whatever the workload speaks.
    #[must_use]
    pub fn calls_h2(mut self, name: &str, address: SocketAddr) -> Self {
        self.upstreams.push((name.to_owned(), address, "h2"));
        self
    }

    /// It calls `name`, which is outside the mesh at `address`; with `roots`, the file `roots.pem` is trusted beside the public ones.
    #[must_use]
    pub fn calls_outside(mut self, name: &str, address: SocketAddr, roots: bool) -> Self {
        let settings = if roots { "h1, roots: roots.pem" } else { "h1" };
        self.upstreams.push((name.to_owned(), address, settings));
        self
    }

    /// What `state.missing` says; `floor` otherwise.
    #[must_use]
    pub fn missing(mut self, missing: &'static str) -> Self {
        self.missing = missing;
        self
    }

    /// The section `limits`, as a flow mapping without its braces.
    #[must_use]
    pub fn limits(mut self, limits: &str) -> Self {
        limits.clone_into(&mut self.limits);
        self
    }

    /// Another policy file of the mesh's folder.
    #[must_use]
    pub fn policy(mut self, file: &str) -> Self {
        file.clone_into(&mut self.policy);
        self
    }

    /// Who may use the admin socket; this uid otherwise.
    #[must_use]
    pub fn admin_uids(mut self, uids: &[u32]) -> Self {
        self.admin_uids = uids.to_vec();
        self
    }

    /// More lines of config.
    #[must_use]
    pub fn extra(mut self, lines: &str) -> Self {
        self.extra.push_str(lines);
        self.extra.push('\n');
        self
    }

    /// Kinds of bodies by name, each with the one schema of a file, in place of those that most tests use.
    #[must_use]
    pub fn kinds<'k>(mut self, kinds: impl IntoIterator<Item = (&'k str, &'k str)>) -> Self {
        self.manifests = kinds.into_iter().map(|(kind, file)| format!("  {kind}: {{ schema: {file} }}\n")).collect();
        self
    }

    /// The Workload API socket is not there; the test opens it, or not.
    #[must_use]
    pub fn without_workload_api(mut self) -> Self {
        self.workload_api = false;
        self
    }

    /// Writes the config, starts the process, and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready.
    pub async fn start(self) -> Running {
        let mut running = self.launch();
        running.ready().await;
        running
    }

    /// Writes the config and starts the process.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn launch(self) -> Running {
        let folder = self.mesh.folder();
        if self.workload_api {
            self.mesh.open_workload_api(&self.name);
        }
        let (ingress, egress, metrics) = (free_address(), free_address(), free_address());
        let state = folder.join(format!("{}-state", self.name));
        let admin = state.join("admin.sock");
        let mut text = format!(
            "version: 1\npolicy: {policy}\nidentity: {{ workload_api: \"unix:{api}\" }}\nstate: {{ directory: {state}, missing: {missing} }}\n\
             metrics: {{ listen: \"{metrics}\" }}\nadmin: {{ listen: \"unix:{admin}\", uids: {uids:?} }}\naudit: {{ file: {audit} }}\n\
             limits: {{ {limits} }}\n{extra}",
            policy = self.policy,
            api = folder.join(format!("{}-api.sock", self.name)).display(),
            state = state.display(),
            missing = self.missing,
            admin = admin.display(),
            uids = self.admin_uids,
            audit = state.join("audit.jsonl").display(),
            limits = self.limits,
            extra = self.extra,
        );
        write!(text, "manifests:\n{}", self.manifests).unwrap();
        if let Some((workload, protocol)) = self.workload {
            writeln!(text, "ingress: {{ listen: \"{ingress}\", workload: \"{workload}\", protocol: {protocol} }}")
                .unwrap();
        }
        if !self.upstreams.is_empty() {
            writeln!(text, "egress: {{ listen: \"{egress}\" }}\nupstreams:").unwrap();
            for (name, address, protocol) in &self.upstreams {
                writeln!(text, "  {name}: {{ address: \"{address}\", protocol: {protocol} }}").unwrap();
            }
        }
        let config = folder.join(format!("{}.yaml", self.name));
        std::fs::write(&config, text).unwrap();
        let log = folder.join(format!("{}.log", self.name));
        let process = run(&config, &log);
        Running { name: self.name, ingress, egress, metrics, admin, state, config, log, process }
    }
}

fn run(config: &std::path::Path, log: &std::path::Path) -> Process {
    Process::start(&bellgate(), &["run", "--config", &config.to_string_lossy()], log)
}

/// A started sidecar.
pub struct Running {
    name: String,
    /// mTLS for other workloads.
    pub ingress: SocketAddr,
    /// Plain HTTP for the workload.
    pub egress: SocketAddr,
    /// `/metrics`, `/healthz`, `/readyz`.
    pub metrics: SocketAddr,
    /// The admin socket.
    pub admin: PathBuf,
    /// The state folder.
    pub state: PathBuf,
    /// The config file.
    pub config: PathBuf,
    log: PathBuf,
    /// The process.
    pub process: Process,
}

impl Running {
    /// Waits until `/readyz` says yes.
    ///
    /// # Panics
    /// When it does not, or the process ends.
    pub async fn ready(&mut self) {
        loop {
            self.process.assert_running();
            if tokio::net::TcpStream::connect(self.metrics).await.is_ok() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let name = self.name.clone();
        let metrics = self.metrics;
        until(&format!("the sidecar of `{name}` is ready"), || async {
            let told = Client::h1(metrics).await.ask(get("metrics", "/readyz")).await;
            (told.status == 200).then_some(())
        })
        .await;
        let config = std::fs::read_to_string(&self.config).unwrap();
        for (address, section) in [(self.ingress, "ingress"), (self.egress, "egress")] {
            if config.contains(&format!("\n{section}: {{ listen: \"{address}\"")) {
                until("a listener is open", || async { tokio::net::TcpStream::connect(address).await.ok() }).await;
            }
        }
        // After a kill its file is there before anybody listens on it again.
        until("the admin socket is open", || async { tokio::net::UnixStream::connect(&self.admin).await.ok() }).await;
    }

    /// Starts it again with the same files, once it has ended.
    ///
    /// # Panics
    /// When it does not become ready.
    pub async fn start_again(&mut self) {
        self.process = run(&self.config, &self.log);
        self.ready().await;
    }

    /// Asks through the egress listener on a connection of its own, over HTTP/1.1.
    pub async fn ask(&self, request: Request<crate::ReqBody>) -> Told {
        Client::h1(self.egress).await.ask(request).await
    }

    /// All that `/metrics` says.
    pub async fn metrics_text(&self) -> String {
        let told = Client::h1(self.metrics).await.ask(get("metrics", "/metrics")).await;
        String::from_utf8(told.body.to_vec()).unwrap()
    }

    /// The value of a metric line that begins with `name` (tags included); 0 where there is none.
    ///
    /// # Panics
    /// When the value is no number.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = self.metrics_text().await;
        let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])));
        let line = line.or_else(|| text.lines().find(|line| !line.starts_with('#') && line.starts_with(name)));
        line.map_or(0.0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }

    /// Asks on the admin socket.
    ///
    /// # Panics
    /// When nobody answers.
    pub async fn admin(&self, method: Method, path: &str) -> Told {
        let request = Request::builder().method(method).uri(path).header("host", "admin").body(empty()).unwrap();
        Client::unix(&self.admin).await.ask(request).await
    }

    /// The workload's current label, as the admin socket tells it.
    ///
    /// # Panics
    /// When it does not.
    pub async fn label(&self) -> String {
        let told = self.admin(Method::GET, "/v1/label").await;
        told.json()["label"].as_str().expect("a label").to_owned()
    }

    /// Waits until the log has `text` at least `count` times.
    ///
    /// # Panics
    /// When it does not.
    pub async fn logged(&self, text: &str, count: usize) {
        until(&format!("`{text}` is logged {count} times"), || async {
            (self.process.log().matches(text).count() >= count).then_some(())
        })
        .await;
    }
}
