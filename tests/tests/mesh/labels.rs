//! Decisions on requests: the story, whose word on labels counts, and what a refusal tells.

use bellgate_tests::{Client, Mesh, Running, Told, Workload, get, post_json};
use http::{HeaderMap, HeaderValue, Method, Request};
use serde_json::{Value, json};

use crate::{peer, planner, query};

/// `GET path` as `caller` straight at a gateway's ingress, with headers.
async fn direct(
    mesh: &Mesh,
    gateway: &Running,
    caller: &str,
    to: &str,
    path: &str,
    headers: &[(&'static str, &str)],
) -> Told {
    let mut request = get(to, path);
    for (name, value) in headers {
        request.headers_mut().append(*name, HeaderValue::from_str(value).unwrap());
    }
    Client::h1_tls(gateway.ingress, mesh.tls(caller, to)).await.unwrap().ask(request).await
}

fn with(
    mut request: Request<bellgate_tests::ReqBody>,
    name: &'static str,
    value: &str,
) -> Request<bellgate_tests::ReqBody> {
    request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
    request
}

#[tokio::test]
async fn permit_permit_and_no_write_down_because_of_what_was_read() {
    let (mesh, workload) = (Mesh::new(), Workload::ok().await);
    let search = mesh.sidecar("search").serves(workload.address).start().await;
    let records = mesh.sidecar("records").serves(workload.address).start().await;
    let sidecar =
        mesh.sidecar("planner").calls("search", search.ingress).calls("records", records.ingress).start().await;
    let ask = || post_json("search", "/v1/search", &query());

    let first = sidecar.ask(ask()).await;
    assert_eq!((first.status.as_u16(), first.header("bellgate-label")), (200, "PUBLIC"));
    let read = sidecar.ask(get("records", "/patients/4711")).await;
    assert_eq!((read.status.as_u16(), read.header("bellgate-label")), (200, "RESTRICTED:clinical"));
    let refused = sidecar.ask(ask()).await;
    assert_eq!(refused.verdict(), (403, "no-write-down".into()));
    assert_eq!(refused.header("content-type"), "application/problem+json");
    let problem = refused.json();
    assert_eq!(problem["type"], "urn:bellgate:problem:no-write-down");
    assert_eq!(problem["status"], 403);
    assert_eq!(problem["retry"], false);
    assert_eq!(problem["request_id"], refused.header("bellgate-request-id"));
    let decision = &problem["decision"];
    assert_eq!(decision["reasons"], json!(["no-write-down"]));
    assert_eq!(decision["current"], "RESTRICTED:clinical");
    assert_eq!(decision["object_label"], "PUBLIC");
    assert_eq!(decision["cause"]["request_id"], read.header("bellgate-request-id"));
    assert_eq!(decision["cause"]["object"], "records");
    assert_eq!(decision["cause"]["label"], "RESTRICTED:clinical");
    // What it may still do, and what the far gateway saw of it.
    assert_eq!(sidecar.ask(get("records", "/patients/4712")).await.status, 200);
    assert_eq!(workload.seen().len(), 3, "the refused one reached nobody");
    bellgate_tests::until("the refusal is in the audit log", || async {
        let lines = std::fs::read_to_string(sidecar.state.join("audit.jsonl")).unwrap();
        lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .any(|record| record["decision"]["cause_request_id"] == read.header("bellgate-request-id"))
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_read_floats_through_two_hops() {
    let (mesh, workload) = (Mesh::new(), Workload::ok().await);
    let search = mesh.sidecar("search").serves(workload.address).start().await;
    let records = mesh.sidecar("records").serves(workload.address).start().await;
    let ward = mesh.sidecar("ward").serves(workload.address).calls("search", search.ingress).start().await;
    let sidecar = mesh.sidecar("planner").calls("records", records.ingress).calls("ward", ward.ingress).start().await;
    assert_eq!(ward.ask(get("search", "/page")).await.status, 200);
    assert_eq!(ward.label().await, "PUBLIC");
    assert_eq!(sidecar.ask(get("records", "/patient")).await.status, 200);
    // The planner has seen a record; what it asks `ward` tells `ward`.
    assert_eq!(sidecar.ask(get("ward", "/question")).await.status, 200);
    assert_eq!(ward.label().await, "RESTRICTED:clinical");
    let told = ward.ask(get("search", "/page")).await;
    assert_eq!(told.verdict(), (403, "no-write-down".into()));
    let cause = &told.json()["decision"]["cause"];
    assert_eq!(cause["object"], "delivery from spiffe://mesh.bellgate.test/planner");
}

#[tokio::test]
async fn a_declaration_raises_and_never_lowers() {
    let mesh = Mesh::new();
    let (search, records) =
        (peer(&mesh, "search", "PUBLIC").await, peer(&mesh, "records", "RESTRICTED:clinical").await);
    let sidecar = planner(&mesh, &search, &records).await;
    let page = || get("search", "/page");
    for (declared, expected) in [
        ("PUBLIC", (200, "")),
        ("STANDARD", (403, "no-write-down")),
        ("RESTRICTED:clinical", (403, "no-write-down")),
        ("RESTRICTED:legal", (403, "label-out-of-range")),
        ("SECRET", (403, "label-out-of-range")),
        ("PUBLIC:clinical,clinical", (403, "label-out-of-range")),
        ("", (403, "label-out-of-range")),
    ] {
        let told = sidecar.ask(with(page(), "bellgate-declare", declared)).await;
        assert_eq!(told.verdict(), (expected.0, expected.1.to_owned()), "`{declared}`");
    }
    let twice = with(with(page(), "bellgate-declare", "PUBLIC"), "bellgate-declare", "PUBLIC");
    assert_eq!(sidecar.ask(twice).await.verdict(), (403, "label-out-of-range".into()));
    assert_eq!(sidecar.label().await, "PUBLIC", "it says something of one request, and of none after it");
    assert!(!search.text().to_ascii_lowercase().contains("declare"), "{}", search.text());
    assert_eq!(sidecar.ask(get("records", "/patient")).await.status, 200);
    let told = sidecar.ask(with(page(), "bellgate-declare", "PUBLIC")).await;
    assert_eq!(told.verdict(), (403, "no-write-down".into()));
}

#[tokio::test]
async fn a_stated_label_counts_only_from_who_has_a_gateway_and_only_in_range() {
    let (mesh, workload) = (Mesh::new(), Workload::ok().await);
    let search = mesh.sidecar("search").serves(workload.address).start().await;
    let ok = (200, String::new());
    let denied = |reason: &str| (403, reason.to_owned());
    let label = "bellgate-label";
    let long = format!("PUBLIC:{}", "a".repeat(9000));
    type Row<'a> = (&'a str, Vec<(&'static str, &'a str)>, (u16, String));
    let rows: Vec<Row<'_>> = vec![
        ("planner", vec![(label, "PUBLIC")], ok.clone()),
        // Nobody states it: its clearance.
        ("planner", vec![], denied("no-write-down")),
        ("planner", vec![(label, "STANDARD")], denied("no-write-down")),
        ("planner", vec![(label, "RESTRICTED:clinical,legal")], denied("label-out-of-range")),
        ("planner", vec![(label, "public")], denied("label-out-of-range")),
        ("planner", vec![(label, "PUBLIC:legal,clinical")], denied("label-out-of-range")),
        ("planner", vec![(label, "PUBLIC "), (label, "PUBLIC")], denied("label-out-of-range")),
        ("planner", vec![(label, "")], denied("label-out-of-range")),
        ("planner", vec![(label, &long)], denied("label-out-of-range")),
        // No gateway speaks for `plain`: what it says of itself is not even looked at.
        ("plain", vec![(label, "PUBLIC")], denied("no-write-down")),
        ("plain", vec![(label, "garbage")], denied("no-write-down")),
        ("low", vec![], ok.clone()),
        ("low", vec![(label, "STANDARD")], denied("label-out-of-range")),
        // `Bellgate-Declare` is for the own gateway; here it is nothing.
        ("low", vec![("bellgate-declare", "RESTRICTED")], ok),
    ];
    for (caller, headers, expected) in rows {
        let told = direct(&mesh, &search, caller, "search", "/page", &headers).await;
        assert_eq!(told.verdict(), expected, "{caller} {headers:?}: {}", told.json());
    }
    let records = mesh.sidecar("records").serves(workload.address).start().await;
    for (stated, expected) in [
        ("PUBLIC", "label-out-of-range"),
        ("STANDARD", "no-read-up"),
        ("CONFIDENTIAL", "no-read-up"),
        ("RESTRICTED", "label-out-of-range"),
    ] {
        let mut request = post_json("records", "/note", &query());
        request.headers_mut().insert(label, HeaderValue::from_static(stated));
        let mut client = Client::h1_tls(records.ingress, mesh.tls("stepper", "records")).await.unwrap();
        assert_eq!(client.ask(request).await.verdict(), denied(expected), "{stated}");
    }
}

#[tokio::test]
async fn each_reason_is_told_with_its_own_code() {
    let (mesh, workload) = (Mesh::new(), Workload::ok().await);
    let search = mesh.sidecar("search").serves(workload.address).start().await;
    let vault = mesh.sidecar("vault").serves(workload.address).start().await;
    let told = direct(&mesh, &search, "nobody-knows", "search", "/page", &[]).await;
    assert_eq!(told.verdict(), (403, "unknown-subject".into()));
    let told = direct(&mesh, &search, "stranger", "search", "/page", &[]).await;
    assert_eq!(told.verdict(), (403, "not-granted".into()));
    let told = direct(&mesh, &vault, "planner", "vault", "/report", &[("bellgate-label", "PUBLIC")]).await;
    assert_eq!(told.verdict(), (403, "not-granted".into()));
    assert_eq!(workload.accepts(), 0);

    let page = peer(&mesh, "search", "PUBLIC").await;
    let sidecar = mesh.sidecar("planner").calls("dark", page.address).start().await;
    assert_eq!(sidecar.ask(get("dark", "/unlit")).await.verdict(), (403, "unlabelled".into()));
    let delete = Request::builder().method(Method::DELETE).uri("/lit").header("host", "dark");
    let told = sidecar.ask(delete.body(bellgate_tests::empty()).unwrap()).await;
    assert_eq!(told.verdict(), (403, "unlabelled".into()), "a route's path is not the upstream's for other methods");
    // Permitted, and this gateway's config has no address for it.
    assert_eq!(sidecar.ask(get("search", "/page")).await.verdict(), (503, "not-configured".into()));
    assert_eq!(page.accepts(), 0);
}

/// All of an answer that could tell two refusals apart, with what differs in every exchange taken out.
fn fingerprint(told: &Told) -> (u16, Value, HeaderMap) {
    let mut problem = told.json();
    for member in ["instance", "request_id"] {
        problem[member] = Value::Null;
    }
    let mut headers = told.headers.clone();
    for name in ["bellgate-request-id", "date", "content-length"] {
        headers.remove(name);
    }
    (told.status.as_u16(), problem, headers)
}

#[tokio::test]
async fn without_a_grant_what_exists_sounds_like_what_does_not() {
    let (mesh, workload) = (Mesh::new(), Workload::ok().await);
    let sidecar = mesh.sidecar("planner").calls("search", workload.address).start().await;
    for request in [
        |host| get(host, "/v1/reports"),
        |host| post_json(host, "/v1/reports", &json!({})),
        |host| post_json(host, "/v1/search", &json!({"version": "1", "query": 7})),
        |host| get(host, "/lit"),
    ] {
        let unknown = sidecar.ask(request("nowhere")).await;
        assert_eq!(unknown.verdict(), (403, "not-granted".into()));
    }
    // `low` may reach `drafts` by reading alone, and has no grant for anything else of it.
    let drafts = mesh.sidecar("low").calls("search", workload.address).start().await;
    let unknown = fingerprint(&drafts.ask(post_json("nowhere", "/v1/reports", &json!({}))).await);
    for (host, path) in
        [("vault", "/v1/reports"), ("vault", "/other"), ("records", "/x"), ("drafts", "/v1/middle"), ("dark", "/lit")]
    {
        let told = drafts.ask(post_json(host, path, &json!({}))).await;
        assert_eq!(fingerprint(&told), unknown, "{host}{path}");
    }
    assert_eq!(workload.accepts(), 0);
}
