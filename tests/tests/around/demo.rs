//! The first command of the README, as a newcomer runs it.

use std::process::Command;

use bellgate_tests::bellgate;
use serde_json::Value;

#[test]
fn every_step_of_the_demo_goes_as_declared() {
    let folder = tempfile::tempdir().unwrap();
    let drawn = folder.path().join("labels.svg");
    let output = Command::new(bellgate()).args(["demo", "--once", "--json", "--draw"]).arg(&drawn).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let steps: Vec<&Value> = lines.iter().filter(|line| line["kind"] == "step").collect();
    let told: Vec<(&str, &str, &str)> =
        steps.iter().map(|step| (part(step, "from"), part(step, "to"), part(step, "verdict"))).collect();
    assert_eq!(
        told,
        [
            ("planner", "search", "permit"),
            ("planner", "gateway", "permit"),
            ("planner:1", "records", "permit"),
            ("planner:1", "search", "no-write-down"),
            ("planner:2", "search", "permit"),
            ("planner:1", "search", "permit"),
            ("planner:1", "summariser", "permit"),
            ("summariser", "search", "no-write-down"),
            ("planner", "vault", "no-read-up"),
            ("stranger", "records", "not-granted"),
            ("planner", "records", "manifest"),
            ("planner", "vault", "permit"),
            ("planner", "enclave", "permit"),
            ("planner", "enclave", "capability"),
            ("planner", "enclave", "capability"),
            ("planner", "records", "permit"),
            ("operator", "planner", "permit"),
            ("planner", "search", "permit"),
        ]
    );
    let request = part(steps[2], "why").rsplit(' ').next().unwrap();
    assert!(part(steps[3], "why").contains(request), "{}", steps[3]);
    assert!(part(steps[7], "why").starts_with("because of what planner handed on at "), "{}", steps[7]);
    for identifier in ["Example", "1957"] {
        assert!(!part(steps[5], "why").contains(identifier), "{}", steps[5]);
    }
    for table in ["events", "decisions", "stream_tokens", "capability_calls"] {
        let row = lines.iter().find(|line| line["kind"] == "silver" && line["table"] == table);
        let uuid = row.unwrap()["row"]["entity_uuid"].as_str().unwrap();
        assert_eq!((uuid.len(), &uuid[14..15]), (36, "5"), "{uuid}");
    }
    let picture = std::fs::read_to_string(&drawn).unwrap();
    for text in
        ["summariser", "no-write-down, because of records/patient", "because of what planner handed on", "reset by uid"]
    {
        assert!(picture.contains(text), "`{text}` is not in the picture");
    }
    assert!(lines.iter().filter(|line| line["kind"] == "check").all(|line| line["holds"] == true));
}

fn part<'a>(line: &'a Value, name: &str) -> &'a str {
    line[name].as_str().unwrap()
}
