//! The workload: another user than the gateway, without a way into what is the gateway's.

use std::path::{Path, PathBuf};

use super::Loaded;
use super::access::{self, Access, Need};
use super::finding::Finding;
use super::processes;
use super::users::{Gateway, Person};
use crate::config::{Config, TcpOrUnix};

/// Who it is, what it could do, and what it could open.
pub(super) fn checks(loaded: &Loaded, gateway: &Gateway, people: &[Person]) -> Vec<Finding> {
    let mut findings = vec![known(loaded.config.ingress.as_ref().map(|ingress| &ingress.workload), people)];
    for person in people {
        findings.push(another_user(person, gateway));
        // Such a one needs no other way; one finding says so.
        if person.uid == gateway.uid || person.uid == 0 {
            continue;
        }
        findings.push(powers(person));
        findings.extend(reach(person, &secrets(&loaded.config)));
        findings.extend(rewrite(person, &loaded.files, &loaded.config.file));
    }
    findings
}

/// Without a uid there is nobody to check.
fn known(workload: Option<&TcpOrUnix>, people: &[Person]) -> Finding {
    if !people.is_empty() {
        let shown: Vec<String> = people.iter().map(|person| format!("uid {} ({})", person.uid, person.from)).collect();
        return Finding::ok("workload", shown.join(", "));
    }
    let found = match workload {
        Some(TcpOrUnix::Tcp(address)) => format!("nobody listens on {address}, where `ingress` delivers"),
        Some(TcpOrUnix::Unix(path)) => format!("nobody listens on `{}`, where `ingress` delivers", path.display()),
        None => {
            String::from("the config does not say who the workload is: it has no `ingress`, and `egress` is on TCP")
        }
    };
    Finding::warn(
        "workload",
        found,
        "the uid of the workload, to check what it can reach",
        "start the workload, or give its uid: --workload-uid UID",
    )
}

fn another_user(person: &Person, gateway: &Gateway) -> Finding {
    let uid = person.uid;
    if uid == gateway.uid {
        return Finding::fail(
            "workload-uid",
            format!("the workload ({}) and the gateway ({}) both run as uid {uid}", person.from, gateway.from),
            "a user of its own for each",
            "run the workload as another user; as this one it can read the gateway's key, set its watermark back, and reset it as an operator",
        );
    }
    if uid == 0 {
        return Finding::fail(
            "workload-uid",
            format!("the workload ({}) runs as root", person.from),
            "a user without rights over others",
            "run it as another user",
        );
    }
    Finding::ok(
        "workload-uid",
        format!("the workload runs as uid {uid}, the gateway as {} ({})", gateway.uid, gateway.from),
    )
}

fn powers(person: &Person) -> Finding {
    if person.capabilities.is_empty() {
        let found = if person.elsewhere {
            format!(
                "processes of uid {} can't be seen from this container; their capabilities are in its securityContext",
                person.uid
            )
        } else if processes::of_uid(person.uid).is_empty() {
            format!("no process of uid {} runs here", person.uid)
        } else {
            format!("no process of uid {} has a capability that leads around its gateway", person.uid)
        };
        return Finding::ok("workload-powers", found);
    }
    Finding::fail(
        "workload-powers",
        format!("a process of uid {} has {}", person.uid, person.capabilities.join(", ")),
        "none of these",
        "drop its capabilities (`capabilities: { drop: [ALL] }`, `CapabilityBoundingSet=`): with them it gets around its gateway, or into it",
    )
}

/// What a workload must not open, and why.
struct Secret {
    check: &'static str,
    path: PathBuf,
    socket: bool,
    why: &'static str,
    todo: &'static str,
}

fn secrets(config: &Config) -> Vec<Secret> {
    let mut secrets = Vec::new();
    let api = config.identity.workload_api.strip_prefix("unix:").unwrap_or_default();
    // `unix:///run/x.sock` and `unix:/run/x.sock` are the same place.
    let api = format!("/{}", api.trim_start_matches('/'));
    secrets.push(Secret {
        check: "workload-api",
        path: PathBuf::from(api),
        socket: true,
        why: "who talks to the Workload API can ask for the gateway's key",
        todo: "put the socket into a folder that only the gateway's group may enter, mode 0750 (spire/conf/README.md), or mount it into the gateway's container alone",
    });
    secrets.push(Secret {
        check: "state-reach",
        path: config.state.directory.clone(),
        socket: false,
        why: "who reaches the state sets labels back",
        todo: "chmod 0700 it, and run the workload as another user",
    });
    if let Some(admin) = &config.admin {
        secrets.push(Secret {
            check: "admin-reach",
            path: admin.socket.clone(),
            socket: true,
            why: "operators reset labels there",
            todo: "close its folder to the workload: mode 0700, or 0750 with a group of operators",
        });
    }
    if let Some(enclave) = &config.enclave {
        secrets.push(Secret {
            check: "enclave-reach",
            path: enclave.socket.clone(),
            socket: true,
            why: "calls of capabilities go there, unchecked",
            todo: "close its folder to the workload: mode 0700, or 0750 with the gateway's group",
        });
    }
    if let Some(audit) = &config.audit {
        secrets.push(Secret {
            check: "audit-reach",
            path: audit.clone(),
            socket: false,
            why: "the audit log has the top of the lattice",
            todo: "chmod 0600 it, in a folder of mode 0700",
        });
    }
    secrets
}

fn reach(person: &Person, secrets: &[Secret]) -> Vec<Finding> {
    secrets.iter().map(|secret| opened(person, secret)).collect()
}

fn opened(person: &Person, secret: &Secret) -> Finding {
    let Secret { check, path, socket, why, todo } = secret;
    let (uid, shown) = (person.uid, path.display());
    let access = if *socket { access::to_socket(person, path) } else { access::of(person, path, Need::Read) };
    let expected = format!("no way for uid {uid}: {why}");
    match access {
        Access::No(at) => {
            Finding::ok(check, format!("uid {uid} is kept from `{shown}` by the mode of `{}`", at.display()))
        }
        Access::Missing => Finding::ok(check, format!("`{shown}` is not there, for uid {uid} or anybody")),
        Access::Unknown(why) => Finding::warn(
            check,
            why,
            expected,
            "run doctor as the gateway's user or as root, and look at the list with getfacl",
        ),
        Access::Yes if person.elsewhere => Finding::warn(
            check,
            format!("by its mode uid {uid} could open `{shown}`, were it mounted into that uid's container"),
            expected,
            "see that no volume of it is mounted into the workload's container",
        ),
        Access::Yes => Finding::fail(check, format!("uid {uid} can open `{shown}`"), expected, *todo),
    }
}

/// Who can write the policy needs no other way. One finding for all files.
fn rewrite(person: &Person, files: &[PathBuf], config: &Path) -> Vec<Finding> {
    let uid = person.uid;
    let mut all: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    if !all.contains(&config) {
        all.push(config);
    }
    let writable: Vec<String> = all
        .into_iter()
        .filter(|file| {
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            [*file, folder].into_iter().any(|path| access::of(person, path, Need::Write) == Access::Yes)
        })
        .map(|file| format!("`{}`", file.display()))
        .collect();
    if writable.is_empty() {
        return vec![Finding::ok("files", format!("uid {uid} can write none of the files that the gateway reads"))];
    }
    let (found, expected) = (
        format!("uid {uid} can write {}, or put another in its place", writable.join(", ")),
        "files that only operators write",
    );
    let todo = "make them and their folders writable for their owner alone";
    vec![if person.elsewhere {
        Finding::warn("files", found, expected, todo)
    } else {
        Finding::fail("files", found, expected, todo)
    }]
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::finding::Status;
    use super::*;

    fn person(uid: u32) -> Person {
        Person { uid, groups: Vec::new(), from: "it listens".into(), capabilities: Vec::new(), elsewhere: false }
    }

    fn gateway() -> Gateway {
        Gateway { uid: 10001, from: "test", runs: true }
    }

    #[test]
    fn without_a_uid_it_is_said_why() {
        let place = TcpOrUnix::Tcp("127.0.0.1:9".parse().unwrap());
        assert_eq!(known(Some(&place), &[person(1000)]).status, Status::Ok);
        let finding = known(Some(&place), &[]);
        assert_eq!(finding.status, Status::Warn);
        assert!(finding.found.contains("nobody listens on 127.0.0.1:9"), "{finding:?}");
        assert!(known(None, &[]).found.contains("no `ingress`"));
    }

    #[test]
    fn the_workload_is_neither_the_gateway_nor_root() {
        for (uid, status) in [(1000, Status::Ok), (10001, Status::Fail), (0, Status::Fail)] {
            assert_eq!(another_user(&person(uid), &gateway()).status, status, "{uid}");
        }
    }

    #[test]
    fn capabilities_that_lead_around_are_told() {
        assert_eq!(powers(&person(1000)).status, Status::Ok);
        let strong = Person { capabilities: vec!["CAP_NET_ADMIN"], ..person(1000) };
        let finding = powers(&strong);
        assert_eq!(finding.status, Status::Fail);
        assert!(finding.found.contains("CAP_NET_ADMIN"));
    }

    #[test]
    fn what_is_the_gateways_alone_is_closed_to_the_workload() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("spire");
        fs::create_dir(&inner).unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let path = inner.join("api.sock");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
        let secret = Secret { check: "workload-api", path, socket: true, why: "why", todo: "todo" };
        let other = person(rustix::process::geteuid().as_raw() + 40_001);
        for (mode, here, elsewhere) in [(0o750, Status::Ok, Status::Ok), (0o755, Status::Fail, Status::Warn)] {
            fs::set_permissions(&inner, Permissions::from_mode(mode)).unwrap();
            assert_eq!(opened(&other, &secret).status, here, "{mode:o}");
            let away = Person { elsewhere: true, ..other.clone() };
            assert_eq!(opened(&away, &secret).status, elsewhere, "{mode:o}, in another container");
        }
    }

    #[test]
    fn who_can_write_the_policy_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (policy, config) = (folder.path().join("policy.yaml"), folder.path().join("bellgate.yaml"));
        fs::write(&policy, "").unwrap();
        fs::write(&config, "").unwrap();
        let other = person(rustix::process::geteuid().as_raw() + 40_001);
        for (folder_mode, file_mode, status) in [
            (0o755, 0o644, Status::Ok),
            (0o755, 0o646, Status::Fail),
            (0o757, 0o644, Status::Fail),
            (0o700, 0o666, Status::Ok),
        ] {
            fs::set_permissions(&policy, Permissions::from_mode(file_mode)).unwrap();
            fs::set_permissions(folder.path(), Permissions::from_mode(folder_mode)).unwrap();
            let findings = rewrite(&other, std::slice::from_ref(&policy), &config);
            assert_eq!(findings[0].status, status, "{folder_mode:o} {file_mode:o}");
        }
    }
}
