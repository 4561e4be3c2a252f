//! What passes from an agent to a workload through two sidecars, and what does not.

use std::convert::Infallible;

use bellgate_tests::{
    Answer, Client, Mesh, RawClient, Recorder, ReqBody, Running, Seen, Workload, get, post, until, websocket_echo,
    within,
};
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

struct Pair {
    planner: Running,
    _search: Running,
    _mesh: Mesh,
}

/// Two sidecars, with HTTP/2 between them and to the workload, or HTTP/1.1.
async fn pair(workload: std::net::SocketAddr, h2: bool) -> Pair {
    let mesh = Mesh::new();
    let search = mesh.sidecar("search");
    let search = if h2 { search.serves_h2(workload) } else { search.serves(workload) }.start().await;
    let planner = mesh.sidecar("planner");
    let planner = if h2 { planner.calls_h2("search", search.ingress) } else { planner.calls("search", search.ingress) };
    Pair { planner: planner.start().await, _search: search, _mesh: mesh }
}

async fn client(pair: &Pair, h2: bool) -> Client {
    if h2 { Client::h2c(pair.planner.egress).await } else { Client::h1(pair.planner.egress).await }
}

/// A body without a stated length, chunk by chunk as the sender gives them.
fn streamed() -> (mpsc::UnboundedSender<Bytes>, ReqBody) {
    let (sender, receiver) = mpsc::unbounded_channel::<Bytes>();
    let frames = futures::stream::unfold(receiver, |mut receiver| async {
        let chunk = receiver.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(chunk)), receiver))
    });
    // A boxed body must be `Sync`, which the receiver is.
    (sender, http_body_util::BodyExt::boxed(StreamBody::new(Box::pin(frames))))
}

fn respond(seen: &Seen) -> Answer {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", HeaderValue::from_static("7"));
    trailers.insert("bellgate-label", HeaderValue::from_static("RESTRICTED"));
    trailers.insert("bellgate-declare", HeaderValue::from_static("RESTRICTED"));
    match seen.target.as_str() {
        "/head" => Answer::ok("twelve bytes", &[("x-kept", "yes")]),
        "/none" => Answer::status(204),
        "/not-modified" => {
            Answer::Whole(Response::builder().status(304).header("etag", "\"1\"").body(Bytes::new()).unwrap())
        }
        "/trailers" => {
            let response =
                Response::builder().header("trailer", "x-checksum").body(Bytes::from_static(b"body")).unwrap();
            Answer::Trailers(response, trailers)
        }
        "/forged" => Answer::ok(
            "{}",
            &[
                ("bellgate-label", "RESTRICTED"),
                ("bellgate-declare", "RESTRICTED"),
                ("bellgate-request-id", "x"),
                ("alt-svc", "h3=\":443\""),
            ],
        ),
        "/events" => Answer::Events,
        _ => Answer::ok(seen.body.clone(), &[]),
    }
}

#[tokio::test]
async fn methods_statuses_and_bodies_pass_on_every_version() {
    for h2_inside in [false, true] {
        let workload = Workload::with(respond).await;
        let pair = pair(workload.address, h2_inside).await;
        for h2 in [false, true] {
            let on = format!("h2 outside: {h2}, h2 inside: {h2_inside}");
            let mut client = client(&pair, h2).await;
            let told = client.ask(get("search", "/page?q=1&r=%2F")).await;
            assert_eq!(told.verdict(), (200, String::new()), "{on}");
            assert_eq!(told.version, if h2 { Version::HTTP_2 } else { Version::HTTP_11 }, "{on}");
            let seen = workload.last();
            assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/page?q=1&r=%2F"), "{on}");
            assert_eq!(seen.version, if h2_inside { Version::HTTP_2 } else { Version::HTTP_11 }, "{on}");
            let host = seen.authority.clone().or_else(|| seen.all("host").first().map(|host| (*host).to_owned()));
            assert_eq!(host.as_deref(), Some("search"), "{on}");

            let body: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
            let told = client.ask(post("search", "/upload", body.clone())).await;
            assert_eq!((told.status.as_u16(), told.body.len()), (200, body.len()), "{on}");
            assert_eq!(told.body, body, "{on}");

            let (sender, stream) = streamed();
            for part in ["one ", "two ", "three"] {
                sender.send(Bytes::from_static(part.as_bytes())).unwrap();
            }
            drop(sender);
            let request = Request::builder().method(Method::PUT).uri("/chunked").header("host", "search").body(stream);
            let told = client.ask(request.unwrap()).await;
            assert_eq!((told.status.as_u16(), &told.body[..]), (200, &b"one two three"[..]), "{on}");

            let request = Request::builder().method(Method::HEAD).uri("/head").header("host", "search");
            let told = client.ask(request.body(bellgate_tests::empty()).unwrap()).await;
            assert_eq!((told.status.as_u16(), told.body.len(), told.header("x-kept")), (200, 0, "yes"), "{on}");
            assert_eq!(told.header("content-length"), "12", "{on}");
            assert_eq!(workload.last().method, Method::HEAD, "{on}");
            let told = client.ask(get("search", "/none")).await;
            assert_eq!((told.status.as_u16(), told.body.len()), (204, 0), "{on}");
            let told = client.ask(get("search", "/not-modified")).await;
            assert_eq!((told.status.as_u16(), told.header("etag"), told.body.len()), (304, "\"1\"", 0), "{on}");
            let told = client.ask(get("search", "/page")).await;
            assert_eq!(told.status, 200, "the connection is still in step, {on}");
        }
    }
}

#[tokio::test]
async fn what_only_a_gateway_may_say_is_taken_out_of_answers_and_trailers() {
    for h2_inside in [false, true] {
        let workload = Workload::with(respond).await;
        let pair = pair(workload.address, h2_inside).await;
        for h2 in [false, true] {
            let on = format!("h2 outside: {h2}, h2 inside: {h2_inside}");
            let mut client = client(&pair, h2).await;
            let told = client.ask(get("search", "/forged")).await;
            assert_eq!(told.status, 200, "{on}");
            assert_eq!(told.header("bellgate-label"), "PUBLIC", "{on}");
            for name in ["bellgate-label", "bellgate-request-id"] {
                assert_eq!(told.headers.get_all(name).iter().count(), 1, "{name}, {on}");
            }
            assert_ne!(told.header("bellgate-request-id"), "x", "{on}");
            for name in ["alt-svc", "bellgate-declare"] {
                assert!(!told.headers.contains_key(name), "{name}, {on}");
            }
            let told = client.ask(get("search", "/trailers")).await;
            assert_eq!((told.status.as_u16(), &told.body[..], told.complete), (200, &b"body"[..], true), "{on}");
            let trailers = told.trailers.unwrap_or_default();
            assert!(!trailers.keys().any(|name| name.as_str().starts_with("bellgate-")), "{trailers:?}, {on}");
            if h2 && h2_inside {
                assert_eq!(trailers.get("x-checksum").map(HeaderValue::as_bytes), Some(&b"7"[..]), "{on}");
            }
        }
    }
}

#[tokio::test]
async fn grpc_streams_both_ways_and_ends_with_its_trailers() {
    let workload = Workload::with(respond).await;
    // The workload's port speaks both; that it is gRPC is what makes it HTTP/2 all the way.
    let pair = pair(workload.address, false).await;
    let mut client = Client::h2c(pair.planner.egress).await;
    let (sender, stream) = streamed();
    let request = Request::builder()
        .method(Method::POST)
        .uri("http://search/chat")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(stream);
    sender.send(Bytes::from_static(b"\0\0\0\0\x05first")).unwrap();
    let answer = client.send(request.unwrap()).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["bellgate-label"], "PUBLIC");
    let mut incoming = answer.into_body();
    for message in [&b"\0\0\0\0\x05first"[..], b"\0\0\0\0\x06second", b"\0\0\0\0\x05third"] {
        if !message.ends_with(b"first") {
            sender.send(Bytes::from_static(message)).unwrap();
        }
        let mut got = Vec::new();
        while got.len() < message.len() {
            let frame =
                within("the message comes back before the next is sent", incoming.frame()).await.unwrap().unwrap();
            got.extend_from_slice(&frame.into_data().unwrap());
        }
        assert_eq!(got, message);
    }
    drop(sender);
    let frame = within("trailers", incoming.frame()).await.unwrap().unwrap();
    let trailers = frame.into_trailers().unwrap();
    assert_eq!(trailers["grpc-status"], "0");
    assert!(!trailers.contains_key("bellgate-label"));
    let seen = workload.last();
    assert_eq!(seen.version, Version::HTTP_2);
    assert_eq!(seen.all("te"), ["trailers"]);
    assert_eq!(seen.authority.as_deref(), Some("search"));
}

#[tokio::test]
async fn websocket_messages_pass_in_both_directions() {
    let workload = websocket_echo().await;
    for h2_inside in [false, true] {
        let pair = pair(workload, h2_inside).await;
        let tcp = TcpStream::connect(pair.planner.egress).await.unwrap();
        let (mut socket, answer) =
            within("an upgrade", tokio_tungstenite::client_async("ws://search/socket", tcp)).await.unwrap();
        assert_eq!(answer.status(), 101);
        assert_eq!(answer.headers()["bellgate-label"], "PUBLIC");
        let first = within("the first message", socket.next()).await.unwrap().unwrap();
        assert_eq!(first.to_text().unwrap(), "welcome");
        for text in ["one", "two", &"x".repeat(100_000)] {
            socket.send(text.into()).await.unwrap();
            let back = within("its echo", socket.next()).await.unwrap().unwrap();
            assert_eq!(back.to_text().unwrap(), text);
        }
        socket.close(None).await.unwrap();
    }
}

#[tokio::test]
async fn server_sent_events_arrive_one_by_one() {
    for h2 in [false, true] {
        let workload = Workload::with(respond).await;
        let pair = pair(workload.address, h2).await;
        let mut client = client(&pair, h2).await;
        let (answer, stream) = tokio::join!(client.send(get("search", "/events")), async {
            let stream = workload.stream().await;
            stream.send("data: 0\n\n");
            stream
        });
        let answer = answer.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let mut incoming = answer.into_body();
        for number in 0..5 {
            let expected = format!("data: {number}\n\n");
            if number > 0 {
                stream.send(expected.clone());
            }
            let frame = within("an event that was sent is here before the next is sent", incoming.frame()).await;
            assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), expected, "h2: {h2}");
        }
        assert!((pair.planner.metric("bellgate_stream_events_total").await - 5.0).abs() < 0.5, "teed, h2: {h2}");
        drop(incoming);
        drop(client);
        // An agent that has gone is noticed upstream at the next event at the latest.
        until("the workload sees that nobody listens", || async {
            stream.send("data: late\n\n");
            stream.is_closed().then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_head_and_its_validated_body_arrive_together() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pair = pair(listener.local_addr().unwrap(), false).await;
    let server = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let (mut first_reads, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
        while first_reads.len() < 20 {
            let count = tcp.read(&mut buffer).await.unwrap();
            let read = String::from_utf8_lossy(&buffer[..count]).into_owned();
            // Where the body is not here yet, it is awaited, so that the next read is of the next request.
            let mut rest = read.clone();
            while !rest.ends_with('}') {
                let count = tcp.read(&mut buffer).await.unwrap();
                rest.push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
            first_reads.push(read);
            tcp.write_all(&bellgate_tests::ok_response("", "{}")).await.unwrap();
        }
        first_reads
    });
    for h2 in [false, true] {
        let mut client = client(&pair, h2).await;
        for _ in 0..10 {
            // Without a stated length on HTTP/2: it is known by the time that the request leaves.
            let (sender, stream) = streamed();
            sender.send(Bytes::from_static(b"{\"version\":\"1\",\"query\":\"x\"}")).unwrap();
            drop(sender);
            let request = Request::builder().method(Method::POST).uri("/v1/search").header("host", "search");
            assert_eq!(client.ask(request.body(stream).unwrap()).await.status, 200);
        }
    }
    for read in within("twenty requests", server).await.unwrap() {
        assert!(read.starts_with("POST") && read.ends_with("\"x\"}"), "{read}");
        assert!(read.to_ascii_lowercase().contains("content-length: 27\r\n"), "{read}");
        assert!(!read.to_ascii_lowercase().contains("transfer-encoding"), "{read}");
    }
}

#[tokio::test]
async fn who_waits_for_100_continue_is_answered() {
    let workload = Workload::ok().await;
    let pair = pair(workload.address, false).await;
    let body = "{\"version\":\"1\",\"query\":\"x\"}";
    for path in ["/v1/search", "/v1/anything"] {
        let mut client = RawClient::plain(pair.planner.egress).await;
        client
            .send(format!(
                "POST {path} HTTP/1.1\r\nHost: search\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
                body.len()
            ))
            .await
            .unwrap();
        let first = client.answer().await.unwrap();
        assert!(first.starts_with("HTTP/1.1 100 Continue\r\n"), "{path}: {first}");
        client.send(body).await.unwrap();
        let answer = client.answer().await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        assert_eq!(workload.last().body, body, "{path}");
    }
    // A refusal comes instead of the 100: nobody sends a body for nothing.
    let mut client = RawClient::plain(pair.planner.egress).await;
    client.send("POST /x HTTP/1.1\r\nHost: nobody\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n").await.unwrap();
    assert!(client.answer().await.unwrap().starts_with("HTTP/1.1 403"));
}

#[tokio::test]
async fn interim_answers_of_a_workload_are_not_passed() {
    for status in ["100 Continue", "102 Processing", "103 Early Hints"] {
        let workload = Recorder::plain(move |_| {
            let mut answer =
                format!("HTTP/1.1 {status}\r\nLink: </secret>\r\nBellgate-Label: PUBLIC\r\n\r\n").into_bytes();
            answer.extend(bellgate_tests::ok_response("", "{}"));
            answer
        })
        .await;
        let pair = pair(workload.address, false).await;
        for request in [
            "GET /page HTTP/1.1\r\nHost: search\r\n\r\n",
            "POST /page HTTP/1.1\r\nHost: search\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
        ] {
            let mut client = RawClient::plain(pair.planner.egress).await;
            client.send(request).await.unwrap();
            if request.starts_with("POST") {
                let own = client.answer().await.unwrap();
                assert!(own.starts_with("HTTP/1.1 100") && !own.contains("secret"), "{status}: {own}");
                client.send("{}").await.unwrap();
            }
            let answer = client.answer().await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{status}: {answer}");
            assert!(!answer.contains("secret"), "{status}: {answer}");
        }
    }
}

#[tokio::test]
async fn trailers_of_a_request_end_it_and_nothing_of_them_goes_on() {
    let workload = Workload::ok().await;
    let pair = pair(workload.address, false).await;
    for path in ["/v1/search", "/v1/anything"] {
        let trailers = futures::stream::iter([
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"{\"version\":\"1\",\"query\":\"x\"}"))),
            Ok(Frame::trailers(
                [("bellgate-label".parse().unwrap(), HeaderValue::from_static("PUBLIC"))].into_iter().collect(),
            )),
        ]);
        let body = http_body_util::BodyExt::boxed(StreamBody::new(trailers));
        let request = Request::builder().method(Method::POST).uri(path).header("host", "search").body(body).unwrap();
        let mut client = Client::h2c(pair.planner.egress).await;
        // Refused with an answer, or the stream is reset; never hung, never passed.
        if let Ok(told) = client.try_ask(request).await {
            assert_eq!(told.verdict(), (400, "body-unreadable".into()), "{path}");
        }
        assert!(workload.seen().is_empty(), "{path}");
    }
    assert_eq!(pair.planner.ask(get("search", "/page")).await.status, 200);
}
