//! Answers are flows of their own: withheld, raised by, and ended when labels move.

use bellgate_tests::{Answer, Client, Mesh, RawClient, Running, Workload, get, until, within};
use futures::{SinkExt as _, StreamExt as _};
use http_body_util::BodyExt as _;
use tokio::net::TcpStream;

use crate::{peer, planner};

/// A floating workload that serves PUBLIC things, and what it calls.
async fn drafts(mesh: &Mesh, workload: &Workload) -> (Running, Running) {
    let records = mesh.sidecar("records").serves(workload.address).start().await;
    let drafts = mesh.sidecar("drafts").serves(workload.address).calls("records", records.ingress).start().await;
    (drafts, records)
}

#[tokio::test]
async fn an_answer_of_a_workload_that_rose_is_withheld_from_who_is_cleared_lower() {
    let (mesh, workload) = (Mesh::new(), Workload::ok().await);
    let (drafts, _records) = drafts(&mesh, &workload).await;
    let mut client = Client::h1_tls(drafts.ingress, mesh.tls("low", "drafts")).await.unwrap();
    let told = client.ask(get("drafts", "/page")).await;
    assert_eq!((told.status.as_u16(), told.header("bellgate-label")), (200, "PUBLIC"));
    assert_eq!(drafts.ask(get("records", "/patient")).await.status, 200);
    let told = client.ask(get("drafts", "/page")).await;
    assert_eq!(told.verdict(), (403, "withheld".into()));
    assert!(!String::from_utf8_lossy(&told.body).contains("clinical"), "no label that `low` is not cleared for");
    assert_eq!(told.header("bellgate-label"), "PUBLIC");
    // Who is cleared for it reads it, and rises.
    let sidecar = mesh.sidecar("planner").calls("drafts", drafts.ingress).start().await;
    let told = sidecar.ask(get("drafts", "/page")).await;
    assert_eq!((told.status.as_u16(), told.header("bellgate-label")), (200, "RESTRICTED:clinical"));
    assert_eq!(sidecar.label().await, "RESTRICTED:clinical");
}

#[tokio::test]
async fn the_callers_own_gateway_withholds_too() {
    let mesh = Mesh::new();
    // A gateway whose policy lets it answer what ours must not release.
    let search = peer(&mesh, "search", "RESTRICTED:clinical,legal").await;
    let records = peer(&mesh, "records", "not a label").await;
    let sidecar = planner(&mesh, &search, &records).await;
    assert_eq!(sidecar.ask(get("search", "/page")).await.verdict(), (403, "withheld".into()));
    assert_eq!(sidecar.label().await, "PUBLIC", "what was not released raises nothing");
    // What cannot be read could be anything.
    let told = sidecar.ask(get("records", "/patient")).await;
    assert_eq!(told.verdict(), (403, "withheld".into()));
    assert!(told.json()["detail"].as_str().unwrap().contains("canonical form"), "it says why: {}", told.json());
}

#[tokio::test]
async fn an_upstream_is_believed_about_its_answers_only_where_the_policy_says_so() {
    let (mesh, workload) =
        (Mesh::new(), Workload::with(|_| Answer::ok("{}", &[("bellgate-declare", "STANDARD:legal")])).await);
    let (records, search) = (
        mesh.sidecar("records").serves(workload.address).start().await,
        mesh.sidecar("search").serves(workload.address).start().await,
    );
    let sidecar =
        mesh.sidecar("planner").calls("records", records.ingress).calls("search", search.ingress).start().await;
    let told = sidecar.ask(get("search", "/page")).await;
    assert_eq!((told.status.as_u16(), told.header("bellgate-label")), (200, "PUBLIC"));
    let told = sidecar.ask(get("records", "/patient")).await;
    assert_eq!(told.verdict(), (403, "withheld".into()), "it declares a category that the planner is not cleared for");
}

#[tokio::test]
async fn a_stream_ends_when_its_server_reads_something_higher() {
    for h2 in [false, true] {
        let mesh = Mesh::new();
        let workload =
            Workload::with(|seen| if seen.target == "/events" { Answer::Events } else { Answer::ok("{}", &[]) }).await;
        let (drafts, _records) = drafts(&mesh, &workload).await;
        let planner = mesh.sidecar("planner");
        let planner =
            if h2 { planner.calls_h2("drafts", drafts.ingress) } else { planner.calls("drafts", drafts.ingress) };
        let sidecar = planner.start().await;
        let mut client = if h2 { Client::h2c(sidecar.egress).await } else { Client::h1(sidecar.egress).await };
        let (answer, stream) = tokio::join!(client.send(get("drafts", "/events")), async {
            let stream = workload.stream().await;
            stream.send("data: before\n\n");
            stream
        });
        let answer = answer.unwrap();
        assert_eq!(answer.headers()["bellgate-label"], "PUBLIC");
        let mut incoming = answer.into_body();
        let frame = within("the first event", incoming.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "data: before\n\n");

        assert_eq!(drafts.ask(get("records", "/patient")).await.status, 200);
        stream.send("data: learned from the record\n\n");
        let mut rest = Vec::new();
        let ended = loop {
            match within("the end of the stream", incoming.frame()).await {
                Some(Ok(frame)) => rest.extend(frame.into_data().unwrap_or_default()),
                Some(Err(_)) => break "broken off",
                None => break "as if it were whole",
            }
        };
        assert_eq!(String::from_utf8_lossy(&rest), "", "not one more chunk, h2: {h2}");
        assert_eq!(ended, "broken off", "h2: {h2}");
        assert!(drafts.metric("bellgate_flows_ended_total").await > 0.5);
        assert_eq!(sidecar.label().await, "PUBLIC", "nothing higher was released, h2: {h2}");
    }
}

#[tokio::test]
async fn an_open_flow_upwards_passes_nothing_more_once_its_sender_has_risen() {
    let echo = bellgate_tests::websocket_echo().await;
    let (mesh, workload) = (Mesh::new(), Workload::ok().await);
    let search = mesh.sidecar("search").serves(echo).start().await;
    let records = mesh.sidecar("records").serves(workload.address).start().await;
    let sidecar =
        mesh.sidecar("planner").calls("search", search.ingress).calls("records", records.ingress).start().await;
    let tcp = TcpStream::connect(sidecar.egress).await.unwrap();
    let (mut socket, _) =
        within("an upgrade", tokio_tungstenite::client_async("ws://search/socket", tcp)).await.unwrap();
    assert_eq!(within("welcome", socket.next()).await.unwrap().unwrap().to_text().unwrap(), "welcome");
    socket.send("harmless".into()).await.unwrap();
    assert_eq!(within("echo", socket.next()).await.unwrap().unwrap().to_text().unwrap(), "harmless");
    assert_eq!(sidecar.ask(get("records", "/patient")).await.status, 200);
    // It may be refused in this call or be gone by the next.
    drop(socket.send("the patient's name".into()).await);
    let next = within("the end of the socket", socket.next()).await;
    assert!(!matches!(next, Some(Ok(ref message)) if message.is_text()), "{next:?}");
    assert!(sidecar.metric("bellgate_flows_ended_total").await > 0.5);
}

#[tokio::test]
async fn a_long_upload_stops_where_its_sender_rises() {
    let mesh = Mesh::new();
    let (search, records) =
        (peer(&mesh, "search", "PUBLIC").await, peer(&mesh, "records", "RESTRICTED:clinical").await);
    let sidecar = planner(&mesh, &search, &records).await;
    let mut client = RawClient::plain(sidecar.egress).await;
    client.send("POST /upload HTTP/1.1\r\nHost: search\r\nContent-Length: 20\r\n\r\nharmless..").await.unwrap();
    until("the first half has arrived", || async { search.text().ends_with("harmless..").then_some(()) }).await;
    assert_eq!(sidecar.ask(get("records", "/patient")).await.status, 200);
    drop(client.send("a secret..").await);
    let answer = client.rest().await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(!search.text().contains("secret"), "{}", search.text());
}

#[tokio::test]
async fn a_grpc_stream_ends_where_its_sender_rises() {
    let (mesh, workload) = (Mesh::new(), Workload::ok().await);
    let search = mesh.sidecar("search").serves(workload.address).start().await;
    let records = mesh.sidecar("records").serves(workload.address).start().await;
    let sidecar =
        mesh.sidecar("planner").calls("search", search.ingress).calls("records", records.ingress).start().await;
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<bytes::Bytes>();
    let frames = futures::stream::unfold(receiver, |mut receiver| async {
        let chunk = receiver.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(hyper::body::Frame::data(chunk)), receiver))
    });
    let body = http_body_util::BodyExt::boxed(http_body_util::StreamBody::new(Box::pin(frames)));
    let request =
        http::Request::post("http://search/chat").header("content-type", "application/grpc").body(body).unwrap();
    let mut client = Client::h2c(sidecar.egress).await;
    sender.send("harmless".into()).unwrap();
    let mut incoming = client.send(request).await.unwrap().into_body();
    let frame = within("the echo", incoming.frame()).await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "harmless");
    assert_eq!(sidecar.ask(get("records", "/patient")).await.status, 200);
    // The flow may have been ended before this could be sent.
    drop(sender.send("the patient's name".into()));
    // Not one more byte comes back, and the end is no end of a whole answer.
    let next = within("the end of the stream", incoming.frame()).await;
    assert!(matches!(next, Some(Err(_))), "broken off");
    assert!(sidecar.metric("bellgate_flows_ended_total").await > 0.5);
}
