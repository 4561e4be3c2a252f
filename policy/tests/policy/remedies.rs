//! What a refused caller is told that it can do.

use std::sync::Arc;

use bellgate_policy::{Asked, Content, Denial, Mode, Policy, Question, Reason, Standing, Timestamp, decide, refuse};

use crate::lifting::LIFTING;
use crate::world::{id, label, read, world};

const NOW: Timestamp = Timestamp(1_793_491_200_000);

fn denial(policy: &Policy, subject: &str, object: &str, mode: Mode, current: &str, reason: Option<Reason>) -> Denial {
    let current = label(policy, current);
    let subject = id(subject);
    let question = Question {
        subject: &subject,
        object: policy.object(object).map_or(Asked::Unknown(object), Asked::Known),
        mode,
        standing: Standing::Own { watermark: &current, own: &current, declared: None },
        task: None,
        target: None,
        content: Content::Nothing,
        now: NOW,
    };
    match reason {
        Some(reason) => refuse(policy, &question, reason),
        None => decide(policy, &question).denial().unwrap(),
    }
}

fn told(policy: &Policy, subject: &str, object: &str, mode: Mode, current: &str) -> Vec<String> {
    let denial = denial(policy, subject, object, mode, current, None);
    denial.remedies(policy).into_iter().map(|remedy| format!("{}: {}", remedy.action, remedy.text)).collect()
}

const FRESH: &str = "fresh-instance: do this in a fresh instance, before it reads anything: its label starts at PUBLIC";
const HANDLE: &str =
    "handle: do this under the handle of a request of its own: its label starts at what that request carries";
const RESET: &str =
    "reset: ask an operator for a reset, once nothing of what was read is left: `bellgate label reset --reason ..`";

#[test]
fn a_write_down_is_told_the_ways_that_the_policy_has() {
    let policy = read(LIFTING);
    assert_eq!(
        told(&policy, "planner", "search/ask", Mode::Alter, "RESTRICTED:clinical"),
        [FRESH, HANDLE, "guard: rule `clean-search` lets content through guard `deidentify` at `/v1/search`", RESET]
    );
    // The guard may not see what has been read: it is no way.
    assert_eq!(told(&policy, "planner", "search/ask", Mode::Alter, "PUBLIC:bank"), [FRESH, HANDLE, RESET]);
    assert_eq!(
        told(&policy, "planner", "wiki/page", Mode::Observe, "CONFIDENTIAL"),
        [FRESH, HANDLE, "read-down: rule `wiki-down` lets you read this within its budget at `/wiki/{page}`", RESET]
    );
    assert_eq!(
        told(&policy, "planner", "mail/send", Mode::Alter, "CONFIDENTIAL"),
        [FRESH, HANDLE, "task: have `desk` open a task with a grant on `mail/send`", RESET]
    );
    // What was read excludes tasks.
    assert_eq!(told(&policy, "planner", "mail/send", Mode::Alter, "CONFIDENTIAL:clinical"), [FRESH, HANDLE, RESET]);
    // A floor above the object: nothing that starts at the floor helps.
    assert_eq!(
        told(&policy, "raised", "mail/send", Mode::Alter, "CONFIDENTIAL"),
        ["task: have `desk` open a task with a grant on `mail/send`"]
    );
    // A static subject whose rules have expired has no way at all.
    assert_eq!(told(&policy, "mailer", "mail/send", Mode::Alter, "PUBLIC"), Vec::<String>::new());
}

#[test]
fn who_is_trusted_and_what_takes_things_blindly_is_named_where_it_can_be_reached() {
    let text = LIFTING
        .replace(
            "  mcp:\n    web: mcp.example.com\n",
            "  relay: { workload: mailer, label: \"RESTRICTED:clinical\" }\n  mcp:\n    web: mcp.example.com\n",
        )
        .replace(
            "  - { id: calls,",
            "  - { subject: planner, object: relay, modes: [alter] }\n  - { subject: planner, object: search/notes, modes: [append] }\n  - { id: calls,",
        );
    let policy = read(&text);
    let ways = told(&policy, "planner", "mail/send/boss", Mode::Alter, "RESTRICTED:clinical");
    assert!(
        ways.contains(&String::from("trusted-subject: hand it to `mailer` at `relay`, which may write it there")),
        "{ways:?}"
    );
    // What has been read can't go to the relay either.
    let ways = told(&policy, "planner", "mail/send/boss", Mode::Alter, "RESTRICTED:bank");
    assert!(!ways.iter().any(|way| way.starts_with("trusted-subject")), "{ways:?}");
    // No rule lets the mailer write there.
    let ways = told(&policy, "planner", "mail/send/list", Mode::Alter, "RESTRICTED:clinical");
    assert!(!ways.iter().any(|way| way.starts_with("trusted-subject")), "{ways:?}");
    let ways = told(&policy, "planner", "search/item", Mode::Alter, "STANDARD");
    assert!(
        ways.contains(&String::from("append: leave it at `search/notes`, from which nothing comes back")),
        "{ways:?}"
    );
    let ways = told(&policy, "planner", "search/item", Mode::Alter, "CONFIDENTIAL");
    assert!(!ways.iter().any(|way| way.starts_with("append")), "{ways:?}");
}

#[test]
fn every_reason_but_one_has_something_to_do_about_it() {
    let policy = read(LIFTING);
    for reason in Reason::ALL {
        let denial = denial(&policy, "planner", "search/ask", Mode::Alter, "PUBLIC", Some(reason));
        let remedies = denial.remedies(&policy);
        let actions: Vec<&str> = remedies.iter().map(|remedy| remedy.action).collect();
        let expected: &[&str] = match reason {
            Reason::UnknownSubject | Reason::NotGranted => &["grant"],
            Reason::LabelOutOfRange => &["declare"],
            Reason::HandleRefused => &["handle"],
            Reason::Unlabelled => &["label"],
            Reason::UnsupportedHere => &[],
            Reason::NoReadUp | Reason::Withheld => &["raise-clearance"],
            Reason::NoWriteDown => &["fresh-instance", "handle", "guard", "append", "reset"],
            Reason::ReadDownBudget => &["reset"],
            Reason::GuardFailed => &["change-content"],
        };
        assert_eq!(actions, expected, "{reason}");
        for remedy in remedies {
            assert!(!remedy.text.ends_with('.') && remedy.text.len() > 20, "{}", remedy.text);
        }
    }
}

#[test]
fn without_a_grant_the_ways_are_the_same_whether_or_not_there_is_such_an_object() {
    let policy = world();
    for subject in ["reader", "plain", "stranger"] {
        let there = denial(&policy, subject, "records", Mode::Observe, "PUBLIC", None);
        let not_there = denial(&policy, subject, "nowhere", Mode::Observe, "PUBLIC", None);
        assert_eq!(there.remedies(&policy), not_there.remedies(&policy), "{subject}");
    }
}

#[test]
fn no_way_tells_a_label_above_the_clearance() {
    let policy = world();
    let cause = Arc::new(bellgate_policy::Observation {
        request_id: String::from("7f3"),
        object: String::from("records"),
        at: NOW,
        label: String::from("RESTRICTED:keys"),
    });
    for (subject, object, mode, current) in [
        ("planner", "vault", Mode::Observe, "PUBLIC"),
        ("planner", "search", Mode::Observe, "RESTRICTED:keys"),
        ("reader", "search", Mode::Observe, "PUBLIC"),
        ("planner", "records/genomes", Mode::Observe, "PUBLIC"),
    ] {
        let denial = denial(&policy, subject, object, mode, current, None).because(Some(Arc::clone(&cause)));
        for remedy in denial.remedies(&policy) {
            assert!(!remedy.text.contains("keys") && !remedy.text.contains("genomics"), "{}", remedy.text);
        }
    }
}
