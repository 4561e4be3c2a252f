//! Reading what is lower, within a budget.

use bellgate_tests::{Client, Mesh, Recorder, Running, Told, Workload, get, post};
use http::Method;

use crate::handles::with;
use crate::{peer, rules};

/// The planner's sidecar, which has read a record.
async fn after_reading(mesh: &Mesh) -> (Running, Recorder, Recorder) {
    let (search, records) = (peer(mesh, "search", "PUBLIC").await, peer(mesh, "records", "RESTRICTED:clinical").await);
    let sidecar = mesh.sidecar("planner").policy("rules.yaml").calls("records", records.address);
    let sidecar = sidecar.calls("search", search.address).start().await;
    assert_eq!(sidecar.ask(get("records", "/patient")).await.status, 200);
    (sidecar, search, records)
}

async fn spent(sidecar: &Running, rule: &str) -> u64 {
    let told = sidecar.admin(Method::GET, "/v1/label").await.json();
    let budgets = told["budgets"].as_array().unwrap();
    budgets.iter().find(|budget| budget["rule"] == rule).unwrap()["spent"].as_u64().unwrap()
}

#[tokio::test]
async fn only_what_the_templates_name_is_read() {
    let mesh = rules();
    let (sidecar, search, _records) = after_reading(&mesh).await;
    for (path, passes) in [
        ("/wiki/Aspirin", true),
        ("/wiki/Ibuprofen", true),
        ("/wiki/Patient-4711", false),
        ("/wiki/aspirin", false),
        ("/wiki/Aspirin?name=4711", false),
        ("/wiki/Aspirin/4711", false),
        ("/wiki", false),
        ("/free/anything?at=all", true),
        ("/other", false),
    ] {
        let told = sidecar.ask(get("search", path)).await;
        if passes {
            assert_eq!((told.status.as_u16(), told.header("bellgate-label")), (200, "PUBLIC"), "{path}");
        } else {
            assert!(matches!(told.reason().as_str(), "no-write-down" | "not-granted"), "{path}: {}", told.json());
        }
    }
    assert_eq!(sidecar.ask(post("search", "/free/x", "a body")).await.status, 403);
    assert_eq!(sidecar.label().await, "RESTRICTED:clinical");
    assert!(!search.text().contains("4711"), "{}", search.text());
    let seen = search.text().to_ascii_lowercase();
    assert!(seen.contains("bellgate-label: public\r\n") && seen.contains("bellgate-rule: read-down\r\n"), "{seen}");
    assert!((sidecar.metric("bellgate_downgrades_total{kind=\"read-down\"}").await - 3.0).abs() < 0.1);
}

#[tokio::test]
async fn headers_that_the_rule_does_not_keep_stay_behind() {
    let mesh = rules();
    let (sidecar, search, _records) = after_reading(&mesh).await;
    let mut request = get("search", "/free/x");
    for (name, value) in [
        ("accept", "text/html"),
        ("accept-language", "de"),
        ("cookie", "patient=4711"),
        ("user-agent", "patient-4711"),
        ("referer", "http://records/4711"),
        ("x-note", "4711"),
        ("authorization", "Bearer 4711"),
        ("bellgate-task", "{\"patient\":4711}"),
        ("range", "bytes=4711-"),
    ] {
        request = with(request, name, value);
    }
    assert_eq!(sidecar.ask(request).await.status, 200);
    let seen = search.text().to_ascii_lowercase();
    assert!(!seen.contains("4711"), "{seen}");
    assert!(seen.contains("accept: text/html\r\n") && seen.contains("accept-language: de\r\n"), "{seen}");
}

#[tokio::test]
async fn a_budget_is_met_to_the_byte_across_restarts_and_made_whole_by_a_reset() {
    let mesh = rules();
    let (mut sidecar, search, _records) = after_reading(&mesh).await;
    // What one request costs beside what is put into `accept`.
    let page = |accept: usize| with(get("search", "/wiki/Aspirin"), "accept", &"a".repeat(accept));
    assert_eq!(sidecar.ask(page(0)).await.status, 200);
    let least = usize::try_from(spent(&sidecar, "wiki").await).unwrap();
    assert!((13..100).contains(&least), "target and header: {least}");
    for (left, asked, passes) in [(1, 0, true), (0, 0, true), (0, 1, false)] {
        // All but `left` bytes of what is left after this is spent, so that a request of the least cost is met or not.
        let told = sidecar.admin(Method::POST, "/v1/label").await;
        assert_eq!(told.status, 404);
        let request = http::Request::builder().method(Method::POST).uri("/v1/label/reset").header("host", "admin");
        let request = request.body(bellgate_tests::body("{\"reason\":\"again\"}")).unwrap();
        assert_eq!(Client::unix(&sidecar.admin).await.ask(request).await.status, 200);
        assert_eq!(spent(&sidecar, "wiki").await, 0);
        assert_eq!(sidecar.ask(get("records", "/patient")).await.status, 200);
        assert_eq!(sidecar.ask(page(1024 - least - least - left)).await.status, 200);
        assert_eq!(spent(&sidecar, "wiki").await, u64::try_from(1024 - least - left).unwrap());
        sidecar.process.kill().await;
        sidecar.start_again().await;
        let before = search.application_bytes();
        let told = sidecar.ask(page(asked)).await;
        if passes {
            assert_eq!(told.status, 200, "{left} {asked}: {}", told.json());
        } else {
            assert_eq!(told.verdict(), (403, "read-down-budget".into()), "{left} {asked}");
            assert_eq!(search.application_bytes(), before, "nothing leaves");
            assert_eq!(spent(&sidecar, "wiki").await, u64::try_from(1024 - least - left).unwrap());
            assert_eq!(sidecar.ask(page(0)).await.status, 200, "what fits still passes");
        }
    }
    assert!(sidecar.metric("bellgate_read_down_bytes_total").await > 0.5);
}

#[tokio::test]
async fn many_at_once_never_spend_more_than_there_is() {
    let mesh = rules();
    let (sidecar, search, _records) = after_reading(&mesh).await;
    let before = search.text().matches("GET /wiki/").count();
    let asked = (0..64).map(|_| sidecar.ask(with(get("search", "/wiki/Aspirin"), "accept", &"a".repeat(60))));
    let told: Vec<Told> = futures::future::join_all(asked).await;
    let passed = told.iter().filter(|told| told.status == 200).count();
    assert!(told.iter().all(|told| told.status == 200 || told.reason() == "read-down-budget"));
    let spent = usize::try_from(spent(&sidecar, "wiki").await).unwrap();
    assert!(spent <= 1024 && spent.is_multiple_of(passed), "{spent} in {passed}");
    assert_eq!(passed, 1024 / (spent / passed), "as many as there was room for");
    assert_eq!(search.text().matches("GET /wiki/").count() - before, passed);
}

#[tokio::test]
async fn the_other_gateway_lets_in_what_its_own_policy_has_a_rule_for() {
    let (mesh, workload) = (rules(), Workload::ok().await);
    let search = mesh.sidecar("search").policy("rules.yaml").serves(workload.address).start().await;
    let records = peer(&mesh, "records", "RESTRICTED:clinical").await;
    for h2 in [false, true] {
        let sidecar = mesh.sidecar("planner").policy("rules.yaml").calls("records", records.address);
        let sidecar =
            if h2 { sidecar.calls_h2("search", search.ingress) } else { sidecar.calls("search", search.ingress) };
        let mut sidecar = sidecar.start().await;
        assert_eq!(sidecar.ask(get("records", "/patient")).await.status, 200);
        let told = sidecar.ask(get("search", "/free/page?q=1")).await;
        assert_eq!(told.status, 200, "h2: {h2}: {}", told.json());
        assert_eq!(workload.last().target, "/free/page?q=1");
        assert_eq!(workload.last().all("bellgate-rule"), Vec::<&str>::new(), "between gateways alone");
        assert_eq!(sidecar.ask(get("search", "/page")).await.reason(), "not-granted");
        sidecar.process.kill().await;
        std::fs::remove_file(mesh.folder().join("planner-api.sock")).unwrap();
    }
}
