//! Grants for one task: what an orchestrator may give, to whom, and for how long.

use bellgate_tests::{Client, Mesh, ReqBody, Running, Told, Workload, get, post_json, until};
use http::Request;
use serde_json::{Value, json};

use crate::handles::{given, with};
use crate::{peer, rules};

/// The agent with what it calls.
struct Scene {
    mesh: Mesh,
    agent: Running,
    workload: Workload,
    mail: Workload,
    _mailer: Running,
    _upstreams: Vec<bellgate_tests::Recorder>,
}

async fn scene() -> Scene {
    let (mesh, workload, mail) = (rules(), Workload::ok().await, Workload::ok().await);
    let mailer = mesh.sidecar("mailer").policy("rules.yaml").serves(mail.address).start().await;
    let (ledger, records) =
        (peer(&mesh, "ledger", "CONFIDENTIAL").await, peer(&mesh, "records", "RESTRICTED:clinical").await);
    let agent = mesh
        .sidecar("agent")
        .policy("rules.yaml")
        .serves(workload.address)
        .calls("mail", mailer.ingress)
        .calls("ledger", ledger.address)
        .calls("records", records.address)
        .start()
        .await;
    Scene { mesh, agent, workload, mail, _mailer: mailer, _upstreams: vec![ledger, records] }
}

fn grant() -> Value {
    json!({"grants": [{"object": "mail/send", "modes": ["alter"], "values": {"/to": ["accounts@elsewhere.example"], "/cc": []}}]})
}

impl Scene {
    /// `caller` asks the agent with a task.
    async fn hand(&self, caller: &str, tasks: &[&str], h2: bool) -> Told {
        let mut request = with(get("agent", "/ask"), "bellgate-label", "PUBLIC");
        for task in tasks {
            request = with(request, "bellgate-task", task);
        }
        let mut client = if h2 {
            Client::h2_tls(self.agent.ingress, self.mesh.tls_h2(caller, "agent")).await.unwrap()
        } else {
            Client::h1_tls(self.agent.ingress, self.mesh.tls(caller, "agent")).await.unwrap()
        };
        client.ask(request).await
    }

    async fn task(&self, task: &Value) -> String {
        let told = self.hand("desk", &[&task.to_string()], false).await;
        assert_eq!(told.status, 200, "{}", told.json());
        given(&self.workload).unwrap()
    }

    async fn send(&self, handle: &str, body: Value) -> Told {
        self.agent.ask(under(handle, post_json("mail", "/send", &body))).await
    }
}

fn under(handle: &str, request: Request<ReqBody>) -> Request<ReqBody> {
    with(request, "bellgate-handle", handle)
}

fn accounts() -> Value {
    json!({"to": "accounts@elsewhere.example", "text": "please pay"})
}

#[tokio::test]
async fn a_task_adds_to_the_matrix_and_lifts_for_what_it_names_alone() {
    for h2 in [false, true] {
        let scene = scene().await;
        assert_eq!(
            scene.agent.ask(post_json("mail", "/send", &accounts())).await.verdict(),
            (403, "not-granted".into())
        );
        let told = scene.hand("desk", &[&grant().to_string()], h2).await;
        assert_eq!(told.status, 200, "h2: {h2}: {}", told.json());
        assert_eq!(scene.workload.last().all("bellgate-task"), Vec::<&str>::new(), "the gateway keeps it");
        let handle = given(&scene.workload).unwrap();
        assert_eq!(scene.send(&handle, accounts()).await.status, 200, "it adds");
        // It has read what no mail to the outside may tell, and this one was asked for.
        assert_eq!(scene.agent.ask(under(&handle, get("ledger", "/book"))).await.status, 200);
        let told = scene.send(&handle, accounts()).await;
        assert_eq!(told.status, 200, "it lifts, h2: {h2}: {}", told.json());
        for other in [
            json!({"to": "x@elsewhere.example"}),
            json!({"to": ["accounts@elsewhere.example", "x@elsewhere.example"]}),
            json!({"to": "accounts@elsewhere.example", "cc": "x@elsewhere.example"}),
            json!({"cc": "accounts@elsewhere.example"}),
            json!({"text": "to nobody"}),
        ] {
            let told = scene.send(&handle, other.clone()).await;
            assert_eq!(told.status, 403, "{other}, h2: {h2}");
        }
        assert_eq!(scene.mail.seen().len(), 2);
        // Without the session there is no task.
        assert_eq!(
            scene.agent.ask(post_json("mail", "/send", &accounts())).await.verdict(),
            (403, "not-granted".into())
        );
        assert!(scene.agent.metric("bellgate_downgrades_total{kind=\"task\"}").await > 1.5);
        until("each use is audited", || async {
            let audit = std::fs::read_to_string(scene.agent.state.join("audit.jsonl")).unwrap();
            let used = audit.matches("\"downgrade\":{\"kind\":\"task\"").count();
            (used >= 2).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn an_excluded_category_on_the_workloads_own_label_lifts_nothing() {
    let scene = scene().await;
    let handle = scene.task(&grant()).await;
    // In another session: it is the workload's own label that counts.
    let other = scene.task(&grant()).await;
    assert_eq!(scene.agent.ask(under(&other, get("records", "/patient"))).await.status, 200);
    assert_eq!(scene.agent.ask(under(&handle, get("ledger", "/book"))).await.status, 200);
    let told = scene.send(&handle, accounts()).await;
    assert_eq!(told.verdict(), (403, "no-write-down".into()));
    assert_eq!(scene.mail.seen().len(), 0);
}

#[tokio::test]
async fn what_is_no_task_here_refuses_the_request() {
    let scene = scene().await;
    let good = grant().to_string();
    let rows: Vec<(&str, Vec<String>)> = vec![
        // A stranger's.
        ("impostor", vec![good.clone()]),
        ("planner", vec![good.clone()]),
        ("desk", vec![good.clone(), good.clone()]),
        ("desk", vec!["{}".into()]),
        ("desk", vec!["not JSON".into()]),
        ("desk", vec![json!({"grants": [{"object": "search", "modes": ["alter"]}]}).to_string()]),
        // Without the values that the rule asks for.
        ("desk", vec![json!({"grants": [{"object": "mail/send", "modes": ["alter"]}]}).to_string()]),
        ("desk", vec![json!({"grants": [{"object": "mail/send", "values": {"/to": ["a@x.example"]}}]}).to_string()]),
        ("desk", vec![json!({"grants": [], "life": "0s"}).to_string()]),
        ("desk", vec![good.replace("accounts", &"a".repeat(8 * 1024))]),
    ];
    for h2 in [false, true] {
        for (caller, tasks) in &rows {
            let before = scene.workload.seen().len();
            let tasks: Vec<&str> = tasks.iter().map(String::as_str).collect();
            let told = scene.hand(caller, &tasks, h2).await;
            assert_eq!(told.verdict(), (403, "handle-refused".into()), "{caller} {tasks:?} h2: {h2}: {}", told.json());
            assert_eq!(scene.workload.seen().len(), before, "{caller} {tasks:?}");
        }
    }
}

#[tokio::test]
async fn a_task_ends_with_its_time() {
    let scene = scene().await;
    let mut task = grant();
    task["life"] = json!("2s");
    let handle = scene.task(&task).await;
    assert_eq!(scene.send(&handle, accounts()).await.status, 200);
    until("it has expired", || async {
        (scene.send(&handle, accounts()).await.verdict() == (403, "handle-refused".into())).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_orchestrators_own_gateway_passes_a_task_on_and_tells_nobody_else() {
    let (mesh, workload) = (rules(), Workload::ok().await);
    let agent = mesh.sidecar("agent").policy("rules.yaml").serves(workload.address).start().await;
    for h2 in [false, true] {
        let desk = mesh.sidecar("desk").policy("rules.yaml");
        let desk = if h2 { desk.calls_h2("agent", agent.ingress) } else { desk.calls("agent", agent.ingress) };
        let mut desk = desk.start().await;
        let told = desk.ask(with(get("agent", "/ask"), "bellgate-task", &grant().to_string())).await;
        assert_eq!(told.status, 200, "h2: {h2}: {}", told.json());
        assert!(given(&workload).is_some());
        let listed = agent.admin(http::Method::GET, "/v1/label").await.json();
        assert_eq!(listed["handles"]["list"][0]["label"], "PUBLIC");
        assert_ne!(listed["handles"]["list"][0]["task"], Value::Null);
        desk.process.kill().await;
        std::fs::remove_file(mesh.folder().join("desk-api.sock")).unwrap();
    }
}
