//! The service over its real socket: tables of what is permitted and what is refused, and why.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::checks::{Ask, Told, ask, tell};
use crate::support::{Gateway, POLICY};
use bellgate_policy::Timestamp;
use bellgate_watermark::{Missing, Watermark};
use envoy_types::pb::envoy::service::auth::v3::CheckRequest;

/// Asks each in turn and compares the reason; says which row failed.
async fn table(gateway: &Gateway, rows: Vec<(&str, Ask, &str)>) {
    let serving = gateway.serve(gateway.context());
    let mut client = serving.client().await;
    for (what, question, expected) in rows {
        let told = ask(&mut client, question).await;
        assert_eq!(told.code(), expected, "{what}: {told:?}");
        let seen = gateway.last_seen();
        assert_eq!(
            seen.code,
            if expected == "ok" { "permit" } else { expected },
            "{what}: the observer was told otherwise"
        );
    }
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn peers_of_the_local_workload() {
    let records = Gateway::beside("records");
    let get = |who| Ask::of(who, "GET", "records/patients/7");
    let order = |body| Ask::of("planner", "POST", "records/orders").body(body);
    table(
        &records,
        vec![
            ("a granted read", get("planner"), "ok"),
            ("the authority plays no part", Ask::of("planner", "GET", "elsewhere:8443/patients/7"), "ok"),
            ("a clearance below the object", get("auditor"), "no-read-up"),
            ("no grant", get("reporter"), "not-granted"),
            ("a stranger", get("nobody"), "unknown-subject"),
            ("no certificate", get("planner").principal(""), "untrusted-peer"),
            ("a DNS name", get("planner").principal("planner.example.com"), "untrusted-peer"),
            ("a trust domain alone", get("planner").principal("spiffe://demo.bellgate.test"), "untrusted-peer"),
            (
                "two IDs in one",
                get("planner").principal("spiffe://demo.bellgate.test/planner,spiffe://demo.bellgate.test/x"),
                "untrusted-peer",
            ),
            (
                "headers name nobody",
                get("nobody")
                    .header("x-forwarded-client-cert", "URI=spiffe://demo.bellgate.test/planner")
                    .header("bellgate-label", "PUBLIC"),
                "unknown-subject",
            ),
            ("a whole manifest", order("good"), "ok"),
            ("a manifest that does not conform", order("bad"), "manifest"),
            (
                "a manifest that a stranger may not even try",
                Ask { principal: "spiffe://demo.bellgate.test/reporter".into(), ..order("bad") },
                "not-granted",
            ),
            ("another method on a route", Ask::of("planner", "PUT", "records/orders").body("good"), "unlabelled"),
            ("a path in two readings", Ask::of("planner", "GET", "records/patients%2F7"), "ambiguous-path"),
            ("a host that is none", Ask::of("planner", "GET", "a@b/patients/7"), "bad-authority"),
        ],
    )
    .await;
}

#[tokio::test]
async fn kinds_of_requests_that_need_more_than_a_check() {
    let records = Gateway::beside("records");
    let order = || Ask::of("planner", "POST", "records/orders");
    let unseen = order().header("content-length", "4");
    table(
        &records,
        vec![
            ("append", Ask::of("planner", "POST", "records/drop").body("note"), "unsupported-here"),
            (
                "append without a grant tells nothing",
                Ask::of("auditor", "POST", "records/drop").body("note"),
                "not-granted",
            ),
            (
                "an upgrade",
                Ask::of("planner", "GET", "records/patients/7").header("upgrade", "websocket"),
                "unsupported-here",
            ),
            (
                "gRPC",
                Ask::of("planner", "POST", "records/x").header("content-type", "application/grpc+proto").body("x"),
                "unsupported-here",
            ),
            ("CONNECT", Ask::of("planner", "CONNECT", "records/x"), "unsupported-here"),
            ("TRACE", Ask::of("planner", "TRACE", "records/x"), "unsupported-here"),
            ("a manifest that Envoy did not buffer", unseen.clone(), "unsupported-here"),
            ("a manifest in part", unseen.header("x-envoy-auth-partial-body", "true"), "unsupported-here"),
            ("a chunked manifest", order().header("transfer-encoding", "chunked"), "unsupported-here"),
            ("a compressed manifest", order().body("good").header("content-encoding", "gzip"), "unsupported-here"),
            ("a manifest over HTTP/2 whose end nobody knows", order().http2(), "unsupported-here"),
            ("no manifest at all goes to the validator", order(), "ok"),
        ],
    )
    .await;
}

#[tokio::test]
async fn answers_that_may_exceed_their_object() {
    let archive = Gateway::beside("archive");
    table(
        &archive,
        vec![("the archive may hold more than STANDARD", Ask::of("auditor", "GET", "archive/x"), "unsupported-here")],
    )
    .await;
    let database = Gateway::beside("database");
    table(
        &database,
        vec![
            ("the policy trusts it to keep levels apart", Ask::of("reporter", "GET", "database/news"), "ok"),
            ("and still nobody reads up", Ask::of("reporter", "GET", "database/x"), "no-read-up"),
        ],
    )
    .await;
    let planner = Gateway::beside("planner");
    table(
        &planner,
        vec![
            ("an upstream outside the mesh", Ask::of("planner", "GET", "api.example.com/x"), "ok"),
            (
                "an upstream whose own statements count",
                Ask::of("planner", "GET", "claims.example.com/x"),
                "unsupported-here",
            ),
            ("a static server above its object", Ask::of("planner", "GET", "archive/x"), "unsupported-here"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_permit_of_the_local_workload_counts_as_release() {
    let planner = Gateway::beside("planner");
    let serving = planner.serve(planner.context());
    let mut client = serving.client().await;
    let search = || Ask::of("planner", "POST", "search.localhost:15001/v1").body("query");

    let told = ask(&mut client, search()).await;
    let Told::Ok { upwards, downwards, removed } = told else { panic!("{told:?}") };
    let request_id = planner.last_seen().request_id;
    for headers in [upwards, downwards] {
        assert_eq!(headers["bellgate-label"], "PUBLIC");
        assert_eq!(headers["bellgate-request-id"], request_id);
        assert_eq!(headers.len(), 2);
    }
    assert!(removed.contains(&"bellgate-declare".to_owned()));
    assert!(planner.last_seen().own_workload);
    assert_eq!(planner.label(), "PUBLIC");

    let told = ask(&mut client, Ask::of("planner", "GET", "records/patients/7")).await;
    let Told::Ok { upwards, downwards, .. } = told else { panic!("{told:?}") };
    assert_eq!(
        (upwards["bellgate-label"].as_str(), downwards["bellgate-label"].as_str()),
        ("PUBLIC", "RESTRICTED:clinical")
    );
    let record = planner.last_seen().request_id;
    // Durable before the OK: whoever starts now starts there.
    let subject = planner.policy.subject_named("planner").unwrap();
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(planner.folder.path()).unwrap() {
        let file = file.unwrap();
        // The socket is there too.
        if file.file_type().unwrap().is_file() {
            std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
    }
    let (again, _) =
        Watermark::open(copy.path(), subject, planner.policy.lattice(), Missing::Floor, Timestamp(0)).unwrap();
    assert_eq!(planner.policy.lattice().text(&again.reading().label), "RESTRICTED:clinical");

    let told = ask(&mut client, search()).await;
    assert_eq!(told.code(), "no-write-down");
    assert_eq!(planner.last_seen().cause, Some(record));
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn requests_of_the_local_workload() {
    let planner = Gateway::beside("planner");
    let search = || Ask::of("planner", "POST", "search/v1");
    let declared = |label| search().body("query").header("bellgate-declare", label);
    table(
        &planner,
        vec![
            ("whole", search().body("query"), "ok"),
            ("without a body", search(), "ok"),
            (
                "by content-length alone",
                Ask { body: b"query".to_vec(), ..search() }.header("content-length", "5"),
                "ok",
            ),
            (
                "one byte not seen",
                Ask { body: b"quer".to_vec(), ..search() }.header("content-length", "5"),
                "unsupported-here",
            ),
            ("chunked", search().header("transfer-encoding", "chunked"), "unsupported-here"),
            ("over HTTP/2, end not known", search().http2(), "unsupported-here"),
            ("over HTTP/2, Envoy buffers", Ask { declared_whole: true, ..search().http2() }, "ok"),
            ("over HTTP/2, length 0", search().http2().header("content-length", "0"), "ok"),
            (
                "over HTTP/2, in part",
                Ask { declared_whole: true, ..search().http2() }.header("x-envoy-auth-partial-body", "true"),
                "unsupported-here",
            ),
            ("an authority that the policy does not have", Ask::of("planner", "GET", "nowhere/x"), "not-granted"),
            ("itself, without a grant", Ask::of("planner", "GET", "planner/x"), "not-granted"),
            ("a declaration raises", declared("STANDARD"), "no-write-down"),
            ("a declaration that changes nothing", declared("PUBLIC"), "ok"),
            ("a declaration beyond the lattice", declared("SECRET"), "label-out-of-range"),
            ("a declaration that is not canonical", declared("RESTRICTED:clinical,clinical"), "label-out-of-range"),
            (
                "two declarations, raw headers",
                Ask { raw_headers: true, ..declared("PUBLIC").header("bellgate-declare", "PUBLIC") },
                "label-out-of-range",
            ),
            ("raw headers", Ask { raw_headers: true, ..search().body("query") }, "ok"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_delivery_raises_the_workload_that_is_asked() {
    // The relay floats, and its object is labelled as its clearance: a request of STANDARD may be delivered, and is
    // remembered.
    let relay = Gateway::beside("relay");
    assert_eq!(relay.label(), "PUBLIC");
    table(&relay, vec![("a delivery", Ask::of("auditor", "POST", "relay/x").body("text"), "no-read-up")]).await;
    assert_eq!(relay.label(), "PUBLIC", "what was refused was not delivered");

    let text = POLICY.replace(
        "auditor: { id: spiffe://demo.bellgate.test/auditor, clearance: STANDARD }",
        "auditor: { id: spiffe://demo.bellgate.test/auditor, clearance: RESTRICTED }",
    );
    let policy =
        Arc::new(bellgate_policy::Policy::parse("policy.yaml", &text).unwrap_or_else(|mistakes| panic!("{mistakes}")));
    let subject = policy.subject_named("relay").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (watermark, _) =
        Watermark::open(folder.path(), subject, policy.lattice(), Missing::Floor, Timestamp(0)).unwrap();
    let relay = Gateway {
        own: subject.id.clone(),
        watermark: Arc::new(watermark),
        policy: Arc::clone(&policy),
        folder,
        seen: Arc::default(),
    };
    table(&relay, vec![("a delivery", Ask::of("auditor", "POST", "relay/x").body("text"), "ok")]).await;
    assert_eq!(relay.label(), "RESTRICTED");
}

#[tokio::test]
async fn what_can_t_be_made_durable_is_refused() {
    let planner = Gateway::beside("planner");
    let serving = planner.serve(planner.context());
    let mut client = serving.client().await;
    // The state's folder goes away, the socket stays open.
    let gone = planner.folder.path().with_extension("gone");
    std::fs::rename(planner.folder.path(), &gone).unwrap();
    let told = ask(&mut client, Ask::of("planner", "GET", "records/patients/7")).await;
    std::fs::rename(&gone, planner.folder.path()).unwrap();
    assert_eq!(told.code(), "state-not-kept");
    assert_eq!(planner.label(), "PUBLIC", "nothing was permitted, so nothing was seen");
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn faults_are_refusals_of_their_own() {
    let planner = Gateway::beside("planner");
    let get = || Ask::of("planner", "GET", "search/x");

    let serving = planner.serve(planner.context());
    let mut client = serving.client().await;
    assert_eq!(tell(&mut client, CheckRequest { attributes: None }).await.code(), "not-http");
    let told = ask(&mut client, get().principal("")).await;
    let Told::Refused { status, headers, .. } = told else { panic!("{told:?}") };
    assert_eq!(status, 403);
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!(headers["bellgate-request-id"], planner.last_seen().request_id);
    serving.stop().await.unwrap();

    let mut context = planner.context();
    context.own = Arc::new(|| None);
    let serving = planner.serve(context);
    assert_eq!(ask(&mut serving.client().await, get()).await.code(), "not-ready");
    serving.stop().await.unwrap();

    let mut context = planner.context();
    context.policy = Arc::new(|| panic!("a hook that fails"));
    let serving = planner.serve(context);
    assert_eq!(ask(&mut serving.client().await, get()).await.code(), "internal");
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn a_late_decision_is_a_refusal() {
    let planner = Gateway::beside("planner");
    let (release, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let mut context = planner.context();
    let policy = Arc::clone(&context.policy);
    context.timeout = Duration::from_millis(50);
    context.policy = Arc::new(move || {
        let _ = wait.lock().unwrap().recv();
        policy()
    });
    let serving = planner.serve(context);
    let told = ask(&mut serving.client().await, Ask::of("planner", "GET", "search/x")).await;
    assert_eq!(told.code(), "timeout");
    assert_eq!(planner.seen.lock().unwrap().len(), 1, "one check, one record");
    drop(release);
    serving.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_129th_check_at_once_is_refused() {
    let planner = Gateway::beside("planner");
    let inside = Arc::new(AtomicUsize::new(0));
    let (release, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let mut context = planner.context();
    let (policy, entered) = (Arc::clone(&context.policy), Arc::clone(&inside));
    context.timeout = Duration::from_secs(60);
    context.policy = Arc::new(move || {
        entered.fetch_add(1, Ordering::SeqCst);
        let _ = wait.lock().unwrap().recv();
        policy()
    });
    let serving = planner.serve(context);
    let client = serving.client().await;
    let get = || Ask::of("planner", "GET", "search/x");
    let open: Vec<_> = (0..128)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move { ask(&mut client, get()).await })
        })
        .collect();
    while inside.load(Ordering::SeqCst) < 128 {
        tokio::task::yield_now().await;
    }
    assert_eq!(ask(&mut client.clone(), get()).await.code(), "busy");
    drop(release);
    for task in open {
        assert_eq!(task.await.unwrap().code(), "ok");
    }
    serving.stop().await.unwrap();
}
