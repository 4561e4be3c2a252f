//! What operators start from: the configs, rules and scripts of `deploy/`, and the pages at the top.
//!
//! Configs are read by the program itself, rules by Prometheus' own promtool where there is one. Not here: the container and the
//! cluster (`CONTRIBUTING.md` says how to try those).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bellgate_tests::bellgate;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn assert_well(output: &Output, what: &str) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{what}:\n{out}{err}");
}

#[test]
fn the_sample_config_is_one_that_starts() {
    let output = Command::new(bellgate()).args(["check", "--config"]).arg(root().join("deploy/bellgate.yaml")).output();
    assert_well(&output.unwrap(), "deploy/bellgate.yaml");
}

#[test]
fn the_config_of_the_pod_is_one_that_starts_with_the_starter_policy() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(root().join("deploy/kubernetes/planner.yaml"), folder.path().join("bellgate.yaml")).unwrap();
    fs::copy(root().join("policy/starter.yaml"), folder.path().join("policy.yaml")).unwrap();
    let output = Command::new(bellgate()).args(["check", "--config"]).arg(folder.path().join("bellgate.yaml")).output();
    assert_well(&output.unwrap(), "deploy/kubernetes/planner.yaml");
}

/// promtool on `PATH`, or where `tests/run.sh` puts it. Says why not, where there is none.
fn promtool() -> Option<PathBuf> {
    // target/debug/deps/<test> -> target
    let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned();
    let on_path: Vec<PathBuf> = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).map(|folder| folder.join("promtool")).collect())
        .unwrap_or_default();
    let found = on_path.into_iter().chain([target.join("tools/usr/bin/promtool")]).find(|path| path.is_file());
    if found.is_none() {
        println!("skipped: no promtool on PATH; Debian's package prometheus has it, tests/run.sh fetches it");
    }
    found
}

#[test]
fn prometheus_takes_the_rules_and_the_alerts_fire() {
    let Some(promtool) = promtool() else { return };
    for arguments in [
        ["check", "config", "prometheus.yaml"],
        ["check", "rules", "bellgate-rules.yaml"],
        ["test", "rules", "bellgate-rules-test.yaml"],
    ] {
        let output = Command::new(&promtool).args(arguments).current_dir(root().join("deploy/prometheus")).output();
        assert_well(&output.unwrap(), arguments.last().unwrap());
    }
}

/// Everything in `text` that is spelled like one of our metrics.
fn metrics_in(text: &str) -> BTreeSet<String> {
    text.split(|character: char| !(character.is_ascii_lowercase() || character == '_'))
        .filter(|word| word.starts_with("bellgate_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn metrics_that_rules_and_readme_name_are_counted() {
    let sources = ["gateway/proxy/src/metrics.rs", "gateway/src/app/lake_metrics.rs"].map(read).concat();
    let counted = metrics_in(&sources);
    assert!(counted.contains("bellgate_decisions_total") && counted.contains("bellgate_lake_errors_total"));
    for page in ["deploy/prometheus/bellgate-rules.yaml", "README.md"] {
        let named = metrics_in(&read(page));
        let unknown: Vec<&String> = named.difference(&counted).collect();
        assert!(named.len() > 5 && unknown.is_empty(), "{page} names {unknown:?}, which nothing counts");
    }
}

#[test]
fn links_of_the_pages_lead_somewhere() {
    let mut links = 0;
    for page in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "policy/LABELS.md"] {
        let beside = root().join(page).parent().unwrap().to_owned();
        for rest in read(page).split("](").skip(1) {
            let target = rest.split([')', '#']).next().unwrap();
            if !target.is_empty() && !target.starts_with("https://") {
                links += 1;
                assert!(beside.join(target).exists(), "{page} links to `{target}`, which is not there");
            }
        }
    }
    assert!(links > 5, "only {links} links were found");
}

#[test]
fn scripts_are_ones_that_their_shells_read() {
    for (shell, script) in [("sh", "deploy/demo.sh"), ("sh", "tests/run.sh"), ("bash", ".ci/run")] {
        let output = Command::new(shell).arg("-n").arg(root().join(script)).output().unwrap();
        assert_well(&output, script);
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(root().join(script)).unwrap().permissions());
        assert_eq!(mode & 0o111, 0o111, "`{script}` can't be executed");
    }
}
