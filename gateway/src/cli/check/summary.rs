//! What a config without a mistake would do, for the eyes of who wrote it: what listens where and for whom, what is called and how.

use std::path::Path;
use std::time::Duration;

use bellgate_policy::{Name, Policy, SecurityLabel, Server};

use crate::config::{BOUNDS, Config, EgressListen, Limits, Loaded, MissingState, Protocol, Unit, UnixListen};

/// One page about a config.
pub(super) fn of_config(loaded: &Loaded) -> String {
    let config = &loaded.config;
    let mut page = format!(
        "{} is well: {} read, nothing to correct\n",
        config.file.display(),
        counted(loaded.files.len(), "file", "files")
    );
    section(&mut page, "who and what", &facts(loaded));
    section(&mut page, "listens", &listeners(config));
    section(&mut page, "calls", &calls(loaded));
    section(&mut page, "manifests", &manifests(loaded));
    section(&mut page, "limits", &limits(&config.limits));
    page
}

/// A few lines about a policy.
pub(super) fn of_policy(policy: &Policy) -> String {
    let mut page = format!("{} is well: nothing to correct\n", policy.file());
    let rows =
        vec![row(["digest", policy.digest()]), row(["holds", &contents(policy)]), row(["labels", &lattice(policy)])];
    section(&mut page, "policy", &rows);
    page
}

type Row = Vec<String>;

fn row<const N: usize>(cells: [&str; N]) -> Row {
    cells.map(str::to_owned).to_vec()
}

/// A heading and its rows, each column as wide as its widest cell. Nothing where there are no rows.
fn section(page: &mut String, heading: &str, rows: &[Row]) {
    if rows.is_empty() {
        return;
    }
    page.push_str(&format!("\n{heading}\n"));
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or_default()
        })
        .collect();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        page.push_str(&format!("  {}\n", cells.collect::<Vec<_>>().join("  ").trim_end()));
    }
}

fn facts(loaded: &Loaded) -> Vec<Row> {
    let config = &loaded.config;
    let id = config.identity.id.as_ref().map_or("the first svid", |id| id.as_str());
    let missing = match config.state.missing {
        MissingState::Clearance => "its clearance",
        MissingState::Floor => "its floor",
    };
    let mut rows = vec![
        row(["identity", &format!("{id}, from {}", config.identity.workload_api)]),
        row(["policy", &format!("{}, {}", config.policy.display(), contents(&loaded.policy))]),
        row(["", loaded.policy.digest()]),
        row(["labels", &lattice(&loaded.policy)]),
        row([
            "watermark",
            &format!("{}; a workload whose watermark is missing starts at {missing}", config.state.directory.display()),
        ]),
        row(["tenant", &config.tenant]),
    ];
    match &config.telemetry {
        Some(telemetry) => rows.push(row([
            "lake",
            &format!(
                "{}, a file every {} rows or {}; {} events may wait",
                telemetry.lake.display(),
                telemetry.flush_rows,
                time(telemetry.flush_interval),
                telemetry.queue
            ),
        ])),
        None => rows.push(row(["lake", "none: no rows are kept"])),
    }
    rows.push(row([
        "audit",
        &config.audit.as_deref().map_or_else(|| String::from("none: no audit records are kept"), shown),
    ]));
    rows
}

fn listeners(config: &Config) -> Vec<Row> {
    let mut rows = Vec::new();
    if let Some(ingress) = &config.ingress {
        rows.push(row([
            "ingress",
            &ingress.listen.to_string(),
            "workloads of the mesh, by svid",
            &format!("mTLS, h1 and h2, to {} over {}", ingress.workload, protocol(ingress.protocol)),
        ]));
    }
    if let Some(egress) = &config.egress {
        let (place, who) = match &egress.listen {
            EgressListen::Loopback(address) => (address.to_string(), String::from("whoever is in the pod")),
            EgressListen::Unix(unix) => of_unix(unix),
        };
        rows.push(row(["egress", &place, &who, "h1 and h2c, out as mTLS with our svid"]));
    }
    if let Some(envoy) = &config.envoy {
        let (place, who) = of_unix(&envoy.listen);
        rows.push(row(["envoy", &place, &who, "h2c with xfcc"]));
        if let Some(socket) = &envoy.ext_authz {
            rows.push(row(["ext_authz", &unix(socket), &who, "grpc decisions"]));
        }
    }
    if let Some(metrics) = &config.metrics {
        rows.push(row(["metrics", &metrics.listen.to_string(), "prometheus, kubelet", "/metrics, /healthz, /readyz"]));
    }
    if let Some(admin) = &config.admin {
        let (place, who) = of_unix(admin);
        rows.push(row(["admin", &place, &who, "reload, labels"]));
    }
    rows
}

fn calls(loaded: &Loaded) -> Vec<Row> {
    let (config, policy) = (&loaded.config, &loaded.policy);
    let mut rows = Vec::new();
    for upstream in policy.upstreams() {
        let peer = match &upstream.server {
            Server::Workload(subject) => subject.id.to_string(),
            Server::Web(name) => {
                match config.upstreams.get(&upstream.name).and_then(|settings| settings.roots.as_deref()) {
                    Some(roots) => format!("{name}, by the web's authorities or {}", roots.display()),
                    None => format!("{name}, by the web's authorities"),
                }
            }
            Server::Enclave => continue,
        };
        let place = match config.upstreams.get(&upstream.name) {
            Some(settings) => format!("{} over {}", settings.address, protocol(settings.protocol)),
            None => String::from("no address here"),
        };
        rows.push(row([upstream.name.as_str(), &place, &peer, &label(policy, upstream.object.label.as_ref())]));
    }
    for capability in policy.capabilities() {
        let place = if config.enclave.is_some() { "in the enclave" } else { "not from here" };
        rows.push(row([
            capability.name.as_str(),
            place,
            &capability.urn,
            &label(policy, capability.object.label.as_ref()),
        ]));
    }
    if let Some(enclave) = &config.enclave {
        rows.push(row(["enclave", &unix(&enclave.socket), &format!("uid {}", enclave.uid)]));
    }
    if let Some(registry) = &config.registry {
        rows.push(row(["registry", &registry.url.to_string(), registry.id.as_str()]));
    }
    rows
}

fn manifests(loaded: &Loaded) -> Vec<Row> {
    loaded.schemas.kinds().map(|kind| row([kind, &users(&loaded.policy, kind)])).collect()
}

/// Where the policy asks for a kind of manifest.
fn users(policy: &Policy, kind: &str) -> String {
    let is = |name: &Option<Name>| name.as_ref().is_some_and(|name| name.as_str() == kind);
    let mut users = Vec::new();
    for route in policy.upstreams().flat_map(|upstream| &upstream.routes).filter(|route| is(&route.manifest)) {
        users.push(format!("into {}", route.object.name));
    }
    for capability in policy.capabilities() {
        if is(&capability.input) {
            users.push(format!("into {}", capability.name));
        }
        if is(&capability.output) {
            users.push(format!("out of {}", capability.name));
        }
    }
    if users.is_empty() { String::from("nothing in the policy asks for it") } else { users.join(", ") }
}

fn limits(limits: &Limits) -> Vec<Row> {
    let standard = Limits::standard();
    let rows = BOUNDS.iter().map(|bound| {
        let value = limits.get(bound);
        let told = if value == standard.get(bound) { "" } else { "set by this config" };
        let text = match bound.unit {
            Unit::Bytes => size(value),
            Unit::Count => value.to_string(),
            Unit::Time => time(Duration::from_millis(value)),
        };
        row([bound.name, &text, bound.reason, told])
    });
    rows.collect()
}

fn contents(policy: &Policy) -> String {
    [
        counted(policy.subjects().count(), "subject", "subjects"),
        counted(policy.upstreams().count(), "upstream", "upstreams"),
        counted(policy.capabilities().count(), "capability", "capabilities"),
    ]
    .join(", ")
}

fn lattice(policy: &Policy) -> String {
    let lattice = policy.lattice();
    format!("from {} up to {}", lattice.text(&lattice.bottom()), lattice.text(&lattice.top()))
}

fn label(policy: &Policy, label: Option<&SecurityLabel>) -> String {
    label.map_or_else(|| String::from("no label of its own"), |label| policy.lattice().text(label))
}

fn of_unix(listen: &UnixListen) -> (String, String) {
    let uids: Vec<_> = listen.uids.iter().map(u32::to_string).collect();
    (unix(&listen.socket), format!("uid {}", uids.join(", ")))
}

fn unix(path: &Path) -> String {
    format!("unix:{}", path.display())
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::H1 => "h1",
        Protocol::H2 => "h2",
    }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn size(bytes: u64) -> String {
    [(1 << 20, "MiB"), (1 << 10, "KiB")]
        .into_iter()
        .find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit))
        .map_or_else(|| format!("{bytes}B"), |(unit, name)| format!("{}{name}", bytes / unit))
}

fn time(time: Duration) -> String {
    format!("{time:?}")
}
