//! The first command of the README, as a newcomer runs it.

use std::process::Command;

use bellgate_tests::bellgate;
use serde_json::Value;

#[test]
fn every_step_of_the_demo_goes_as_declared() {
    let output = Command::new(bellgate()).args(["demo", "--once", "--json"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let verdicts: Vec<&str> =
        lines.iter().filter(|line| line["kind"] == "step").map(|line| line["verdict"].as_str().unwrap()).collect();
    assert_eq!(
        verdicts,
        [
            "permit",
            "permit",
            "no-write-down",
            "no-read-up",
            "not-granted",
            "manifest",
            "permit",
            "permit",
            "capability",
            "capability",
            "permit"
        ]
    );
    let refused = lines.iter().find(|line| line["verdict"] == "no-write-down").unwrap();
    let read = lines.iter().find(|line| line["sent"] == "GET /v1/patients/4711").unwrap();
    let request = read["why"].as_str().unwrap().rsplit(' ').next().unwrap();
    assert!(refused["why"].as_str().unwrap().contains(request), "{refused}");
    for table in ["events", "decisions", "stream_tokens", "capability_calls"] {
        let row = lines.iter().find(|line| line["kind"] == "silver" && line["table"] == table);
        let uuid = row.unwrap()["row"]["entity_uuid"].as_str().unwrap();
        assert_eq!((uuid.len(), &uuid[14..15]), (36, "5"), "{uuid}");
    }
    assert!(lines.iter().filter(|line| line["kind"] == "check").all(|line| line["holds"] == true));
}
