//! The decision table of rules that lift the star property: who may write down, under which rule and label, and what the
//! other gateway makes of it.

use bellgate_policy::{
    Asked, Content, Mode, Objects, Policy, Question, RequestShape, SecurityLabel, Standing, Task, Timestamp, Verdict,
    decide,
};
use serde_json::Value;

use crate::world::{id, label, read, rows};

pub(crate) const LIFTING: &str = include_str!("../fixtures/accept/lifting.yaml");

/// Object: a name, or `upstream METHOD path`, resolved with the body. Standing: `own L` or `own L over M`, the handle's
/// watermark over the instance's; `stated L` or `stated L under kind`. With: `target`, `body`, `task`, `at`, or `unread`.
/// Verdict: reasons, or the rule that grants and, where one lifts, label, kind and rule.
const TABLE: &str = r#"
# subject  object                       mode     standing                                with                                         verdict

# read_down: observe alone, targets that fit, below the clearance.
planner    wiki/page                    observe  own PUBLIC                              target=/wiki/Aspirin                         permit wiki-down
planner    wiki/page                    observe  own RESTRICTED:clinical                 target=/wiki/Aspirin                         permit wiki-down; PUBLIC read-down wiki-down
planner    wiki/page                    observe  own PUBLIC:untrusted                    target=/wiki/Ibuprofen%20(drug)              permit wiki-down; PUBLIC read-down wiki-down
planner    wiki/page                    observe  own PUBLIC:untrusted                    target=/wiki/Ibuprofen%20%28drug%29          permit wiki-down; PUBLIC read-down wiki-down
planner    wiki/news                    observe  own CONFIDENTIAL                        target=/news                                 permit wiki-down; STANDARD read-down wiki-down
planner    wiki/news                    observe  own CONFIDENTIAL                        target=/news?x                               no-write-down
planner    wiki/page                    observe  own CONFIDENTIAL                        target=/wiki/Secret                          no-write-down
planner    wiki/page                    observe  own CONFIDENTIAL                        target=/wiki//Aspirin                        no-write-down
planner    wiki/page                    observe  own CONFIDENTIAL                        -                                            no-write-down
planner    wiki                         observe  own CONFIDENTIAL                        target=/wiki/Aspirin                         permit wiki-down; PUBLIC:untrusted read-down wiki-down
planner    wiki                         alter    own CONFIDENTIAL                        target=/wiki/Aspirin                         not-granted, no-write-down
raised     wiki/news                    observe  own CONFIDENTIAL                        -                                            permit grants[8]; STANDARD read-down grants[8]
raised     wiki                         observe  own CONFIDENTIAL                        -                                            no-read-up, no-write-down

# Guards: where the target fits, and only up to what the capability may read. The rule's first path is the route's own.
planner    search/ask                   alter    own PUBLIC                              target=/v1/search                            permit clean-search
planner    search/ask                   alter    own RESTRICTED:clinical                 target=/v1/search                            permit clean-search; PUBLIC guard clean-search
planner    search/ask                   alter    own RESTRICTED:clinical                 target=/v1/search?q=1                        no-write-down
planner    search/ask                   alter    own RESTRICTED:clinical                 target=/v1//search                           no-write-down
planner    search/ask                   alter    own RESTRICTED:clinical                 target=/v1/%73earch                          no-write-down
planner    search/ask                   alter    own RESTRICTED:clinical                 -                                            no-write-down
planner    search/ask                   alter    own RESTRICTED:bank                     target=/v1/search                            no-write-down
planner    search/item                  alter    own CONFIDENTIAL                        target=/v1/items/drug                        permit clean-items; PUBLIC guard clean-items
planner    search/item                  alter    own CONFIDENTIAL                        target=/v1/items/secret                      no-write-down
planner    search/notes                 append   own RESTRICTED                          target=/v1/notes                             permit clean-items; PUBLIC guard clean-items
planner    search                       observe  own PUBLIC                              -                                            not-granted

# Trusted subjects: named objects, with the rule's label or the object's own, before the date.
mailer     mail/send/inner              alter    own PUBLIC                              -                                            permit outgoing; STANDARD trusted outbox
mailer     mail/send/boss               alter    own PUBLIC                              -                                            permit outgoing; STANDARD trusted outbox
mailer     mail/send                    alter    own PUBLIC                              -                                            no-write-down
mailer     mail/send                    alter    own PUBLIC                              at=2026-06-29T23:59:59.999Z                  permit outgoing; PUBLIC trusted anyone
mailer     mail/send                    alter    own PUBLIC                              at=2026-06-30T00:00:00Z                      no-write-down
mailer     mail/send/inner              alter    own PUBLIC                              at=2026-06-01T00:00:00Z                      permit outgoing; STANDARD trusted outbox
mailer     mail/send/inner              alter    own PUBLIC                              at=2027-06-29T23:59:59.999Z                  permit outgoing; STANDARD trusted outbox
mailer     mail/send/inner              alter    own PUBLIC                              at=2027-06-30T00:00:00Z                      no-write-down
mailer     mail/send/clinic             alter    own PUBLIC                              -                                            permit outgoing
mailer     search/notes                 append   own PUBLIC                              at=2027-06-30T00:00:00.499Z                  permit deposits; PUBLIC trusted trusted[2]
mailer     search/notes                 append   own PUBLIC                              at=2027-06-30T00:00:00.500Z                  no-write-down
mailer     search/ask                   alter    own PUBLIC                              -                                            not-granted, no-write-down

# Objects from the body: every one must permit.
planner    mail POST /tools/send_email  alter    own STANDARD                            body={"recipients":["a@example.org"]}        permit mails
planner    mail POST /tools/send_email  alter    own STANDARD                            body={"recipients":["a@example.org","x@y"]}  no-write-down
planner    mail POST /tools/send_email  alter    own PUBLIC                              body={"recipients":["a@example.org","x@y"]}  permit mails
planner    mail POST /tools/send_email  alter    own STANDARD                            body={"recipients":["a@example.org"],"cc":["x@y"]}  no-write-down
planner    mail POST /tools/send_email  alter    own RESTRICTED:clinical                 unread                                       permit mails
planner    mail POST /tools/send_email  alter    own RESTRICTED:bank                     unread                                       no-write-down
planner    mail POST /tools/send_email  alter    own STANDARD                            body={}                                      no-write-down
planner    mail GET /inbox/7            observe  own STANDARD                            -                                            permit inbox
# One rule serves all that need one; its label is the meet.
mailer     mail POST /tools/send_email  alter    own PUBLIC                              body={"recipients":["a@example.org","boss@partner.example"]}  permit outgoing; STANDARD trusted outbox
mailer     mail POST /tools/send_email  alter    own PUBLIC                              body={"recipients":["a@example.org","x@y"]}  no-write-down
mailer     mail POST /tools/send_email  alter    own PUBLIC                              body={"recipients":["a@clinic.example","boss@partner.example"]}  permit outgoing; STANDARD trusted outbox
mailer     mail POST /tools/send_email  alter    own PUBLIC                              body={"recipients":["a@example.org","x@y"]} at=2026-06-01T00:00:00Z  permit outgoing; PUBLIC trusted outbox,anyone
raised     mail POST /tools/send_email  alter    own RESTRICTED                          body={"recipients":["boss@partner.example","a@example.org"]}  permit grants[9]; STANDARD trusted reports

# Tasks: add to the matrix, and lift where the rule lifts, the body holds what is pinned, and the own label is free of
# what the rule excludes.
planner    bank/pay                     alter    own PUBLIC                              task=pay body={"recipient":"DE1"}            permit desk; PUBLIC task desk (adds)
planner    bank/pay                     alter    own PUBLIC                              task=pay body={"recipient":"DE2"}            not-granted
planner    bank/pay                     alter    own PUBLIC                              body={"recipient":"DE1"}                     not-granted
planner    bank/pay                     alter    own PUBLIC                              task=pay unread                              permit desk; PUBLIC task desk (adds)
planner    bank/pay                     alter    own PUBLIC                              task=pay                                     not-granted
planner    bank/pay                     alter    own CONFIDENTIAL:bank                   task=pay body={"recipient":"DE1"}            permit desk; PUBLIC task desk
planner    bank/pay                     alter    own PUBLIC over CONFIDENTIAL:clinical   task=pay body={"recipient":"DE1"}            permit desk; PUBLIC task desk (adds)
planner    bank/pay                     alter    own STANDARD over CONFIDENTIAL:clinical  task=pay body={"recipient":"DE1"}           no-write-down
planner    bank/pay                     alter    own RESTRICTED over RESTRICTED          task=pay body={"recipient":"DE1"}            permit desk; PUBLIC task desk
planner    bank/pay                     alter    own RESTRICTED                          task=pay body={"recipient":["DE1","DE1"]}    permit desk; PUBLIC task desk
planner    bank/pay                     alter    own RESTRICTED                          task=pay body={"recipient":["DE1","DE2"]}    not-granted, no-write-down
planner    bank/pay                     alter    own RESTRICTED                          task=pay body={"recipient":7}                not-granted, no-write-down
planner    bank/pay                     alter    own RESTRICTED                          task=pay body={"recipient":[]}               not-granted, no-write-down
planner    bank/pay                     observe  own PUBLIC                              task=pay body={"recipient":"DE1"}            not-granted
raised     bank/pay                     alter    own CONFIDENTIAL                        task=pay body={"recipient":"DE1"}            not-granted, no-write-down
planner    bank/pay                     alter    own RESTRICTED                          task=pay body={"recipient":"DE1"} at=2026-11-01T00:29:59.999Z  permit desk; PUBLIC task desk
planner    bank/pay                     alter    own RESTRICTED                          task=pay body={"recipient":"DE1"} at=2026-11-01T00:30:00Z  not-granted, no-write-down
planner    mail POST /tools/send_email  alter    own STANDARD                            task=mail body={"recipients":["x@y"]}        permit mails; PUBLIC task desk
planner    mail POST /tools/send_email  alter    own STANDARD                            task=mail body={"recipients":["x@y"],"cc":null}  permit mails; PUBLIC task desk
planner    mail POST /tools/send_email  alter    own STANDARD                            task=mail body={"recipients":["x@y"],"cc":["a@example.org"]}  no-write-down
planner    mail POST /tools/send_email  alter    own STANDARD                            task=mail body={"recipients":["x@y","x@z"]}  no-write-down
planner    mail POST /tools/send_email  alter    own STANDARD:clinical                   task=mail body={"recipients":["x@y"]}        no-write-down
planner    bank/balance                 observe  own PUBLIC                              task=pay                                     permit desk; PUBLIC task desk (adds)
# A rule that does not lift only adds.
planner    search/notes                 append   own PUBLIC                              task=notes target=/v1/notes                  permit clean-items
planner    wiki                         alter    own PUBLIC                              task=notes                                   permit helper; PUBLIC task helper (adds)
planner    wiki                         alter    own STANDARD                            task=notes                                   no-write-down

# The other gateway: a rule of that kind that gives just this label; then the floor does not bound it.
mailer     mail/send/inner              alter    stated STANDARD under trusted           -                                            permit outgoing; STANDARD trusted outbox
mailer     mail/send/inner              alter    stated STANDARD                         -                                            label-out-of-range
mailer     mail/send/inner              alter    stated STANDARD under guard             -                                            label-out-of-range
mailer     mail/send/inner              alter    stated STANDARD under task              -                                            label-out-of-range
mailer     mail/send/inner              alter    stated PUBLIC under trusted             -                                            label-out-of-range
mailer     mail/send/inner              alter    stated RESTRICTED:clinical under trusted  -                                          label-out-of-range, no-write-down
mailer     mail/send/inner              alter    stated STANDARD under trusted           at=2027-06-30T00:00:00Z                      label-out-of-range
mailer     mail/send                    alter    stated PUBLIC under trusted             -                                            label-out-of-range
mailer     mail POST /tools/send_email  alter    stated STANDARD under trusted           body={"recipients":["a@clinic.example","a@example.org"]}  permit outgoing; STANDARD trusted outbox
mailer     mail POST /tools/send_email  alter    stated STANDARD under trusted           body={"recipients":["a@clinic.example"]}     label-out-of-range
mailer     mail POST /tools/send_email  alter    stated STANDARD under trusted           body={"recipients":["a@example.org","x@y"]}  no-write-down
mailer     mail POST /tools/send_email  alter    stated PUBLIC under trusted             body={"recipients":["a@example.org","x@y"]} at=2026-06-01T00:00:00Z  permit outgoing; PUBLIC trusted outbox
mailer     mail POST /tools/send_email  alter    stated PUBLIC under trusted             unread at=2026-06-01T00:00:00Z               permit outgoing; PUBLIC trusted anyone
mailer     mail POST /tools/send_email  alter    stated STANDARD under trusted           unread                                       permit outgoing; STANDARD trusted outbox
raised     wiki/news                    observe  stated STANDARD under read-down         target=/news                                 permit grants[8]; STANDARD read-down grants[8]
raised     wiki/news                    observe  stated STANDARD                         target=/news                                 label-out-of-range
raised     wiki/news                    observe  stated PUBLIC under read-down           target=/news                                 label-out-of-range
raised     wiki/news                    alter    stated STANDARD under read-down         target=/news                                 label-out-of-range, not-granted
planner    wiki/page                    observe  stated PUBLIC under read-down           target=/wiki/Secret                          label-out-of-range
planner    wiki/page                    observe  stated PUBLIC under read-down           -                                            permit wiki-down; PUBLIC read-down wiki-down
raised     search/ask                   alter    stated PUBLIC under guard               target=/v1/search                            permit grants[10]; PUBLIC guard grants[10]
raised     search/ask                   alter    stated PUBLIC under guard               target=/v1/search?x                          label-out-of-range
raised     search/ask                   alter    stated PUBLIC under trusted             target=/v1/search                            label-out-of-range
raised     mail/send/boss               alter    stated STANDARD under trusted           -                                            permit grants[9]; STANDARD trusted reports
# Tasks there: the orchestrator's rule stands for the grant.
planner    bank/pay                     alter    stated PUBLIC under task                -                                            permit desk; PUBLIC task desk (adds)
planner    bank/pay                     alter    stated PUBLIC                           -                                            not-granted
raised     bank/pay                     alter    stated PUBLIC under task                -                                            permit desk; PUBLIC task desk
raised     bank/pay                     alter    stated PUBLIC under task                at=2027-01-01T00:00:00Z                      label-out-of-range, not-granted
raised     bank/pay                     observe  stated PUBLIC under task                -                                            label-out-of-range, not-granted
planner    wiki                         alter    stated PUBLIC:untrusted under task      -                                            permit helper; PUBLIC:untrusted task helper (adds)
raised     wiki                         observe  stated PUBLIC:untrusted under task      -                                            label-out-of-range, no-read-up
desk       bank/pay                     alter    stated PUBLIC under task                -                                            not-granted, no-write-down
"#;

/// Tasks that the table names, given on 2026-11-01.
fn task(policy: &Policy, name: &str) -> Task {
    let text = match name {
        "pay" => {
            r#"{"grants":[{"object":"bank/pay","values":{"/recipient":["DE1"]}},{"object":"bank/balance","modes":["observe"]}]}"#
        }
        "mail" => r#"{"grants":[{"object":"mail/send","values":{"/recipients":["x@y"],"/cc":[]}}]}"#,
        "notes" => r#"{"grants":[{"object":"search/notes"},{"object":"wiki","modes":["alter"]}]}"#,
        other => panic!("no task {other}"),
    };
    match policy.task(&id("desk"), &id("planner"), text, NOVEMBER) {
        Ok(task) => task,
        Err(error) => panic!("{error}"),
    }
}

/// 2026-11-01T00:00:00Z.
const NOVEMBER: Timestamp = Timestamp(1_793_491_200_000);

/// What stands under `with`.
#[derive(Default)]
struct With {
    target: Option<String>,
    body: Option<Value>,
    unread: bool,
    task: Option<Task>,
    at: Option<Timestamp>,
}

fn with(policy: &Policy, text: &str) -> With {
    let mut with = With::default();
    for word in text.split(' ').filter(|word| *word != "-") {
        match word.split_once('=') {
            None if word == "unread" => with.unread = true,
            Some(("target", target)) => with.target = Some(target.to_owned()),
            Some(("body", body)) => with.body = Some(serde_json::from_str(body).unwrap()),
            Some(("task", name)) => with.task = Some(task(policy, name)),
            Some(("at", at)) => with.at = Some(Timestamp::from_author(at).unwrap()),
            _ => panic!("not understood: {word}"),
        }
    }
    with
}

fn objects(policy: &Policy, text: &str, content: Content<'_>) -> Objects {
    let words: Vec<&str> = text.split(' ').collect();
    match words.as_slice() {
        [name] => Objects::one(policy.object(name).unwrap().clone()),
        [upstream, method, path] => {
            let shape = RequestShape { method, path, has_body: *method == "POST", upgrade: false };
            policy.resolve(policy.upstream(upstream).unwrap(), &shape, content).objects
        }
        _ => panic!("no object: {text}"),
    }
}

struct Given {
    own: bool,
    label: SecurityLabel,
    instance: SecurityLabel,
    rule: Option<bellgate_policy::RuleKind>,
}

fn given(policy: &Policy, text: &str) -> Given {
    let words: Vec<&str> = text.split(' ').collect();
    let (own, first, more) = match words.as_slice() {
        ["own", first] => (true, first, None),
        ["own", first, "over", instance] => (true, first, Some(instance)),
        ["stated", first] => (false, first, None),
        ["stated", first, "under", kind] => (false, first, Some(kind)),
        _ => panic!("no standing: {text}"),
    };
    Given {
        own,
        label: label(policy, first),
        instance: label(policy, if own { more.unwrap_or(first) } else { first }),
        rule: more.filter(|_| !own).map(|kind| kind.parse().unwrap()),
    }
}

fn told(policy: &Policy, verdict: &Verdict) -> String {
    match verdict {
        Verdict::Denial(denial) => {
            let codes: Vec<&str> = denial.reasons().iter().map(|one| one.code()).collect();
            codes.join(", ")
        }
        Verdict::Permit(permit) => {
            let rule = permit.decision().rule.as_deref().unwrap();
            let Some(downgrade) = permit.downgrade() else {
                assert_eq!(permit.states(), permit.current());
                return format!("permit {rule}");
            };
            assert_eq!(permit.states(), &downgrade.label);
            let adds = if downgrade.lifts { "" } else { " (adds)" };
            let label = policy.lattice().text(&downgrade.label);
            format!("permit {rule}; {label} {} {}{adds}", downgrade.kind, downgrade.rule)
        }
    }
}

#[test]
fn the_table_holds() {
    let policy = read(LIFTING);
    let mut wrong = Vec::new();
    for [subject, object, mode, standing, extra, expected] in rows(TABLE) {
        let with = with(&policy, extra);
        let content = match &with.body {
            Some(body) => Content::Json(body),
            None if with.unread => Content::Unread,
            None => Content::Nothing,
        };
        let given = given(&policy, standing);
        let objects = objects(&policy, object, content);
        let question = Question {
            subject: &id(subject),
            object: Asked::Several(&objects),
            mode: mode.parse().unwrap(),
            standing: if given.own {
                Standing::Own { watermark: &given.label, own: &given.instance, declared: None }
            } else {
                Standing::Stated { label: &given.label, rule: given.rule }
            },
            task: with.task.as_ref(),
            target: with.target.as_deref(),
            content,
            now: with.at.unwrap_or(NOVEMBER),
        };
        let verdict = decide(&policy, &question);
        let found = told(&policy, &verdict);
        if found != expected {
            wrong.push(format!("{subject} {object} {mode} {standing} {extra}: {expected}\n    found {found}"));
        }
        // What needs another's work before it leaves says so, and only to the caller's own gateway.
        if let Verdict::Permit(permit) = verdict {
            let kind = permit.downgrade().map(|downgrade| downgrade.kind.as_str()).filter(|_| given.own);
            assert_eq!(permit.read_down().is_some(), kind == Some("read-down"), "{subject} {object} {standing}");
            assert_eq!(permit.guard().is_some(), kind == Some("guard"), "{subject} {object} {standing}");
            assert_eq!(permit.release_guard().is_some(), given.own && object.contains("inbox"), "{object} {standing}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_a_rule_asks_of_the_gateway_is_in_the_permit() {
    let policy = read(LIFTING);
    let top = label(&policy, "RESTRICTED:clinical");
    let ask = |object: &str, mode, target| {
        let question = Question {
            subject: &id("planner"),
            object: Asked::Known(policy.object(object).unwrap()),
            mode,
            standing: Standing::Own { watermark: &top, own: &top, declared: None },
            task: None,
            target: Some(target),
            content: Content::Nothing,
            now: NOVEMBER,
        };
        decide(&policy, &question).permit().unwrap()
    };
    let permit = ask("wiki/page", Mode::Observe, "/wiki/Aspirin");
    let read_down = permit.read_down().unwrap();
    assert_eq!((&*read_down.rule, read_down.budget), ("wiki-down", 65_536));
    assert_eq!(read_down.headers, ["accept-language", "accept"]);
    assert_eq!(policy.lattice().text(permit.current()), "RESTRICTED:clinical");

    let permit = ask("search/item", Mode::Alter, "/v1/items/person");
    let guard = permit.guard().unwrap();
    assert_eq!((&*guard.rule, guard.capability.as_str()), ("clean-items", "deidentify"));
    for (name, value, kept) in [
        ("content-type", "application/json", true),
        ("content-type", "application/json; charset=utf-8", false),
        ("content-type", "Application/Json", false),
        ("x-kind", "a", true),
        ("x-kind", "c", false),
        ("x-kind", "", false),
        ("accept", "*/*", false),
        ("cookie", "a", false),
    ] {
        assert_eq!(guard.keeps(name, value.as_bytes()), kept, "{name}: {value}");
    }
    let standard = ask("search/ask", Mode::Alter, "/v1/search");
    let guard = standard.guard().unwrap();
    assert_eq!(guard.headers, ["accept", "content-type"]);
    assert!(guard.keeps("accept", b"application/json") && guard.keeps("content-type", b"text/plain"));
    assert!(!guard.keeps("content-type", b"application/json; x=the+patient+is"));

    let inbox = ask_inbox(&policy);
    let guard = inbox.release_guard().unwrap();
    assert_eq!((guard.statuses.as_slice(), guard.headers.len()), ([200, 404].as_slice(), 1));
    let handles = policy.subject_named("planner").unwrap().handles.clone().unwrap();
    assert_eq!((handles.limit, handles.life.as_secs()), (16, 7200));
    let standard = policy.subject_named("raised").unwrap().handles.clone().unwrap();
    assert_eq!((standard.limit, standard.life.as_secs()), (1024, 3600));
}

fn ask_inbox(policy: &Policy) -> bellgate_policy::Permit {
    let bottom = policy.lattice().bottom();
    let question = Question {
        subject: &id("planner"),
        object: Asked::Known(policy.object("mail/read").unwrap()),
        mode: Mode::Observe,
        standing: Standing::Own { watermark: &bottom, own: &bottom, declared: None },
        task: None,
        target: Some("/inbox/7"),
        content: Content::Nothing,
        now: NOVEMBER,
    };
    decide(policy, &question).permit().unwrap()
}

/// A small policy of one subject and a route whose bodies name `one` (STANDARD:x), `two` (RESTRICTED) and `three` (PUBLIC),
/// with these further rules.
fn small(grants: &str, trusted: &str) -> Policy {
    read(&format!(
        "
version: 1
categories: [x]
subjects:
  s: {{ id: spiffe://demo.bellgate.test/s, floor: PUBLIC, clearance: 'RESTRICTED:x', gateway: true }}
upstreams:
  o:
    web: o.test
    routes:
      m:
        path: /m
        manifest: k
        objects:
          at: /to
          cases:
            one: {{ equals: one, label: 'STANDARD:x' }}
            two: {{ equals: two, label: RESTRICTED }}
            three: {{ equals: three, label: PUBLIC }}
capabilities:
  run: {{ urn: 'urn:ab:run', sha256: {}, entry: run, label: 'RESTRICTED:x' }}
grants:
{grants}
  - {{ id: all, subject: s, object: o, modes: [alter] }}
{trusted}",
        "0".repeat(64)
    ))
}

fn to_all(policy: &Policy, to: &[&str], current: &str) -> String {
    let current = label(policy, current);
    let body = serde_json::json!({ "to": to });
    let objects = objects(policy, "o POST /m", Content::Json(&body));
    let question = Question {
        subject: &id("s"),
        object: Asked::Several(&objects),
        mode: Mode::Alter,
        standing: Standing::Own { watermark: &current, own: &current, declared: None },
        task: None,
        target: Some("/m"),
        content: Content::Json(&body),
        now: NOVEMBER,
    };
    told(policy, &decide(policy, &question))
}

#[test]
fn a_body_goes_through_one_guard_or_none() {
    let guard = |id: &str, object: &str| {
        format!(
            "  - {{ id: {id}, subject: s, object: {object}, modes: [alter], guard: {{ capability: run, label: PUBLIC, on: egress }} }}\n"
        )
    };
    let apart = [guard("g1", "o/m/one"), guard("g3", "o/m/three")].concat();
    let policy = small(&apart, "");
    assert_eq!(to_all(&policy, &["one"], "RESTRICTED"), "permit g1; PUBLIC guard g1");
    assert_eq!(to_all(&policy, &["one", "two"], "RESTRICTED"), "permit g1; PUBLIC guard g1");
    assert_eq!(to_all(&policy, &["one", "three"], "RESTRICTED"), "no-write-down");
    // One that covers both serves, wherever it stands; the same capability in two rules is two guards.
    let shared = small(&[apart.as_str(), &guard("g", "o/m")].concat(), "");
    assert_eq!(to_all(&shared, &["one", "three"], "RESTRICTED"), "permit g1; PUBLIC guard g");
    assert_eq!(to_all(&shared, &["one", "three", "other"], "RESTRICTED"), "permit g1; PUBLIC guard g");
}

#[test]
fn every_object_dominates_what_is_stated() {
    let trust = |id: &str, label: &str| {
        format!(
            "  - {{ id: {id}, subject: s, objects: [o/m/one], {label} reason: x, expires: 2027-01-01T00:00:00Z }}\n"
        )
    };
    let one_rule = small("", &format!("trusted:\n{}", trust("t1", "")));
    assert_eq!(to_all(&one_rule, &["one"], "CONFIDENTIAL"), "permit all; STANDARD:x trusted t1");
    // The second object is above what was read, and apart from what the rule states.
    assert_eq!(to_all(&one_rule, &["two"], "CONFIDENTIAL"), "permit all");
    assert_eq!(to_all(&one_rule, &["one", "two"], "CONFIDENTIAL"), "no-write-down");
    let lower = small("", &format!("trusted:\n{}", trust("t2", "label: STANDARD,")));
    assert_eq!(to_all(&lower, &["one", "two"], "CONFIDENTIAL"), "permit all; STANDARD trusted t2");
    // A rule more never permits less: both are named.
    let both = small("", &format!("trusted:\n{}{}", trust("t1", ""), trust("t2", "label: STANDARD,")));
    assert_eq!(to_all(&both, &["one"], "CONFIDENTIAL"), "permit all; STANDARD:x trusted t1");
    assert_eq!(to_all(&both, &["one", "two"], "CONFIDENTIAL"), "permit all; STANDARD trusted t1,t2");
}
