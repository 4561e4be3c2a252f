//! Bodies that are read before anybody is contacted: sizes at each limit, codings, framing, and what a schema says.

use std::convert::Infallible;

use bellgate_tests::{Client, Mesh, RawClient, ReqBody, Running, Workload, post, post_json};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};

use crate::{peer, planner, query};

/// What Pingora can replay of a body whose length was not stated.
const REPLAY: usize = 65_536;
const LIMIT: usize = 1 << 20;

/// A JSON string of `bytes` bytes, no two places of which look alike for long.
fn text(bytes: usize) -> Vec<u8> {
    let mut text: Vec<u8> =
        (0..bytes).map(|at| b"abcdefghijklmnopqrstuvwxyz0123456789"[(at * 7 + at / 36) % 36]).collect();
    text[0] = b'"';
    text[bytes - 1] = b'"';
    text
}

/// A body without a stated length, in pieces of 10 000 bytes.
fn unmeasured(bytes: &[u8]) -> ReqBody {
    let pieces: Vec<Result<Frame<Bytes>, Infallible>> =
        bytes.chunks(10_000).map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
    StreamBody::new(futures::stream::iter(pieces)).boxed()
}

struct Pair {
    workload: Workload,
    planner: Running,
    _search: Running,
    _mesh: Mesh,
}

async fn pair(h2: bool) -> Pair {
    let (mesh, workload) = (Mesh::new(), Workload::ok().await);
    let search = mesh.sidecar("search").serves(workload.address).start().await;
    let planner = mesh.sidecar("planner");
    let planner = if h2 { planner.calls_h2("search", search.ingress) } else { planner.calls("search", search.ingress) };
    Pair { workload, planner: planner.start().await, _search: search, _mesh: mesh }
}

#[tokio::test]
async fn a_stated_length_carries_a_body_to_the_limit_unchanged() {
    for h2_inside in [false, true] {
        let pair = pair(h2_inside).await;
        for h2 in [false, true] {
            for bytes in [2, 10_000, REPLAY - 1, REPLAY, REPLAY + 1, 2 * REPLAY, LIMIT - 1, LIMIT] {
                let on = format!("{bytes} bytes, h2 outside: {h2}, h2 inside: {h2_inside}");
                let mut client =
                    if h2 { Client::h2c(pair.planner.egress).await } else { Client::h1(pair.planner.egress).await };
                let body = text(bytes);
                let told = client.ask(post("search", "/v1/text", body.clone())).await;
                assert_eq!(told.verdict(), (200, String::new()), "{on}");
                assert_eq!(pair.workload.last().body.len(), bytes, "{on}");
                assert!(pair.workload.last().body == body, "changed on the way, {on}");
            }
            let mut client =
                if h2 { Client::h2c(pair.planner.egress).await } else { Client::h1(pair.planner.egress).await };
            let before = pair.workload.seen().len();
            match client.try_ask(post("search", "/v1/text", text(LIMIT + 1))).await {
                Ok(told) => {
                    assert_eq!(told.verdict(), (413, "body-too-large".into()));
                    assert!(told.json()["detail"].as_str().unwrap().contains("1048576"), "it names the limit");
                }
                // Over HTTP/1.1 a client that is still sending may see the connection go first.
                Err(error) => assert!(!h2, "{error}"),
            }
            assert_eq!(pair.workload.seen().len(), before);
        }
    }
}

#[tokio::test]
async fn a_length_above_the_limit_is_refused_before_the_body_is_sent() {
    let pair = pair(false).await;
    let mut client = RawClient::plain(pair.planner.egress).await;
    let head = format!("POST /v1/text HTTP/1.1\r\nHost: search\r\nContent-Length: {}\r\n\r\n", LIMIT + 1);
    client.send(head).await.unwrap();
    let answer = client.answer().await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("body-too-large"), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("connection: close"), "the body that follows is no request: {answer}");
}

#[tokio::test]
async fn a_body_without_a_length_passes_up_to_what_can_be_replayed() {
    for h2_inside in [false, true] {
        let pair = pair(h2_inside).await;
        for h2 in [false, true] {
            for (bytes, expected) in
                [(2, 200), (10_000, 200), (REPLAY - 1, 200), (REPLAY, 200), (REPLAY + 1, 413), (3 * REPLAY, 413)]
            {
                let on = format!("{bytes} bytes, h2 outside: {h2}, h2 inside: {h2_inside}");
                let mut client =
                    if h2 { Client::h2c(pair.planner.egress).await } else { Client::h1(pair.planner.egress).await };
                let body = text(bytes);
                let request = Request::builder().method(Method::POST).uri("/v1/text").header("host", "search");
                let before = pair.workload.seen().len();
                let told = client.ask(request.body(unmeasured(&body)).unwrap()).await;
                assert_eq!(told.status.as_u16(), expected, "{on}");
                if expected == 200 {
                    assert!(pair.workload.last().body == body, "changed on the way, {on}");
                } else {
                    assert_eq!(told.reason(), "body-needs-length", "{on}");
                    assert!(told.json()["detail"].as_str().unwrap().contains("Content-Length"), "it says what helps");
                    assert_eq!(pair.workload.seen().len(), before, "{on}");
                }
            }
        }
    }
}

#[tokio::test]
async fn what_is_no_valid_manifest_contacts_nobody() {
    let mesh = Mesh::new();
    let search = peer(&mesh, "search", "PUBLIC").await;
    let sidecar = planner(&mesh, &search, &search).await;
    let rows: [(&str, u16, &str); 9] = [
        ("{\"version\":\"1\",\"query\":7}", 422, "schema"),
        ("{\"version\":\"1\",\"query\":\"x\",\"secret-value\":\"hunter2\"}", 422, "schema"),
        ("{\"version\":\"1\",\"version\":\"1\",\"query\":\"x\"}", 400, "duplicate-key"),
        ("{\"version\":\"1\",\"query\":\"x\",\"qu\\u0065ry\":\"y\"}", 400, "duplicate-key"),
        ("{\"version\":\"9\",\"query\":\"x\"}", 422, "version-unknown"),
        ("{\"query\":\"x\"}", 422, "version-missing"),
        ("{\"version\":\"2\",\"query\":\"x\",\"limit\":18446744073709551616}", 422, "schema"),
        ("{\"version\":\"1\",", 400, "syntax"),
        ("", 400, "syntax"),
    ];
    for (body, status, cause) in rows {
        let told = sidecar.ask(post("search", "/v1/search", body)).await;
        let problem = told.json();
        assert_eq!(told.verdict(), (status, "manifest".into()), "{body}: {problem}");
        assert_eq!(
            (&problem["error"], &problem["cause"]),
            (&json!("ManifestConformanceError"), &json!(cause)),
            "{body}"
        );
        assert!(!told.body.windows(7).any(|seven| seven == b"hunter2"), "values are not repeated");
    }
    let told = sidecar.ask(post("search", "/v1/search", "{\"version\":\"1\",\"query\":7,\"more\":1}")).await;
    let problem = told.json();
    let paths: Vec<&Value> =
        problem["violations"].as_array().unwrap().iter().map(|one| &one["instance_path"]).collect();
    assert!(paths.contains(&&json!("/query")), "all that is wrong is listed: {problem}");
    assert!(paths.len() >= 2, "{problem}");
    assert_eq!(search.accepts(), 0, "no upstream was contacted for any of them");

    let largest = "{\"version\":\"2\",\"query\":\"x\",\"limit\":18446744073709551615}";
    assert_eq!(
        sidecar.ask(post("search", "/v1/search", largest)).await.status,
        200,
        "2^64-1 is an integer like others"
    );
    assert!(search.text().ends_with(largest), "bytes that pass go on as they came");
}

#[tokio::test]
async fn a_body_has_to_be_whole_and_as_it_is() {
    let mesh = Mesh::new();
    let search = peer(&mesh, "search", "PUBLIC").await;
    let sidecar = planner(&mesh, &search, &search).await;
    for (coding, expected) in [("gzip", 415), ("br, identity", 415), ("identity", 200), ("Identity", 200)] {
        let mut request = post_json("search", "/v1/search", &query());
        request.headers_mut().insert("content-encoding", coding.parse().unwrap());
        let told = sidecar.ask(request).await;
        assert_eq!(told.status.as_u16(), expected, "{coding}");
        if expected == 415 {
            assert_eq!(told.reason(), "content-coding");
        }
    }
    // A body that nobody has to read may be coded as it likes.
    let mut request = post("search", "/v1/other", vec![0x1f, 0x8b, 8, 0]);
    request.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    assert_eq!(sidecar.ask(request).await.status, 200);

    let before = search.application_bytes();
    for truncated in [
        "POST /v1/search HTTP/1.1\r\nHost: search\r\nContent-Length: 100\r\n\r\n{\"version\":\"1\",",
        "POST /v1/search HTTP/1.1\r\nHost: search\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n{\"version\":\"1\",",
        "POST /v1/search HTTP/1.1\r\nHost: search\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    ] {
        let mut client = RawClient::plain(sidecar.egress).await;
        client.send(truncated).await.unwrap();
        client.finish().await.unwrap();
        let answer = client.rest().await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{truncated}: {answer}");
    }
    assert_eq!(search.application_bytes(), before, "nothing of a truncated body goes on");
    assert_eq!(sidecar.ask(post_json("search", "/v1/search", &query())).await.status, 200);
}

#[tokio::test]
async fn a_checked_body_is_called_json_or_nothing() {
    let mesh = Mesh::new();
    let search = peer(&mesh, "search", "PUBLIC").await;
    let sidecar = planner(&mesh, &search, &search).await;
    let valid = serde_json::json!({"version": "1", "query": "x"}).to_string();
    for (content_type, status) in [
        (Some("application/x-www-form-urlencoded"), 415),
        (Some("application/json; charset=utf-7"), 415),
        (Some("multipart/form-data; boundary=x"), 415),
        (Some("application/json; charset=utf-8"), 200),
        (None, 200),
    ] {
        let before = search.accepts();
        let mut request = post("search", "/v1/search", valid.clone());
        request.headers_mut().remove("content-type");
        if let Some(content_type) = content_type {
            request.headers_mut().insert("content-type", content_type.parse().unwrap());
        }
        let told = sidecar.ask(request).await;
        assert_eq!(told.status, status, "{content_type:?}: {:?}", told.body);
        if status == 415 {
            assert_eq!((told.reason().as_str(), search.accepts()), ("content-type", before));
        }
    }
}

#[tokio::test]
async fn a_caller_without_a_grant_learns_nothing_of_the_schema() {
    let (mesh, workload) = (Mesh::new(), Workload::ok().await);
    let search = mesh.sidecar("search").serves(workload.address).start().await;
    for body in ["{", "{\"version\":\"1\"}", "{\"version\":\"1\",\"query\":\"x\"}"] {
        let mut client = Client::h1_tls(search.ingress, mesh.tls("stranger", "search")).await.unwrap();
        let told = client.ask(post("search", "/v1/search", body)).await;
        assert_eq!(told.verdict(), (403, "not-granted".into()), "{body}");
    }
    assert_eq!(workload.accepts(), 0);
}
