//! Configs that are accepted and configs that are refused, in `tests/fixtures/config/`, each with what is told about it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config")
}

fn in_folder(folder: &str) -> Vec<PathBuf> {
    let mut found: Vec<_> =
        std::fs::read_dir(fixtures().join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    found.sort();
    assert!(!found.is_empty());
    found
}

/// Compares with the file beside the fixture; with `UPDATE_EXPECTED` set, writes it instead, to be read before it is committed.
fn expect(fixture: &Path, told: &str) {
    let told = told.replace(&format!("{}/", fixtures().display()), "");
    let path = fixture.with_extension("expected");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, format!("{}\n", told.trim_end())).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(told.trim_end(), expected.trim_end(), "{}", fixture.display());
}

fn accepted(name: &str) -> Loaded {
    load(&fixtures().join("accept").join(name)).unwrap_or_else(|report| panic!("{report}"))
}

#[test]
fn what_is_accepted() {
    for fixture in in_folder("accept") {
        let loaded = load(&fixture).unwrap_or_else(|report| panic!("{report}"));
        let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
        if !warnings.is_empty() || fixture.with_extension("expected").exists() {
            expect(&fixture, &warnings.join("\n"));
        }
    }
}

#[test]
fn what_is_refused() {
    for fixture in in_folder("reject") {
        match load(&fixture) {
            Ok(_) => panic!("{} was accepted", fixture.display()),
            Err(report) => {
                assert!(report.len() > 0);
                expect(&fixture, &report.to_string());
            }
        }
    }
}

#[test]
fn a_config_that_is_not_there() {
    let report = load(Path::new("/nonexistent/bellgate.yaml")).err().unwrap().to_string();
    assert!(report.starts_with("/nonexistent/bellgate.yaml: can't be read: "), "{report}");
    assert!(load_policy(Path::new("/")).is_err());
}

#[test]
fn no_secret_is_repeated() {
    let report = load(&fixtures().join("reject/listeners.yaml")).err().unwrap().to_string();
    assert!(!report.contains("secret"), "{report}");
}

#[test]
fn defaults() {
    let loaded = accepted("minimal.yaml");
    let config = &loaded.config;
    assert_eq!(config.identity.workload_api, "unix:///run/spire/agent.sock");
    assert_eq!((config.tenant.as_str(), config.state.missing), ("default", MissingState::Clearance));
    assert_eq!(config.state.directory, fixtures().join("accept/state"), "relative to the config's folder");
    assert_eq!(config.limits, Limits::standard());
    let ingress = config.ingress.as_ref().unwrap();
    assert_eq!((ingress.protocol, ingress.workload.to_string()), (Protocol::H1, String::from("127.0.0.1:9000")));
    assert!(config.egress.is_none() && config.envoy.is_none() && config.metrics.is_none() && config.admin.is_none());
    assert!(
        config.enclave.is_none() && config.registry.is_none() && config.telemetry.is_none() && config.audit.is_none()
    );
    // An upstream of the web is reached by its name, without an entry; one of the mesh is not reached at all.
    let upstreams: Vec<_> =
        config.upstreams.iter().map(|(name, upstream)| (name.as_str(), upstream.address.to_string())).collect();
    assert_eq!(upstreams, [("web", String::from("api.example.com:443"))]);
}

#[test]
fn every_section() {
    let loaded = accepted("full.yaml");
    let config = &loaded.config;
    assert_eq!(config.identity.workload_api, "unix:///run/spire/agent.sock", "one spelling, whichever the file has");
    assert_eq!(config.identity.id.as_ref().unwrap().as_str(), "spiffe://t.test/planner");
    assert_eq!((config.tenant.as_str(), config.state.missing), ("clinic 7", MissingState::Floor));
    let Some(EgressSettings { listen: EgressListen::Unix(egress) }) = &config.egress else {
        panic!("egress is a socket")
    };
    assert_eq!(
        (egress.socket.as_path(), egress.uids.as_slice()),
        (Path::new("/run/bellgate/egress.sock"), &[1000, 1001][..])
    );
    let envoy = config.envoy.as_ref().unwrap();
    assert_eq!(
        (envoy.listen.uids.as_slice(), envoy.ext_authz.as_deref()),
        (&[101][..], Some(Path::new("/run/bellgate/authz.sock")))
    );
    let upstreams: Vec<_> = config
        .upstreams
        .iter()
        .map(|(name, upstream)| (name.as_str(), upstream.address.to_string(), upstream.protocol))
        .collect();
    assert_eq!(
        upstreams,
        [
            ("records", String::from("records.example:8443"), Protocol::H1),
            ("search", String::from("127.0.0.1:1234"), Protocol::H2),
            ("web", String::from("api.example.com:443"), Protocol::H1),
        ]
    );
    assert_eq!(config.registry.as_ref().unwrap().url.to_string(), "https://127.0.0.1:9999");
    let telemetry = config.telemetry.as_ref().unwrap();
    assert_eq!((telemetry.queue, telemetry.flush_rows, telemetry.flush_interval), (1, 1, Duration::from_millis(10)));
    assert_eq!(
        (config.limits.body, config.limits.depth, config.limits.connect_timeout),
        (64 << 10, 8, Duration::from_millis(500))
    );
    assert_eq!(config.limits.members, Limits::standard().members);
    assert_eq!(loaded.schemas.limits().bytes, 64 << 10, "the store keeps to the config's limits");
    assert_eq!(loaded.schemas.kinds().collect::<Vec<_>>(), ["search-query", "unused"]);
    assert!(loaded.schemas.validate("search-query", br#"{"manifest_version":"2","q":1}"#).is_ok());
    assert!(loaded.schemas.validate("search-query", br#"{"manifest_version":"2"}"#).is_err());
    assert_eq!(loaded.files.len(), 4);
}

#[test]
fn each_limit_at_its_edges() {
    let text = std::fs::read_to_string(fixtures().join("accept/minimal.yaml"))
        .unwrap()
        .replace("../", &format!("{}/", fixtures().display()));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.yaml");
    for bound in &BOUNDS {
        let unit = match bound.unit {
            Unit::Bytes => "B",
            Unit::Count => "",
            Unit::Time => "ms",
        };
        for (value, sound) in
            [(bound.least - 1, false), (bound.least, true), (bound.most, true), (bound.most + 1, false)]
        {
            std::fs::write(&path, format!("{text}limits: {{ {}: {value}{unit} }}\n", bound.name)).unwrap();
            match load(&path) {
                Ok(loaded) => assert!(sound && loaded.config.limits.get(bound) == value, "{} {value}", bound.name),
                Err(report) => assert!(!sound, "{report}"),
            }
        }
    }
}

#[test]
fn roots_of_the_web() {
    let key = std::fs::read_to_string(fixtures().join("roots.pem")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("roots.pem"), &key).unwrap();
    let text = std::fs::read_to_string(fixtures().join("accept/minimal.yaml"))
        .unwrap()
        .replace("../", &format!("{}/", fixtures().display()));
    let path = folder.path().join("c.yaml");
    std::fs::write(&path, format!("{text}upstreams: {{ web: {{ address: \"127.0.0.1:1\", roots: roots.pem }} }}\n"))
        .unwrap();
    let loaded = load(&path).unwrap_or_else(|report| panic!("{report}"));
    let (name, pem) = loaded.roots.iter().next().unwrap();
    assert_eq!((name.as_str(), pem.as_slice()), ("web", key.as_bytes()));
}

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/bellgate.yaml")
}

#[test]
fn the_sample_is_accepted_without_a_warning() {
    let loaded = load(&deploy()).unwrap_or_else(|report| panic!("{report}"));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(loaded.config.limits, Limits::standard(), "the sample shows the defaults");
    let text = std::fs::read_to_string(deploy()).unwrap();
    for bound in &BOUNDS {
        assert!(
            text.contains(&format!("# {}\n", bound.reason)) || text.contains(&format!("# {}", bound.reason)),
            "the sample gives the reason of `{}`",
            bound.name
        );
    }
    for (kind, body, conforms) in [
        ("search-query", r#"{"manifest_version":"1.0.0","query":"x"}"#, true),
        ("search-query", r#"{"manifest_version":"1.0.0","queries":["x"]}"#, false),
        ("search-query", r#"{"manifest_version":"2.0.0","queries":["x"],"limit":100}"#, true),
        ("search-query", r#"{"manifest_version":"3.0.0","queries":["x"]}"#, false),
        ("note", r#"{"text":"x","tags":["a"]}"#, true),
        ("note", r#"{"text":"x","tags":["A"]}"#, false),
    ] {
        assert_eq!(loaded.schemas.validate(kind, body.as_bytes()).is_ok(), conforms, "{kind} {body}");
    }
}

/// Whatever is taken out of a config, it is accepted or something is told.
#[test]
fn a_config_with_a_line_less() {
    let text = std::fs::read_to_string(deploy()).unwrap();
    let text = text.replace("../policy", &format!("{}/../policy", deploy().parent().unwrap().display()));
    let text = text.replace("schemas/", &format!("{}/schemas/", deploy().parent().unwrap().display()));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.yaml");
    let lines: Vec<_> = text.lines().collect();
    let mut refused = 0;
    for left_out in
        (0..lines.len()).filter(|number| !lines[*number].trim_start().starts_with('#') && !lines[*number].is_empty())
    {
        let rest: Vec<_> =
            lines.iter().enumerate().filter(|(number, _)| *number != left_out).map(|(_, line)| *line).collect();
        std::fs::write(&path, rest.join("\n")).unwrap();
        if let Err(report) = load(&path) {
            refused += 1;
            assert!(report.len() > 0 && !report.to_string().is_empty(), "without line {}", left_out + 1);
        }
    }
    assert!(refused > 10, "{refused}");
}
