//! Looking at a label, and putting it back: operators alone, with a reason, and nothing is made unseen.

use std::time::Duration;

use bellgate_tests::{Answer, Client, Mesh, Running, Told, Workload, body, get, post_json, until, within};
use http::{Method, Request};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::handles::{open, with};
use crate::{peer, rules};

async fn reset(sidecar: &Running, text: &str) -> Told {
    let request = Request::builder().method(Method::POST).uri("/v1/label/reset").header("host", "admin");
    let request = request.body(body(text.to_owned())).unwrap();
    Client::unix(&sidecar.admin).await.ask(request).await
}

async fn back(sidecar: &Running) -> Told {
    reset(sidecar, "{\"reason\":\"the workload was started anew\"}").await
}

/// A workload that streams events, and its gateway, which serves `records`.
async fn streaming(mesh: &Mesh) -> (Workload, Running) {
    let workload =
        Workload::with(|seen| if seen.target == "/events" { Answer::Events } else { Answer::ok("{}", &[]) }).await;
    let records = mesh.sidecar("records").policy("rules.yaml").serves(workload.address).start().await;
    (workload, records)
}

#[tokio::test]
async fn the_whole_chain_is_there_to_be_looked_at() {
    let mesh = rules();
    let (ledger, records) =
        (peer(&mesh, "ledger", "CONFIDENTIAL").await, peer(&mesh, "records", "RESTRICTED:clinical").await);
    let sidecar = mesh.sidecar("planner").policy("rules.yaml").calls("ledger", ledger.address);
    let mut sidecar = sidecar.calls("records", records.address).start().await;
    let first = sidecar.ask(get("ledger", "/book")).await;
    let second = sidecar.ask(get("records", "/patient")).await;
    for restarted in [false, true] {
        let told = sidecar.admin(Method::GET, "/v1/label").await.json();
        assert_eq!((&told["label"], &told["floor"]), (&json!("RESTRICTED:clinical"), &json!("PUBLIC")));
        assert_eq!((&told["name"], &told["floats"]), (&json!("planner"), &json!(true)));
        let chain: Vec<&Value> =
            told["chain"].as_array().unwrap().iter().filter(|link| !link["request_id"].is_null()).collect();
        let steps: Vec<[&str; 3]> = chain
            .iter()
            .map(|link| ["request_id", "object", "after"].map(|name| link[name].as_str().unwrap()))
            .collect();
        let ids = [first.header("bellgate-request-id"), second.header("bellgate-request-id")];
        assert_eq!(
            steps,
            [[ids[0], "ledger", "CONFIDENTIAL"], [ids[1], "records", "RESTRICTED:clinical"]],
            "restarted: {restarted}"
        );
        assert_eq!(told["budgets"][0], json!({"rule": "wiki", "spent": 0, "budget": 1024}));
        sidecar.process.kill().await;
        sidecar.start_again().await;
    }
}

#[tokio::test]
async fn a_reset_needs_a_reason_and_is_told_everywhere() {
    let mesh = rules();
    let records = peer(&mesh, "records", "RESTRICTED:clinical").await;
    let search = peer(&mesh, "search", "PUBLIC").await;
    let sidecar = mesh.sidecar("planner").policy("rules.yaml").calls("records", records.address);
    let mut sidecar = sidecar.calls("search", search.address).start().await;
    assert_eq!(sidecar.ask(get("records", "/patient")).await.status, 200);
    let (most, over) = ("r".repeat(500), "r".repeat(501));
    for text in ["", "{}", "{\"reason\":\"\"}", "{\"reason\":\" \"}", &format!("{{\"reason\":\"{over}\"}}")] {
        let told = reset(&sidecar, text).await;
        assert_eq!(told.status, 422, "{text}: {}", told.json());
    }
    assert_eq!(sidecar.label().await, "RESTRICTED:clinical", "nothing has changed");
    let told = reset(&sidecar, &format!("{{\"reason\":\"{most}\"}}")).await;
    assert_eq!(told.status, 200, "{}", told.json());
    let uid = rustix::process::getuid().as_raw();
    assert_eq!(told.json()["before"], "RESTRICTED:clinical");
    assert_eq!((&told.json()["label"], &told.json()["uid"]), (&json!("PUBLIC"), &json!(uid)));
    assert_eq!(sidecar.label().await, "PUBLIC");
    assert_eq!(sidecar.ask(get("search", "/wiki/Aspirin")).await.status, 200);
    assert!((sidecar.metric("bellgate_label_resets_total").await - 1.0).abs() < 0.1);
    until("it is audited", || async {
        let audit = std::fs::read_to_string(sidecar.state.join("audit.jsonl")).unwrap();
        let mut records = audit.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        records
            .any(|record| {
                record["kind"] == "label-reset" && record["reason"] == json!(most) && record["uid"] == json!(uid)
            })
            .then_some(())
    })
    .await;
    assert_eq!(sidecar.admin(Method::GET, "/v1/label").await.json()["reset"]["reason"], json!(most));
    // It stays so.
    sidecar.process.kill().await;
    sidecar.start_again().await;
    assert_eq!(sidecar.label().await, "PUBLIC");
    // The workload has no way to it.
    let told = sidecar.ask(post_json("bellgate", "/v1/label/reset", &json!({"reason": "please"}))).await;
    assert_eq!(told.verdict(), (404, "not-found".into()));
}

#[tokio::test]
async fn a_reset_ends_sessions_and_makes_budgets_whole() {
    let mesh = rules();
    let (search, records) =
        (peer(&mesh, "search", "PUBLIC").await, peer(&mesh, "records", "RESTRICTED:clinical").await);
    let agent = mesh.sidecar("agent").policy("rules.yaml").calls("search", search.address).start().await;
    let handles = [open(&agent).await, open(&agent).await];
    assert_eq!(back(&agent).await.json()["handles_closed"], 2);
    for handle in handles {
        let told = agent.ask(with(get("search", "/page"), "bellgate-handle", &handle)).await;
        assert_eq!(told.verdict(), (403, "handle-refused".into()));
    }
    let planner = mesh.sidecar("planner").policy("rules.yaml").calls("search", search.address);
    let planner = planner.calls("records", records.address).start().await;
    assert_eq!(planner.ask(get("records", "/patient")).await.status, 200);
    assert_eq!(planner.ask(get("search", "/wiki/Aspirin")).await.status, 200);
    let spent = |told: &Told| told.json()["budgets"][0]["spent"].as_u64().unwrap();
    assert!(spent(&planner.admin(Method::GET, "/v1/label").await) > 0);
    assert_eq!(back(&planner).await.status, 200);
    assert_eq!(spent(&planner.admin(Method::GET, "/v1/label").await), 0);
}

// The workload waits on a thread of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn an_answer_in_flight_counts_when_it_is_released() {
    let mesh = rules();
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    // Answers once it is told to.
    let workload = Workload::with(move |seen| {
        if seen.target == "/slow" {
            assert!(tokio::task::block_in_place(|| held.lock().unwrap().recv()).is_ok());
        }
        Answer::ok("{}", &[])
    })
    .await;
    let records = mesh.sidecar("records").policy("rules.yaml").serves(workload.address).start().await;
    let sidecar = mesh.sidecar("planner").policy("rules.yaml").calls("records", records.ingress).start().await;

    // Released before the reset: the reset is the last word.
    assert_eq!(sidecar.ask(get("records", "/quick")).await.status, 200);
    assert_eq!(back(&sidecar).await.json()["label"], "PUBLIC");
    assert_eq!(sidecar.label().await, "PUBLIC");

    // Asked before and released after: it counts.
    let asked = tokio::spawn(async move {
        let told = sidecar.ask(get("records", "/slow")).await;
        (sidecar, told)
    });
    until("it is on its way", || async { workload.seen().iter().any(|seen| seen.target == "/slow").then_some(()) })
        .await;
    let admin = mesh.folder().join("planner-state/admin.sock");
    let request = Request::builder().method(Method::POST).uri("/v1/label/reset").header("host", "admin");
    let request = request.body(body("{\"reason\":\"in between\"}")).unwrap();
    assert_eq!(Client::unix(&admin).await.ask(request).await.json()["label"], "PUBLIC");
    hold.send(()).unwrap();
    let (sidecar, told) = asked.await.unwrap();
    assert_eq!(told.status, 200);
    assert_eq!(sidecar.label().await, "RESTRICTED:clinical", "a reset in between makes nothing unseen");
}

#[tokio::test]
async fn a_stream_that_is_open_across_a_reset_counts_again_with_its_next_piece() {
    for h2 in [false, true] {
        let mesh = rules();
        let (workload, records) = streaming(&mesh).await;
        let sidecar = mesh.sidecar("planner").policy("rules.yaml");
        let sidecar =
            if h2 { sidecar.calls_h2("records", records.ingress) } else { sidecar.calls("records", records.ingress) };
        let search = peer(&mesh, "search", "PUBLIC").await;
        let sidecar = sidecar.calls("search", search.address).start().await;
        let mut client = if h2 { Client::h2c(sidecar.egress).await } else { Client::h1(sidecar.egress).await };
        let (answer, stream) = tokio::join!(client.send(get("records", "/events")), async {
            let stream = workload.stream().await;
            stream.send("data: 1\n\n");
            stream
        });
        let mut incoming = answer.unwrap().into_body();
        assert!(within("the first event", incoming.frame()).await.unwrap().is_ok());
        assert_eq!(sidecar.label().await, "RESTRICTED:clinical");
        assert_eq!(back(&sidecar).await.json()["label"], "PUBLIC", "what has left is what the operator answers for");
        assert_eq!(sidecar.ask(bellgate_tests::post("search", "/x", "q")).await.status, 200);
        stream.send("data: 2\n\n");
        assert!(within("the second event", incoming.frame()).await.unwrap().is_ok());
        assert_eq!(sidecar.label().await, "RESTRICTED:clinical", "h2: {h2}");
        let told = sidecar.ask(bellgate_tests::post("search", "/x", "q")).await;
        assert_eq!(told.verdict(), (403, "no-write-down".into()));
    }
}

#[tokio::test]
async fn a_reset_under_load_is_never_the_lower_bound_of_what_is_read_after_it() {
    let mesh = rules();
    let (search, records) =
        (peer(&mesh, "search", "PUBLIC").await, peer(&mesh, "records", "RESTRICTED:clinical").await);
    let sidecar = mesh.sidecar("planner").policy("rules.yaml").calls("search", search.address);
    let sidecar = sidecar.calls("records", records.address).start().await;
    for _ in 0..3 {
        let reads = async {
            for _ in 0..20 {
                assert_eq!(sidecar.ask(get("records", "/patient")).await.status, 200);
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        };
        let (told, ()) = tokio::join!(back(&sidecar), reads);
        assert_eq!(told.status, 200);
        assert_eq!(sidecar.label().await, "RESTRICTED:clinical");
    }
}
