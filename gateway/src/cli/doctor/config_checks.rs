//! What `bellgate check` says, and what of it bears on whether the labels mean something.

use std::path::Path;

use bellgate_policy::Server;

use super::Loaded;
use super::finding::Finding;
use crate::config::{EgressListen, MissingState, Report};

/// The one finding where the config can't be read.
pub(super) fn unreadable(file: &Path, report: &Report) -> Finding {
    let count = report.len();
    Finding::fail(
        "config",
        format!("`{}` has {count} {}:\n{report}", file.display(), if count == 1 { "mistake" } else { "mistakes" }),
        "a config and a policy without mistakes",
        "correct them; nothing else could be checked",
    )
}

/// Config, policy, warnings, and settings that only a person can vouch for.
pub(super) fn checks(loaded: &Loaded) -> Vec<Finding> {
    let config = &loaded.config;
    let mut findings = vec![Finding::ok(
        "config",
        format!(
            "`{}` and {} more files read, nothing to correct; policy {}",
            config.file.display(),
            loaded.files.len().saturating_sub(1),
            loaded.policy.digest()
        ),
    )];
    for warning in &loaded.warnings {
        findings.push(Finding::warn(
            "policy",
            format!("{}:{}:{}: {}", warning.file, warning.line, warning.column, warning.message),
            "",
            warning.help.clone().unwrap_or_default(),
        ));
    }
    if loaded.warnings.is_empty() {
        findings.push(Finding::ok("policy", "no warnings, covert channels by `withheld` included"));
    }
    if let Some(egress) = &config.egress {
        // That it is loopback or a socket was held when the config was read.
        findings.push(match &egress.listen {
            EgressListen::Loopback(address) => {
                Finding::ok("egress", format!("listens on {address}: whoever is in the pod, and nobody else"))
            }
            EgressListen::Unix(unix) => {
                Finding::ok("egress", format!("`{}`, for uids {:?}", unix.socket.display(), unix.uids))
            }
        });
    }
    if config.state.missing == MissingState::Floor {
        findings.push(Finding::warn(
            "state-missing",
            "`state.missing: floor`: where the state is gone, the workload counts as having read nothing",
            "state, workload and every storage that it can write end together",
            format!(
                "look at the volumes of the workload; `{}` is on {}",
                config.state.directory.display(),
                super::folders::filesystem(&config.state.directory)
            ),
        ));
    }
    if let Some(finding) = unlabelled_by_peers(loaded) {
        findings.push(finding);
    }
    findings
}

/// Upstreams of the mesh for which no gateway speaks: their clearance counts as their current label, so much is withheld.
fn unlabelled_by_peers(loaded: &Loaded) -> Option<Finding> {
    let names: Vec<String> = loaded
        .policy
        .upstreams()
        .filter(|upstream| loaded.config.upstreams.contains_key(&upstream.name))
        .filter_map(|upstream| match &upstream.server {
            Server::Workload(subject) if !subject.gateway => Some(subject.name.to_string()),
            Server::Workload(_) | Server::Web(_) | Server::Enclave => None,
        })
        .collect();
    (!names.is_empty()).then(|| {
        Finding::warn(
            "no-gateway",
            format!("the policy says of no gateway that it speaks for {}", names.join(", ")),
            "`gateway: true` for each peer behind a gateway",
            "without it their answers count as labelled with their clearance; that is safe, and withholds more",
        )
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::finding::Status;
    use super::*;
    use crate::config;

    const POLICY: &str = "\
version: 1
subjects:
  planner: { id: spiffe://td.test/planner, floor: PUBLIC, clearance: RESTRICTED, gateway: true }
  search: { id: spiffe://td.test/search, clearance: PUBLIC, gateway: true }
upstreams:
  search: { workload: search, label: PUBLIC }
grants:
  - { subject: planner, object: search, modes: [alter] }
";
    const CONFIG: &str = "\
version: 1
policy: policy.yaml
identity: { workload_api: \"unix:///x.sock\", id: spiffe://td.test/planner }
state: { directory: /nowhere/state }
egress: { listen: \"127.0.0.1:15001\" }
upstreams: { search: { address: \"127.0.0.1:8443\" } }
";

    /// The statuses of one check.
    fn of(policy: &str, config: &str, check: &str) -> Vec<Status> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("policy.yaml"), policy).unwrap();
        let file = folder.path().join("bellgate.yaml");
        fs::write(&file, config).unwrap();
        let findings = match config::load(&file) {
            Ok(loaded) => checks(&loaded),
            Err(report) => vec![unreadable(&file, &report)],
        };
        findings.iter().filter(|finding| finding.check == check).map(|finding| finding.status).collect()
    }

    #[test]
    fn each_check_is_well_in_one_config_and_not_in_another() {
        for check in ["config", "policy", "egress"] {
            assert_eq!(of(POLICY, CONFIG, check), [Status::Ok], "{check}");
        }
        for check in ["state-missing", "no-gateway"] {
            assert_eq!(of(POLICY, CONFIG, check), [], "{check}");
        }
        assert_eq!(of(&POLICY.replace("version: 1", "version: 2"), CONFIG, "config"), [Status::Fail]);
        // A floating callee that low callers may ask: one bit for each rise.
        let covert =
            POLICY.replace("search, clearance: PUBLIC", "search, floor: PUBLIC, clearance: RESTRICTED").replace(
                "  planner: { id: spiffe://td.test/planner, floor: PUBLIC, clearance: RESTRICTED",
                "  planner: { id: spiffe://td.test/planner, floor: PUBLIC, clearance: STANDARD",
            );
        assert_eq!(of(&covert, CONFIG, "policy"), [Status::Warn]);
        let floor = CONFIG.replace("/nowhere/state", "/nowhere/state, missing: floor");
        assert_eq!(of(POLICY, &floor, "state-missing"), [Status::Warn]);
        let plain = POLICY.replace("search, clearance: PUBLIC, gateway: true", "search, clearance: PUBLIC");
        assert_eq!(of(&plain, CONFIG, "no-gateway"), [Status::Warn]);
    }
}
