//! The files of the demo: policy, schemas, capabilities, one config a gateway.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;
use bellgate_registry::Digest;
use serde_json::json;

const POLICY: &str = include_str!("assets/policy.yaml");
const SCHEMAS: [(&str, &str); 3] = [
    ("search-query-v1.json", include_str!("assets/search-query-v1.json")),
    ("search-query-v2.json", include_str!("assets/search-query-v2.json")),
    ("note.json", include_str!("assets/note.json")),
];
/// Built by `enclave-host/guests/build.sh` and committed, so that the demo needs no compiler for them.
const CAPABILITIES: [(&str, &[u8]); 3] = [
    ("deidentify", include_bytes!("../../../../enclave-host/guests/deidentify.wasm")),
    ("spin", include_bytes!("../../../../enclave-host/guests/spin.wasm")),
    ("flood", include_bytes!("../../../../enclave-host/guests/flood.wasm")),
];

/// Writes what all gateways share.
pub(super) fn write_shared(folder: &Path) -> anyhow::Result<()> {
    let (schemas, registry) = (folder.join("schemas"), folder.join("registry"));
    for made in [&schemas, &registry, &folder.join("logs")] {
        fs::create_dir(made).with_context(|| format!("making `{}`", made.display()))?;
    }
    for (name, text) in SCHEMAS {
        fs::write(schemas.join(name), text)?;
    }
    let mut policy = POLICY.to_owned();
    let mut index = Vec::new();
    for (name, bytes) in CAPABILITIES {
        let digest = Digest::of(bytes).to_string();
        let digest = digest.trim_start_matches("sha256:");
        policy = policy.replace(&format!("@{name}@"), digest);
        fs::write(registry.join(format!("{name}.wasm")), bytes)?;
        let urn = format!("urn:bellgate:actionspace:solver:{name}:v1");
        index.push(json!({"urn": urn, "file": format!("{name}.wasm"), "sha256": digest}));
    }
    fs::write(registry.join("index.json"), json!({"version": 1, "capabilities": index}).to_string())?;
    fs::write(folder.join("policy.yaml"), policy)?;
    Ok(())
}

/// Where one gateway listens and what it reaches.
pub(super) struct Sidecar<'a> {
    pub(super) name: &'a str,
    pub(super) ingress: SocketAddr,
    pub(super) workload: Option<SocketAddr>,
    pub(super) egress: Option<SocketAddr>,
    pub(super) metrics: SocketAddr,
    /// Every upstream and the ingress of its gateway.
    pub(super) upstreams: &'a [(&'a str, SocketAddr)],
    pub(super) registry: SocketAddr,
    pub(super) uid: u32,
}

/// Writes the config of one gateway; returns its path.
pub(super) fn write_config(folder: &Path, sidecar: &Sidecar<'_>) -> anyhow::Result<std::path::PathBuf> {
    let Sidecar { name, ingress, metrics, registry, uid, .. } = sidecar;
    let run = folder.display();
    let mut text = format!(
        "# The gateway beside `{name}`.\n\
         version: 1\n\
         policy: policy.yaml\n\
         identity: {{ workload_api: \"unix://{run}/spire/{name}.sock\", id: spiffe://demo.bellgate.test/{name} }}\n\
         tenant: demo\n\
         # In the demo, state and workload begin and end together.\n\
         state: {{ directory: {run}/state-{name}, missing: floor }}\n\
         metrics: {{ listen: \"{metrics}\" }}\n\
         admin: {{ listen: \"unix:{run}/state-{name}/admin.sock\", uids: [{uid}] }}\n\
         audit: {{ file: {run}/state-{name}/audit.jsonl }}\n\
         telemetry: {{ lake: {run}/lake, flush: {{ rows: 10000, interval: 250ms }} }}\n\
         enclave: {{ socket: \"unix:{run}/enclave/host.sock\", uid: {uid} }}\n\
         registry: {{ url: \"https://{registry}\", id: spiffe://demo.bellgate.test/registry }}\n\
         manifests:\n\
         \x20 search-query:\n\
         \x20   version_at: /manifest_version\n\
         \x20   versions: {{ \"1.0.0\": schemas/search-query-v1.json, \"2.0.0\": schemas/search-query-v2.json }}\n\
         \x20 note: {{ schema: schemas/note.json }}\n"
    );
    if let Some(workload) = sidecar.workload {
        text += &format!("ingress: {{ listen: \"{ingress}\", workload: \"{workload}\" }}\n");
    }
    if let Some(egress) = sidecar.egress {
        text += &format!("egress: {{ listen: \"{egress}\" }}\nupstreams:\n");
        for (upstream, address) in sidecar.upstreams {
            text += &format!("  {upstream}: {{ address: \"{address}\" }}\n");
        }
    }
    let path = folder.join(format!("{name}.yaml"));
    fs::write(&path, text).with_context(|| format!("writing `{}`", path.display()))?;
    Ok(path)
}
