//! The gateway's sockets: their folders, who may use them, and who must not be among those.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::finding::Finding;
use super::users::{self, Gateway, Person};
use crate::config::{Config, EgressListen};

/// Folders, lists of uids, and the enclave host's own uid.
pub(super) fn checks(config: &Config, gateway: &Gateway, people: &[Person]) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        places(config).iter().filter_map(|(name, socket)| folder(name, socket.parent()?)).collect();
    // Of a workload that runs as the gateway itself, or as root, another check tells.
    let others: Vec<Person> =
        people.iter().filter(|person| person.uid != gateway.uid && person.uid != 0).cloned().collect();
    let envoy: &[u32] = config.envoy.as_ref().map(|envoy| envoy.listen.uids.as_slice()).unwrap_or_default();
    match &config.admin {
        Some(admin) => findings.extend(operators(&admin.uids, envoy, &others)),
        None => findings.push(Finding::warn(
            "admin-uids",
            "there is no `admin` section",
            "an admin socket for operators",
            "without it nobody sees what raised a label, and nobody can reset it",
        )),
    }
    if !envoy.is_empty() {
        findings.extend(envoys(envoy, &others));
    }
    if let Some(enclave) = &config.enclave {
        findings.push(enclave_host(enclave.uid, users::server_of(&enclave.socket), &enclave.socket, gateway, &others));
    }
    findings
}

/// Every socket that this gateway makes.
fn places(config: &Config) -> Vec<(&'static str, &Path)> {
    let mut places = Vec::new();
    if let Some(EgressListen::Unix(unix)) = config.egress.as_ref().map(|egress| &egress.listen) {
        places.push(("egress", unix.socket.as_path()));
    }
    if let Some(envoy) = &config.envoy {
        places.push(("envoy", envoy.listen.socket.as_path()));
        places.extend(envoy.ext_authz.as_deref().map(|socket| ("ext_authz", socket)));
    }
    places.extend(config.admin.as_ref().map(|admin| ("admin", admin.socket.as_path())));
    places
}

fn folder(name: &str, folder: &Path) -> Option<Finding> {
    let meta = fs::metadata(folder).ok()?;
    let (mode, shown) = (meta.mode() & 0o7777, folder.display());
    Some(if mode & 0o007 == 0 {
        Finding::ok("socket-folder", format!("of `{name}`: `{shown}`, mode {mode:04o}"))
    } else {
        Finding::fail(
            "socket-folder",
            format!("of `{name}`: `{shown}` has mode {mode:04o}, so that anybody can reach into it"),
            "no permission for others",
            format!("chmod o-rwx {shown}, or name another folder"),
        )
    })
}

/// Operators reset labels: a workload or a proxy that can do so has none.
fn operators(uids: &[u32], envoy: &[u32], people: &[Person]) -> Vec<Finding> {
    const EXPECTED: &str = "operators alone: neither the workload's uid nor Envoy's";
    let mut findings = Vec::new();
    for uid in uids {
        if let Some(person) = people.iter().find(|person| person.uid == *uid) {
            findings.push(Finding::fail(
                "admin-uids",
                format!("uid {uid} is the workload's ({}): it can reset its own label", person.from),
                EXPECTED,
                "take it out of `admin.uids`, or run the workload as another user",
            ));
        }
        if envoy.contains(uid) {
            findings.push(Finding::fail(
                "admin-uids",
                format!("uid {uid} is Envoy's, too (`envoy.uids`)"),
                EXPECTED,
                "take it out of `admin.uids`, or run Envoy as another user",
            ));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(
            "admin-uids",
            format!("{uids:?}: no uid of the workload or of Envoy that is known here"),
        ));
    }
    findings
}

/// Who may use Envoy's socket is believed about who is calling.
fn envoys(uids: &[u32], people: &[Person]) -> Vec<Finding> {
    let mixed: Vec<&Person> = people.iter().filter(|person| uids.contains(&person.uid)).collect();
    if mixed.is_empty() {
        return vec![Finding::ok("envoy-uids", format!("{uids:?}: no uid of the workload that is known here"))];
    }
    let told = |person: &&Person| {
        Finding::fail(
            "envoy-uids",
            format!("uid {} is the workload's ({}): it can pass itself off as any caller", person.uid, person.from),
            "Envoy's own user",
            "run Envoy as a user of its own, and name that one in `envoy.uids`",
        )
    };
    mixed.iter().map(told).collect()
}

fn enclave_host(wanted: u32, found: Option<u32>, socket: &Path, gateway: &Gateway, people: &[Person]) -> Finding {
    let expected = format!("uid {wanted} (`enclave.uid`), neither the gateway's nor the workload's");
    let shown = socket.display();
    if people.iter().any(|person| person.uid == wanted) {
        return Finding::fail(
            "enclave",
            format!("`enclave.uid` is {wanted}, the workload's: it can be the enclave"),
            expected,
            "run the enclave host as a user of its own",
        );
    }
    match found {
        Some(uid) if uid != wanted => Finding::fail(
            "enclave",
            format!("what listens on `{shown}` runs as uid {uid}"),
            expected,
            "run the enclave host as the user that the config names, or correct `enclave.uid`",
        ),
        Some(uid) if uid == gateway.uid => Finding::warn(
            "enclave",
            format!("the enclave host runs as uid {uid}, the gateway's own"),
            "a user of its own",
            "give it a user of its own: a hole in its engine would meet the gateway's files",
        ),
        Some(uid) => Finding::ok("enclave", format!("the enclave host listens on `{shown}`, as uid {uid}")),
        None => Finding::warn(
            "enclave",
            format!("nobody answers on `{shown}`, or this user may not connect"),
            expected,
            "start `bellgate-enclave`, or run doctor as the gateway's user",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::finding::Status;
    use super::*;

    fn person(uid: u32) -> Person {
        Person { uid, groups: Vec::new(), from: "it listens".into(), capabilities: Vec::new(), elsewhere: false }
    }

    fn statuses(findings: &[Finding]) -> Vec<Status> {
        findings.iter().map(|finding| finding.status).collect()
    }

    #[test]
    fn a_folder_of_sockets_is_closed_to_others() {
        let at = tempfile::tempdir().unwrap();
        for (mode, status) in [
            (0o700, Status::Ok),
            (0o750, Status::Ok),
            (0o770, Status::Ok),
            (0o751, Status::Fail),
            (0o777, Status::Fail),
        ] {
            fs::set_permissions(at.path(), Permissions::from_mode(mode)).unwrap();
            assert_eq!(folder("admin", at.path()).unwrap().status, status, "{mode:o}");
        }
        assert!(folder("admin", &at.path().join("none")).is_none());
    }

    #[test]
    fn operators_and_envoy_are_nobody_elses_users() {
        let workload = [person(1000)];
        for (admin, envoy, expected) in [
            (vec![0], vec![101], vec![Status::Ok]),
            (vec![0, 1000], vec![101], vec![Status::Fail]),
            (vec![0, 101], vec![101], vec![Status::Fail]),
            (vec![1000, 101], vec![101], vec![Status::Fail, Status::Fail]),
        ] {
            assert_eq!(statuses(&operators(&admin, &envoy, &workload)), expected, "{admin:?}");
        }
        assert_eq!(statuses(&envoys(&[101], &workload)), [Status::Ok]);
        assert_eq!(statuses(&envoys(&[101, 1000], &workload)), [Status::Fail]);
    }

    #[test]
    fn the_enclave_host_is_who_the_config_says_and_nobody_else() {
        let (workload, gateway) = ([person(1000)], Gateway { uid: 10001, from: "test", runs: true });
        let of = |wanted, found| enclave_host(wanted, found, Path::new("/run/e.sock"), &gateway, &workload).status;
        assert_eq!(of(10002, Some(10002)), Status::Ok);
        assert_eq!(of(10002, Some(10003)), Status::Fail);
        assert_eq!(of(10002, None), Status::Warn);
        assert_eq!(of(10001, Some(10001)), Status::Warn);
        assert_eq!(of(1000, Some(1000)), Status::Fail);
    }
}
