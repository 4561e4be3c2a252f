//! Envoy itself validates the bootstraps; and what must not change in them is there.

use std::process::Command;

use crate::support::envoy::{find, render};

const TEMPLATES: [&str; 2] = ["data-path", "ext-authz"];

fn rendered(template: &str, source: &str, folder: &str) -> String {
    let (svid, bundle) = (format!("{folder}/svid.yaml"), format!("{folder}/bundle.yaml"));
    let mut settings = vec![
        ("RUN_DIR", folder),
        ("GATEWAY_SOCKET", "/run/bellgate/envoy.sock"),
        ("TRUST_DOMAIN", "demo.bellgate.test"),
    ];
    if source == "files" {
        settings.extend([("SVID_FILE", svid.as_str()), ("BUNDLE_FILE", bundle.as_str())]);
    }
    render(template, source, &settings)
}

#[test]
fn envoy_validates_each_template_with_each_source() {
    let Some(envoy) = find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().to_str().unwrap();
    for file in ["svid.yaml", "bundle.yaml"] {
        let template = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("bootstraps").join(file);
        std::fs::copy(template, folder.path().join(file)).unwrap();
    }
    for template in TEMPLATES {
        for source in ["spire", "files"] {
            let file = folder.path().join(format!("{template}-{source}.yaml"));
            std::fs::write(&file, rendered(template, source, name)).unwrap();
            let output = Command::new(&envoy)
                .args(["--mode", "validate", "--log-level", "warn", "-c"])
                .arg(&file)
                .output()
                .unwrap();
            assert!(output.status.success(), "{template} {source}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

#[test]
fn nothing_is_left_to_fill_in() {
    for template in TEMPLATES {
        for source in ["spire", "files"] {
            let text = rendered(template, source, "/run/bellgate");
            let left: Vec<_> = text.lines().filter(|line| line.replace("\"@type\"", "").contains('@')).collect();
            assert!(left.is_empty(), "{template} {source}: {left:?}");
        }
    }
}

#[test]
fn what_the_templates_promise() {
    let everywhere = [
        "require_client_certificate: true",
        "tls_minimum_protocol_version: TLSv1_3",
        "disable_stateless_session_resumption: true",
        "forward_client_cert_details: SANITIZE_SET",
        "normalize_path: true",
        "path_with_escaped_slashes_action: REJECT_REQUEST",
    ];
    let ext_authz = [
        "failure_mode_allow: false",
        "allow_partial_message: false",
        "bellgate-body: whole",
        "include_peer_certificate: true",
    ];
    for (template, more) in [("data-path", &[][..]), ("ext-authz", &ext_authz[..])] {
        let text = rendered(template, "spire", "/run/bellgate");
        for line in everywhere.iter().chain(more) {
            assert!(text.contains(line), "{template} has no `{line}`");
        }
    }
}
