//! Tasks: what is accepted, what is told about what is not, and what is left of a kept one.

use bellgate_policy::{
    Asked, Content, MAX_TASK_BYTES, MAX_TASK_GRANTS, MAX_TASK_VALUES, Mode, Policy, Question, Standing, Task,
    TaskError, Timestamp, decide,
};
use proptest::prelude::*;
use serde_json::json;

use crate::lifting::LIFTING;
use crate::plain::cases;
use crate::world::{id, label, read};

/// 2026-11-01T00:00:00Z.
const NOW: Timestamp = Timestamp(1_793_491_200_000);
const LATER: Timestamp = Timestamp(NOW.0 + 60_000);

fn given(policy: &Policy, text: &str) -> Result<Task, TaskError> {
    policy.task(&id("desk"), &id("planner"), text, NOW)
}

fn told(result: Result<Task, TaskError>) -> String {
    match result {
        Ok(task) => format!("until {}", task.expires()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_is_asked_for_is_accepted_or_told_apart() {
    let policy = read(LIFTING);
    for (text, expected) in [
        (r#"{"grants":[{"object":"bank/balance"}]}"#, "until 2026-11-01T00:30:00.000Z"),
        (r#"{"grants":[{"object":"bank/balance"}],"life":"10m"}"#, "until 2026-11-01T00:10:00.000Z"),
        (r#"{"grants":[{"object":"bank/balance"}],"life":"30m"}"#, "until 2026-11-01T00:30:00.000Z"),
        (r#"{"grants":[{"object":"search/notes"}]}"#, "until 2026-11-01T00:15:00.000Z"),
        (
            r#"{"grants":[{"object":"search/notes"},{"object":"bank/balance"}],"life":"16m"}"#,
            "`life` is 16m, and the policy allows 15m at most: ask for less, or leave it out",
        ),
        (
            r#"{"grants":[{"object":"bank/balance"}],"life":"1801s"}"#,
            "`life` is 1801s, and the policy allows 30m at most: ask for less, or leave it out",
        ),
        (r#"{"grants":[{"object":"bank/balance"}],"life":"999ms"}"#, "`life`: `999ms` is less than a second"),
        (
            r#"{"grants":[{"object":"bank/balance"}],"life":"10"}"#,
            "`life`: `10` is not a duration such as `10m`: add a unit: `ms`, `s`, `m`, `h` or `d`",
        ),
        (r#"{"grants":[]}"#, "`grants` is empty, and such a task lets nobody do anything: name an object"),
        (
            r#"{"grants":[{"object":"bank"}]}"#,
            "`grants[0].object` is `bank`, which no rule lets this orchestrator grant; it may grant `bank/balance`, `bank/pay`, `mail/send`, `search/notes`, `wiki`",
        ),
        (
            r#"{"grants":[{"object":"bank/balance"},{"object":"nowhere"}]}"#,
            "`grants[1].object` is `nowhere`, which no rule lets this orchestrator grant; it may grant `bank/balance`, `bank/pay`, `mail/send`, `search/notes`, `wiki`",
        ),
        (
            r#"{"grants":[{"object":"bank/balance","modes":["alter"]}]}"#,
            "`grants[0].modes` has `alter`, and the rule lets this orchestrator grant `observe` on `bank/balance`",
        ),
        (
            r#"{"grants":[{"object":"wiki/news","modes":["observe","observe"]}]}"#,
            "`grants[0].modes` lists `observe` twice: leave one of the two out",
        ),
        (
            r#"{"grants":[{"object":"bank/pay"}]}"#,
            "`grants[0].values` lacks `/recipient`: say which texts may stand there, such as {\"/recipient\": [\"..\"]}, or `[]` for none",
        ),
        (
            r#"{"grants":[{"object":"mail/send/inner","values":{"/recipients":["a"]}}]}"#,
            "`grants[0].values` lacks `/cc`: say which texts may stand there, such as {\"/cc\": [\"..\"]}, or `[]` for none",
        ),
        (
            r#"{"grants":[{"object":"mail/send/inner","values":{"/recipients":["a"],"/cc":[],"/subject":["x"]}}]}"#,
            "until 2026-11-01T00:30:00.000Z",
        ),
        (
            r#"{"grants":[{"object":"bank/balance","values":{"/x":["a"]}}]}"#,
            "`grants[0].values` can't be looked at: no manifest validates the bodies of `bank/balance`; leave it out",
        ),
        (
            r#"{"grants":[{"object":"bank/pay","values":{"recipient":["a"]}}]}"#,
            "`grants[0].values`: `recipient` is not a JSON Pointer: begin it with `/`, such as `/recipients`",
        ),
        (
            r#"{"grants":[{"object":"bank/pay","values":{"/a~":["a"]}}]}"#,
            "`grants[0].values`: `/a~` has a `~` alone: write `~0` for `~` and `~1` for `/`",
        ),
    ] {
        assert_eq!(told(given(&policy, text)), expected, "{text}");
    }
    for text in [
        "",
        "null",
        "[]",
        r#"{"grants":[{"object":"bank/balance"}],"grants":[]}"#,
        r#"{"grants":[{"object":"bank/balance","object":"wiki"}]}"#,
        r#"{"grants":[{"object":"bank/pay","values":{"/recipient":["a"],"/recipient":["b"]}}]}"#,
        r#"{"grants":[{"object":"bank/pay","values":{"/recipient":"a"}}]}"#,
        r#"{"grants":[{"object":"bank/pay","values":{"/recipient":[1]}}]}"#,
        r#"{"grants":[{"object":"bank/pay","values":{"/recipient":null}}]}"#,
        r#"{"grants":[{"object":"bank/balance","modes":"observe"}]}"#,
        r#"{"grants":[{"object":"bank/balance","modes":["read"]}]}"#,
        r#"{"grants":[{"object":"bank/balance","lifts":true}]}"#,
        r#"{"grants":[{"object":"bank/balance"}],"for":"planner"}"#,
        r#"{"grants":[{"object":"bank/balance"}]} x"#,
    ] {
        let told = told(given(&policy, text));
        assert!(
            told.starts_with("the task can't be read: ") && told.contains("; expected {\"grants\""),
            "{text}: {told}"
        );
    }
}

#[test]
fn only_who_the_policy_names_gives_tasks_and_only_for_whom_it_names() {
    let policy = read(LIFTING);
    let text = r#"{"grants":[{"object":"bank/balance"}]}"#;
    for (orchestrator, workload, now, expected) in [
        ("desk", "planner", NOW, "until 2026-11-01T00:30:00.000Z"),
        ("desk", "raised", NOW, "until 2026-11-01T00:30:00.000Z"),
        (
            "planner",
            "planner",
            NOW,
            "no rule of the policy lets `spiffe://demo.bellgate.test/planner` open tasks for `spiffe://demo.bellgate.test/planner`: add one under `orchestrators`",
        ),
        (
            "desk",
            "mailer",
            NOW,
            "no rule of the policy lets `spiffe://demo.bellgate.test/desk` open tasks for `spiffe://demo.bellgate.test/mailer`: add one under `orchestrators`",
        ),
        (
            "nobody",
            "nobody",
            NOW,
            "no rule of the policy lets `spiffe://demo.bellgate.test/nobody` open tasks for `spiffe://demo.bellgate.test/nobody`: add one under `orchestrators`",
        ),
        // The rule ends before the task would.
        ("desk", "planner", Timestamp::from_author("2026-12-31T23:50:00Z").unwrap(), "until 2027-01-01T00:00:00.000Z"),
        (
            "desk",
            "planner",
            Timestamp::from_author("2027-01-01T00:00:00Z").unwrap(),
            "the rule that lets `spiffe://demo.bellgate.test/desk` open tasks expired at 2027-01-01T00:00:00.000Z: have it renewed under `orchestrators`",
        ),
    ] {
        assert_eq!(told(policy.task(&id(orchestrator), &id(workload), text, now)), expected);
    }
}

#[test]
fn limits_hold_at_one_below_at_and_one_above() {
    let policy = read(LIFTING);
    let padded = |length: usize| {
        let text = r#"{"grants":[{"object":"bank/balance"}]}"#;
        format!("{text}{}", " ".repeat(length - text.len()))
    };
    for (length, ok) in [(MAX_TASK_BYTES - 1, true), (MAX_TASK_BYTES, true), (MAX_TASK_BYTES + 1, false)] {
        assert_eq!(given(&policy, &padded(length)).is_ok(), ok, "{length}");
    }
    let grants = |count: usize| json!({ "grants": vec![json!({ "object": "bank/balance" }); count] }).to_string();
    for (count, ok) in [(MAX_TASK_GRANTS - 1, true), (MAX_TASK_GRANTS, true), (MAX_TASK_GRANTS + 1, false)] {
        assert_eq!(given(&policy, &grants(count)).is_ok(), ok, "{count}");
    }
    let values = |count: usize| {
        let texts: Vec<String> = (0..count).map(|index| index.to_string()).collect();
        json!({ "grants": [{ "object": "bank/pay", "values": { "/recipient": texts } }] }).to_string()
    };
    for (count, ok) in [(MAX_TASK_VALUES - 1, true), (MAX_TASK_VALUES, true), (MAX_TASK_VALUES + 1, false)] {
        assert_eq!(given(&policy, &values(count)).is_ok(), ok, "{count}");
    }
    let pointers = |count: usize| {
        let empty: serde_json::Map<_, _> = (1..count).map(|index| (format!("/{index}"), json!([]))).collect();
        let mut values = json!(empty);
        values["/recipient"] = json!(["a"]);
        json!({ "grants": [{ "object": "bank/pay", "values": values }] }).to_string()
    };
    for (count, ok) in [(MAX_TASK_VALUES, true), (MAX_TASK_VALUES + 1, false)] {
        assert_eq!(given(&policy, &pointers(count)).is_ok(), ok, "{count}");
    }
    assert_eq!(told(given(&policy, &grants(65))), "`grants` has 65 entries, and 64 are read at most: split the task");
    assert_eq!(
        told(given(&policy, &values(65))),
        "`grants[0].values` has 65 texts, and 64 are read at most: split the grant"
    );
    assert_eq!(told(given(&policy, &padded(8193))), "the task has 8193 bytes, and 8192 are read at most: split it");
}

const PAY: &str = r#"{"grants":[{"object":"bank/pay","modes":["alter"],"values":{"/recipient":["DE1","Ä \"x\"\u0000"]}},{"object":"bank/balance"}]}"#;

#[test]
fn a_kept_task_is_the_same_as_long_as_the_policy_allows_it() {
    let policy = read(LIFTING);
    let task = given(&policy, PAY).unwrap();
    assert_eq!((task.orchestrator(), task.workload()), (&id("desk"), &id("planner")));
    let kept = task.to_text();
    let again = policy.kept_task(&id("planner"), &kept, LATER).unwrap();
    assert!(again == task);
    assert_eq!(again.to_text(), kept);

    let refused = |policy: &Policy, workload: &str, text: &str, now| told(policy.kept_task(&id(workload), text, now));
    assert_eq!(
        refused(&policy, "raised", &kept, LATER),
        "the text is no task that was kept here: it is another workload's"
    );
    assert_eq!(
        refused(&policy, "planner", &kept, task.expires()),
        "the task ended at 2026-11-01T00:30:00.000Z: open a new one"
    );
    for other in ["", "{}", PAY, &kept.replace("/desk", ""), &kept.replace("\"workload\"", "\"x\"")] {
        assert!(refused(&policy, "planner", other, LATER).starts_with("the text is no task that was kept here: "));
    }
    // Somebody else's name in it is checked like any other.
    let forged = kept.replace("/desk", "/mailer");
    assert!(refused(&policy, "planner", &forged, LATER).starts_with("no rule of the policy lets"));
    let without_object =
        read(&LIFTING.replace("      - { object: bank/pay, modes: [alter], values: [/recipient] }\n", ""));
    assert!(refused(&without_object, "planner", &kept, LATER).starts_with("`grants[0].object` is `bank/pay`"));
    let sooner = read(&LIFTING.replace("expires: 2027-01-01T00:00:00Z", "expires: 2026-11-01T00:05:00Z"));
    assert_eq!(refused(&sooner, "planner", &kept, LATER), "until 2026-11-01T00:05:00.000Z");
}

/// Whether `policy` lets the task pay; the object is the one that the task was given for.
fn may_pay(policy: &Policy, task: &Task, subject: &str, now: Timestamp) -> bool {
    let before = read(LIFTING);
    let (current, body) = (label(policy, "CONFIDENTIAL"), json!({ "recipient": "DE1" }));
    let question = Question {
        subject: &id(subject),
        object: Asked::Known(before.object("bank/pay").unwrap()),
        mode: Mode::Alter,
        standing: Standing::Own { watermark: &current, own: &current, declared: None },
        task: Some(task),
        target: None,
        content: Content::Json(&body),
        now,
    };
    decide(policy, &question).permit().is_some()
}

#[test]
fn a_task_is_looked_at_anew_under_every_policy() {
    let policy = read(LIFTING);
    let task = given(&policy, PAY).unwrap();
    assert!(may_pay(&policy, &task, "planner", LATER));
    assert!(!may_pay(&policy, &task, "raised", LATER));
    for (what, from, to) in [
        ("the rule does not lift any more", "    lifts: true\n    without: [clinical]\n", ""),
        (
            "the rule is another orchestrator's",
            "    subject: desk\n    for: [planner, raised]",
            "    subject: mailer\n    for: [planner, raised]",
        ),
        ("the rule is for others", "    for: [planner, raised]", "    for: [raised]"),
        ("the rule asks for more values", "values: [/recipient] }", "values: [/recipient, /currency] }"),
        ("the rule grants another mode", "{ object: bank/pay, modes: [alter]", "{ object: bank/pay, modes: [observe]"),
        ("the rule has expired", "expires: 2027-01-01T00:00:00Z", "expires: 2026-11-01T00:01:00Z"),
        ("the object is another one", "      pay: {", "      pays: {"),
    ] {
        let mut text = LIFTING.replace(from, to);
        if what.contains("another one") {
            text = text.replace("object: bank/pay,", "object: bank/pays,");
        }
        assert_ne!(text, LIFTING, "{what}");
        let changed = read(&text);
        assert!(!may_pay(&changed, &task, "planner", LATER), "{what}");
    }
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn no_text_makes_the_reader_panic(text in "[\\[\\]{}:,\"a-c0-9/~ ]{0,60}", hole in 0..PAY.len(), length in 0..20_usize) {
        let policy = read(LIFTING);
        let _ = given(&policy, &text);
        let bytes = PAY.as_bytes();
        let end = (hole + length).min(bytes.len());
        let cut = [&bytes[..hole], text.as_bytes(), &bytes[end..]].concat();
        if let Ok(cut) = String::from_utf8(cut) {
            let _ = given(&policy, &cut);
            let _ = policy.kept_task(&id("planner"), &cut, NOW);
        }
    }

    #[test]
    fn what_is_accepted_is_kept(
        objects in prop::collection::vec(prop::sample::select(vec!["wiki", "wiki/page", "search/notes", "bank/pay"]), 1..5),
        texts in prop::collection::vec(".{0,12}", 0..4), life in 1_u64..900,
    ) {
        let policy = read(LIFTING);
        let grants: Vec<_> = objects.iter().map(|object| match *object {
            "bank/pay" => json!({ "object": object, "values": { "/recipient": texts } }),
            _ => json!({ "object": object }),
        }).collect();
        let text = json!({ "grants": grants, "life": format!("{life}s") }).to_string();
        let task = given(&policy, &text).unwrap();
        prop_assert_eq!(task.expires(), Timestamp(NOW.0 + life * 1000));
        prop_assert!(policy.kept_task(&id("planner"), &task.to_text(), NOW).unwrap() == task);
    }
}
