//! Policy files that must be read, that must be refused, and that must be warned about, each with the exact messages
//! beside it (`.txt`). `BLESS=1` writes the messages anew.

#![expect(clippy::disallowed_methods, reason = "fixtures are files")]

use std::fs;
use std::path::{Path, PathBuf};

use bellgate_policy::{Diagnostics, Policy};

fn files(folder: &str) -> Vec<(PathBuf, String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder);
    let mut found: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            (path, name, text)
        })
        .collect();
    assert!(!found.is_empty(), "{}", folder.display());
    found.sort();
    found
}

fn compare(path: &Path, found: &str) {
    let beside = path.with_extension("txt");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&beside, found).unwrap();
    }
    let expected = fs::read_to_string(&beside).unwrap_or_default();
    assert_eq!(found, expected, "{}", beside.display());
}

#[test]
fn what_is_right_is_read() {
    for (_, name, text) in files("accept") {
        if let Err(mistakes) = Policy::parse(&name, &text) {
            panic!("{mistakes}");
        }
    }
}

#[test]
fn what_is_wrong_is_refused_with_all_that_is_wrong() {
    for (path, name, text) in files("reject") {
        match Policy::parse(&name, &text) {
            Ok(_) => panic!("{name} was read"),
            Err(mistakes) => compare(&path, &format!("{mistakes}\n")),
        }
    }
}

#[test]
fn what_can_hardly_be_meant_is_warned_of() {
    for (path, name, text) in files("warn") {
        let policy = crate::world::read(&text);
        assert_eq!(policy.file(), "policy.yaml");
        let warnings = Policy::parse(&name, &text).unwrap().warnings();
        assert!(!warnings.is_empty(), "{name}");
        compare(&path, &format!("{}\n", Diagnostics(warnings)));
    }
}

#[test]
fn the_starter_policy_is_right_and_means_what_it_says() {
    let starter = crate::world::read(include_str!("../../starter.yaml"));
    assert_eq!(starter.warnings(), []);
}

/// The starter policy with all its examples taken in.
fn whole_starter() -> String {
    let starter = include_str!("../../starter.yaml");
    let mut whole = String::new();
    for line in starter.lines() {
        let (indent, comment) = line.split_at(line.len() - line.trim_start().len());
        // A comment for a person begins with one space, or three; an example with none, or with what YAML nests by.
        let prose = |text: &str| text.is_empty() || (text.len() - text.trim_start().len()) % 2 == 1;
        match comment.strip_prefix('#').filter(|text| !prose(text)) {
            Some(example) => whole.push_str(&format!("{indent}{example}\n")),
            None => whole.push_str(&format!("{line}\n")),
        }
    }
    let planner = "clearance: \"RESTRICTED:clinical\"\n    gateway: true\n    # Handles";
    assert!(whole.contains(planner) && whole.contains("<64 hex digits>"));
    whole
        // As the comment on `web` says.
        .replace(planner, &planner.replace("clinical\"", "clinical,untrusted\""))
        .replace("<64 hex digits>", &"0".repeat(64))
}

#[test]
fn the_starter_policys_examples_are_right_too() {
    let text = whole_starter();
    let policy = match Policy::parse("starter.yaml", &text) {
        Ok(policy) => policy,
        Err(mistakes) => panic!("{mistakes}\n{text}"),
    };
    assert_eq!(policy.file(), "starter.yaml");
    let told: Vec<String> = policy.warnings().iter().map(ToString::to_string).collect();
    // The planner can rise to what the guard may not see: one warning, and it is true.
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("guard `deidentify` may be given content up to RESTRICTED:clinical"), "{told:?}");
    assert!(policy.capability("deidentify").is_some() && policy.upstream("web").is_some());
    assert!(policy.subject_named("planner").is_some_and(|planner| planner.handles.is_some()));
    assert!(policy.object("mail/send/partners").is_some());
    let planner = crate::world::id("planner");
    assert_eq!(policy.guards_of(&planner).count(), 1);
    assert_eq!(policy.read_downs_of(&planner).map(|rule| rule.budget).collect::<Vec<_>>(), [65_536]);
}

#[test]
fn the_starter_policys_examples_do_what_their_comments_say() {
    let policy = crate::world::read(&whole_starter());
    let ask = |question: &str| {
        let answer =
            bellgate_policy::offline::answer_line(&policy, 1, question.as_bytes(), bellgate_policy::Timestamp(0));
        bellgate_policy::offline::summary(&answer).replace("spiffe://demo.bellgate.test/", "")
    };
    for (question, expected) in [
        (
            r#"{"subject":"planner","object":"web","mode":"observe","current":"RESTRICTED:clinical","target":"/wiki/Aspirin"}"#,
            "permit planner observe web: grants[3], as PUBLIC:untrusted under read-down look-up",
        ),
        (
            r#"{"subject":"planner","object":"web","mode":"observe","current":"RESTRICTED:clinical","target":"/wiki/Secret"}"#,
            "refuse planner observe web: no-write-down",
        ),
        (
            r#"{"subject":"planner","object":"search","mode":"alter","current":"RESTRICTED:clinical","target":"/v1/search"}"#,
            "permit planner alter search: grants[0], as PUBLIC under guard search-without-names",
        ),
        (
            r#"{"subject":"planner","object":"mail/send","mode":"alter","current":"RESTRICTED:clinical","body":{"recipients":["a@example.org"]}}"#,
            "permit planner alter mail/send/inner: grants[5]",
        ),
        (
            r#"{"subject":"planner","object":"mail/send","mode":"alter","current":"RESTRICTED","body":{"recipients":["a@example.org","lab@partner.example"]}}"#,
            "refuse planner alter mail/send/partners: no-write-down",
        ),
        (
            r#"{"subject":"mailer","object":"mail/send","mode":"alter","body":{"recipients":["lab@partner.example"]}}"#,
            "permit mailer alter mail/send/partners: grants[6], as STANDARD under trusted outbox",
        ),
        (
            r#"{"subject":"mailer","object":"mail/send","mode":"alter","body":{"recipients":["lab@partner.example"]},"at":"2030-01-01T00:00:00Z"}"#,
            "refuse mailer alter mail/send/partners: no-write-down",
        ),
        (
            r#"{"subject":"planner","object":"mail/send","mode":"alter","current":"RESTRICTED","body":{"recipients":["lab@partner.example"]},"orchestrator":"desk","task":{"grants":[{"object":"mail/send","values":{"/recipients":["lab@partner.example"],"/cc":[]}}]}}"#,
            "permit planner alter mail/send/partners: grants[5], as STANDARD under task desk",
        ),
        (
            r#"{"subject":"planner","object":"mail/send","mode":"alter","current":"RESTRICTED:clinical","body":{"recipients":["lab@partner.example"]},"orchestrator":"desk","task":{"grants":[{"object":"mail/send","values":{"/recipients":["lab@partner.example"],"/cc":[]}}]}}"#,
            "refuse planner alter mail/send/partners: no-write-down",
        ),
    ] {
        assert_eq!(ask(question), expected, "{question}");
    }
}
