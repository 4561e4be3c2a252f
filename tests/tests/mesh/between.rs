//! From gateway to gateway: what one has learnt the next one is held to, and whose word on labels counts.

use std::fmt::Write as _;

use bellgate_tests::{Client, Mesh, Running, Told, Workload, get, post, post_json};
use http::{HeaderValue, Request};
use serde_json::json;

use crate::{peer, rules};

const LABEL: &str = "bellgate-label";
const RULE: &str = "bellgate-rule";

/// `request` as `caller` straight at a gateway's ingress, with headers.
async fn direct(
    mesh: &Mesh,
    gateway: &Running,
    caller: &str,
    to: &str,
    h2: bool,
    request: Request<bellgate_tests::ReqBody>,
    headers: &[(&'static str, &str)],
) -> Told {
    let mut request = request;
    for (name, value) in headers {
        request.headers_mut().append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let mut client = if h2 {
        Client::h2_tls(gateway.ingress, mesh.tls_h2(caller, to)).await.unwrap()
    } else {
        Client::h1_tls(gateway.ingress, mesh.tls(caller, to)).await.unwrap()
    };
    client.ask(request).await
}

#[tokio::test]
async fn what_the_summariser_was_given_it_cannot_search_for() {
    for h2 in [false, true] {
        let (mesh, workload) = (rules(), Workload::ok().await);
        let start = |name: &str| mesh.sidecar(name).policy("rules.yaml");
        let search = start("search").serves(workload.address).start().await;
        let records = start("records").serves(workload.address).start().await;
        let serving = start("summariser");
        let serving = if h2 { serving.serves_h2(workload.address) } else { serving.serves(workload.address) };
        let summariser =
            if h2 { serving.calls_h2("search", search.ingress) } else { serving.calls("search", search.ingress) };
        let summariser = summariser.start().await;
        let planner = start("planner");
        let planner = if h2 {
            planner.calls_h2("summariser", summariser.ingress).calls_h2("records", records.ingress)
        } else {
            planner.calls("summariser", summariser.ingress).calls("records", records.ingress)
        };
        let planner = planner.start().await;

        let ask = || post("search", "/v1", "what is hypertension?");
        assert_eq!(planner.ask(get("summariser", "/?text=harmless")).await.status, 200);
        assert_eq!(summariser.label().await, "PUBLIC");
        assert_eq!(summariser.ask(ask()).await.status, 200, "h2: {h2}");
        assert_eq!(planner.ask(get("records", "/patient")).await.status, 200);
        let given = planner.ask(post("summariser", "/", "the record of patient 4711")).await;
        assert_eq!((given.status.as_u16(), given.header(LABEL)), (200, "RESTRICTED:clinical"), "h2: {h2}");
        assert_eq!(summariser.label().await, "RESTRICTED:clinical");
        let told = summariser.ask(ask()).await;
        assert_eq!(told.verdict(), (403, "no-write-down".into()), "h2: {h2}");
        let cause = &told.json()["decision"]["cause"];
        assert_eq!(cause["object"], "delivery from spiffe://mesh.bellgate.test/planner");
        assert_eq!(workload.seen().iter().filter(|seen| seen.target == "/v1").count(), 1, "it reached nobody");
        // A gateway that would let it go all the same meets the other one.
        let stated = [(LABEL, "RESTRICTED:clinical")];
        let told = direct(&mesh, &search, "summariser", "search", h2, ask(), &stated).await;
        assert_eq!(told.verdict(), (403, "no-write-down".into()));
    }
}

#[tokio::test]
async fn what_is_no_label_is_refused_and_says_why() {
    let (mesh, workload) = (rules(), Workload::ok().await);
    let search = mesh.sidecar("search").policy("rules.yaml").serves(workload.address).start().await;
    let digest = search.admin(http::Method::GET, "/v1/status").await.json()["policy"].as_str().unwrap().to_owned();
    let long = format!("PUBLIC:{}", "a".repeat(8186));
    type Row<'a> = (Vec<(&'static str, &'a str)>, &'a str, &'a str);
    let rows: Vec<Row<'_>> = vec![
        (vec![(LABEL, "PUBLIC")], "", ""),
        (vec![(LABEL, "PUBLIC"), (LABEL, "PUBLIC")], "label-out-of-range", "more than once"),
        (vec![(LABEL, &long)], "label-out-of-range", "8192 bytes"),
        (vec![(LABEL, "PUBLIC:legal,clinical")], "label-out-of-range", "canonical"),
        (vec![(LABEL, "PUBLIC:legal,legal")], "label-out-of-range", "canonical"),
        (vec![(LABEL, "PUBLIC:")], "label-out-of-range", "canonical"),
        (vec![(LABEL, "PUBLIC, PUBLIC")], "label-out-of-range", "canonical"),
        (vec![(LABEL, "")], "label-out-of-range", "canonical"),
        (vec![(LABEL, "ÖFFENTLICH")], "label-out-of-range", "canonical"),
        (vec![(LABEL, "SECRET")], "label-out-of-range", "lattices differ"),
        (vec![(LABEL, "PUBLIC:genomics")], "label-out-of-range", "lattices differ"),
        // Beyond the clearance of who states it: forged, or of a policy that is not this one.
        (vec![(LABEL, "RESTRICTED:clinical,legal")], "label-out-of-range", ""),
        (vec![(LABEL, "PUBLIC"), (RULE, "guard")], "label-out-of-range", ""),
        (vec![(LABEL, "PUBLIC"), (RULE, "trusted")], "label-out-of-range", ""),
        (vec![(LABEL, "PUBLIC"), (RULE, "task")], "label-out-of-range", ""),
        (vec![(LABEL, "PUBLIC"), (RULE, "Guard")], "label-out-of-range", "Bellgate-Rule"),
        (vec![(LABEL, "PUBLIC"), (RULE, "guard"), (RULE, "guard")], "label-out-of-range", "Bellgate-Rule"),
        (vec![(RULE, "guard")], "label-out-of-range", "Bellgate-Rule"),
        (vec![], "no-write-down", ""),
    ];
    for h2 in [false, true] {
        for (headers, reason, why) in &rows {
            let told = direct(&mesh, &search, "summariser", "search", h2, post("search", "/v1", "q"), headers).await;
            assert_eq!(told.reason(), *reason, "{headers:?}, h2: {h2}: {}", told.json());
            let detail = told.json()["detail"].as_str().unwrap_or_default().to_lowercase();
            assert!(detail.contains(&why.to_lowercase()), "{headers:?}: {detail}");
            if why.contains("lattices") {
                assert!(detail.contains(&digest), "it names the policy in force here: {detail}");
            }
        }
    }
    assert_eq!(workload.seen().len(), 2);
}

#[tokio::test]
async fn a_label_may_have_8_kib_and_not_one_byte_more() {
    let mesh = Mesh::new();
    let name = |number: usize, bytes: usize| format!("{number:03}{}", "x".repeat(bytes - 3));
    let common: Vec<String> = (0..247).map(|number| name(number, 32)).collect();
    let (a, b, c, d) = (name(901, 16), name(902, 16), name(903, 17), name(904, 17));
    let label = |more: [&String; 2]| {
        let mut categories: Vec<&String> = common.iter().chain(more).collect();
        categories.sort();
        let list: Vec<&str> = categories.into_iter().map(String::as_str).collect();
        format!("PUBLIC:{}", list.join(","))
    };
    let all: Vec<&str> = common.iter().chain([&a, &b, &c, &d]).map(String::as_str).collect();
    let top = format!("RESTRICTED:{}", all.join(","));
    let mut policy = format!("version: 1\ncategories: [{}]\nsubjects:\n", all.join(", "));
    for (subject, floor) in [("planner", "floor: PUBLIC, "), ("database", "multilevel: \"keeps them apart\", ")] {
        writeln!(
            policy,
            "  {subject}: {{ id: spiffe://mesh.bellgate.test/{subject}, {floor}clearance: \"{top}\", gateway: true }}"
        )
        .unwrap();
    }
    writeln!(policy, "upstreams:\n  database: {{ workload: database, label: \"{top}\" }}").unwrap();
    policy += "grants:\n  - { subject: planner, object: database, modes: [append, alter] }\n";
    mesh.write("wide.yaml", &policy);
    let workload = Workload::ok().await;
    let database = mesh.sidecar("database").policy("wide.yaml").serves(workload.address).start().await;
    for h2 in [false, true] {
        for (text, bytes, passes) in
            [(label([&a, &b]), 8191, true), (label([&a, &c]), 8192, true), (label([&c, &d]), 8193, false)]
        {
            assert_eq!(text.len(), bytes);
            let told =
                direct(&mesh, &database, "planner", "database", h2, post("database", "/", "q"), &[(LABEL, &text)])
                    .await;
            let expected = if passes { "" } else { "label-out-of-range" };
            assert_eq!(told.reason(), expected, "{bytes} bytes, h2: {h2}: {}", told.json()["detail"]);
        }
    }
}

#[tokio::test]
async fn a_downgraded_request_is_accepted_only_by_who_has_the_rule() {
    let (mesh, workload) = (rules(), Workload::ok().await);
    let mailer = mesh.sidecar("mailer").policy("rules.yaml").serves(workload.address).start().await;
    let outside = || post_json("mail", "/send", &json!({"to": "anybody@elsewhere.example"}));
    for h2 in [false, true] {
        for (caller, headers, reason) in [
            ("writer", vec![(LABEL, "PUBLIC"), (RULE, "trusted")], ""),
            // Not the label that the rule gives for what the body names.
            ("writer", vec![(LABEL, "CONFIDENTIAL"), (RULE, "trusted")], "label-out-of-range"),
            ("writer", vec![(LABEL, "PUBLIC"), (RULE, "guard")], "label-out-of-range"),
            ("writer", vec![(LABEL, "PUBLIC"), (RULE, "task")], "label-out-of-range"),
            ("writer", vec![(LABEL, "PUBLIC"), (RULE, "read-down")], "label-out-of-range"),
            // Who has no such rule.
            ("planner", vec![(LABEL, "PUBLIC"), (RULE, "trusted")], "label-out-of-range"),
            ("agent", vec![(LABEL, "PUBLIC"), (RULE, "trusted")], "label-out-of-range"),
            // A task's: only from the workload that an orchestrator may give it to.
            ("agent", vec![(LABEL, "PUBLIC"), (RULE, "task")], ""),
            ("agent", vec![(LABEL, "PUBLIC")], "not-granted"),
            // No gateway speaks for this one: what it says of rules is not looked at, and it has its clearance.
            ("plain", vec![(LABEL, "PUBLIC"), (RULE, "trusted")], "no-write-down"),
        ] {
            let told = direct(&mesh, &mailer, caller, "mailer", h2, outside(), &headers).await;
            assert_eq!(told.reason(), reason, "{caller} {headers:?}, h2: {h2}: {}", told.json());
        }
    }
}

#[tokio::test]
async fn a_trusted_subjects_uses_are_stated_and_audited() {
    for h2 in [false, true] {
        let (mesh, workload) = (rules(), Workload::ok().await);
        let mailer = mesh.sidecar("mailer").policy("rules.yaml").serves(workload.address).start().await;
        let records = peer(&mesh, "records", "RESTRICTED:clinical").await;
        let writer = mesh.sidecar("writer").policy("rules.yaml").calls("records", records.address);
        let writer = if h2 { writer.calls_h2("mail", mailer.ingress) } else { writer.calls("mail", mailer.ingress) };
        let writer = writer.start().await;
        assert_eq!(writer.ask(get("records", "/patient")).await.status, 200);
        let told = writer.ask(post_json("mail", "/send", &json!({"to": "anybody@elsewhere.example"}))).await;
        assert_eq!(told.status, 200, "h2: {h2}: {}", told.json());
        for sidecar in [&writer, &mailer] {
            bellgate_tests::until("the use is audited on both sides", || async {
                let audit = std::fs::read_to_string(sidecar.state.join("audit.jsonl")).unwrap();
                audit
                    .contains("\"downgrade\":{\"kind\":\"trusted\",\"label\":\"PUBLIC\",\"rule\":\"outbox\"}")
                    .then_some(())
            })
            .await;
        }
        assert!((writer.metric("bellgate_downgrades_total{kind=\"trusted\"}").await - 1.0).abs() < 0.1);
    }
}

#[tokio::test]
async fn a_peer_without_a_gateway_is_taken_at_its_clearance() {
    let (mesh, workload) = (rules(), Workload::ok().await);
    let search = mesh.sidecar("search").policy("rules.yaml").serves(workload.address).start().await;
    for h2 in [false, true] {
        for headers in [
            vec![],
            vec![(LABEL, "PUBLIC")],
            vec![(LABEL, "PUBLIC"), (LABEL, "PUBLIC")],
            vec![(LABEL, "garbage"), (RULE, "garbage")],
            vec![("bellgate-handle", "00000000000000000000000000000000")],
        ] {
            let told = direct(&mesh, &search, "plain", "search", h2, get("search", "/page"), &headers).await;
            assert_eq!(told.verdict(), (403, "no-write-down".into()), "{headers:?}, h2: {h2}");
        }
    }
    assert_eq!(workload.accepts(), 0);
}

#[tokio::test]
async fn two_sidecars_that_know_different_lattices_refuse_and_say_so() {
    for h2 in [false, true] {
        let (mesh, workload) = (rules(), Workload::ok().await);
        let text = include_str!("rules.yaml");
        // The new policy has one category more, and the records carry it.
        let new = text
            .replace("categories: [clinical, legal]", "categories: [clinical, legal, genomics]")
            .replace("\"RESTRICTED:clinical\"", "\"RESTRICTED:clinical,genomics\"");
        mesh.write("new.yaml", &new);
        let search = mesh.sidecar("search").policy("rules.yaml").serves(workload.address).start().await;
        let records = mesh.sidecar("records").policy("new.yaml").serves(workload.address).start().await;
        let summariser = mesh.sidecar("summariser").policy("rules.yaml").serves(workload.address).start().await;
        let planner = mesh.sidecar("planner").policy("new.yaml");
        let planner = if h2 {
            planner.calls_h2("records", records.ingress).calls_h2("summariser", summariser.ingress)
        } else {
            planner.calls("records", records.ingress).calls("summariser", summariser.ingress)
        };
        let planner = planner.start().await;
        assert_eq!(planner.ask(get("records", "/patient")).await.status, 200);
        assert_eq!(planner.label().await, "RESTRICTED:clinical,genomics");
        // Upwards: the older gateway can't read what the newer one states.
        let told = planner.ask(post("summariser", "/", "the record")).await;
        assert_eq!(told.verdict(), (403, "label-out-of-range".into()), "h2: {h2}: {}", told.json());
        let detail = told.json()["detail"].as_str().unwrap().to_owned();
        let digest = summariser.admin(http::Method::GET, "/v1/status").await.json()["policy"].clone();
        assert!(detail.contains("lattices differ") && detail.contains(digest.as_str().unwrap()), "{detail}");
        // Downwards: an older reader can't tell what it would learn.
        let old = mesh.sidecar("agent").policy("rules.yaml");
        let old = if h2 { old.calls_h2("records", records.ingress) } else { old.calls("records", records.ingress) };
        let old = old.start().await;
        let told = old.ask(get("records", "/patient")).await;
        assert_eq!(told.verdict(), (403, "withheld".into()), "h2: {h2}: {}", told.json());
        assert!(told.json()["detail"].as_str().unwrap().contains("lattices differ"), "{}", told.json());
        assert_eq!(old.label().await, "PUBLIC");
        drop(search);
    }
}

#[tokio::test]
async fn a_multilevel_workload_keeps_what_it_serves_apart() {
    for h2 in [false, true] {
        let (mesh, workload) = (rules(), Workload::ok().await);
        let database = mesh.sidecar("database").policy("rules.yaml").serves(workload.address).start().await;
        let planner = mesh.sidecar("planner").policy("rules.yaml");
        let planner = if h2 {
            planner.calls_h2("database", database.ingress)
        } else {
            planner.calls("database", database.ingress)
        };
        let planner = planner.start().await;
        let before = database.label().await;
        let told = planner.ask(get("database", "/news")).await;
        assert_eq!((told.status.as_u16(), told.header(LABEL)), (200, "PUBLIC"), "h2: {h2}");
        assert_eq!(planner.label().await, "PUBLIC", "a row carries its own label alone");
        let told = planner.ask(post("database", "/patients", "one more")).await;
        assert_eq!((told.status.as_u16(), told.header(LABEL)), (200, "RESTRICTED:clinical"), "h2: {h2}");
        assert_eq!(database.label().await, before, "requests do not raise it");
        assert_eq!(
            planner.ask(post("database", "/news", "from the record")).await.verdict(),
            (403, "no-write-down".into())
        );
        let low = [(LABEL, "PUBLIC")];
        let told = direct(&mesh, &database, "planner", "database", h2, get("database", "/news"), &low).await;
        assert_eq!((told.status.as_u16(), told.header(LABEL)), (200, "PUBLIC"), "h2: {h2}");
    }
}
