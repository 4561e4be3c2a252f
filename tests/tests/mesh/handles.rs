//! Sessions of one workload: who may name one, what it has seen, and how it ends.

use std::time::Duration;

use bellgate_tests::{
    Answer, Client, Mesh, ReqBody, Running, Told, Workload, get, post_json, spiffe_id, until, within,
};
use http::{HeaderValue, Method, Request};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::{peer, rules};

pub(crate) fn with(mut request: Request<ReqBody>, name: &'static str, value: &str) -> Request<ReqBody> {
    request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
    request
}

/// A session that the workload itself opens.
pub(crate) async fn open(sidecar: &Running) -> String {
    let told = sidecar.ask(post_json("bellgate", "/v1/handles", &json!({}))).await;
    assert_eq!(told.status, 201, "{}", told.json());
    told.json()["handle"].as_str().unwrap().to_owned()
}

fn under(handle: &str, request: Request<ReqBody>) -> Request<ReqBody> {
    with(request, "bellgate-handle", handle)
}

fn page() -> Request<ReqBody> {
    get("search", "/page")
}

/// The agent's sidecar, which calls `search` and `records` at peers that stand in for their gateways.
async fn agent(mesh: &Mesh) -> (Running, bellgate_tests::Recorder, bellgate_tests::Recorder) {
    let (search, records) = (peer(mesh, "search", "PUBLIC").await, peer(mesh, "records", "RESTRICTED:clinical").await);
    let sidecar = mesh
        .sidecar("agent")
        .policy("rules.yaml")
        .calls("search", search.address)
        .calls("records", records.address)
        .start()
        .await;
    (sidecar, search, records)
}

fn refused() -> (u16, String) {
    (403, "handle-refused".into())
}

#[tokio::test]
async fn no_id_that_the_gateway_has_not_given_out_is_a_handle() {
    let mesh = rules();
    let (sidecar, search, _records) = agent(&mesh).await;
    let mine = open(&sidecar).await;
    assert_eq!(mine.len(), 32);
    let shouted = mine.to_uppercase();
    let longer = format!("{mine}0");
    for h2 in [false, true] {
        let mut client = if h2 { Client::h2c(sidecar.egress).await } else { Client::h1(sidecar.egress).await };
        if !h2 {
            let told = client.ask(under(&mine, page())).await;
            assert_eq!(told.status, 200, "{}", told.json());
        }
        for handle in ["00000000000000000000000000000000", &shouted, &longer, &mine[1..], "", "session-1", "ä"] {
            let told = client.ask(under(handle, page())).await;
            assert_eq!(told.verdict(), refused(), "`{handle}`, h2: {h2}");
            assert!(told.json()["detail"].as_str().is_some_and(|why| why.contains("handle") || why.contains("Handle")));
        }
        let twice = under(&mine, under(&mine, page()));
        assert_eq!(client.ask(twice).await.verdict(), refused(), "h2: {h2}");
    }
    assert_eq!(search.text().matches("GET /page").count(), 1, "refused ones reached nobody");
    assert!(!search.text().to_ascii_lowercase().contains("handle"), "it never leaves gateway and workload");
    assert!(sidecar.metric("bellgate_handles_refused_total{why=\"request\"}").await > 15.5);
}

#[tokio::test]
async fn a_handle_of_another_gateway_and_of_who_may_have_none_is_refused() {
    let mesh = rules();
    let (sidecar, search, _records) = agent(&mesh).await;
    let foreign = open(&sidecar).await;
    let planner = mesh.sidecar("planner").policy("rules.yaml").calls("search", search.address).start().await;
    for handle in [foreign.as_str(), "00000000000000000000000000000000"] {
        let told = planner.ask(under(handle, get("search", "/wiki/Aspirin"))).await;
        assert_eq!(told.verdict(), refused());
    }
    for request in [
        post_json("bellgate", "/v1/handles", &json!({})),
        get("bellgate", &format!("/v1/handles/{foreign}")),
        Request::delete(format!("/v1/handles/{foreign}"))
            .header("host", "bellgate")
            .body(bellgate_tests::empty())
            .unwrap(),
    ] {
        assert_eq!(planner.ask(request).await.verdict(), refused());
    }
    assert_eq!(search.accepts(), 0);
    // The own API is for the own workload alone: a peer reaches what the workload serves.
    let workload = Workload::ok().await;
    let serving = mesh.sidecar("desk").policy("rules.yaml").serves(workload.address).start().await;
    let told = Client::h1_tls(serving.ingress, mesh.tls("agent", "desk")).await.unwrap();
    let mut told = told;
    assert_eq!(told.ask(get("bellgate", "/v1/label")).await.status, 403);
}

#[tokio::test]
async fn the_workload_opens_looks_at_and_closes_its_sessions() {
    let mesh = rules();
    let (sidecar, _search, _records) = agent(&mesh).await;
    let told = sidecar.ask(get("bellgate.localhost", "/v1/label")).await;
    assert_eq!(told.json(), json!({"label": "PUBLIC", "floor": "PUBLIC", "clearance": "RESTRICTED:clinical"}));
    for (body, expected) in [
        ("{\"life\":\"10m\"}", 201),
        ("", 201),
        ("{\"life\":\"0s\"}", 400),
        ("{\"life\":\"10\"}", 400),
        ("{\"life\":\"ten minutes\"}", 400),
        ("{\"life\":10}", 400),
        ("{\"label\":\"PUBLIC\"}", 400),
        ("{", 400),
        ("[]", 400),
    ] {
        let told = sidecar.ask(bellgate_tests::post("bellgate", "/v1/handles", body)).await;
        assert_eq!(told.status.as_u16(), expected, "{body}: {}", told.json());
        if expected == 400 {
            assert_eq!(told.reason(), "bad-request");
        } else {
            let path = format!("/v1/handles/{}", told.json()["handle"].as_str().unwrap());
            let shown = sidecar.ask(get("bellgate", &path)).await.json();
            assert_eq!((&shown["label"], &shown["task"]), (&json!("PUBLIC"), &json!(false)));
            assert_eq!(shown["expires"], told.json()["expires"]);
            let delete = || Request::delete(&path).header("host", "bellgate").body(bellgate_tests::empty()).unwrap();
            assert_eq!(sidecar.ask(delete()).await.status, 204);
            assert_eq!(sidecar.ask(delete()).await.verdict(), refused(), "it is over");
            assert_eq!(sidecar.ask(get("bellgate", &path)).await.verdict(), refused());
        }
    }
    assert_eq!(sidecar.ask(get("bellgate", "/v1/nothing")).await.verdict(), (404, "not-found".into()));
    assert_eq!(sidecar.ask(get("bellgate", "/v1/handles/")).await.verdict(), refused());
    let told = sidecar.ask(under("forged", get("bellgate", "/v1/label"))).await;
    assert_eq!(told.verdict(), refused());
}

#[tokio::test]
async fn as_many_as_the_policy_says_and_not_one_more() {
    let mesh = rules();
    let (sidecar, _search, _records) = agent(&mesh).await;
    let mut open_now = Vec::new();
    for number in 1..=4 {
        let told = sidecar.ask(post_json("bellgate", "/v1/handles", &json!({"life": "1h"}))).await;
        let expected = if number <= 3 { 201 } else { 403 };
        assert_eq!(told.status.as_u16(), expected, "number {number}: {}", told.json());
        open_now.extend(told.json()["handle"].as_str().map(str::to_owned));
    }
    assert!((sidecar.metric("bellgate_handles_open").await - 3.0).abs() < 0.1);
    let path = format!("/v1/handles/{}", open_now[0]);
    let delete = Request::delete(path).header("host", "bellgate").body(bellgate_tests::empty()).unwrap();
    assert_eq!(sidecar.ask(delete).await.status, 204);
    open(&sidecar).await;
}

#[tokio::test]
async fn a_session_ends_with_its_life() {
    let mesh = rules();
    let (sidecar, _search, _records) = agent(&mesh).await;
    let told = sidecar.ask(post_json("bellgate", "/v1/handles", &json!({"life": "2s"}))).await.json();
    let handle = told["handle"].as_str().unwrap().to_owned();
    let opened = std::time::Instant::now();
    assert_eq!(sidecar.ask(under(&handle, page())).await.status, 200);
    until("it has expired", || async {
        (sidecar.ask(under(&handle, page())).await.verdict() == refused()).then_some(())
    })
    .await;
    assert!(opened.elapsed() >= Duration::from_millis(1900), "not before its time: {:?}", opened.elapsed());
    // For good, and its place is free.
    for _ in 0..3 {
        open(&sidecar).await;
    }
    assert_eq!(sidecar.ask(under(&handle, page())).await.verdict(), refused());
}

#[tokio::test]
async fn one_session_reads_and_another_still_writes() {
    let mesh = rules();
    let (sidecar, _search, _records) = agent(&mesh).await;
    let (reader, writer) = (open(&sidecar).await, open(&sidecar).await);
    let read = sidecar.ask(under(&reader, get("records", "/patient"))).await;
    assert_eq!(read.status, 200);
    let refusal = sidecar.ask(under(&reader, page())).await;
    assert_eq!(refusal.verdict(), (403, "no-write-down".into()));
    assert_eq!(refusal.json()["decision"]["cause"]["request_id"], read.header("bellgate-request-id"));
    assert_eq!(sidecar.ask(under(&writer, page())).await.status, 200);
    // The workload has seen what its sessions have: leaving the session out is no way to a lower label.
    assert_eq!(sidecar.label().await, "RESTRICTED:clinical");
    assert_eq!(sidecar.ask(page()).await.verdict(), (403, "no-write-down".into()));
    let late = sidecar.ask(under(&open(&sidecar).await, page())).await;
    assert_eq!(late.verdict(), (403, "no-write-down".into()), "one that it opens now starts where the workload is");
    // Read without a session, it is read in all of them.
    assert_eq!(sidecar.ask(get("records", "/patient")).await.status, 200);
    assert_eq!(sidecar.ask(under(&writer, page())).await.verdict(), (403, "no-write-down".into()));
}

#[tokio::test]
async fn a_session_outlives_the_gateway_and_not_its_state() {
    let mesh = rules();
    let (mut sidecar, _search, _records) = agent(&mesh).await;
    let (reader, writer) = (open(&sidecar).await, open(&sidecar).await);
    assert_eq!(sidecar.ask(under(&reader, get("records", "/patient"))).await.status, 200);
    // What was read is on disk before it is released, and with it all that was told to the disk before.
    sidecar.process.kill().await;
    sidecar.start_again().await;
    assert_eq!(sidecar.ask(under(&writer, page())).await.status, 200);
    assert_eq!(sidecar.ask(under(&reader, page())).await.verdict(), (403, "no-write-down".into()));
    sidecar.process.kill().await;
    for entry in std::fs::read_dir(&sidecar.state).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "log" || extension == "json") {
            std::fs::remove_file(path).unwrap();
        }
    }
    sidecar.start_again().await;
    assert_eq!(sidecar.ask(under(&writer, page())).await.verdict(), refused());
}

/// The last session that `workload` was given.
pub(crate) fn given(workload: &Workload) -> Option<String> {
    let seen = workload.last();
    let given = seen.all("bellgate-handle");
    assert!(given.len() <= 1, "{given:?}");
    given.first().map(|handle| (*handle).to_owned())
}

/// Asks at the agent's ingress as `caller`, whose gateway states `label`.
async fn deliver(mesh: &Mesh, agent: &Running, caller: &str, label: &str, h2: bool) -> Told {
    let request = with(with(get("agent", "/ask"), "bellgate-label", label), "bellgate-handle", "chosen-by-a-peer");
    let mut client = if h2 {
        Client::h2_tls(agent.ingress, mesh.tls_h2(caller, "agent")).await.unwrap()
    } else {
        Client::h1_tls(agent.ingress, mesh.tls(caller, "agent")).await.unwrap()
    };
    client.ask(request).await
}

#[tokio::test]
async fn a_delivered_request_comes_with_a_session_of_its_own() {
    for h2 in [false, true] {
        let (mesh, workload) = (rules(), Workload::ok().await);
        let (search, records) =
            (peer(&mesh, "search", "PUBLIC").await, peer(&mesh, "records", "RESTRICTED:clinical").await);
        let sidecar = mesh.sidecar("agent").policy("rules.yaml").calls("search", search.address);
        let sidecar = sidecar.calls("records", records.address);
        let sidecar = if h2 { sidecar.serves_h2(workload.address) } else { sidecar.serves(workload.address) };
        let sidecar = sidecar.start().await;
        let told = deliver(&mesh, &sidecar, "planner", "PUBLIC", h2).await;
        assert_eq!((told.status.as_u16(), told.header("bellgate-label")), (200, "PUBLIC"), "h2: {h2}");
        assert_eq!(told.header("bellgate-handle"), "", "the caller hears nothing of it");
        let one = given(&workload).unwrap();
        assert_eq!(deliver(&mesh, &sidecar, "desk", "PUBLIC", h2).await.status, 200);
        let two = given(&workload).unwrap();
        assert_ne!(one, two);
        assert_eq!(sidecar.ask(under(&one, get("records", "/patient"))).await.status, 200);
        assert_eq!(sidecar.ask(under(&one, page())).await.verdict(), (403, "no-write-down".into()));
        assert_eq!(sidecar.ask(under(&two, page())).await.status, 200, "h2: {h2}");
        // The answer to a new session is that session's, whatever the others have read.
        let told = deliver(&mesh, &sidecar, "desk", "PUBLIC", h2).await;
        assert_eq!((told.status.as_u16(), told.header("bellgate-label")), (200, "PUBLIC"), "h2: {h2}");
        // All are taken: delivered without one, and so it is in all of them, and its answer is the workload's own.
        let told = deliver(&mesh, &sidecar, "desk", "PUBLIC", h2).await;
        assert_eq!(told.verdict(), (403, "withheld".into()), "h2: {h2}: {}", told.json());
        assert_eq!(given(&workload), None);
        assert!(sidecar.metric("bellgate_handles_refused_total{why=\"limit\"}").await > 0.5);
    }
}

#[tokio::test]
async fn what_was_delivered_is_where_its_session_starts() {
    let (mesh, workload) = (rules(), Workload::ok().await);
    let search = peer(&mesh, "search", "PUBLIC").await;
    let sidecar = mesh
        .sidecar("agent")
        .policy("rules.yaml")
        .serves(workload.address)
        .calls("search", search.address)
        .start()
        .await;
    let mut client = Client::h1_tls(sidecar.ingress, mesh.tls("planner", "agent")).await.unwrap();
    let request = with(get("agent", "/whole"), "bellgate-label", "RESTRICTED:clinical");
    assert_eq!(client.ask(request).await.status, 200);
    let told = sidecar.ask(under(&given(&workload).unwrap(), page())).await;
    assert_eq!(told.verdict(), (403, "no-write-down".into()));
    assert_eq!(told.json()["decision"]["cause"]["object"], format!("delivery from {}", spiffe_id("planner").as_str()));
    assert_eq!(sidecar.label().await, "RESTRICTED:clinical", "it is the workload that was asked");
}

#[tokio::test]
async fn a_piece_of_an_answer_without_a_session_is_read_in_those_opened_meanwhile() {
    for h2 in [false, true] {
        let mesh = rules();
        let workload =
            Workload::with(|seen| if seen.target == "/events" { Answer::Events } else { Answer::ok("{}", &[]) }).await;
        let search = peer(&mesh, "search", "PUBLIC").await;
        let records = mesh.sidecar("records").policy("rules.yaml").serves(workload.address).start().await;
        let sidecar =
            mesh.sidecar("agent").policy("rules.yaml").serves(workload.address).calls("search", search.address);
        let sidecar =
            if h2 { sidecar.calls_h2("records", records.ingress) } else { sidecar.calls("records", records.ingress) };
        let sidecar = sidecar.start().await;
        let mut client = if h2 { Client::h2c(sidecar.egress).await } else { Client::h1(sidecar.egress).await };
        let (answer, stream) = tokio::join!(client.send(get("records", "/events")), async {
            let stream = workload.stream().await;
            stream.send("data: 1\n\n");
            stream
        });
        let mut incoming = answer.unwrap().into_body();
        assert!(within("the first event", incoming.frame()).await.unwrap().is_ok());
        // What was let go a moment ago counts as on its way.
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert_eq!(deliver(&mesh, &sidecar, "desk", "PUBLIC", false).await.status, 200);
        let handle = given(&workload).unwrap();
        assert_eq!(sidecar.ask(under(&handle, page())).await.status, 200, "it has seen nothing, h2: {h2}");
        stream.send("data: 2\n\n");
        assert!(within("the second event", incoming.frame()).await.unwrap().is_ok());
        assert_eq!(sidecar.ask(under(&handle, page())).await.verdict(), (403, "no-write-down".into()), "h2: {h2}");
    }
}

#[tokio::test]
async fn what_waits_is_delivered_in_a_session_of_its_own_too() {
    let (mesh, workload) = (rules(), Workload::ok().await);
    let sidecar = mesh.sidecar("agent").policy("rules.yaml").serves(workload.address).start().await;
    let mut client = Client::h1_tls(sidecar.ingress, mesh.tls("desk", "agent")).await.unwrap();
    let request = with(post_json("agent", "/note", &json!({"text": "look"})), "bellgate-label", "PUBLIC");
    assert_eq!(client.ask(request).await.status, 202);
    until("it is delivered", || async { (!workload.seen().is_empty()).then_some(()) }).await;
    assert_eq!(given(&workload).unwrap().len(), 32);
}

#[tokio::test]
async fn operators_see_sessions_by_the_beginning_of_a_hash() {
    let mesh = rules();
    let (sidecar, _search, _records) = agent(&mesh).await;
    let handle = open(&sidecar).await;
    assert_eq!(sidecar.ask(under(&handle, get("records", "/patient"))).await.status, 200);
    let told = sidecar.admin(Method::GET, "/v1/label").await.json();
    let handles = &told["handles"];
    assert_eq!((&handles["limit"], &handles["open"]), (&json!(3), &json!(1)));
    let listed = &handles["list"][0];
    assert_eq!((&listed["label"], &listed["listener"]), (&json!("RESTRICTED:clinical"), &json!("egress")));
    let short = listed["handle"].as_str().unwrap().to_owned();
    assert_eq!(short.len(), 12);
    let audit = until("the read is in the audit log", || async {
        let audit = std::fs::read_to_string(sidecar.state.join("audit.jsonl")).unwrap();
        (audit.contains("handle-opened") && audit.contains("watermark-raised")).then_some(audit)
    })
    .await;
    let records: Vec<Value> = audit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| records.iter().find(|record| record["kind"] == kind).cloned().unwrap_or_default();
    assert_eq!(of("handle-opened")["handle"], json!(short));
    assert_eq!(of("watermark-raised")["handle"], json!(short));
    assert!(records.iter().any(|record| record["decision"]["handle"] == json!(short)));
    for text in [&audit, &told.to_string(), &sidecar.process.log(), &sidecar.metrics_text().await] {
        assert!(!text.contains(&handle), "the handle itself is nowhere");
    }
}
