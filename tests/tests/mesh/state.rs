//! The watermark outlives the gateway, and a new policy changes what is decided.

use bellgate_tests::{Client, Mesh, POLICY, Running, Workload, get, within};
use http::Method;
use http_body_util::BodyExt as _;

use crate::{peer, planner};

/// The state file of a sidecar's workload.
fn state_file(sidecar: &Running) -> std::path::PathBuf {
    let files = std::fs::read_dir(&sidecar.state).unwrap().map(|entry| entry.unwrap().path());
    let is_state =
        |file: &std::path::PathBuf| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("journal-"));
    files.filter(is_state).find(|file| file.extension().is_some_and(|extension| extension == "log")).unwrap()
}

/// A workload that is as new as its state.
fn forget(sidecar: &Running) {
    for entry in std::fs::read_dir(&sidecar.state).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
}

#[tokio::test]
async fn a_restart_and_a_kill_find_the_watermark_where_it_was() {
    let mesh = Mesh::new();
    let (search, records) =
        (peer(&mesh, "search", "PUBLIC").await, peer(&mesh, "records", "RESTRICTED:clinical").await);
    let mut sidecar = planner(&mesh, &search, &records).await;
    let read = sidecar.ask(get("records", "/patient")).await;
    assert_eq!(read.status, 200);
    for how in ["kill -9", "terminate"] {
        if how == "terminate" {
            assert!(sidecar.process.terminate().await.success(), "a graceful end is a success");
        } else {
            sidecar.process.kill().await;
        }
        sidecar.start_again().await;
        assert_eq!(sidecar.label().await, "RESTRICTED:clinical", "{how}");
        let told = sidecar.ask(get("search", "/page")).await;
        assert_eq!(told.verdict(), (403, "no-write-down".into()), "{how}");
        let cause = &told.json()["decision"]["cause"];
        assert_eq!(cause["request_id"], read.header("bellgate-request-id"), "{how}: it still knows why");
    }
}

#[tokio::test]
async fn missing_state_starts_at_the_clearance_and_damaged_state_at_the_highest_ever() {
    let mesh = Mesh::new();
    let (search, records) =
        (peer(&mesh, "search", "PUBLIC").await, peer(&mesh, "records", "RESTRICTED:clinical").await);
    let mut sidecar = mesh
        .sidecar("planner")
        .missing("clearance")
        .calls("search", search.address)
        .calls("records", records.address)
        .start()
        .await;
    assert_eq!(sidecar.label().await, "RESTRICTED:clinical");
    assert_eq!(sidecar.ask(get("search", "/page")).await.verdict(), (403, "no-write-down".into()));
    assert_eq!(sidecar.ask(get("records", "/patient")).await.status, 200);
    let kept = std::fs::read(state_file(&sidecar)).unwrap();
    let half = &kept[..kept.len() / 2];
    for damage in [
        half,
        b"",
        b"{}",
        b"{\"version\":1,\"subject\":\"spiffe://mesh.bellgate.test/vault\",\"label\":\"PUBLIC\",\"cause\":null}",
    ] {
        sidecar.process.kill().await;
        std::fs::write(state_file(&sidecar), damage).unwrap();
        sidecar.start_again().await;
        let on = String::from_utf8_lossy(damage);
        assert_eq!(sidecar.label().await, "RESTRICTED:clinical", "{on}");
        assert!(sidecar.process.log().contains("damaged"), "{on}: the operator is told");
        // Where the highest clearance can't be read either, there is only the top.
        sidecar.process.kill().await;
        let clearance =
            state_file(&sidecar).to_string_lossy().replace("journal-", "clearance-").replace(".log", ".json");
        let highest = std::fs::read(&clearance).unwrap();
        std::fs::write(state_file(&sidecar), damage).unwrap();
        std::fs::write(&clearance, damage).unwrap();
        sidecar.start_again().await;
        assert_eq!(sidecar.label().await, "RESTRICTED:clinical,legal", "{on}");
        assert_eq!(sidecar.ask(get("records", "/patient")).await.verdict(), (403, "no-write-down".into()), "{on}");
        std::fs::write(&clearance, highest).unwrap();
    }
    assert_eq!((search.accepts(), records.accepts()), (0, 1));
}

#[tokio::test]
async fn a_new_policy_is_in_force_at_once_and_a_bad_one_never() {
    let mesh = Mesh::new();
    let (search, records) =
        (peer(&mesh, "search", "PUBLIC").await, peer(&mesh, "records", "RESTRICTED:clinical").await);
    let sidecar = planner(&mesh, &search, &records).await;
    let mut client = Client::h1(sidecar.egress).await;
    assert_eq!(client.ask(get("search", "/page")).await.status, 200);
    let before = sidecar.admin(Method::GET, "/v1/status").await.json()["policy"].clone();
    assert!(before.as_str().unwrap().starts_with("sha256:"));

    mesh.write(
        "policy.yaml",
        &POLICY
            .replace("clearance: PUBLIC, gateway", "clearence: PUBLIC, gateway")
            .replace("floor: PUBLIC", "floor: SECRET"),
    );
    let told = sidecar.admin(Method::POST, "/v1/reload").await;
    assert_eq!(told.status, 422);
    let mistakes = told.json()["mistakes"].to_string();
    assert!(
        mistakes.contains("policy.yaml:") && mistakes.contains("clearence") && mistakes.contains("SECRET"),
        "{mistakes}"
    );
    assert_eq!(sidecar.admin(Method::GET, "/v1/status").await.json()["policy"], before);
    assert_eq!(client.ask(get("search", "/page")).await.status, 200, "the old one is in force");

    mesh.write("policy.yaml", &POLICY.replace("categories: [clinical, legal]", "categories: [clinical, legal, other]"));
    let told = sidecar.admin(Method::POST, "/v1/reload").await;
    assert_eq!(told.status, 422, "labels in flight are read against the levels and categories there are");

    mesh.write(
        "policy.yaml",
        &POLICY.replace("- { subject: planner, object: search, modes: [observe, alter, append] }", ""),
    );
    let told = sidecar.admin(Method::POST, "/v1/reload").await;
    assert_eq!(told.status, 200, "{}", told.json());
    assert_ne!(told.json()["policy"], before);
    assert_eq!(
        client.ask(get("search", "/page")).await.verdict(),
        (403, "not-granted".into()),
        "on the same connection"
    );
    assert_eq!(client.ask(get("records", "/patient")).await.status, 200);
}

#[tokio::test]
async fn a_new_policy_ends_streams_that_it_would_not_permit() {
    let mesh = Mesh::new();
    let workload = Workload::with(|_| bellgate_tests::Answer::Events).await;
    let search = mesh.sidecar("search").serves(workload.address).start().await;
    let mut client = Client::h1_tls(search.ingress, mesh.tls("low", "search")).await.unwrap();
    let (answer, stream) = tokio::join!(client.send(get("search", "/events")), async {
        let stream = workload.stream().await;
        stream.send("data: 1\n\n");
        stream
    });
    let mut incoming = answer.unwrap().into_body();
    assert!(within("the first event", incoming.frame()).await.unwrap().is_ok());
    // A policy that changes nothing for this stream lets it go on.
    mesh.write("policy.yaml", &format!("{POLICY}\n# the same\n"));
    assert_eq!(search.admin(Method::POST, "/v1/reload").await.status, 200);
    stream.send("data: 2\n\n");
    assert!(within("the second event", incoming.frame()).await.unwrap().is_ok());
    mesh.write("policy.yaml", &POLICY.replace("- { subject: low, object: search, modes: [observe, alter] }", ""));
    assert_eq!(search.admin(Method::POST, "/v1/reload").await.status, 200);
    stream.send("data: 3\n\n");
    let last = within("the end", incoming.frame()).await;
    assert!(!matches!(last, Some(Ok(_))), "not one more event");
}

#[tokio::test]
async fn whoever_has_seen_the_first_byte_has_risen_for_good() {
    let mesh = Mesh::new();
    let (search, records) =
        (peer(&mesh, "search", "PUBLIC").await, peer(&mesh, "records", "RESTRICTED:clinical").await);
    let mut sidecar = planner(&mesh, &search, &records).await;
    for round in 0..5 {
        assert_eq!(sidecar.label().await, "PUBLIC");
        let mut client = Client::h1(sidecar.egress).await;
        let answer = client.send(get("records", "/patient")).await.unwrap();
        assert_eq!(answer.status(), 200);
        // The head has been seen, the body has not: the end comes now.
        let kept = std::fs::read_to_string(state_file(&sidecar)).unwrap();
        assert!(kept.contains("RESTRICTED:clinical"), "round {round}: {kept}");
        sidecar.process.kill().await;
        sidecar.start_again().await;
        assert_eq!(sidecar.label().await, "RESTRICTED:clinical", "round {round}");
        sidecar.process.kill().await;
        forget(&sidecar);
        sidecar.start_again().await;
    }
}

#[tokio::test]
async fn what_cannot_be_made_durable_is_not_released() {
    let mesh = Mesh::new();
    let (search, records) =
        (peer(&mesh, "search", "PUBLIC").await, peer(&mesh, "records", "RESTRICTED:clinical").await);
    let sidecar = planner(&mesh, &search, &records).await;
    std::fs::remove_dir_all(&sidecar.state).unwrap();
    let told = sidecar.ask(get("records", "/patient")).await;
    assert_eq!(told.verdict(), (503, "state-not-kept".into()));
    assert_eq!(told.json()["retry"], true);
    assert_ne!(&told.body[..], b"{}", "nothing of the answer is released");
    // Nothing was learnt, so nothing changed: what raises nothing goes on.
    assert_eq!(sidecar.ask(get("search", "/page")).await.status, 200);
}

#[tokio::test]
async fn two_requests_at_once_cannot_both_pass_a_check_that_one_of_them_may_pass() {
    let mesh = Mesh::new();
    let (search, records) =
        (peer(&mesh, "search", "PUBLIC").await, peer(&mesh, "records", "RESTRICTED:clinical").await);
    let sidecar = planner(&mesh, &search, &records).await;
    let (reads, writes) = (
        futures::future::join_all((0..8).map(|_| sidecar.ask(get("records", "/patient")))),
        futures::future::join_all((0..24).map(|_| sidecar.ask(get("search", "/page")))),
    );
    let (reads, writes) = tokio::join!(reads, writes);
    assert!(reads.iter().all(|told| told.status == 200));
    for told in &writes {
        assert!(matches!(told.verdict(), (200, _)) || told.reason() == "no-write-down", "{:?}", told.verdict());
    }
    // Whichever came first: what was passed said PUBLIC, and after the read nothing passes any more.
    assert!(!search.text().to_ascii_lowercase().contains("bellgate-label: restricted"));
    assert_eq!(sidecar.ask(get("search", "/page")).await.verdict(), (403, "no-write-down".into()));
}
