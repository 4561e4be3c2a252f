//! Flows that are open when something moves: which end, how they end, how soon, and that the others go on.

mod far_side;
mod near_side;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bellgate_tests::{Client, Mesh, POLICY, RawClient, Running, get, until, within};
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use http::Method;
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

use self::far_side::{End, FarSide};
use self::near_side::Open;

/// An idle flow has ended after this.
const SOON: Duration = Duration::from_secs(1);
const POLICY_VIOLATION: u16 = 1008;

/// The floating planner before a public tool, a clinical one, and a workload that floats itself.
struct World {
    mesh: Mesh,
    far: FarSide,
    planner: Running,
    search: Running,
    drafts: Running,
    _records: Running,
}

impl World {
    async fn new() -> Self {
        Self::with(false).await
    }

    /// With HTTP/2 to the workloads and between the gateways, whatever the agent speaks.
    async fn with(h2: bool) -> Self {
        let (mesh, far) = (Mesh::new(), FarSide::new().await);
        let serving = |name: &str| {
            let sidecar = mesh.sidecar(name);
            if h2 { sidecar.serves_h2(far.address) } else { sidecar.serves(far.address) }
        };
        let search = serving("search").start().await;
        let records = serving("records").start().await;
        let drafts = serving("drafts").calls("records", records.ingress).start().await;
        let planner = [("search", &search), ("records", &records), ("drafts", &drafts)].into_iter().fold(
            mesh.sidecar("planner"),
            |planner, (name, gateway)| {
                if h2 { planner.calls_h2(name, gateway.ingress) } else { planner.calls(name, gateway.ingress) }
            },
        );
        let planner = planner.start().await;
        Self { mesh, far, planner, search, drafts, _records: records }
    }

    /// The planner reads a patient's record: once this has returned it has the byte that raised its label.
    async fn planner_reads_a_record(&self) {
        assert_eq!(self.planner.ask(get("records", "/patient")).await.status, 200);
    }

    async fn drafts_reads_a_record(&self) {
        assert_eq!(self.drafts.ask(get("records", "/patient")).await.status, 200);
    }

    /// Ends of both sides of a flow that was idle, both within a second from now.
    async fn both_ends(&self, flow: &mut Open) -> (End, End) {
        let began = Instant::now();
        let ends = (flow.ended().await, self.far.ended(&flow.name).await);
        assert!(began.elapsed() < SOON, "{} took {:?}", flow.name, began.elapsed());
        ends
    }
}

#[tokio::test]
async fn an_idle_websocket_upwards_is_closed_with_1008_on_both_sides() {
    let world = World::new().await;
    let mut socket = Open::socket(world.planner.egress, "search", "up").await;
    socket.carries(&world.far, "harmless").await;
    world.planner_reads_a_record().await;
    let closed = End::Closed(POLICY_VIOLATION);
    assert_eq!(world.both_ends(&mut socket).await, (closed, closed));
    until("it is counted", || async {
        let text = "bellgate_flows_ended_total{how=\"closed\",protocol=\"websocket\"} 1";
        world.planner.metrics_text().await.contains(text).then_some(())
    })
    .await;
    assert_eq!(world.planner.label().await, "RESTRICTED:clinical");
}

#[tokio::test]
async fn an_idle_websocket_from_a_workload_that_rose_is_closed_with_1008_on_both_sides() {
    let world = World::new().await;
    let mut socket = Open::socket(world.planner.egress, "drafts", "down").await;
    socket.carries(&world.far, "harmless").await;
    world.drafts_reads_a_record().await;
    let closed = End::Closed(POLICY_VIOLATION);
    assert_eq!(world.both_ends(&mut socket).await, (closed, closed));
    assert_eq!(world.planner.label().await, "PUBLIC", "nothing higher was released");
}

/// Ten that send all the time, and a watchman who has hundreds to look after and is called all the time, so that he rests most
/// of it: what holds here is the decision at each chunk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn busy_websockets_pass_nothing_that_was_sent_after_the_byte_that_raised() {
    // Whether the watchman rests at the moment that counts is chance; so it is tried twice.
    for _ in 0..2 {
        busy_websockets().await;
    }
}

async fn busy_websockets() {
    let world = World::new().await;
    let (mut clients, mut idle) = (Vec::new(), Vec::new());
    for connection in 0..5 {
        let mut client = Client::h2c(world.planner.egress).await;
        for stream in 0..80 {
            idle.push(near_side::down(&mut client, "search", "events", &format!("{connection}-{stream}")).await);
        }
        clients.push(client);
    }
    // What is sent tells whether the record had been read by then.
    let (told, tell) = watch::channel("before;");
    let mut tasks = Vec::new();
    for number in 0..10 {
        let tcp = TcpStream::connect(world.planner.egress).await.unwrap();
        let url = format!("ws://search/socket/busy-{number}");
        let (socket, _) = tokio_tungstenite::client_async(url, tcp).await.unwrap();
        let (mut up, mut down) = socket.split();
        let tell = tell.clone();
        tasks.push(tokio::spawn(async move {
            loop {
                let text: &str = *tell.borrow();
                if up.send(text.into()).await.is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        }));
        tasks.push(tokio::spawn(async move { while let Some(Ok(_)) = down.next().await {} }));
    }
    for number in 0..10 {
        world.far.has(&format!("busy-{number}"), "before;").await;
    }
    let reloads = async {
        loop {
            assert_eq!(world.planner.admin(Method::POST, "/v1/reload").await.status, 200);
        }
    };
    let raise = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.planner_reads_a_record().await;
        told.send_replace("after;");
    };
    tokio::select! { () = reloads => {}, () = raise => {} }
    for task in tasks {
        within("the end of a socket", task).await.unwrap();
    }
    for number in 0..10 {
        let name = format!("busy-{number}");
        let end = world.far.ended(&name).await;
        assert!(matches!(end, End::Closed(POLICY_VIOLATION) | End::Broken), "{end:?}");
        let arrived = String::from_utf8(world.far.bytes(&name)).unwrap();
        assert!(arrived.starts_with("before;") && !arrived.contains("after"), "{} bytes", arrived.len());
    }
}

/// A server that answers 101 and then sends `half` of a frame; what it reads afterwards comes back.
async fn half_a_frame(half: &'static [u8]) -> (SocketAddr, oneshot::Receiver<Vec<u8>>, watch::Receiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (told, tell) = oneshot::channel();
    let (count, counted) = watch::channel(0);
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        read_head(&mut tcp).await;
        let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n";
        tcp.write_all(answer.as_bytes()).await.unwrap();
        tcp.write_all(half).await.unwrap();
        let mut rest = Vec::new();
        // However it ends.
        while let Ok(byte) = tcp.read_u8().await {
            rest.push(byte);
            count.send_replace(rest.len());
        }
        drop(told.send(rest));
    });
    (address, tell, counted)
}

async fn read_head(tcp: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within("a head", tcp.read_u8()).await.unwrap());
    }
    head
}

#[tokio::test]
async fn inside_of_a_frame_no_close_frame_is_put() {
    const HALF_UP: &[u8] = &[0x81, 0x85, 0, 0, 0, 0, b'h', b'a'];
    const HALF_DOWN: &[u8] = &[0x81, 0x05, b'h', b'a'];
    const WHOLE_DOWN: &[u8] = &[0x81, 0x02, b'h', b'i'];
    for (up, down) in [(HALF_UP, HALF_DOWN), (HALF_UP, WHOLE_DOWN), (&[][..], HALF_DOWN), (&[][..], WHOLE_DOWN)] {
        let (address, server, arrived) = half_a_frame(down).await;
        let (mesh, far) = (Mesh::new(), FarSide::new().await);
        let search = mesh.sidecar("search").serves(address).start().await;
        let records = mesh.sidecar("records").serves(far.address).start().await;
        let planner =
            mesh.sidecar("planner").calls("search", search.ingress).calls("records", records.ingress).start().await;
        let mut client = TcpStream::connect(planner.egress).await.unwrap();
        client
            .write_all(b"GET /socket HTTP/1.1\r\nHost: search\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
            .await
            .unwrap();
        let head = read_head(&mut client).await;
        assert!(head.starts_with(b"HTTP/1.1 101"));
        let mut half = vec![0; down.len()];
        within("what the server sends", client.read_exact(&mut half)).await.unwrap();
        client.write_all(up).await.unwrap();
        until("what the client sends has arrived", || async { (*arrived.borrow() == up.len()).then_some(()) }).await;
        assert_eq!(planner.ask(get("records", "/patient")).await.status, 200);
        let began = Instant::now();
        let mut told = Vec::new();
        drop(within("the end of the connection", client.read_to_end(&mut told)).await);
        let seen = within("the server sees the end", server).await.unwrap();
        assert!(began.elapsed() < SOON);
        if down == WHOLE_DOWN {
            assert!(told.len() > 4 && told[2..].starts_with(b"\x03\xf0"), "a close frame: {told:?}");
        } else {
            assert_eq!(told, b"", "cut inside of the server's frame");
        }
        let seen = seen.strip_prefix(up).expect("what was permitted");
        if up.is_empty() {
            assert!(seen.len() > 6 && seen[0] == 0x88 && seen[1] & 0x80 != 0, "a masked close frame: {seen:?}");
        } else {
            assert_eq!(seen, b"", "cut inside of the client's frame");
        }
    }
}

#[tokio::test]
async fn idle_streams_that_their_direction_forbids_end_and_the_others_of_the_connection_go_on() {
    for h2 in [false, true] {
        let world = World::with(h2).await;
        let mut client = Client::h2c(world.planner.egress).await;
        let mut low = Open::chat(&mut client, "search", "low").await;
        low.carries(&world.far, "harmless").await;
        let mut events = near_side::down(&mut client, "search", "events", "events").await;
        // The head of this answer is what raises.
        let mut high = Open::chat(&mut client, "records", "high").await;
        assert_eq!(world.both_ends(&mut low).await, (End::Broken, End::Broken), "h2 inside: {h2}");
        high.carries(&world.far, "the patient's name").await;
        world.far.send("events", "data: news\n\n");
        let frame = within("an event", events.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "data: news\n\n");
        // The connection is as good as before.
        assert_eq!(client.ask(get("records", "/patient")).await.status, 200);
        let counted = "bellgate_flows_ended_total{how=\"reset\",protocol=\"h2\"} 1";
        assert!(world.planner.metrics_text().await.contains(counted));
    }
}

#[tokio::test]
async fn idle_uploads_end_so_that_nobody_takes_them_for_whole() {
    for h2 in [false, true] {
        let world = World::with(h2).await;
        let mut uploads = Vec::new();
        for (name, host, h2) in [("a", "search", false), ("b", "search", true), ("c", "records", false)] {
            let upload = Open::upload(world.planner.egress, h2, host, name).await;
            world.far.has(name, "begun").await;
            uploads.push(upload);
        }
        let mut raw = RawClient::plain(world.planner.egress).await;
        raw.send("POST /sink/d HTTP/1.1\r\nHost: search\r\nContent-Length: 20\r\n\r\nharmless..").await.unwrap();
        world.far.has("d", "harmless..").await;
        let mut permitted = uploads.pop().unwrap();
        world.planner_reads_a_record().await;
        for upload in &mut uploads {
            assert_eq!(world.both_ends(upload).await, (End::Broken, End::Broken), "{}, h2 inside: {h2}", upload.name);
        }
        assert_eq!(world.far.ended("d").await, End::Broken, "Content-Length is not met, h2 inside: {h2}");
        let told = raw.rest().await;
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 403"), "{told}");
        permitted.carries(&world.far, "the patient's name").await;
    }
}

#[tokio::test]
async fn an_upload_that_its_server_does_not_read_ends_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (mesh, far) = (Mesh::new(), FarSide::new().await);
    let search = mesh.sidecar("search").serves(listener.local_addr().unwrap()).start().await;
    let records = mesh.sidecar("records").serves(far.address).start().await;
    let planner =
        mesh.sidecar("planner").calls("search", search.ingress).calls("records", records.ingress).start().await;
    let mut upload = Open::upload(planner.egress, false, "search", "stuck").await;
    // Accepted, and never read: what is on its way fills every buffer, and the gateways wait to write.
    let (_stalled, _) = within("a connection", listener.accept()).await.unwrap();
    let near_side::Kind::Upload(sender, _) = &upload.kind else { unreachable!() };
    for _ in 0..400 {
        sender.send(Bytes::from(vec![b'x'; 64 * 1024])).unwrap();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(planner.ask(get("records", "/patient")).await.status, 200);
    let began = Instant::now();
    assert_eq!(upload.ended().await, End::Broken);
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[tokio::test]
async fn idle_answers_of_a_workload_that_rose_end_and_those_of_others_go_on() {
    for h2 in [false, true] {
        let world = World::with(h2).await;
        let egress = world.planner.egress;
        let mut ends = vec![
            Open::events(egress, false, "drafts", "sse-h1").await,
            Open::events(egress, true, "drafts", "sse-h2").await,
        ];
        let mut client = Client::h1(egress).await;
        // Pingora flushes an answer of a stated length at its end, or when it has a segment full.
        let (mut file, ()) = tokio::join!(near_side::down(&mut client, "drafts", "file", "file"), async {
            world.far.opened("file").await;
            world.far.send("file", &"x".repeat(100_000));
        });
        let mut came = 0;
        while came < 90_000 {
            came += within("the first half", file.frame()).await.unwrap().unwrap().into_data().unwrap().len();
        }
        let mut stays = Open::events(egress, false, "search", "other").await;
        for flow in ends.iter_mut().chain([&mut stays]) {
            flow.carries(&world.far, "data: before\n\n").await;
        }
        world.drafts_reads_a_record().await;
        for flow in &mut ends {
            assert_eq!(world.both_ends(flow).await, (End::Broken, End::Broken), "{}, h2 inside: {h2}", flow.name);
        }
        let broken = loop {
            match within("the end of the file", file.frame()).await {
                Some(Ok(frame)) => came += frame.into_data().unwrap().len(),
                end => break end.is_some(),
            }
        };
        assert!(broken && came <= 100_000, "Content-Length is not met, h2 inside: {h2}");
        stays.carries(&world.far, "data: after\n\n").await;
        assert_eq!(world.planner.label().await, "PUBLIC");
        // Reading goes on as well where the reader rises.
        world.planner_reads_a_record().await;
        stays.carries(&world.far, "data: for who has read more\n\n").await;
    }
}

#[tokio::test]
async fn a_local_workload_behind_a_unix_socket_is_ended_as_well() {
    for protocol in ["h1", "h2"] {
        let (mesh, far) = (Mesh::new(), FarSide::new().await);
        let socket = mesh.folder().join("app.sock");
        far.also_on(&socket);
        let records = mesh.sidecar("records").serves(far.address).start().await;
        let ingress = bellgate_tests::free_address();
        let lines = format!(
            "ingress: {{ listen: \"{ingress}\", workload: \"unix:{}\", protocol: {protocol} }}",
            socket.display()
        );
        let drafts = mesh.sidecar("drafts").calls("records", records.ingress).extra(&lines).start().await;
        let planner = mesh.sidecar("planner").calls("drafts", ingress).start().await;
        until("the ingress is open", || async { TcpStream::connect(ingress).await.ok() }).await;
        let mut events = Open::events(planner.egress, false, "drafts", "sse").await;
        let mut socket = Open::socket(planner.egress, "drafts", "ws").await;
        for flow in [&mut events, &mut socket] {
            flow.carries(&far, "data: before\n\n").await;
        }
        assert_eq!(drafts.ask(get("records", "/patient")).await.status, 200);
        let began = Instant::now();
        assert_eq!((events.ended().await, far.ended("sse").await), (End::Broken, End::Broken), "{protocol}");
        let closed = End::Closed(POLICY_VIOLATION);
        assert_eq!((socket.ended().await, far.ended("ws").await), (closed, closed), "{protocol}");
        assert!(began.elapsed() < SOON, "{protocol}");
    }
}

#[tokio::test]
async fn a_new_policy_ends_idle_flows_that_it_forbids_and_no_others() {
    let world = World::new().await;
    let egress = world.planner.egress;
    let mut client = Client::h2c(egress).await;
    let mut ends = vec![
        Open::socket(egress, "drafts", "ws").await,
        Open::events(egress, false, "drafts", "sse").await,
        Open::chat(&mut client, "drafts", "grpc").await,
        Open::upload(egress, false, "drafts", "up").await,
    ];
    let mut stay =
        vec![Open::socket(egress, "search", "ws2").await, Open::events(egress, true, "search", "sse2").await];
    for flow in ends.iter_mut().chain(&mut stay) {
        flow.carries(&world.far, "data: before\n\n").await;
    }
    let grant = "  - { subject: planner, object: drafts, modes: [observe, alter] }\n";
    assert!(POLICY.contains(grant));
    world.mesh.write("policy.yaml", &POLICY.replace(grant, ""));
    assert_eq!(world.planner.admin(Method::POST, "/v1/reload").await.status, 200);
    for flow in &mut ends {
        let end = if flow.name == "ws" { End::Closed(POLICY_VIOLATION) } else { End::Broken };
        assert_eq!(world.both_ends(flow).await, (end, end), "{}", flow.name);
    }
    for flow in &mut stay {
        flow.carries(&world.far, "data: after\n\n").await;
    }
    // The callee's gateway does the same.
    let grant = "  - { subject: planner, object: search, modes: [observe, alter, append] }\n";
    assert!(POLICY.contains(grant));
    world.mesh.write("policy.yaml", &POLICY.replace(grant, ""));
    assert_eq!(world.search.admin(Method::POST, "/v1/reload").await.status, 200);
    for flow in &mut stay {
        let end = if flow.name == "ws2" { End::Closed(POLICY_VIOLATION) } else { End::Broken };
        assert_eq!(world.both_ends(flow).await, (end, end), "{}", flow.name);
    }
}

/// A server that is trusted to keep what it serves apart, with its object under `label`.
fn apart(label: &str) -> String {
    let subject = "search: { id: spiffe://mesh.bellgate.test/search, clearance: PUBLIC, gateway: true }";
    let object = "    workload: search\n    label: PUBLIC\n";
    assert!(POLICY.contains(subject) && POLICY.contains(object));
    let served = "clearance: \"RESTRICTED:clinical,legal\", gateway: true, multilevel: \"keeps rows apart\"";
    let subject_now = format!("search: {{ id: spiffe://mesh.bellgate.test/search, {served} }}");
    let object_now = format!("    workload: search\n    label: \"{label}\"\n");
    POLICY.replace(subject, &subject_now).replace(object, &object_now)
}

#[tokio::test]
async fn an_open_answer_counts_as_what_a_new_policy_calls_it() {
    let world = World::new().await;
    world.mesh.write("policy.yaml", &apart("PUBLIC"));
    for gateway in [&world.search, &world.planner] {
        assert_eq!(gateway.admin(Method::POST, "/v1/reload").await.status, 200);
    }
    let mut events = Open::events(world.planner.egress, false, "search", "sse").await;
    let mut socket = Open::socket(world.planner.egress, "search", "ws").await;
    for flow in [&mut events, &mut socket] {
        flow.carries(&world.far, "data: before\n\n").await;
    }
    assert_eq!(world.planner.label().await, "PUBLIC");
    // The agent's own gateway learns that what it reads there is higher than it was.
    world.mesh.write("policy.yaml", &apart("STANDARD"));
    assert_eq!(world.planner.admin(Method::POST, "/v1/reload").await.status, 200);
    socket.carries(&world.far, "after").await;
    assert_eq!(world.planner.label().await, "STANDARD", "what went up first hides nothing from what comes down");
    events.carries(&world.far, "data: after\n\n").await;
    // And then that the agent is not cleared for it.
    world.mesh.write("policy.yaml", &apart("RESTRICTED:clinical,legal"));
    assert_eq!(world.planner.admin(Method::POST, "/v1/reload").await.status, 200);
    assert_eq!(world.both_ends(&mut events).await, (End::Broken, End::Broken));
}

/// Three hundred and twenty, of every kind and protocol.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_few_hundred_open_flows_exactly_the_right_ones_end_within_a_second() {
    let world = World::new().await;
    let egress = world.planner.egress;
    let mut shared = [Client::h2c(egress).await, Client::h2c(egress).await];
    let (mut upwards, mut others, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..40 {
        let name = |kind: &str| format!("{kind}-{number}");
        upwards.push(Open::socket(egress, "search", &name("ws")).await);
        upwards.push(Open::chat(&mut shared[number % 2], "search", &name("grpc")).await);
        upwards.push(Open::upload(egress, false, "search", &name("up")).await);
        upwards.push(Open::upload(egress, true, "search", &name("up-h2")).await);
        others.push(Open::events(egress, number % 2 == 0, "search", &name("sse")).await);
        others.push(Open::upload(egress, number % 2 == 0, "records", &name("up-high")).await);
        answers.push(Open::events(egress, number % 2 == 0, "drafts", &name("sse-drafts")).await);
    }
    for flow in upwards.iter_mut().chain(&mut others).chain(&mut answers) {
        flow.carries(&world.far, "before").await;
    }
    world.planner_reads_a_record().await;
    let began = Instant::now();
    all_end(&world, &mut upwards, began).await;
    for number in 0..20 {
        others.push(Open::socket(egress, "records", &format!("ws-high-{number}")).await);
        others.push(Open::chat(&mut shared[number % 2], "records", &format!("grpc-high-{number}")).await);
    }
    for flow in others.iter_mut().chain(&mut answers) {
        flow.carries(&world.far, "after the first rise").await;
    }
    let ended = || async { world.planner.metric("bellgate_exchanges_open{listener=\"egress\"}").await };
    assert!((ended().await - 160.0).abs() < 0.5, "40 + 40 + 40 and 20 + 20 go on");
    world.drafts_reads_a_record().await;
    let began = Instant::now();
    all_end(&world, &mut answers, began).await;
    for flow in &mut others {
        flow.carries(&world.far, "after the second").await;
        assert_eq!(world.far.end(&flow.name), None, "{}", flow.name);
    }
}

/// All of these end within a second from `began`, on both sides, and nothing but the end comes.
async fn all_end(world: &World, flows: &mut Vec<Open>, began: Instant) {
    for flow in flows.iter_mut() {
        let end = if flow.name.starts_with("ws") { End::Closed(POLICY_VIOLATION) } else { End::Broken };
        assert_eq!((flow.ended().await, world.far.ended(&flow.name).await), (end, end), "{}", flow.name);
    }
    assert!(began.elapsed() < SOON, "{} flows took {:?}", flows.len(), began.elapsed());
    flows.clear();
}
