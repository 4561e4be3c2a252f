//! Questions asked offline.

use bellgate_policy::offline::{Inquiry, MAX_LINE_BYTES, answer, answer_line, explain, summary};

use bellgate_policy::Timestamp;

use crate::world::{rows, world};

const TABLE: &str = "
# subject                                  object         mode     current                   verdict
planner                                    search/ask     alter    -                         permit
spiffe://demo.bellgate.test/planner        search/ask     alter    -                         permit
planner                                    search/ask     alter    RESTRICTED:clinical       no-write-down
planner                                    vault/deposit  append   RESTRICTED:clinical       permit
planner                                    records        alter    CONFIDENTIAL:clinical     permit
planner                                    vault          observe  -                         no-read-up
reader                                     search         observe  -                         no-write-down
reader                                     search         observe  PUBLIC                    label-out-of-range
plain                                      search/ask     alter    PUBLIC                    permit
plain                                      search/ask     alter    RESTRICTED                label-out-of-range,no-write-down
planner                                    nowhere        observe  -                         not-granted
spiffe://demo.bellgate.test/stranger       search         observe  -                         unknown-subject
spiffe://demo.bellgate.test/stranger       search         observe  PUBLIC                    unknown-subject
";

const NOW: Timestamp = Timestamp(1_793_491_200_000);

/// A question of which only the least is asked.
fn nothing_more() -> Inquiry {
    serde_json::from_str(r#"{"subject":"","object":"","mode":""}"#).unwrap()
}

#[test]
fn the_table_holds_from_words_and_from_lines() {
    let policy = world();
    for [subject, object, mode, current, expected] in rows(TABLE) {
        let inquiry = Inquiry {
            subject: subject.to_owned(),
            object: object.to_owned(),
            mode: mode.to_owned(),
            current: (current != "-").then(|| current.to_owned()),
            ..nothing_more()
        };
        let record = answer(&policy, &inquiry, NOW).unwrap();
        let codes: Vec<&str> = record.reasons.iter().map(|reason| reason.code()).collect();
        let found = if record.permit { String::from("permit") } else { codes.join(",") };
        assert_eq!(found, expected, "{subject} {object} {mode} {current}");

        let mut line = serde_json::json!({ "subject": subject, "object": object, "mode": mode });
        if let Some(current) = &inquiry.current {
            line["current"] = serde_json::json!(current);
        }
        let answered = serde_json::to_value(answer_line(&policy, 1, line.to_string().as_bytes(), NOW)).unwrap();
        assert_eq!(answered, serde_json::to_value(&record).unwrap());
    }
}

#[test]
fn a_bad_line_is_told_what_was_wrong() {
    let policy = world();
    let question = |subject: &str, mode: &str, current: &str| {
        format!(r#"{{"subject":"{subject}","object":"search","mode":"{mode}","current":"{current}"}}"#)
    };
    for (line, part) in [
        (String::new(), "EOF while parsing"),
        (String::from("{"), "EOF while parsing"),
        (String::from("[]"), "expected {\"subject\", \"object\", \"mode\", \"current\"?,"),
        (String::from(r#"{"subject":"planner","object":"search"}"#), "missing field `mode`"),
        (String::from(r#"{"subject":"planner","object":"search","mode":7}"#), "invalid type: integer `7`"),
        (
            String::from(r#"{"subject":"planner","object":"search","mode":"alter","colour":"red"}"#),
            "unknown field `colour`",
        ),
        (
            String::from(r#"{"subject":"a","subject":"b","object":"search","mode":"alter"}"#),
            "duplicate field `subject`",
        ),
        (question("planer", "alter", "PUBLIC"), "`planer` is not a subject of the policy, did you mean `planner`?"),
        (question("spiffe://Demo/x", "alter", "PUBLIC"), "holds `D`"),
        (
            question("planner", "read", "PUBLIC"),
            "`read` is not an access mode: write `observe`, `append`, `alter` or `execute`",
        ),
        (question("planner", "alter", "SECRET"), "current label: `SECRET` is not a level"),
    ] {
        let answered = answer_line(&policy, 7, line.as_bytes(), NOW);
        assert!(answered.is_error());
        let json = serde_json::to_value(&answered).unwrap();
        assert_eq!(json["line"], 7);
        let told = json["error"].as_str().unwrap();
        assert!(told.contains(part), "{line}: {told}");
    }
}

#[test]
fn a_line_is_held_at_its_limit() {
    let policy = world();
    let question = r#"{"subject":"planner","object":"search","mode":"alter"}"#;
    for (length, ok) in [(MAX_LINE_BYTES - 1, true), (MAX_LINE_BYTES, true), (MAX_LINE_BYTES + 1, false)] {
        let line = format!("{question}{}", " ".repeat(length - question.len()));
        assert_eq!(answer_line(&policy, 7, line.as_bytes(), NOW).is_error(), !ok, "{length}");
    }
}

#[test]
fn a_person_reads_the_verdict_the_labels_why_and_what_next() {
    let policy = world();
    let text = |current: Option<&str>, object: &str, mode: &str| {
        let inquiry = Inquiry {
            subject: String::from("planner"),
            object: object.to_owned(),
            mode: mode.to_owned(),
            current: current.map(str::to_owned),
            ..nothing_more()
        };
        explain(&policy, &inquiry, &answer(&policy, &inquiry, NOW).unwrap(), NOW)
    };
    assert_eq!(
        text(Some("RESTRICTED:clinical"), "search/ask", "alter"),
        "\
refused: no-write-down

  planner (spiffe://demo.bellgate.test/planner) may not alter search/ask.

  current label   RESTRICTED:clinical
  object's label  PUBLIC
  clearance       RESTRICTED:clinical,untrusted
  rule            grants[0]

  why             no-write-down: PUBLIC does not dominate RESTRICTED:clinical: PUBLIC is below RESTRICTED, and it lacks clinical.

  next            fresh-instance: do this in a fresh instance, before it reads anything: its label starts at PUBLIC.
  or              reset: ask an operator for a reset, once nothing of what was read is left: `bellgate label reset --reason ..`.
"
    );
    assert_eq!(
        text(None, "records", "observe"),
        "\
permitted

  planner (spiffe://demo.bellgate.test/planner) may observe records.

  current label   PUBLIC   (the floor: none was given)
  object's label  CONFIDENTIAL:clinical
  clearance       RESTRICTED:clinical,untrusted
  rule            grants[1]

  why             grants[1] grants it;
                  no read up: RESTRICTED:clinical,untrusted dominates CONFIDENTIAL:clinical;
                  no write down: CONFIDENTIAL:clinical dominates PUBLIC.
"
    );
    let missing = text(None, "nowhere", "observe");
    assert!(missing.contains("none: the policy has no object of this name"), "{missing}");
    assert!(missing.contains("check the name of the object"), "{missing}");
}

#[test]
fn a_question_can_have_a_target_a_body_a_task_a_rule_and_a_time() {
    let policy = crate::world::read(crate::lifting::LIFTING);
    let ask = |question: &str| {
        let answer = answer_line(&policy, 3, question.as_bytes(), NOW);
        summary(&answer).replace("spiffe://demo.bellgate.test/", "")
    };
    let task = r#""orchestrator":"desk","task":{"grants":[{"object":"bank/pay","values":{"/recipient":["DE1"]}}]}"#;
    for (question, expected) in [
        (
            String::from(
                r#"{"subject":"planner","object":"wiki/page","mode":"observe","current":"RESTRICTED","target":"/wiki/Aspirin"}"#,
            ),
            "permit planner observe wiki/page: wiki-down, as PUBLIC under read-down wiki-down",
        ),
        (
            String::from(
                r#"{"subject":"planner","object":"mail/send","mode":"alter","current":"STANDARD","body":{"recipients":["a@example.org"]}}"#,
            ),
            "permit planner alter mail/send/inner: mails",
        ),
        (
            String::from(r#"{"subject":"planner","object":"mail/send","mode":"alter","current":"STANDARD"}"#),
            "refuse planner alter mail/send: no-write-down",
        ),
        (
            format!(
                r#"{{"subject":"planner","object":"bank/pay","mode":"alter",{task},"body":{{"recipient":"DE1"}}}}"#
            ),
            "permit planner alter bank/pay: desk, as PUBLIC under task desk",
        ),
        (
            format!(
                r#"{{"subject":"planner","object":"bank/pay","mode":"alter",{task},"body":{{"recipient":"DE2"}}}}"#
            ),
            "refuse planner alter bank/pay: not-granted",
        ),
        (
            format!(r#"{{"subject":"planner","object":"bank/pay","mode":"alter",{task}}}"#),
            "permit planner alter bank/pay: desk, as PUBLIC under task desk",
        ),
        (
            format!(r#"{{"subject":"planner","object":"bank/pay","mode":"alter",{task},"at":"2027-01-01T00:00:00Z"}}"#),
            "error line 3: task: the rule that lets `desk` open tasks expired at 2027-01-01T00:00:00.000Z: have it renewed under `orchestrators`",
        ),
        (
            String::from(
                r#"{"subject":"raised","object":"mail/send/boss","mode":"alter","current":"STANDARD","rule":"trusted"}"#,
            ),
            "permit raised alter mail/send/boss: grants[9], as STANDARD under trusted reports",
        ),
        (
            String::from(
                r#"{"subject":"raised","object":"mail/send/boss","mode":"alter","current":"STANDARD","rule":"guard"}"#,
            ),
            "refuse raised alter mail/send/boss: label-out-of-range",
        ),
        (
            String::from(r#"{"subject":"raised","object":"mail/send/boss","mode":"alter","current":"STANDARD"}"#),
            "refuse raised alter mail/send/boss: label-out-of-range",
        ),
        (
            String::from(r#"{"subject":"planner","object":"wiki","mode":"observe","rule":"lifted"}"#),
            "error line 3: `lifted` is not a kind of rule: expected `read-down`, `trusted`, `guard` or `task`",
        ),
        (
            String::from(r#"{"subject":"planner","object":"wiki","mode":"observe","at":"tomorrow"}"#),
            "error line 3: `tomorrow` is not a time in UTC: write it as `2027-06-30T00:00:00Z` (RFC 3339)",
        ),
        (
            String::from(r#"{"subject":"planner","object":"wiki","mode":"observe","orchestrator":"desk"}"#),
            "error line 3: `task` and `orchestrator` go together: give both, or neither",
        ),
    ] {
        assert_eq!(ask(&question), expected, "{question}");
    }
}

#[test]
fn a_person_reads_what_was_lifted_and_as_what_it_goes() {
    let policy = crate::world::read(crate::lifting::LIFTING);
    let text = |question: &str| {
        let inquiry: Inquiry = serde_json::from_str(question).unwrap();
        explain(&policy, &inquiry, &answer(&policy, &inquiry, NOW).unwrap(), NOW)
    };
    assert_eq!(
        text(r#"{"subject":"mailer","object":"mail/send/boss","mode":"alter"}"#),
        "\
permitted

  mailer (spiffe://demo.bellgate.test/mailer) may alter mail/send/boss.

  current label   RESTRICTED:clinical   (the floor: none was given)
  object's label  STANDARD
  clearance       RESTRICTED:clinical
  rule            outgoing

  why             outgoing grants it;
                  no read up: RESTRICTED:clinical dominates STANDARD;
                  no write down: lifted by outbox (trusted), and so it goes as STANDARD.
                  (as far as can be said without a body)
"
    );
    let refused = text(r#"{"subject":"planner","object":"search/ask","mode":"alter","current":"RESTRICTED"}"#);
    assert!(refused.contains("  or              guard: rule `clean-search` lets content through"), "{refused}");
    let adds = text(
        r#"{"subject":"planner","object":"bank/pay","mode":"alter","orchestrator":"desk","task":{"grants":[{"object":"bank/pay","values":{"/recipient":[]}}]},"body":{}}"#,
    );
    assert!(adds.contains("no write down: PUBLIC dominates PUBLIC."), "{adds}");
}
