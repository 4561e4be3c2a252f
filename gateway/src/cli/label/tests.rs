//! Pages and errors, against a socket of this test's own.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::cli::Arguments;

fn seen() -> Value {
    json!({
        "subject": "spiffe://td.test/planner", "name": "planner", "label": "RESTRICTED:clinical", "floor": "PUBLIC",
        "clearance": "RESTRICTED:clinical", "floats": true, "version": 2, "rises": 2, "cause": null,
        "chain": [
            {"kind": "start", "request_id": null, "object": null, "at": null, "label": null, "after": "PUBLIC"},
            {"kind": "observed", "request_id": "r-1", "object": "wiki", "at": "2026-11-23T12:03:10Z", "label": "STANDARD", "after": "STANDARD"},
            {"kind": "observed", "request_id": "r-2", "object": "records/patient", "at": "2026-11-23T12:03:11.5Z",
             "label": "RESTRICTED:clinical", "after": "RESTRICTED:clinical"},
        ],
        "reset": {"reason": "new process", "uid": 0, "at": "2026-11-23T12:00:00Z", "before": "CONFIDENTIAL"},
        "budgets": [{"rule": "grants[1]", "spent": 812, "budget": 65536}, {"rule": "grants[7]", "spent": 12, "budget": null}],
        "handles": {"limit": 4, "open": 3, "list": [
            {"handle": "3f9a1c02d4e5", "label": "PUBLIC", "listener": "egress", "task": "desk",
             "opened_at": "2026-11-23T12:03:00Z", "expires": "2026-11-23T13:03:00Z"},
            {"handle": "aa9a1c02d4e5", "label": "STANDARD", "listener": "egress", "task": null,
             "opened_at": "2026-11-23T12:02:00Z", "expires": "2026-11-23T13:02:00Z"},
        ]},
        "policy": "sha256:00"
    })
}

/// Answers one request at `socket`, and returns what was asked.
fn gateway(socket: &Path, status: &str, body: &str) -> std::thread::JoinHandle<String> {
    let listener = UnixListener::bind(socket).unwrap();
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = vec![0; 4096];
        let mut length = 0;
        while !String::from_utf8_lossy(&asked[..length]).contains("\r\n\r\n") {
            length += stream.read(&mut asked[length..]).unwrap();
        }
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8_lossy(&asked[..length]).into_owned()
    })
}

fn args(line: &[&str]) -> Result<Args, clap::Error> {
    use clap::Parser as _;
    let all = ["bellgate", "label"].into_iter().chain(line.iter().copied());
    Arguments::try_parse_from(all).map(|arguments| {
        let crate::cli::Command::Label(args) = arguments.command else { panic!("another command") };
        args
    })
}

fn told(line: &[&str]) -> Result<String, AdminError> {
    match args(line).unwrap().command {
        Command::Show(show) => shown(&show),
        Command::Reset(reset) => done(&reset),
    }
}

#[test]
fn the_page_has_the_label_and_the_whole_chain() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let path = socket.to_str().unwrap();
    let asked = gateway(&socket, "200 OK", &seen().to_string());
    let expected = format!(
        "\
planner (spiffe://td.test/planner)

  current label   RESTRICTED:clinical
  floor           PUBLIC
  clearance       RESTRICTED:clinical
  policy          sha256:00

what raised it
  -                       (new, at its floor)  -                    -> PUBLIC
  2026-11-23T12:03:10Z    wiki                 STANDARD             -> STANDARD
                          request r-1
  2026-11-23T12:03:11.5Z  records/patient      RESTRICTED:clinical  -> RESTRICTED:clinical
                          request r-2

last reset
  2026-11-23T12:00:00Z  from CONFIDENTIAL, by uid 0: new process

read down since the last reset
  grants[1]  812 of 65536 bytes, 64724 left
  grants[7]  12 bytes, by a rule that the policy no longer has

handles: 3 open, 4 at most
  3f9a1c02d4e5  PUBLIC    opened 2026-11-23T12:03:00Z, until 2026-11-23T13:03:00Z, with grants of a task
  aa9a1c02d4e5  STANDARD  opened 2026-11-23T12:02:00Z, until 2026-11-23T13:02:00Z
  and 1 more

It does not fall by itself. Once this workload has forgotten what it read:
  bellgate label reset --socket {path} --reason \"...\"
"
    );
    assert_eq!(told(&["show", "--socket", path]).unwrap(), expected);
    assert!(asked.join().unwrap().starts_with("GET /v1/label HTTP/1.1\r\n"));
}

#[test]
fn a_label_that_no_request_raised_is_told_as_what_it_is() {
    for (label, floats, expected) in [
        ("PUBLIC", true, "nothing: it stands at its floor"),
        ("RESTRICTED:clinical", true, "no request: it started there"),
        ("RESTRICTED:clinical", false, "nothing can: its floor is its clearance"),
    ] {
        let mut value = seen();
        value["chain"] = json!([value["chain"][0].clone()]);
        value["label"] = json!(label);
        value["floats"] = json!(floats);
        let page = page::of(&serde_json::from_value(value).unwrap(), "--socket x");
        assert!(page.contains(expected), "{page}");
        assert_eq!(page.contains("label reset"), label != "PUBLIC" && floats, "{page}");
    }
}

#[test]
fn json_is_what_the_gateway_answered() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let gateway = gateway(&socket, "200 OK", &format!("{:#}\n", seen()));
    let text = told(&["show", "--socket", socket.to_str().unwrap(), "--format", "json"]).unwrap();
    assert_eq!(text.lines().count(), 1);
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), seen());
    gateway.join().unwrap();
}

#[test]
fn a_reset_sends_the_reason_and_tells_what_fell() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let answer = json!({"subject": "spiffe://td.test/planner", "before": "RESTRICTED:clinical", "label": "PUBLIC",
                        "at": "2026-11-23T12:04:00Z", "reason": "new", "uid": 0, "handles_closed": 2});
    let gateway = gateway(&socket, "200 OK", &answer.to_string());
    let text = told(&["reset", "--socket", socket.to_str().unwrap(), "--reason", "new"]).unwrap();
    assert_eq!(
        text,
        "spiffe://td.test/planner counts as new since 2026-11-23T12:04:00Z: its label was RESTRICTED:clinical and is PUBLIC; \
         budgets start anew, 2 handles were closed\n"
    );
    let asked = gateway.join().unwrap();
    assert!(asked.starts_with("POST /v1/label/reset HTTP/1.1\r\n"), "{asked}");
    assert!(asked.ends_with("{\"reason\":\"new\"}") || asked.ends_with("\r\n\r\n"), "{asked}");
}

#[test]
fn reasons_are_one_to_500_characters_of_plain_text() {
    let of = |reason: &str| args(&["reset", "--socket", "/x", "--reason", reason]).map(|_| ());
    let error = |reason: &str| of(reason).unwrap_err().to_string();
    for good in ["x", &"é".repeat(499), &"é".repeat(500)] {
        assert!(of(good).is_ok(), "{} characters", good.chars().count());
    }
    assert!(error(&"é".repeat(501)).contains("it has 501 characters, and 500 are the most"));
    assert!(error("").contains("it is empty") && error("  ").contains("it is empty"));
    assert!(error("a\nb").contains("control character"));
    let missing = args(&["reset", "--socket", "/x"]).map(|_| ()).unwrap_err().to_string();
    assert!(missing.contains("--reason <TEXT>"), "{missing}");
    let nowhere = args(&["show"]).map(|_| ()).unwrap_err().to_string();
    assert!(nowhere.contains("--config") && nowhere.contains("--socket"), "{nowhere}");
}

#[test]
fn every_way_to_fail_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let path = socket.to_str().unwrap();
    let error = || told(&["show", "--socket", path]).unwrap_err();
    let shown = |error: AdminError| (error.to_string(), format!("{:?}", error.exit()));
    let status = |status: u8| format!("{:?}", ExitCode::from(status));

    let (text, code) = shown(error());
    assert!(text.starts_with("there is no socket at `") && text.ends_with("of the one that runs"), "{text}");
    assert_eq!(code, status(69));

    drop(UnixListener::bind(&socket).unwrap());
    let (text, code) = shown(error());
    assert!(text.starts_with("nobody listens at `"), "{text}");
    assert_eq!(code, status(69));

    for (answer, body, expected, code) in [
        ("403 Forbidden", "{\"detail\":\"no\"}", "the gateway refused uid ", 77),
        ("503 Service Unavailable", "{\"detail\":\"no SVID yet\"}", "the gateway answered 503: no SVID yet", 69),
        ("422 Unprocessable Entity", "{\"detail\":\"too long\"}", "the gateway answered 422: too long", 2),
        ("404 Not Found", "{}", "the gateway answered 404: and nothing more", 2),
        ("200 OK", "hello", "` answered 200 OK without JSON, which is not what", 76),
        ("200 OK", "{}", "` answered JSON in which missing field `subject`", 76),
    ] {
        std::fs::remove_file(&socket).unwrap();
        let gateway = gateway(&socket, answer, body);
        let (text, found) = shown(error());
        assert!(text.contains(expected), "{text}");
        assert_eq!(found, status(code), "{text}");
        gateway.join().unwrap();
    }

    // Root is let in everywhere.
    if !rustix::process::geteuid().is_root() {
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o000)).unwrap();
        assert!(error().to_string().contains("may not open"));
    }
}

#[test]
fn the_config_names_the_socket() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("bellgate.yaml");
    std::fs::write(&config, "version: 2\n").unwrap();
    let error = told(&["show", "--config", config.to_str().unwrap()]).unwrap_err();
    assert!(error.to_string().contains("`--socket` asks without it"), "{error}");
    assert_eq!(format!("{:?}", error.exit()), format!("{:?}", ExitCode::from(78)));
    let policy = "version: 1\nsubjects:\n  a: { id: spiffe://td.test/a, clearance: PUBLIC }\n";
    std::fs::write(folder.path().join("policy.yaml"), policy).unwrap();
    let text = "version: 1\npolicy: policy.yaml\nidentity: { workload_api: \"unix:///x.sock\" }\nstate: { directory: /s }\n\
                egress: { listen: \"127.0.0.1:15001\" }\n";
    std::fs::write(&config, text).unwrap();
    let error = told(&["show", "--config", config.to_str().unwrap()]).unwrap_err();
    assert!(error.to_string().contains("has no `admin` section"), "{error}");
    let socket = folder.path().join("a.sock");
    let with_admin = format!("{text}admin: {{ listen: \"unix:{}\", uids: [0] }}\n", socket.display());
    std::fs::write(&config, with_admin).unwrap();
    let error = told(&["show", "--config", config.to_str().unwrap()]).unwrap_err();
    assert!(error.to_string().contains("there is no socket at `") && error.to_string().contains("a.sock"), "{error}");
}
