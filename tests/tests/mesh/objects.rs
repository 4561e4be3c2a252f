//! One endpoint that is many objects: values of the validated body name them.

use bellgate_tests::{Client, Mesh, Running, Told, Workload, get, post, post_json};
use http::{HeaderValue, Request};
use serde_json::{Value, json};

use crate::{peer, rules};

/// The planner's sidecar, which has read CONFIDENTIAL, before the mailer's.
async fn after_reading(mesh: &Mesh, h2: bool) -> (Running, Running, Workload) {
    let workload = Workload::ok().await;
    let mailer = mesh.sidecar("mailer").policy("rules.yaml").serves(workload.address).start().await;
    let ledger = peer(mesh, "ledger", "CONFIDENTIAL").await;
    let planner = mesh.sidecar("planner").policy("rules.yaml").calls("ledger", ledger.address);
    let planner = if h2 { planner.calls_h2("mail", mailer.ingress) } else { planner.calls("mail", mailer.ingress) };
    let planner = planner.start().await;
    assert_eq!(planner.ask(get("ledger", "/book")).await.status, 200);
    (planner, mailer, workload)
}

fn rows() -> Vec<(Value, &'static str)> {
    let down = "no-write-down";
    vec![
        (json!({"to": "a@example.org"}), ""),
        (json!({"to": "a@EXAMPLE.org"}), ""),
        (json!({"to": ["a@example.org", "b@example.org"]}), ""),
        (json!({"to": ["a@example.org", ["b@example.org"]]}), ""),
        (json!({"to": "a@example.org", "cc": []}), ""),
        // The last that passes: its answer is as high as its list.
        (json!({"to": "a@example.org", "cc": ["a@list.example"]}), ""),
        // One recipient of several is outside.
        (json!({"to": ["a@example.org", "boss@partner.example"]}), down),
        (json!({"to": "a@example.org", "cc": "boss@partner.example"}), down),
        (json!({"to": "a@example.org", "cc": ["b@example.org", "c@elsewhere.example"]}), down),
        (json!({"to": "boss@partner.example"}), down),
        // What no case knows is the lowest there is.
        (json!({"to": "anybody@elsewhere.example"}), down),
        (json!({"to": "a@example.org.elsewhere.example"}), down),
        (json!({"to": "a@b@example.org"}), down),
        (json!({"to": "a@example.org, b@elsewhere.example"}), down),
        (json!({"to": 7}), down),
        (json!({"to": ["a@example.org", 7]}), down),
        (json!({"to": {"address": "a@example.org"}}), down),
        (json!({"to": []}), down),
        (json!({"to": null}), down),
        (json!({"text": "to nobody"}), down),
        (json!("a@example.org"), down),
    ]
}

#[tokio::test]
async fn every_object_that_the_body_names_must_permit() {
    for h2 in [false, true] {
        let mesh = rules();
        let (planner, _mailer, workload) = after_reading(&mesh, h2).await;
        let mut passed = 0;
        for (body, reason) in rows() {
            let told = planner.ask(post_json("mail", "/send", &body)).await;
            let expected = if reason.is_empty() { (200, String::new()) } else { (403, reason.to_owned()) };
            assert_eq!(told.verdict(), expected, "{body}, h2: {h2}: {}", told.json());
            passed += usize::from(reason.is_empty());
            assert_eq!(workload.seen().len(), passed, "{body}");
        }
    }
}

/// Straight at the mailer's gateway, as what stands where the planner's gateway should and lets everything go.
async fn direct(mesh: &Mesh, mailer: &Running, body: &Value, label: &str, h2: bool) -> Told {
    let mut request: Request<_> = post_json("mail", "/send", body);
    request.headers_mut().insert("bellgate-label", HeaderValue::from_str(label).unwrap());
    let mut client = if h2 {
        Client::h2_tls(mailer.ingress, mesh.tls_h2("planner", "mailer")).await.unwrap()
    } else {
        Client::h1_tls(mailer.ingress, mesh.tls("planner", "mailer")).await.unwrap()
    };
    client.ask(request).await
}

#[tokio::test]
async fn the_other_gateway_decides_by_the_same_values() {
    let (mesh, workload) = (rules(), Workload::ok().await);
    let mailer = mesh.sidecar("mailer").policy("rules.yaml").serves(workload.address).start().await;
    for h2 in [false, true] {
        for (body, reason) in rows() {
            let told = direct(&mesh, &mailer, &body, "CONFIDENTIAL", h2).await;
            assert_eq!(told.reason(), reason, "{body}, h2: {h2}: {}", told.json());
        }
        assert_eq!(direct(&mesh, &mailer, &json!({"to": "anybody"}), "PUBLIC", h2).await.status, 200);
    }
}

#[tokio::test]
async fn what_names_nothing_that_could_be_permitted_is_refused_before_its_body_is_read() {
    let mesh = rules();
    let (planner, _mailer, workload) = after_reading(&mesh, false).await;
    // Values that stand twice, or in no JSON, are no values.
    for body in ["{\"to\":\"a@example.org\",\"to\":\"x@elsewhere.example\"}", "to=a@example.org"] {
        assert_eq!(planner.ask(post("mail", "/send", body)).await.reason(), "manifest", "{body}");
    }
    let records = peer(&mesh, "records", "RESTRICTED:clinical").await;
    drop(planner);
    std::fs::remove_file(mesh.folder().join("planner-api.sock")).unwrap();
    let planner = mesh.sidecar("planner").policy("rules.yaml").calls("records", records.address);
    let planner = planner.calls("mail", records.address).start().await;
    assert_eq!(planner.ask(get("records", "/patient")).await.status, 200);
    let told = planner.ask(post("mail", "/send", "{ not even JSON")).await;
    assert_eq!(told.verdict(), (403, "no-write-down".into()), "no case of this route could permit it");
    assert_eq!(workload.seen().len(), 0);
}
