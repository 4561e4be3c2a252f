//! Requests that two servers could read in two ways, and what of a request goes on.

use bellgate_tests::{Client, Mesh, RawClient, get};
use http::{HeaderValue, Method, Request};

use crate::{peer, planner};

/// The status line's code and the problem's code, if there is one.
fn read(answer: Option<&str>) -> (u16, String) {
    let Some(answer) = answer else { return (0, "closed".into()) };
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let problem: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    (status, problem["reason"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn what_is_ambiguous_is_refused_and_contacts_nobody() {
    let mesh = Mesh::new();
    let search = peer(&mesh, "search", "PUBLIC").await;
    let sidecar = planner(&mesh, &search, &search).await;
    let ambiguous = |path: &str| (format!("GET {path} HTTP/1.1\r\nHost: search\r\n\r\n"), 400, "ambiguous-path");
    let row = |text: &str, status, reason| (text.to_owned(), status, reason);
    let rows = [
        // Longer than the 24 bytes in which Pingora looks for the preface of HTTP/2, without which it waits for more.
        row("GET /without/a/host HTTP/1.1\r\n\r\n", 400, "bad-authority"),
        row("GET / HTTP/1.1\r\nHost: user@search\r\n\r\n", 400, "bad-authority"),
        row("GET http://records/x HTTP/1.1\r\nHost: search\r\n\r\n", 400, "bad-authority"),
        ambiguous("/a%2fb"),
        ambiguous("/a%5Cb"),
        ambiguous("/a\\b"),
        ambiguous("/a%00"),
        ambiguous("/a//b"),
        ambiguous("/a/..;/b"),
        ambiguous("/a/%252e%252e/b"),
        ambiguous("/a/%2"),
        // It could not tell an answer that was ended from a whole one.
        row("GET /page HTTP/1.0\r\nHost: search\r\n\r\n", 505, "http-version"),
        ambiguous("/a;b=1/c"),
        row("TRACE / HTTP/1.1\r\nHost: search\r\n\r\n", 405, "method"),
    ];
    for (text, status, reason) in &rows {
        let mut client = RawClient::plain(sidecar.egress).await;
        client.send(text).await.unwrap();
        let answer = client.answer().await;
        let (told, why) = read(answer.as_deref());
        assert_eq!(told, *status, "{text}{answer:?}");
        // Pingora refuses some authorities before any of our code runs, without a body.
        assert!(why == *reason || (why.is_empty() && *reason == "bad-authority"), "{text}{answer:?}");
    }
    // These never become a request of ours; what matters is that nothing of them goes on.
    for text in [
        "CONNECT search:443 HTTP/1.1\r\nHost: search:443\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: search\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "POST / HTTP/1.1\r\nHost: search\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: search\r\nHost: records\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: search\r\nHost: search\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : search\r\n\r\n",
        "GET /\0 HTTP/1.1\r\nHost: search\r\n\r\n",
    ] {
        let mut client = RawClient::plain(sidecar.egress).await;
        client.send(text).await.unwrap();
        let (status, _) = read(client.answer().await.as_deref());
        assert!(matches!(status, 0 | 400 | 405 | 501), "{text}{status}");
    }
    // HTTP/2: both names of the host, and not alike.
    let mut request = get("records", "/");
    *request.uri_mut() = "http://search/page".parse().unwrap();
    let told = Client::h2c(sidecar.egress).await.ask(request).await;
    assert_eq!(told.status, 400);
    assert_eq!((search.accepts(), search.application_bytes()), (0, 0), "{}", search.text());
}

#[tokio::test]
async fn what_was_decided_on_is_what_is_forwarded() {
    let mesh = Mesh::new();
    let search = peer(&mesh, "search", "PUBLIC").await;
    let sidecar = planner(&mesh, &search, &search).await;
    let rows = [
        ("GET /a/./b/../%7Ec/%64?q=%2F../x HTTP/1.1\r\nHost: search", "GET /a/~c/d?q=%2F../x HTTP/1.1"),
        ("GET http://search/absolute?x HTTP/1.1\r\nHost: search", "GET /absolute?x HTTP/1.1"),
        ("GET http://search.localhost:15001/port HTTP/1.1\r\nHost: search.localhost:15001", "GET /port HTTP/1.1"),
        ("GET /caf%c3%a9 HTTP/1.1\r\nHost: SEARCH", "GET /caf%C3%A9 HTTP/1.1"),
        ("HEAD / HTTP/1.1\r\nHost: search\r\nConnection: close", "HEAD / HTTP/1.1"),
    ];
    for (sent, expected) in rows {
        let before = search.application_bytes();
        let mut client = RawClient::plain(sidecar.egress).await;
        client.send(format!("{sent}\r\n\r\n")).await.unwrap();
        if sent.starts_with("HEAD") {
            // Its length is of a body that does not come.
            let rest = client.rest().await;
            assert!(rest.starts_with("HTTP/1.1 200"), "{sent}: {rest} {}", sidecar.process.log());
        } else {
            assert_eq!(read(client.answer().await.as_deref()).0, 200, "{sent}");
        }
        let seen = search.text()[before..].to_owned();
        assert_eq!(seen.lines().next(), Some(expected), "{sent}");
        let hosts: Vec<&str> =
            seen.lines().filter(|line| line.to_ascii_lowercase().starts_with("host:")).map(|line| &line[5..]).collect();
        assert_eq!(hosts, [" search"], "{sent}: the name of the object, once");
    }
}

#[tokio::test]
async fn no_header_overrides_the_method_that_was_decided_on() {
    let mesh = Mesh::new();
    let search = peer(&mesh, "search", "PUBLIC").await;
    let sidecar = planner(&mesh, &search, &search).await;
    let mut request = get("search", "/page");
    for name in ["x-http-method-override", "x-http-method", "x-method-override"] {
        request.headers_mut().insert(name, HeaderValue::from_static("DELETE"));
    }
    assert_eq!(sidecar.ask(request).await.status, 200);
    assert!(!search.text().contains("DELETE"), "{}", search.text());
}

#[tokio::test]
async fn an_upgrade_to_anything_but_a_websocket_contacts_nobody() {
    let mesh = Mesh::new();
    let search = peer(&mesh, "search", "PUBLIC").await;
    let sidecar = planner(&mesh, &search, &search).await;
    // Each could carry requests inside that nobody would decide, or be read in two ways.
    for (method, upgrade) in [
        ("GET", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"),
        ("GET", "Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n"),
        ("GET", "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n"),
        ("GET", "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n"),
        ("POST", "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n"),
    ] {
        let mut client = RawClient::plain(sidecar.egress).await;
        client.send(&format!("{method} /page HTTP/1.1\r\nHost: search\r\n{upgrade}\r\n")).await.unwrap();
        let answer = client.answer().await;
        assert_eq!(read(answer.as_deref()), (403, "unsupported-here".into()), "{method} {upgrade}{answer:?}");
    }
    assert_eq!(search.accepts(), 0);
}

#[tokio::test]
async fn names_that_a_server_folds_into_ours_are_dropped() {
    let mesh = Mesh::new();
    let search = peer(&mesh, "search", "PUBLIC").await;
    let sidecar = planner(&mesh, &search, &search).await;
    let mut request = get("search", "/page");
    for name in
        ["x_forwarded_client_cert", "bellgate_label", "Bellgate_Rule", "x_http_method_override", "x-original-url"]
    {
        request.headers_mut().insert(http::HeaderName::try_from(name).unwrap(), HeaderValue::from_static("PUBLIC"));
    }
    request.headers_mut().insert("x_mine", HeaderValue::from_static("kept"));
    assert_eq!(sidecar.ask(request).await.status, 200);
    let head = search.text().to_ascii_lowercase();
    assert!(head.contains("x_mine: kept"), "{head}");
    for name in ["client_cert", "bellgate_", "method_override", "original-url"] {
        assert!(!head.contains(name), "{name} in {head}");
    }
}

#[tokio::test]
async fn of_two_framings_one_goes_on_and_the_connection_ends() {
    let mesh = Mesh::new();
    let search = peer(&mesh, "search", "PUBLIC").await;
    let sidecar = planner(&mesh, &search, &search).await;
    let mut client = RawClient::plain(sidecar.egress).await;
    client
        .send(
            "POST /x HTTP/1.1\r\nHost: search\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n\
             5\r\nhello\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: search\r\n\r\n",
        )
        .await
        .unwrap();
    let answers = client.rest().await;
    assert!(answers.starts_with("HTTP/1.1 200"), "{answers}");
    assert_eq!(answers.matches("HTTP/1.1").count(), 1, "{answers}");
    let seen = search.text().to_ascii_lowercase();
    assert!(seen.contains("transfer-encoding: chunked") && !seen.contains("content-length"), "{seen}");
    assert!(!seen.contains("smuggled"), "{seen}");
}

#[tokio::test]
async fn the_gateway_itself_answers_options_of_no_resource() {
    let mesh = Mesh::new();
    let search = peer(&mesh, "search", "PUBLIC").await;
    let sidecar = planner(&mesh, &search, &search).await;
    let mut client = RawClient::plain(sidecar.egress).await;
    client.send("OPTIONS * HTTP/1.1\r\nHost: search\r\n\r\n").await.unwrap();
    let answer = client.answer().await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    client.send("OPTIONS * HTTP/1.1\r\nHost: search\r\n\r\n").await.unwrap();
    assert!(client.answer().await.unwrap().starts_with("HTTP/1.1 204"), "the connection goes on");
    assert_eq!(search.accepts(), 0);
    // Of a resource it is a request like others, and not one that only reads.
    let request = Request::builder().method(Method::OPTIONS).uri("/page").header("host", "search");
    assert_eq!(sidecar.ask(request.body(bellgate_tests::empty()).unwrap()).await.status, 200);
    assert!(search.text().starts_with("OPTIONS /page HTTP/1.1"));
    assert!(sidecar.metric("bellgate_decisions_total{listener=\"egress\",mode=\"alter\"").await > 0.5);
}

#[tokio::test]
async fn one_more_exchange_than_the_limit_is_refused() {
    let mesh = Mesh::new();
    let search = peer(&mesh, "search", "PUBLIC").await;
    let sidecar = mesh.sidecar("planner").calls("search", search.address).limits("max_exchanges: 2").start().await;
    // Two that wait for their bodies.
    let head = "POST /v1/search HTTP/1.1\r\nHost: search\r\nContent-Length: 27\r\n\r\n";
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let mut client = RawClient::plain(sidecar.egress).await;
        client.send(head).await.unwrap();
        waiting.push(client);
    }
    bellgate_tests::until("both are open", || async {
        (sidecar.metric("bellgate_exchanges_open").await > 1.5).then_some(())
    })
    .await;
    let told = sidecar.ask(get("search", "/page")).await;
    assert_eq!(told.verdict(), (503, "busy".into()));
    assert_eq!(told.json()["retry"], true);
    for mut client in waiting {
        client.send("{\"version\":\"1\",\"query\":\"x\"}").await.unwrap();
        assert!(client.answer().await.unwrap().starts_with("HTTP/1.1 200"));
    }
    bellgate_tests::until("there is room again", || async {
        (sidecar.ask(get("search", "/page")).await.status == 200).then_some(())
    })
    .await;
}
