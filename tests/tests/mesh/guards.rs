//! Guards: what passes them, what they are given, what goes on beside them, and that each way of failing refuses.

use std::path::Path;
use std::sync::Arc;

use bellgate_enclave_protocol::{HEAD_BYTES, Head, Message};
use bellgate_tests::{Answer, Enclave, Mesh, Module, Recorder, Running, Told, Workload, get, post, post_json, until};
use http::{HeaderValue, Method, Request};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;

use crate::peer;

const POLICY: &str = include_str!("guards.yaml");
const HIGH: &str = "RESTRICTED:clinical";

/// A mesh with the policy of this file, and an enclave with all of its modules.
async fn world() -> (Mesh, Enclave) {
    let mesh = Mesh::new();
    let mut modules: Vec<Module> = ["deidentify", "spin", "flood"].map(Module::committed).into();
    modules.extend(["echo", "exact", "memory", "output", "trap"].map(Module::attack));
    let enclave = Enclave::start(&mesh, modules).await;
    mesh.write("guards.yaml", &enclave.pin(POLICY));
    (mesh, enclave)
}

/// The planner's sidecar between `search` and `records`.
async fn planner(mesh: &Mesh, config: &str, search: std::net::SocketAddr, records: std::net::SocketAddr) -> Running {
    let sidecar = mesh.sidecar("planner").policy("guards.yaml").extra(config);
    sidecar.calls("search", search).calls("records", records).start().await
}

/// A planner that has read a record, and what stands where the gateways of `search` and `records` should.
struct Raised {
    sidecar: Running,
    search: Recorder,
    _records: Recorder,
}

async fn raised(mesh: &Mesh, config: &str) -> Raised {
    let (search, records) = (peer(mesh, "search", "PUBLIC").await, peer(mesh, "records", HIGH).await);
    let sidecar = planner(mesh, config, search.address, records.address).await;
    assert_eq!(sidecar.ask(get("records", "/patient")).await.status, 200);
    assert_eq!(sidecar.label().await, HIGH);
    Raised { sidecar, search, _records: records }
}

fn with(
    mut request: Request<bellgate_tests::ReqBody>,
    headers: &[(&'static str, &str)],
) -> Request<bellgate_tests::ReqBody> {
    for (name, value) in headers {
        request.headers_mut().append(*name, HeaderValue::from_str(value).unwrap());
    }
    request
}

/// The audit records of guards, once there are `count`.
async fn uses(sidecar: &Running, count: usize) -> Vec<Value> {
    until("the guards' uses are in the audit log", || async {
        let lines = std::fs::read_to_string(sidecar.state.join("audit.jsonl")).unwrap();
        let records = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let uses: Vec<Value> = records.filter(|record| record["kind"] == "guard").collect();
        (uses.len() >= count).then_some(uses)
    })
    .await
}

fn failed(told: &Told, code: &str) {
    assert_eq!(told.verdict(), (403, "guard-failed".into()), "{code}: {}", told.json());
    let detail = told.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains(&format!("({code})")), "{code}: {detail}");
}

#[tokio::test]
async fn who_has_read_a_record_searches_again_through_the_guard() {
    for h2 in [false, true] {
        let ((mesh, enclave), workload) = (world().await, Workload::ok().await);
        let behind = |name| mesh.sidecar(name).policy("guards.yaml").extra(&enclave.config()).serves(workload.address);
        let (search, records) = (behind("search").start().await, behind("records").start().await);
        let sidecar = mesh.sidecar("planner").policy("guards.yaml").extra(&enclave.config());
        let sidecar =
            if h2 { sidecar.calls_h2("search", search.ingress) } else { sidecar.calls("search", search.ingress) };
        let sidecar = sidecar.calls("records", records.ingress).start().await;
        let ask = |query: &str| post_json("search", "/v1/search", &json!({"version": "1", "query": query}));

        // As long as nothing was read nothing is guarded.
        assert_eq!(sidecar.ask(ask("A. Example")).await.status, 200);
        assert_eq!(workload.last().body, r#"{"query":"A. Example","version":"1"}"#);
        assert!(sidecar.metric("bellgate_guard_calls_total").await < 0.5);

        assert_eq!(sidecar.ask(get("records", "/patient")).await.status, 200);
        let told = sidecar.ask(ask("treatment of hypertension")).await;
        assert_eq!(told.verdict(), (200, String::new()), "{}", told.json());
        assert_eq!(workload.last().body, r#"{"query":"treatment of hypertension","version":"1"}"#);
        let told = sidecar.ask(ask("A. Example, patient 4711, hypertension")).await;
        assert_eq!((told.status.as_u16(), told.header("bellgate-label")), (200, "PUBLIC"));
        let seen = workload.last();
        assert_eq!(seen.body, r#"{"query":"[removed], patient [removed], hypertension","version":"1"}"#);
        assert_eq!(seen.all("content-length"), [seen.body.len().to_string()], "it follows what is sent");
        assert_eq!(search.label().await, "PUBLIC", "what was delivered is within the object's label");
        assert_eq!(sidecar.label().await, HIGH);

        let uses = uses(&sidecar, 2).await;
        let last = uses.last().unwrap();
        assert_eq!(last["request_id"], told.header("bellgate-request-id"));
        assert_eq!(
            (&last["rule"], &last["on"], &last["outcome"]),
            (&json!("grants[1]"), &json!("egress"), &json!("ok"))
        );
        assert_eq!((&last["capability"], &last["output_bytes"]), (&json!("deidentify"), &json!(seen.body.len())));
        assert!(last["digest"].as_str().unwrap().starts_with("sha256:"));
        let counted = sidecar.metric("bellgate_guard_calls_total{outcome=\"ok\",point=\"egress\"}").await;
        assert!((counted - 2.0).abs() < 0.5, "{counted}");
        assert!((sidecar.metric("bellgate_capability_calls_total{outcome=\"ok\"}").await - 2.0).abs() < 0.5);
        drop(enclave);
    }
}

#[tokio::test]
async fn only_what_the_rule_lists_goes_beside_the_body() {
    let (mesh, enclave) = world().await;
    let Raised { sidecar, search, .. } = raised(&mesh, &enclave.config()).await;
    let secrets = [
        ("cookie", "secret=1"),
        ("authorization", "Bearer secret"),
        ("user-agent", "secret"),
        ("x-kept", "secret"),
        ("x-more", "secret"),
        ("content-type", "application/secret"),
        ("accept", "text/secret"),
        ("bellgate-declare", "PUBLIC"),
    ];
    let told = sidecar.ask(with(post("search", "/echo", "\"seen\""), &secrets)).await;
    assert_eq!(told.verdict(), (200, String::new()), "{}", told.json());
    let text = search.text().to_ascii_lowercase();
    assert!(!text.contains("secret"), "{text}");
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "\"seen\"");
    let mut names: Vec<&str> = head.lines().skip(1).map(|line| line.split(':').next().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["bellgate-label", "bellgate-request-id", "bellgate-rule", "content-length", "host"]);
    assert!(head.contains("\r\nbellgate-label: public\r\n") && head.contains("\r\nbellgate-rule: guard"), "{head}");

    let listed = [("x-kept", "yes"), ("x-kept", "yes"), ("content-type", "application/json")];
    assert_eq!(sidecar.ask(with(post("search", "/echo", "\"seen\""), &listed)).await.status, 200);
    let text = search.text().to_ascii_lowercase();
    assert_eq!(text.matches("x-kept: yes\r\n").count(), 1, "{text}");
    assert_eq!(text.matches("content-type: application/json\r\n").count(), 1, "{text}");
}

#[tokio::test]
async fn a_target_that_no_template_names_goes_nowhere() {
    let (mesh, enclave) = world().await;
    let Raised { sidecar, search, .. } = raised(&mesh, &enclave.config()).await;
    for (target, passes) in [
        ("/named/a", true),
        ("/named/b", true),
        ("/named/c", false),
        ("/named/a?b", false),
        ("/named/%61", true),
        ("/v1/search?who=erika", false),
    ] {
        let before = search.application_bytes();
        let told = sidecar.ask(post_json("search", target, &crate::query())).await;
        let expected = if passes { (200, String::new()) } else { (403, "no-write-down".to_owned()) };
        assert_eq!(told.verdict(), expected, "{target}");
        assert_eq!(search.application_bytes() > before, passes, "{target}");
    }
    assert!(!search.text().contains("%61"), "one spelling alone");
    // Without a body there is nothing that a guard could look at; and streams have no whole one.
    let told = sidecar.ask(post("search", "/echo", "")).await;
    assert_eq!(told.verdict(), (403, "unsupported-here".into()));
    let told = sidecar.ask(with(post("search", "/echo", "x"), &[("content-type", "application/grpc")])).await;
    assert_eq!(told.verdict(), (403, "unsupported-here".into()));
    let upgrade = [("connection", "upgrade"), ("upgrade", "websocket")];
    let told = sidecar.ask(with(post("search", "/echo", "x"), &upgrade)).await;
    assert_eq!(told.verdict(), (403, "unsupported-here".into()));
}

#[tokio::test]
async fn whatever_fails_refuses_and_nothing_leaves() {
    let (mesh, mut enclave) = world().await;
    let Raised { sidecar, search, .. } = raised(&mesh, &enclave.config()).await;
    for (path, body, code) in [
        ("/trap", "{}", "trap"),
        ("/spin", "{}", "timeout"),
        ("/fuel", "{}", "fuel-exhausted"),
        ("/flood", "{}", "output-too-large"),
        ("/not-json", "{}", "output-not-json"),
        ("/entry", "{}", "entry-missing"),
        ("/lost", "{}", "unknown-urn"),
        // The output is no document of the route's kind.
        ("/kind", "\"text\"", "manifest"),
        // Not JSON: the guest says that it failed.
        ("/named/a", "no json", "trap"),
    ] {
        failed(&sidecar.ask(post("search", path, body)).await, code);
    }
    // What the capability may not be given is not given to it: the rule does not apply at all.
    assert_eq!(sidecar.ask(post("search", "/low", "{}")).await.verdict(), (403, "no-write-down".into()));
    // The body is held to its schema before the guard sees it.
    let told = sidecar.ask(post_json("search", "/v1/search", &json!({"version": "1", "query": 7}))).await;
    assert_eq!(told.verdict(), (422, "manifest".into()));
    assert_eq!(uses(&sidecar, 9).await.len(), 9);
    assert!(sidecar.metric("bellgate_guard_calls_total{outcome=\"trap\",point=\"egress\"}").await > 1.5);

    enclave.host.kill().await;
    let told = sidecar.ask(post_json("search", "/v1/search", &crate::query())).await;
    failed(&told, "unavailable");
    assert_eq!(told.json()["retry"], true);
    assert_eq!(search.accepts(), 0, "nothing was even connected to");
    enclave.start_again().await;
    assert_eq!(sidecar.ask(post_json("search", "/v1/search", &crate::query())).await.status, 200);
}

#[tokio::test]
async fn an_enclave_that_dies_under_a_call_refuses_it() {
    let (mesh, mut enclave) = world().await;
    let Raised { sidecar, search, .. } = raised(&mesh, &enclave.config()).await;
    let (told, ()) = tokio::join!(sidecar.ask(post("search", "/long", "{}")), async {
        enclave.computes().await;
        enclave.host.kill().await;
    });
    failed(&told, "unavailable");
    assert_eq!(search.accepts(), 0);
}

#[tokio::test]
async fn limits_of_input_and_output_are_met_to_the_byte() {
    let (mesh, enclave) = world().await;
    let Raised { sidecar, search, .. } = raised(&mesh, &enclave.config()).await;
    let text = |length: usize| format!("\"{}\"", "x".repeat(length - 2));
    for (length, passes) in [(99, true), (100, true), (101, false)] {
        let told = sidecar.ask(post("search", "/echo", text(length))).await;
        if passes {
            assert_eq!(told.status, 200, "{length}");
            assert!(search.text().ends_with(&text(length)));
        } else {
            failed(&told, "input-too-large");
        }
    }
    for (length, passes) in [(4095, true), (4096, true), (4097, false)] {
        let told = sidecar.ask(post("search", "/exact", length.to_string())).await;
        if passes {
            assert_eq!(told.status, 200, "{length}");
            let sent = format!("\"{}\"", "a".repeat(length - 2));
            assert!(search.text().ends_with(&format!("\r\n\r\n{sent}")), "{length}: longer than what came");
        } else {
            failed(&told, "output-too-large");
        }
    }
}

/// Objects are named by values, and a guard changes values: what counts is what leaves.
#[tokio::test]
async fn the_body_that_leaves_names_the_objects() {
    let (mesh, enclave) = world().await;
    let (mail, records) = (peer(&mesh, "mailer", HIGH).await, peer(&mesh, "records", HIGH).await);
    let sidecar = mesh.sidecar("planner").policy("guards.yaml").extra(&enclave.config());
    let sidecar = sidecar.calls("mail", mail.address).calls("records", records.address).start().await;
    assert_eq!(sidecar.ask(get("records", "/patient")).await.status, 200);
    let ok = (200, String::new());
    for (to, expected, uses) in [
        (json!("colleague"), ok.clone(), 0.0),
        (json!("anybody"), ok.clone(), 1.0),
        // What comes out is addressed to nobody that a rule knows.
        (json!("erika@example.org"), (403, "not-granted".to_owned()), 2.0),
    ] {
        let letter = json!({"to": to, "text": "patient 4711"});
        let before = mail.application_bytes();
        assert_eq!(sidecar.ask(post_json("mail", "/mail", &letter)).await.verdict(), expected, "{to}");
        assert_eq!(mail.application_bytes() > before, expected == ok, "{to}");
        let counted = sidecar.metric("bellgate_guard_calls_total{outcome=\"ok\",point=\"egress\"}").await;
        assert!((counted - uses).abs() < 0.5, "{to}: {counted}");
    }
    let text = mail.text().to_ascii_lowercase();
    assert_eq!((text.matches("patient 4711").count(), text.matches("patient [removed]").count()), (1, 1), "{text}");
    assert!(!text.contains("erika"), "{text}");
}

#[tokio::test]
async fn a_blind_write_up_is_guarded_too() {
    let (mesh, enclave) = world().await;
    let Raised { sidecar, search, .. } = raised(&mesh, &enclave.config()).await;
    let note = json!({"version": "1", "query": "ask erika@example.org"});
    let told = sidecar.ask(with(post_json("search", "/v1/notes", &note), &[("user-agent", "secret")])).await;
    assert_eq!((told.status.as_u16(), told.body.len()), (202, 0));
    until("it is delivered", || async { search.text().contains("ask [removed]").then_some(()) }).await;
    let text = search.text().to_ascii_lowercase();
    assert!(!text.contains("secret") && !text.contains("erika"), "{text}");
    assert!(text.contains("\r\nbellgate-label: public\r\n") && text.contains("\r\nbellgate-rule: guard\r\n"), "{text}");
}

/// An enclave host that keeps what it is told and gives the input back.
async fn recording_host(socket: &Path) -> Arc<Mutex<Vec<(Vec<u8>, Vec<u8>)>>> {
    let listener = UnixListener::bind(socket).unwrap();
    let calls = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&calls);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let kept = Arc::clone(&kept);
            tokio::spawn(async move {
                let mut head = [0; HEAD_BYTES];
                while stream.read_exact(&mut head).await.is_ok() {
                    let parsed = Head::parse(head).unwrap();
                    let mut body = vec![0; parsed.length().try_into().unwrap()];
                    stream.read_exact(&mut body).await.unwrap();
                    let Ok(Message::Invoke(invoke)) = Message::parse(parsed, body.clone().into()) else { return };
                    kept.lock().push((body, invoke.input.to_vec()));
                    let answer = Message::Output(invoke.number, invoke.input).encode().unwrap();
                    stream.write_all(&answer.head).await.unwrap();
                    stream.write_all(&answer.payload).await.unwrap();
                }
            });
        }
    });
    calls
}

#[tokio::test]
async fn a_guard_is_given_the_body_and_nothing_else() {
    let (mesh, enclave) = world().await;
    let socket = mesh.folder().join("recording.sock");
    let calls = recording_host(&socket).await;
    let Raised { sidecar, search: _search, .. } = raised(&mesh, &enclave.config_with_host(&socket)).await;
    let body = r#"{ "version": "1",  "query": "hypertension" }"#;
    let headers = [("x-kept", "header-value"), ("cookie", "header-value"), ("content-type", "application/json")];
    let told = sidecar.ask(with(post("search", "/v1/search", body), &headers)).await;
    assert_eq!(told.verdict(), (200, String::new()), "{}", told.json());
    let (message, input) = calls.lock()[0].clone();
    assert_eq!(input, body.as_bytes(), "byte for byte");
    // Beside it: number, limits, digest, and the name of the function.
    let message = String::from_utf8_lossy(&message).replace(body, "").replace("deidentify", "");
    assert!(message.len() < 200, "{message}");
    for told in
        ["/v1", "search", "header-value", "application/json", "planner", "spiffe", "RESTRICTED", "clinical", "PUBLIC"]
    {
        assert!(!message.contains(told), "{told}: {message}");
    }
}

/// What a guarded record is answered with.
fn record() -> Answer {
    let mut answer = http::Response::builder().status(203);
    for (name, value) in [
        ("content-type", "application/json"),
        ("x-kept", "yes"),
        ("x-more", "secret"),
        ("set-cookie", "secret=1"),
        ("etag", "\"secret\""),
        ("alt-svc", "h3=\":443\""),
        ("bellgate-declare", "PUBLIC"),
    ] {
        answer = answer.header(name, value);
    }
    Answer::Whole(answer.body(r#"{"name":"Erika Muster","blood_pressure":"120/80"}"#.into()).unwrap())
}

#[tokio::test]
async fn a_guarded_answer_raises_its_reader_to_the_guards_label_alone() {
    for h2 in [false, true] {
        let ((mesh, enclave), workload) = (world().await, Workload::with(|_| record()).await);
        let behind = |name| mesh.sidecar(name).policy("guards.yaml").extra(&enclave.config()).serves(workload.address);
        let (search, records) = (behind("search").start().await, behind("records").start().await);
        let sidecar = mesh.sidecar("planner").policy("guards.yaml").extra(&enclave.config());
        let sidecar =
            if h2 { sidecar.calls_h2("records", records.ingress) } else { sidecar.calls("records", records.ingress) };
        let sidecar = sidecar.calls("search", search.ingress).start().await;
        let asked = [("range", "bytes=0-3"), ("if-none-match", "\"x\""), ("accept-encoding", "gzip"), ("x-mine", "1")];
        let told = sidecar.ask(with(get("records", "/summary?days=3"), &asked)).await;
        assert_eq!((told.status.as_u16(), told.header("bellgate-label")), (203, "STANDARD"));
        assert_eq!(told.body, r#"{"name":"[removed]","blood_pressure":"120/80"}"#);
        let mut names: Vec<&str> = told.headers.keys().map(http::HeaderName::as_str).collect();
        names.sort_unstable();
        let expected =
            ["bellgate-label", "bellgate-request-id", "cache-control", "content-length", "content-type", "x-kept"];
        assert_eq!(
            names.into_iter().filter(|name| !["connection", "date"].contains(name)).collect::<Vec<_>>(),
            expected
        );
        assert_eq!(sidecar.label().await, "STANDARD");
        let seen = workload.last();
        assert_eq!((seen.target.as_str(), seen.all("x-mine")), ("/summary?days=3", vec!["1"]));
        assert!(["range", "if-none-match", "accept-encoding"].iter().all(|name| seen.all(name).is_empty()));
        // With a body of its own.
        let told = sidecar.ask(post("records", "/summary", "a question")).await;
        assert_eq!(told.status, 203);
        assert_eq!(workload.last().body, "a question");
        assert_eq!(sidecar.label().await, "STANDARD");
        // What it now knows is above the open search, as it is.
        assert_eq!(sidecar.ask(get("search", "/page")).await.verdict(), (403, "no-write-down".into()));
        let uses = uses(&sidecar, 2).await;
        assert_eq!((&uses[0]["on"], &uses[0]["outcome"]), (&json!("release"), &json!("ok")));

        let head = Request::builder().method(Method::HEAD).uri("/summary").header("host", "records");
        let told = sidecar.ask(head.body(bellgate_tests::empty()).unwrap()).await;
        assert_eq!(told.status, 403);
        assert_eq!(sidecar.label().await, "STANDARD");
        drop(enclave);
    }
}

/// Asks for what a guard will not pass: the refusal itself tells of the record, and counts as it came.
#[tokio::test]
async fn a_refusal_that_tells_of_an_answer_carries_its_label() {
    let workload = Workload::with(|seen| match seen.target.as_str() {
        "/summary?missing" => Answer::status(404),
        "/summary?coded" => Answer::ok("{}", &[("content-encoding", "gzip")]),
        "/summary?stream" => Answer::Events,
        "/summary?text" => Answer::ok("Erika Muster", &[]),
        "/sized?99" => Answer::ok(format!("\"{}\"", "x".repeat(97)), &[]),
        "/sized?100" => Answer::ok(format!("\"{}\"", "x".repeat(98)), &[]),
        "/sized?101" => Answer::ok(format!("\"{}\"", "x".repeat(99)), &[]),
        _ => Answer::ok("{}", &[]),
    })
    .await;
    for (target, code) in [
        ("/summary?missing", "status"),
        ("/summary?coded", "coding"),
        ("/summary?stream", "coding"),
        ("/summary?text", "trap"),
        ("/sized?99", ""),
        ("/sized?100", ""),
        ("/sized?101", "input-too-large"),
    ] {
        let (mesh, enclave) = world().await;
        let behind = mesh.sidecar("records").policy("guards.yaml").extra(&enclave.config()).serves(workload.address);
        let records = behind.start().await;
        let sidecar = planner(&mesh, &enclave.config(), records.ingress, records.ingress).await;
        let told = sidecar.ask(get("records", target)).await;
        if code.is_empty() {
            assert_eq!((told.status.as_u16(), sidecar.label().await.as_str()), (200, "STANDARD"), "{target}");
        } else {
            failed(&told, code);
            assert_eq!(sidecar.label().await, HIGH, "{target}");
            assert!(!String::from_utf8_lossy(&told.body).contains("Erika"));
        }
    }
}

#[tokio::test]
async fn an_outage_raises_nobody_unless_it_comes_after_the_answer() {
    let ((mesh, mut enclave), workload) = (world().await, Workload::ok().await);
    let behind = mesh.sidecar("records").policy("guards.yaml").extra(&enclave.config()).serves(workload.address);
    let mut records = behind.start().await;
    let sidecar = planner(&mesh, &enclave.config(), records.ingress, records.ingress).await;
    enclave.host.kill().await;
    failed(&sidecar.ask(get("records", "/summary")).await, "unavailable");
    assert!(workload.seen().is_empty(), "nothing was asked of it");
    assert_eq!(sidecar.label().await, "PUBLIC");
    enclave.start_again().await;
    // While the guard looks at the answer.
    let (told, ()) = tokio::join!(sidecar.ask(get("records", "/hung")), async {
        enclave.computes().await;
        enclave.host.kill().await;
    });
    failed(&told, "unavailable");
    assert_eq!((workload.seen().len(), sidecar.label().await.as_str()), (1, HIGH));
    // A gateway that is not there told nothing.
    enclave.start_again().await;
    records.process.kill().await;
    let told = sidecar.ask(get("records", "/summary")).await;
    assert_eq!(told.verdict(), (502, "upstream".into()));
}

#[tokio::test]
async fn a_far_side_that_breaks_off_counts_as_whoever_it_is() {
    let (mesh, enclave) = world().await;
    let settings = bellgate_spire::server_config(&mesh.identity("records"), &[b"http/1.1"]);
    let records = Recorder::tls(settings, |_| Vec::new()).await;
    let sidecar = planner(&mesh, &enclave.config(), records.address, records.address).await;
    let told = sidecar.ask(get("records", "/summary")).await;
    assert_eq!(told.verdict(), (502, "upstream".into()));
    assert_eq!(sidecar.label().await, HIGH);
    // Who is somebody else is told nothing, and tells nothing.
    let (mesh, enclave) = world().await;
    let settings = bellgate_spire::server_config(&mesh.identity("search"), &[b"http/1.1"]);
    let imposter = Recorder::tls(settings, |_| Vec::new()).await;
    let sidecar = planner(&mesh, &enclave.config(), imposter.address, imposter.address).await;
    assert_eq!(sidecar.ask(get("records", "/summary")).await.verdict(), (502, "upstream".into()));
    assert_eq!((sidecar.label().await.as_str(), imposter.application_bytes()), ("PUBLIC", 0));
}
