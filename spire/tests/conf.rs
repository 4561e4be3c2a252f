//! What `conf/` promises: one trust domain throughout, a uid and a binary for each workload, no way around attestation.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use bellgate_policy::SpiffeId;

const TRUST_DOMAIN: &str = "demo.bellgate.test";
const FILES: [&str; 2] = ["server.conf", "agent.conf"];

fn conf(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("conf").join(file)
}

/// The options that are set, without comments: `name = value`.
fn options(file: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(conf(file)).unwrap();
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().trim_matches('"').to_owned()))
        .collect()
}

/// Each call of `spire-server` that `entries.sh` makes, as its arguments.
fn calls() -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let (fake, record) = (folder.path().join("spire-server"), folder.path().join("calls"));
    fs::write(&fake, format!("#!/bin/sh\n(printf '%s\\n' \"$@\"; echo) >>'{}'\n", record.display())).unwrap();
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o700)).unwrap();
    let status =
        Command::new("sh").arg(conf("entries.sh")).env("SPIRE_SERVER", &fake).env_remove("TRUST_DOMAIN").status();
    assert!(status.unwrap().success());
    fs::read_to_string(record)
        .unwrap()
        .split_terminator("\n\n")
        .map(|call| call.lines().map(str::to_owned).collect())
        .collect()
}

/// The values of an option of one call.
fn values<'a>(call: &'a [String], option: &str) -> Vec<&'a str> {
    call.iter().zip(call.iter().skip(1)).filter(|(name, _)| *name == option).map(|(_, value)| value.as_str()).collect()
}

#[test]
fn both_files_are_of_the_demos_trust_domain_and_balanced() {
    for file in FILES {
        let text = fs::read_to_string(conf(file)).unwrap();
        let live: String = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
        assert_eq!(live.matches('{').count(), live.matches('}').count(), "{file}");
        assert_eq!(live.matches('"').count() % 2, 0, "{file}");
        let domain = options(file).into_iter().find(|(name, _)| name == "trust_domain");
        assert_eq!(domain.unwrap().1, TRUST_DOMAIN, "{file}");
    }
}

#[test]
fn nothing_goes_around_attestation() {
    let forbidden = ["admin_socket_path", "authorized_delegates", "join_token"];
    for file in FILES {
        for (name, value) in options(file) {
            assert!(!forbidden.contains(&name.as_str()), "{file}: {name}");
            if ["insecure_bootstrap", "allow_unauthenticated_verifiers"].contains(&name.as_str()) {
                assert_eq!(value, "false", "{file}: {name}");
            }
            if name == "socket_path" {
                assert!(value.starts_with("/run/spire/"), "{file}: {value}");
            }
        }
    }
}

#[test]
fn each_workload_has_a_uid_and_a_binary_of_its_gateway() {
    let calls = calls();
    let (node, workloads) = calls.split_first().unwrap();
    let parent = format!("spiffe://{TRUST_DOMAIN}/node/sidecars");
    assert!(node.contains(&"-node".to_owned()));
    assert_eq!(values(node, "-spiffeID"), [parent.as_str()]);

    let (mut names, mut uids) = (BTreeSet::new(), BTreeSet::new());
    for call in workloads {
        assert_eq!(values(call, "-parentID"), [parent.as_str()]);
        let [id] = values(call, "-spiffeID")[..] else {
            panic!("{call:?}");
        };
        let id = SpiffeId::parse(id).unwrap();
        assert_eq!(id.trust_domain(), TRUST_DOMAIN);
        names.insert(id.path().to_owned());
        let [uid, path] = values(call, "-selector")[..] else {
            panic!("{call:?}");
        };
        let uid: u32 = uid.strip_prefix("unix:uid:").unwrap().parse().unwrap();
        assert_ne!(uid, 0);
        uids.insert(uid);
        assert_eq!(path, "unix:path:/usr/local/bin/bellgate");
    }
    let expected = ["/planner", "/records", "/registry", "/search", "/vault"];
    assert_eq!(names.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    assert_eq!(uids.len(), workloads.len(), "a uid is shared");
}
