//! Blind write-up: accepted, and nothing comes back.

use bellgate_tests::{Mesh, Recorder, Workload, get, ok_response, post, post_json, until};
use serde_json::json;

use crate::{peer, query};

#[tokio::test]
async fn a_write_up_is_accepted_and_delivered_with_its_label() {
    for h2 in [false, true] {
        delivered(h2).await;
    }
}

async fn delivered(h2: bool) {
    let (mesh, workload) = (Mesh::new(), Workload::ok().await);
    let vault = mesh.sidecar("vault");
    let vault = if h2 { vault.serves_h2(workload.address) } else { vault.serves(workload.address) }.start().await;
    let records = peer(&mesh, "records", "RESTRICTED:clinical").await;
    let sidecar = mesh.sidecar("planner").calls("vault", vault.ingress).calls("records", records.address).start().await;
    assert_eq!(sidecar.ask(get("records", "/patient")).await.status, 200);
    let told = sidecar.ask(post_json("vault", "/v1/reports?urgent=1", &json!({"text": "look"}))).await;
    assert_eq!((told.status.as_u16(), told.body.len()), (202, 0));
    until("it is delivered", || async { (!workload.seen().is_empty()).then_some(()) }).await;
    let seen = workload.last();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/v1/reports?urgent=1"));
    assert_eq!(seen.version, if h2 { http::Version::HTTP_2 } else { http::Version::HTTP_11 });
    assert_eq!(&seen.body[..], b"{\"text\":\"look\"}");
    assert_eq!(seen.all("content-type"), ["application/json"]);
    assert!(seen.all("x-forwarded-client-cert")[0].ends_with("URI=spiffe://mesh.bellgate.test/planner"));
    until("it is counted", || async {
        (sidecar.metric("bellgate_appends_total{outcome=\"delivered\"").await > 0.5).then_some(())
    })
    .await;
    assert_eq!(sidecar.label().await, "RESTRICTED:clinical", "nothing was read");
    // Reading what it may write to is another matter.
    assert_eq!(sidecar.ask(get("vault", "/v1/reports")).await.status, 403);
}

#[tokio::test]
async fn what_becomes_of_it_cannot_be_told_from_the_answer() {
    let mesh = Mesh::new();
    let breaking = Recorder::plain(|_| Vec::new()).await;
    let refusing = Recorder::plain(|_| b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
    let accepting = peer(&mesh, "vault", "RESTRICTED:clinical,legal").await;
    // A port where nobody listens.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut answers = Vec::new();
    for address in [accepting.address, breaking.address, refusing.address, nobody] {
        let mut sidecar = mesh.sidecar("planner").calls("vault", address).start().await;
        let told = sidecar.ask(post_json("vault", "/v1/reports", &json!({}))).await;
        let mut headers = told.headers.clone();
        headers.remove("bellgate-request-id");
        headers.remove("date");
        answers.push((told.status.as_u16(), told.body.len(), headers));
        sidecar.process.kill().await;
        std::fs::remove_file(mesh.folder().join("planner-api.sock")).unwrap();
    }
    assert_eq!(answers[0].0, 202);
    assert!(answers.windows(2).all(|two| two[0] == two[1]), "{answers:?}");
}

#[tokio::test]
async fn a_full_queue_is_the_callers_own_doing() {
    let mesh = Mesh::new();
    let accepting = peer(&mesh, "vault", "RESTRICTED:clinical,legal").await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // The far side up or down: the limit is met at the same request.
    for address in [accepting.address, nobody] {
        let mut sidecar = mesh.sidecar("planner").calls("vault", address).limits("append_queue: 3").start().await;
        for number in 1..=5 {
            let told = sidecar.ask(post_json("vault", "/v1/reports", &json!({}))).await;
            let expected = if number <= 3 { (202, String::new()) } else { (503, "busy".to_owned()) };
            assert_eq!(told.verdict(), expected, "number {number}");
        }
        sidecar.process.kill().await;
        std::fs::remove_file(mesh.folder().join("planner-api.sock")).unwrap();
    }
}

#[tokio::test]
async fn the_callers_gateway_checks_first() {
    let mesh = Mesh::new();
    let search =
        Recorder::tls(bellgate_spire::server_config(&mesh.identity("search"), &[b"http/1.1"]), |_| ok_response("", ""))
            .await;
    let sidecar = mesh.sidecar("planner").calls("search", search.address).start().await;
    let told = sidecar.ask(post("search", "/v1/notes/1", "{}")).await;
    assert_eq!(told.verdict(), (422, "manifest".into()));
    let mut request = post_json("search", "/v1/notes/1", &query());
    request.headers_mut().insert("bellgate-declare", "STANDARD".parse().unwrap());
    assert_eq!(sidecar.ask(request).await.verdict(), (403, "no-write-down".into()));
    assert_eq!(search.accepts(), 0);
    assert_eq!(sidecar.ask(post_json("search", "/v1/notes/1", &query())).await.status, 202);
    until("it arrives", || async { search.text().contains("hypertension").then_some(()) }).await;
    assert!(search.text().to_ascii_lowercase().contains("\r\nbellgate-label: public\r\n"), "{}", search.text());
}
