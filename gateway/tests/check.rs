//! `bellgate check`, run as a program: statuses, and what stands on which stream.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn gateway() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn fixture(name: &str) -> PathBuf {
    gateway().join("tests/fixtures/config").join(name)
}

/// Nothing of the environment reaches it: no secret, no home, no working folder that would matter.
fn check(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellgate"));
    command.arg("check").args(arguments).env_clear().current_dir("/");
    command.output().unwrap()
}

fn check_file(kind: &str, path: &Path) -> (Option<i32>, String, String) {
    let output = check(&[kind, path.to_str().unwrap()]);
    (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_sample_is_well_and_told_about() {
    let (status, told, wrong) = check_file("--config", &gateway().join("../deploy/bellgate.yaml"));
    assert_eq!((status, wrong.as_str()), (Some(0), ""));
    for part in [
        "deploy/bellgate.yaml is well: 4 files read, nothing to correct\n",
        "  identity   spiffe://demo.bellgate.test/planner, from unix:///run/spire/agent.sock\n",
        "  egress     127.0.0.1:15001 ",
        "  admin      unix:/run/bellgate/admin.sock  uid 0 ",
        "  search    search.default.svc:8443 over h2    spiffe://demo.bellgate.test/search ",
        "  body             1MiB ",
        "  connect_timeout  3s ",
    ] {
        assert!(told.contains(part), "{part:?} is not in\n{told}");
    }
    assert!(!told.contains("warning") && !told.contains("set by this config"), "{told}");
    assert!(told.lines().all(|line| line.trim_end() == line), "no spaces at ends of lines");
}

#[test]
fn warnings_are_told_and_refuse_nothing() {
    let (status, told, wrong) = check_file("--config", &fixture("accept/warned.yaml"));
    assert_eq!((status, wrong.as_str()), (Some(0), ""));
    assert_eq!(told.matches("warning: ").count(), 2, "{told}");
}

#[test]
fn all_mistakes_are_on_standard_error() {
    let (status, told, wrong) = check_file("--config", &fixture("reject/upstreams.yaml"));
    assert_eq!((status, told.as_str()), (Some(78), ""));
    for part in ["upstreams.yaml:9:3: ", "upstreams.yaml:13:3: ", "\n\n5 mistakes; nothing would start\n"] {
        assert!(wrong.contains(part), "{part:?} is not in\n{wrong}");
    }
}

#[test]
fn a_policy_alone() {
    let (status, told, _) = check_file("--policy", &gateway().join("../policy/starter.yaml"));
    assert_eq!(status, Some(0));
    assert!(told.contains("starter.yaml is well") && told.contains("sha256:"), "{told}");
    let (status, told, wrong) = check_file("--policy", &fixture("wrong-policy.yaml"));
    assert_eq!((status, told.as_str()), (Some(78), ""));
    assert!(wrong.contains("wrong-policy.yaml:3:54: ") && wrong.contains("2 mistakes"), "{wrong}");
    assert_eq!(check_file("--policy", Path::new("/nonexistent")).0, Some(78));
}

#[test]
fn exactly_one_file() {
    for arguments in [&[][..], &["--config", "a", "--policy", "b"]] {
        assert_eq!(check(arguments).status.code(), Some(2), "{arguments:?}");
    }
}
