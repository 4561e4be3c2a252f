//! The commands that operators ask a running gateway with: `label`, `policy explain`, `doctor`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use bellgate_spire::server_config;
use bellgate_tests::{Mesh, Recorder, Running, Workload, bellgate, get, ok_response, spiffe_id, until};
use serde_json::Value;

/// A planner between two tools, each behind a gateway of its own.
struct World {
    mesh: Mesh,
    planner: Running,
    _tools: [(Workload, Running); 2],
}

async fn world() -> World {
    let mesh = Mesh::new();
    let mut tools = Vec::new();
    for name in ["search", "records"] {
        let workload = Workload::ok().await;
        let sidecar = mesh.sidecar(name).serves(workload.address).start().await;
        tools.push((workload, sidecar));
    }
    let [search, records] = <[_; 2]>::try_from(tools).ok().unwrap();
    let planner = mesh.sidecar("planner").calls("search", search.1.ingress).calls("records", records.1.ingress);
    let planner = planner.start().await;
    World { mesh, planner, _tools: [search, records] }
}

/// Runs the program; the runtime goes on serving the Workload API meanwhile.
async fn run(arguments: &[&str]) -> Output {
    tokio::process::Command::new(bellgate()).args(arguments).output().await.unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn json(output: &Output) -> Value {
    // A text has no members, and stands in the message of whatever is asserted of them.
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| Value::String(text(output)))
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn what_was_read_is_shown_explained_and_forgotten() {
    let world = world().await;
    let (planner, config) = (&world.planner, path(&world.planner.config));
    let shown = run(&["label", "show", "--config", config]).await;
    assert!(text(&shown).contains("nothing: it stands at its floor"), "{}", text(&shown));

    let read = planner.ask(get("records", "/patients/4711")).await;
    assert_eq!(read.status, 200);
    let request = read.header("bellgate-request-id").to_owned();
    let shown = text(&run(&["label", "show", "--config", config]).await);
    for part in ["current label   RESTRICTED:clinical", "records", &request, "bellgate label reset --config"] {
        assert!(shown.contains(part), "`{part}` is not in\n{shown}");
    }
    let whole = json(&run(&["label", "show", "--socket", path(&planner.admin), "--format", "json"]).await);
    assert_eq!(whole["label"], "RESTRICTED:clinical");
    let last = whole["chain"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["request_id"], &last["object"]), (&Value::from(request.as_str()), &Value::from("records")));

    let refused = planner.ask(get("search", "/page")).await;
    assert_eq!(refused.verdict(), (403, "no-write-down".into()));
    let asked = refused.header("bellgate-request-id").to_owned();
    let (audit, policy) = (planner.state.join("audit.jsonl"), world.mesh.folder().join("policy.yaml"));
    let explain = ["policy", "explain", "--audit", path(&audit), "--policy", path(&policy), &asked];
    let explained = until("the audit log has the refusal", || async {
        let output = run(&explain).await;
        output.status.success().then(|| text(&output))
    })
    .await;
    for part in
        ["refused: no-write-down", "planner (spiffe://", "because of      records", &request, "<- from here on search"]
    {
        assert!(explained.contains(part), "`{part}` is not in\n{explained}");
    }
    assert!(explained.contains("what can be done\n"), "{explained}");

    let reset = run(&["label", "reset", "--config", config, "--reason", "its process is new"]).await;
    assert!(reset.status.success(), "{}", text(&reset));
    assert!(text(&reset).contains("was RESTRICTED:clinical and is PUBLIC"), "{}", text(&reset));
    assert_eq!(planner.ask(get("search", "/page")).await.status, 200);
    let shown = text(&run(&["label", "show", "--config", config]).await);
    assert!(shown.contains("its process is new") && shown.contains("current label   PUBLIC"), "{shown}");
}

#[tokio::test]
async fn an_operator_is_who_the_config_names() {
    let (mesh, search) = (Mesh::new(), Workload::ok().await);
    let other = rustix::process::getuid().as_raw() + 1;
    let planner = mesh.sidecar("planner").admin_uids(&[other]).calls("search", search.address).start().await;
    for command in [["label", "show", "--format", "text"], ["label", "reset", "--reason", "why not"]] {
        let output = run(&[&command[..], &["--config", path(&planner.config)]].concat()).await;
        assert_eq!(output.status.code(), Some(77), "{}", text(&output));
        assert!(text(&output).starts_with("the gateway refused uid "), "{}", text(&output));
    }
}

/// The statuses of one check, in order.
async fn statuses(config: &str, more: &[&str], check: &str) -> (i32, Vec<String>, String) {
    let output = run(&[&["doctor", "--format", "json", "--config", config], more].concat()).await;
    let whole = json(&output);
    let all = whole.get("checks").and_then(Value::as_array).cloned().unwrap_or_default();
    let member = |one: &Value, name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let found = all.iter().filter(|one| member(one, "check") == check).map(|one| member(one, "status")).collect();
    (output.status.code().unwrap(), found, format!("{whole:#}"))
}

#[tokio::test]
async fn doctor_finds_nothing_wrong_around_a_gateway_that_stands_as_it_should_and_each_fault_else() {
    let world = world().await;
    let (planner, config) = (&world.planner, path(&world.planner.config));
    planner.ask(get("records", "/patients/4711")).await;
    let of = |check: &'static str| statuses(config, &[], check);

    let (code, peers, whole) = of("peer").await;
    assert_eq!((code, peers), (0, vec!["ok".to_owned(), "ok".to_owned()]), "{whole}");
    for check in [
        "config",
        "state-folder",
        "state",
        "admin-uids",
        "egress-port",
        "subject",
        "svid-life",
        "running",
        "running-policy",
    ] {
        assert_eq!(of(check).await.1, ["ok"], "{check}: {whole}");
    }
    let page = text(&run(&["doctor", "--config", config]).await);
    assert!(page.contains("would start where it was, at RESTRICTED:clinical"), "{page}");
    assert!(page.contains("what can't be seen from here"), "{page}");

    let fails = |outcome: (i32, Vec<String>, String), what: &str| {
        assert_eq!((outcome.0, outcome.1), (1, vec!["fail".to_owned()]), "{what}: {}", outcome.2);
    };
    fs::set_permissions(&planner.state, Permissions::from_mode(0o755)).unwrap();
    fails(of("state-folder").await, "others can enter the state folder");
    fs::set_permissions(&planner.state, Permissions::from_mode(0o700)).unwrap();

    let own = rustix::process::getuid().as_raw().to_string();
    fails(statuses(config, &["--workload-uid", &own], "workload-uid").await, "the workload has the gateway's uid");

    // As root every uid can be told to the workload's; the folder of the sockets is this test's own.
    let other = (rustix::process::getuid().as_raw() + 40_001).to_string();
    let closed = statuses(config, &["--workload-uid", &other], "workload-api").await;
    assert_eq!(closed.1, ["ok"], "{}", closed.2);
    let api = world.mesh.folder().join("planner-api.sock");
    fs::set_permissions(world.mesh.folder(), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&api, Permissions::from_mode(0o777)).unwrap();
    fails(statuses(config, &["--workload-uid", &other], "workload-api").await, "the workload can ask for the key");
    fs::set_permissions(world.mesh.folder(), Permissions::from_mode(0o700)).unwrap();

    let text = fs::read_to_string(config).unwrap();
    let named = |id: &str| text.replace("-api.sock\" }", &format!("-api.sock\", id: {id} }}"));
    let elsewhere = world.mesh.folder().join("named.yaml");
    for (name, status) in [("planner", "ok"), ("search", "fail")] {
        fs::write(&elsewhere, named(spiffe_id(name).as_str())).unwrap();
        assert_eq!(statuses(path(&elsewhere), &[], "svid").await.1, [status], "{name}");
    }

    let policy = world.mesh.folder().join("policy.yaml");
    let before = fs::read_to_string(&policy).unwrap();
    fs::write(&policy, format!("{before}# another digest\n")).unwrap();
    fails(of("running-policy").await, "the file is not what runs");
    fs::write(&policy, before.replace("version: 1", "version: 9")).unwrap();
    fails(of("config").await, "the policy can't be read");
}

#[tokio::test]
async fn doctor_tells_a_peer_that_only_says_it_is_behind_a_gateway() {
    let mesh = Mesh::new();
    let settings = server_config(&mesh.identity("search"), &[b"http/1.1"]);
    let search = Recorder::tls(settings, |_| ok_response("", "{}")).await;
    let planner = mesh.sidecar("planner").calls("search", search.address).start().await;
    let (code, peers, whole) = statuses(path(&planner.config), &[], "peer").await;
    assert_eq!((code, peers), (1, vec!["fail".to_owned()]), "{whole}");
    drop(planner);
}
