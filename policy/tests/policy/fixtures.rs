//! Policy files that must be read, that must be refused, and that must be warned about, each with the exact messages
//! beside it (`.txt`). `BLESS=1` writes the messages anew.

#![expect(clippy::disallowed_methods, reason = "fixtures are files")]

use std::fs;
use std::path::{Path, PathBuf};

use bellgate_policy::{Diagnostics, Policy};

fn files(folder: &str) -> Vec<(PathBuf, String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder);
    let mut found: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            (path, name, text)
        })
        .collect();
    assert!(!found.is_empty(), "{}", folder.display());
    found.sort();
    found
}

fn compare(path: &Path, found: &str) {
    let beside = path.with_extension("txt");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&beside, found).unwrap();
    }
    let expected = fs::read_to_string(&beside).unwrap_or_default();
    assert_eq!(found, expected, "{}", beside.display());
}

#[test]
fn what_is_right_is_read() {
    for (_, name, text) in files("accept") {
        if let Err(mistakes) = Policy::parse(&name, &text) {
            panic!("{mistakes}");
        }
    }
}

#[test]
fn what_is_wrong_is_refused_with_all_that_is_wrong() {
    for (path, name, text) in files("reject") {
        match Policy::parse(&name, &text) {
            Ok(_) => panic!("{name} was read"),
            Err(mistakes) => compare(&path, &format!("{mistakes}\n")),
        }
    }
}

#[test]
fn what_can_hardly_be_meant_is_warned_of() {
    for (path, name, text) in files("warn") {
        let policy = crate::world::read(&text);
        assert_eq!(policy.file(), "policy.yaml");
        let warnings = Policy::parse(&name, &text).unwrap().warnings();
        assert!(!warnings.is_empty(), "{name}");
        compare(&path, &format!("{}\n", Diagnostics(warnings)));
    }
}

#[test]
fn the_starter_policy_is_right_and_means_what_it_says() {
    let starter = crate::world::read(include_str!("../../starter.yaml"));
    assert_eq!(starter.warnings(), []);
}

#[test]
fn the_starter_policys_comments_are_right_too() {
    let starter = include_str!("../../starter.yaml");
    let mut whole = starter
        .replace("  # - untrusted ", "  - untrusted ")
        .replace("  # web:\n  #   web: example.com\n  #   label:", "  web:\n    web: example.com\n    label:")
        .replace("  # - { subject: planner, object: web", "  - { subject: planner, object: web")
        .replace("  # - { subject: planner, object: deidentify", "  - { subject: planner, object: deidentify")
        .replace(
            "clearance: \"RESTRICTED:clinical\"\n    gateway: true\n\n  # Tools",
            "clearance: \"RESTRICTED:clinical,untrusted\"\n    gateway: true\n\n  # Tools",
        )
        .replace("<64 hex digits>", &"0".repeat(64));
    for line in ["capabilities:", "  deidentify:", "    urn:", "    sha256:", "    entry:", "    label:", "    limits:"]
    {
        whole = whole.replace(&format!("\n# {line}"), &format!("\n{line}"));
    }
    let policy = crate::world::read(&whole);
    assert_eq!(policy.warnings(), []);
    assert!(policy.capability("deidentify").is_some() && policy.upstream("web").is_some());
}
