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
        findings.push(match &egress.listen {
            EgressListen::Loopback(address) if address.ip().is_loopback() => {
                Finding::ok("egress", format!("listens on {address}: whoever is in the pod, and nobody else"))
            }
            EgressListen::Loopback(address) => Finding::fail(
                "egress",
                format!("listens on {address}, which can be reached from outside"),
                "a loopback address, or a unix socket",
                "change `egress.listen`",
            ),
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
