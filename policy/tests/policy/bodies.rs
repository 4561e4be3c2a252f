//! Which objects a body names, and what hostile bodies name.

use bellgate_policy::{Content, Policy, RequestShape, Target};
use serde_json::{Value, json};

use crate::lifting::LIFTING;
use crate::world::read;

fn target(policy: &Policy, upstream: &str, path: &str, content: Content<'_>) -> Target {
    let shape = RequestShape { method: "POST", path, has_body: true, upgrade: false };
    policy.resolve(policy.upstream(upstream).unwrap(), &shape, content)
}

fn names(target: &Target) -> Vec<&str> {
    target.objects.iter().map(|object| &*object.name).collect()
}

fn mail(policy: &Policy, body: &Value) -> String {
    let target = target(policy, "mail", "/tools/send_email", Content::Json(body));
    assert!(target.by_body && target.objects.every());
    assert_eq!(target.objects.len(), names(&target).len());
    names(&target).join(" ").replace("mail/send", "")
}

#[test]
fn values_name_objects() {
    let policy = read(LIFTING);
    for (body, expected) in [
        (json!({"recipients": ["a@example.org"]}), "/inner"),
        (json!({"recipients": "a@example.org"}), "/inner"),
        (json!({"recipients": ["a@example.org"], "cc": []}), "/inner"),
        (json!({"recipients": ["a@example.org"], "cc": null}), "/inner"),
        (json!({"recipients": ["a@example.org"], "cc": [[], [[]]]}), "/inner"),
        (json!({"recipients": ["a@example.org", "b@example.org"], "cc": ["c@EXAMPLE.org"]}), "/inner"),
        (json!({"recipients": [["a@example.org"], [["boss@partner.example"]]]}), "/inner /boss"),
        (json!({"recipients": ["boss@partner.example", "a@example.org", "boss@partner.example"]}), "/boss /inner"),
        (json!({"cc": ["b@x.example"], "recipients": ["a@x.example"]}), "/list"),
        (json!({"recipients": ["a@clinic.example", "x@y"]}), "/clinic "),
        // What no case takes is the route itself, and comes in its place.
        (json!({"recipients": ["x@y", "a@example.org"]}), " /inner"),
        (json!({"recipients": ["a@example.org", null]}), "/inner "),
        (json!({"recipients": ["a@example.org", 7, true, {"address": "a@example.org"}]}), "/inner "),
        (json!({"recipients": {"0": "a@example.org"}}), ""),
        (json!({"recipients": ""}), ""),
        (json!({"recipients": []}), ""),
        (json!({"recipients": null}), ""),
        (json!({}), ""),
        (json!([]), ""),
        (json!("a@example.org"), ""),
        (json!(null), ""),
        (json!({"Recipients": ["a@example.org"]}), ""),
        (json!({"recipients ": ["a@example.org"]}), ""),
        (json!({"body": {"recipients": ["a@example.org"]}}), ""),
        // Lists in one text.
        (json!({"recipients": ["a@example.org, evil@evil.test"]}), ""),
        (json!({"recipients": ["\"a@example.org\" <evil@evil.test>"]}), ""),
        (json!({"recipients": ["Boss <boss@partner.example>"]}), ""),
        (json!({"recipients": ["BOSS@partner.example"]}), ""),
        (json!({"recipients": ["boss@partner.example "]}), ""),
        (json!({"recipients": ["b\u{43e}ss@partner.example"]}), ""),
    ] {
        assert_eq!(mail(&policy, &body), expected, "{body}");
    }
}

#[test]
fn cases_in_cases() {
    let policy = read(LIFTING);
    let call = |body: &Value| {
        let target = target(&policy, "mcp", "/mcp", Content::Json(body));
        names(&target).join(" ").replace("mcp/call", "")
    };
    let send = |recipients: Value| json!({"method": "tools/call", "params": {"name": "send_email", "arguments": {"recipients": recipients}}});
    for (body, expected) in [
        (send(json!(["a@example.org"])), "/send_email/inner"),
        (send(json!(["a@example.org", "x@y"])), "/send_email/inner /send_email"),
        (send(json!([])), "/send_email"),
        (json!({"params": {"name": "send_email"}}), "/send_email"),
        (json!({"params": {"name": "read_file", "arguments": {"recipients": ["x@y"]}}}), "/read"),
        (json!({"params": {"name": ["read_file", "list_files"]}}), "/read"),
        (
            json!({"params": {"name": ["read_file", "send_email"], "arguments": {"recipients": "a@example.org"}}}),
            "/read /send_email/inner",
        ),
        (json!({"params": {"name": "delete"}}), ""),
        (json!({"params": {"name": "send_email "}}), ""),
        // A batch of calls is no call.
        (json!([{"params": {"name": "read_file"}}]), ""),
        (json!({"params": null}), ""),
    ] {
        assert_eq!(call(&body), expected, "{body}");
    }
}

#[test]
fn before_the_body_is_read_it_can_be_any_of_them_and_without_one_it_is_the_route() {
    let policy = read(LIFTING);
    let unread = target(&policy, "mcp", "/mcp", Content::Unread);
    assert_eq!(names(&unread), ["mcp/call", "mcp/call/send_email", "mcp/call/send_email/inner", "mcp/call/read"]);
    assert!(unread.by_body && !unread.objects.every());
    let nothing = target(&policy, "mcp", "/mcp", Content::Nothing);
    assert_eq!(names(&nothing), ["mcp/call"]);
    assert!(nothing.by_body && nothing.objects.every());
    assert_eq!(policy.object("mcp/call").unwrap().label, Some(policy.lattice().bottom()));
    assert_eq!(policy.object("mcp/call/send_email").unwrap().label, Some(policy.lattice().bottom()));
    let plain = target(&policy, "bank", "/pay", Content::Json(&json!({"recipient": "x"})));
    assert_eq!((names(&plain), plain.by_body), (vec!["bank/pay"], false));
}

#[test]
fn more_values_than_are_looked_at_reach_every_object() {
    let policy = read(LIFTING);
    let inner = |count: usize| json!({"recipients": vec!["a@example.org"; count]});
    for (count, expected) in [(4095, "/inner"), (4096, "/inner"), (4097, " /inner /boss /list /clinic")] {
        assert_eq!(mail(&policy, &inner(count)), expected, "{count}");
    }
    let split = json!({"recipients": vec!["a@example.org"; 4096], "cc": ["a@example.org"]});
    assert_eq!(mail(&policy, &split), " /inner /boss /list /clinic");
    // Empty lists are walked, and are no values.
    let hollow = json!({"recipients": [vec![json!([]); 100_000], ["a@example.org"]]});
    assert_eq!(mail(&policy, &hollow), "/inner");
}

#[test]
fn lists_in_lists_are_walked_however_deep() {
    let policy = read(LIFTING);
    let mut deep = json!("a@example.org");
    for _ in 0..2000 {
        deep = Value::Array(vec![deep]);
    }
    // `json!` would recurse.
    let mut body = Value::Object([(String::from("recipients"), deep)].into_iter().collect());
    assert_eq!(mail(&policy, &body), "/inner");
    // Taken apart by hand: dropping it would recurse.
    let mut open = vec![body["recipients"].take()];
    while let Some(value) = open.pop() {
        if let Value::Array(items) = value {
            open.extend(items);
        }
    }
}

#[test]
fn grants_cover_what_is_under_their_object() {
    let policy = read(LIFTING);
    let names: Vec<&str> = policy.objects().map(|object| &*object.name).filter(|name| name.starts_with("m")).collect();
    assert_eq!(
        names,
        [
            "mail",
            "mail/send",
            "mail/send/inner",
            "mail/send/boss",
            "mail/send/list",
            "mail/send/clinic",
            "mail/read",
            "mcp",
            "mcp/call",
            "mcp/call/send_email",
            "mcp/call/send_email/inner",
            "mcp/call/read"
        ]
    );
}
