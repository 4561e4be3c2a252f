//! The house as it is drawn: `ARCHITECTURE.md` against the workspace itself.
//!
//! What is read: the two tables of that page, `cargo metadata --no-deps`, the manifests, the folders, the sources. A
//! dependency that the page does not allow fails here, with what to change; so does a line of the page that is no longer true.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Packages whose answers depend on what they are given alone.
const PURE: [&str; 4] = ["bellgate-policy", "bellgate-manifest", "bellgate-telemetry", "bellgate-enclave-protocol"];

/// All that a pure package may name outside of its tests: no runtime, no clock, no files, no network.
const PURE_MAY_NAME: [&str; 13] = [
    "bytes",
    "hex",
    "jsonschema",
    "memchr",
    "percent-encoding",
    "saphyr-parser",
    "serde",
    "serde_json",
    "sha2",
    "smallvec",
    "thiserror",
    "unicode-normalization",
    "uuid",
];

/// A second TLS library or a second crypto provider would be one more to trust, and to patch.
const NOBODY_NAMES: [&str; 6] = ["openssl", "openssl-sys", "native-tls", "aws-lc-rs", "aws-lc-sys", "boring"];

/// Versions that what we build on is known to work with, and no other: each rests on something undocumented or broken elsewhere.
const PINNED: [&str; 6] = ["pingora", "pingora-core", "spiffe", "jsonschema", "extism", "polars"];

/// What stands at the top beside what `.gitignore` names.
const TOP: [&str; 20] = [
    ".ci",
    ".git",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "clippy.toml",
    "deploy",
    "enclave-host",
    "envoy",
    "gateway",
    "policy",
    "rustfmt.toml",
    "spire",
    "tests",
    "target",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// One package as cargo sees it.
struct Package {
    folder: PathBuf,
    /// Names and whether the dependency is for tests alone.
    dependencies: Vec<(String, bool)>,
    requirements: BTreeMap<String, String>,
    features: usize,
    roots: Vec<PathBuf>,
}

struct Workspace {
    packages: BTreeMap<String, Package>,
    default_members: BTreeSet<String>,
}

fn workspace() -> Workspace {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut by_id = BTreeMap::new();
    let mut packages = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let folder = Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned();
        let declared = package["dependencies"].as_array().unwrap();
        let targets = package["targets"].as_array().unwrap();
        by_id.insert(text(&package["id"]), text(&package["name"]));
        packages.insert(
            text(&package["name"]),
            Package {
                folder,
                dependencies: declared.iter().map(|one| (text(&one["name"]), one["kind"] == "dev")).collect(),
                requirements: declared.iter().map(|one| (text(&one["name"]), text(&one["req"]))).collect(),
                features: package["features"].as_object().unwrap().len(),
                roots: targets.iter().map(|target| text(&target["src_path"]).into()).collect(),
            },
        );
    }
    let default = metadata["workspace_default_members"].as_array().unwrap();
    let default_members = default.iter().map(|id| by_id[id.as_str().unwrap()].clone()).collect();
    Workspace { packages, default_members }
}

/// The rows of the table of `ARCHITECTURE.md` under `heading`, each as its cells.
fn table(heading: &str) -> Vec<Vec<String>> {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let section = page.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let rows: Vec<Vec<String>> = section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect();
    assert!(!rows.is_empty(), "no table under `{heading}`");
    rows
}

/// The names of a cell, and whether each is for tests alone.
fn names(cell: &str) -> Vec<(String, bool)> {
    cell.split(',')
        .map(str::trim)
        .filter(|name| *name != "–")
        .map(|name| {
            let quoted = name.trim_end_matches(" (tests)");
            (quoted.trim_matches('`').to_owned(), quoted != name)
        })
        .collect()
}

fn quoted(cell: &str) -> String {
    cell.trim_matches('`').to_owned()
}

#[test]
fn every_package_stands_where_the_page_says() {
    let workspace = workspace();
    let drawn: BTreeMap<String, PathBuf> = table("The house")
        .iter()
        .map(|row| (quoted(&row[0]), root().join(quoted(&row[1]).trim_end_matches('/'))))
        .collect();
    let real: BTreeMap<String, PathBuf> =
        workspace.packages.iter().map(|(name, package)| (name.clone(), package.folder.clone())).collect();
    assert_eq!(drawn, real, "ARCHITECTURE.md on the left, the workspace on the right");
}

#[test]
fn nobody_imports_what_the_page_does_not_allow() {
    let workspace = workspace();
    let rows = table("Who may know whom");
    let listed: BTreeSet<String> = rows.iter().map(|row| quoted(&row[0])).collect();
    assert_eq!(listed, workspace.packages.keys().cloned().collect::<BTreeSet<_>>());
    let mut mistakes = Vec::new();
    for row in &rows {
        let package = quoted(&row[0]);
        let may: BTreeSet<String> = names(&row[1]).into_iter().map(|(name, _)| name).collect();
        for (dependency, _) in &workspace.packages[&package].dependencies {
            if workspace.packages.contains_key(dependency) && !may.contains(dependency) {
                mistakes.push(format!("`{package}` imports `{dependency}`"));
            }
        }
    }
    assert!(mistakes.is_empty(), "{}; take it out, or allow it in ARCHITECTURE.md and say why", mistakes.join(", "));
}

#[test]
fn what_is_heavy_is_named_only_where_the_page_says() {
    let workspace = workspace();
    let rows = table("Who may know whom");
    let mut may: BTreeMap<String, BTreeMap<String, bool>> = BTreeMap::new();
    for row in &rows {
        for (name, tests_only) in names(&row[2]) {
            may.entry(name).or_default().insert(quoted(&row[0]), tests_only);
        }
    }
    assert!(may.contains_key("pingora") && may.contains_key("polars") && may.contains_key("wasmtime"));
    let mut mistakes = Vec::new();
    let mut used = BTreeSet::new();
    for (package, Package { dependencies, .. }) in &workspace.packages {
        for (dependency, for_tests) in dependencies {
            let Some(allowed) = may.get(dependency) else { continue };
            match allowed.get(package) {
                None => mistakes.push(format!("`{package}` names `{dependency}`")),
                Some(true) if !for_tests => {
                    mistakes.push(format!("`{package}` names `{dependency}` outside of its tests"))
                }
                Some(_) => drop(used.insert((package.clone(), dependency.clone()))),
            }
        }
    }
    for (dependency, allowed) in &may {
        for package in allowed.keys() {
            if !used.contains(&(package.clone(), dependency.clone())) {
                mistakes.push(format!("the page lists `{dependency}` for `{package}`, which does not name it"));
            }
        }
    }
    assert!(mistakes.is_empty(), "{}; mend the Cargo.toml or ARCHITECTURE.md", mistakes.join(", "));
}

#[test]
fn pure_packages_are_held_pure() {
    let workspace = workspace();
    let rules = fs::read_to_string(workspace.packages["bellgate-policy"].folder.join("clippy.toml")).unwrap();
    for banned in
        ["SystemTime::now", "Instant::now", "env::var", "fs::read", "File::open", "thread::spawn", "TcpStream"]
    {
        assert!(rules.contains(banned), "policy/clippy.toml does not ban `{banned}`");
    }
    for name in PURE {
        let package = &workspace.packages[name];
        assert_eq!(fs::read_to_string(package.folder.join("clippy.toml")).unwrap(), rules, "`{name}` has other rules");
        for (dependency, for_tests) in &package.dependencies {
            let fine =
                *for_tests || PURE.contains(&dependency.as_str()) || PURE_MAY_NAME.contains(&dependency.as_str());
            assert!(fine, "`{name}` is pure and names `{dependency}`");
        }
    }
}

#[test]
fn default_members_need_neither_polars_nor_wasmtime() {
    let workspace = workspace();
    let mut reached: Vec<String> = workspace.default_members.iter().cloned().collect();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    while let Some(name) = reached.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        for (dependency, _) in &workspace.packages[&name].dependencies {
            let heavy = ["polars", "arrow", "parquet", "extism", "wasmtime", "lancedb"].contains(&dependency.as_str());
            assert!(!heavy, "`{name}` is built by a plain `cargo build` and names `{dependency}`");
            if workspace.packages.contains_key(dependency) {
                reached.push(dependency.clone());
            }
        }
    }
    assert!(seen.contains("bellgate-proxy") && !seen.contains("bellgate-lake"));
}

#[test]
fn versions_are_chosen_once_and_pinned_where_it_matters() {
    let workspace = workspace();
    for (name, package) in &workspace.packages {
        assert_eq!(package.features, 0, "`{name}` has features of its own; a crate or a process is the switch");
        for pinned in PINNED {
            if let Some(requirement) = package.requirements.get(pinned) {
                assert!(
                    requirement.starts_with('='),
                    "`{name}` takes `{pinned}` {requirement}, which is not one version"
                );
            }
        }
        for dependency in package.requirements.keys() {
            assert!(!NOBODY_NAMES.contains(&dependency.as_str()), "`{name}` names `{dependency}`");
        }
        let manifest = fs::read_to_string(package.folder.join("Cargo.toml")).unwrap();
        for line in dependency_lines(&manifest) {
            assert!(
                line.contains("workspace = true") && !line.contains("git ="),
                "`{line}` of `{name}`: the version belongs into [workspace.dependencies]"
            );
        }
        for wanted in [
            "edition.workspace = true",
            "rust-version.workspace = true",
            "license.workspace = true",
            "[lints]\nworkspace = true",
        ] {
            assert!(manifest.contains(wanted), "the Cargo.toml of `{name}` lacks `{wanted}`");
        }
    }
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    for name in NOBODY_NAMES {
        assert!(
            !lock.contains(&format!("\nname = \"{name}\"\n")),
            "Cargo.lock has `{name}`; turn off the feature that brings it"
        );
    }
    assert!(!lock.contains("source = \"git+"), "Cargo.lock has a dependency from git");
}

/// The lines under the headings of a manifest that list dependencies.
fn dependency_lines(manifest: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut within = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            within = line.ends_with("dependencies]");
        } else if within && !line.trim().is_empty() && !line.starts_with('#') {
            found.push(line);
        }
    }
    found
}

#[test]
fn the_top_holds_what_was_agreed_and_nothing_else() {
    let ignored = fs::read_to_string(root().join(".gitignore")).unwrap();
    let ignored: Vec<&str> = ignored.lines().map(|line| line.trim_matches('/')).collect();
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !ignored.contains(&name.as_str()) && !name.ends_with(".profraw") {
            found.insert(name);
        }
    }
    let strange: Vec<&String> = found.iter().filter(|name| !TOP.contains(&name.as_str())).collect();
    assert!(strange.is_empty(), "{strange:?} stand at the top; move them into a package, `tests/` or `deploy/`");
    // An archive of the sources has no `.git`, and a target folder can be elsewhere.
    for name in TOP.iter().filter(|name| !matches!(**name, ".git" | "target")) {
        assert!(found.contains(*name), "`{name}` is not there");
    }
}

#[test]
fn every_crate_says_what_it_is() {
    let workspace = workspace();
    for package in workspace.packages.values() {
        for path in &package.roots {
            let source = fs::read_to_string(path).unwrap();
            assert!(source.starts_with("//!"), "`{}` begins without docs of its own", path.display());
        }
    }
}

#[test]
fn nothing_is_left_unfinished_in_the_sources() {
    let workspace = workspace();
    let unfinished: Vec<String> = ["todo", "unimplemented", "dbg"].iter().map(|name| format!("{name}!(")).collect();
    let mut files = 0;
    for package in workspace.packages.values() {
        for path in sources(&package.folder.join("src")) {
            files += 1;
            let source = fs::read_to_string(&path).unwrap();
            for macro_call in &unfinished {
                assert!(!source.contains(macro_call), "`{}` has `{macro_call}`", path.display());
            }
        }
    }
    assert!(files > 100, "only {files} files were looked at");
}

/// Every Rust file below `folder`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
