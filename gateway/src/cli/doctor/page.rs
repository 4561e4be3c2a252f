//! The findings as a page, or as one JSON object.

use std::fmt::Write as _;

use serde_json::json;

use super::finding::{Finding, Status};

/// How far the texts are moved in: status and code come first.
const CODE: usize = 18;

/// For a person: a line a check, and below it what was expected and what to do where it is not as it must be.
pub(super) fn text(findings: &[Finding]) -> String {
    let mut page = String::new();
    for finding in findings.iter().filter(|finding| finding.status != Status::Unseen) {
        put(&mut page, mark(finding.status), finding.check, &finding.found);
        put_part(&mut page, "expected", &finding.expected);
        put_part(&mut page, "do", &finding.todo);
    }
    let unseen: Vec<&Finding> = findings.iter().filter(|finding| finding.status == Status::Unseen).collect();
    if !unseen.is_empty() {
        page.push_str("\nwhat can't be seen from here\n");
        for finding in unseen {
            put(&mut page, "", finding.check, &finding.found);
            put_part(&mut page, "do", &finding.todo);
        }
    }
    let count = |status| findings.iter().filter(|finding| finding.status == status).count();
    let (ok, warn, fail) = (count(Status::Ok), count(Status::Warn), count(Status::Fail));
    // Writing to a string can't fail.
    let _ = writeln!(page, "\n{ok} ok, {warn} to look at, {fail} failed");
    page
}

/// For a program.
pub(super) fn json(findings: &[Finding]) -> String {
    let count = |status| findings.iter().filter(|finding| finding.status == status).count();
    let whole = json!({
        "checks": findings,
        "ok": count(Status::Ok), "warn": count(Status::Warn), "fail": count(Status::Fail), "unseen": count(Status::Unseen),
    });
    format!("{whole}\n")
}

fn mark(status: Status) -> &'static str {
    match status {
        Status::Ok => "ok",
        Status::Warn => "warn",
        Status::Fail => "FAIL",
        Status::Unseen => "-",
    }
}

fn put(page: &mut String, mark: &str, code: &str, text: &str) {
    let mut lines = text.lines();
    let _ = writeln!(page, "{mark:<5} {code:<CODE$} {}", lines.next().unwrap_or_default());
    for line in lines {
        let _ = writeln!(page, "{:<5} {:<CODE$} {line}", "", "");
    }
}

fn put_part(page: &mut String, name: &str, text: &str) {
    if !text.is_empty() {
        let _ = writeln!(page, "{:<5} {:>CODE$} {}", "", name, text.replace('\n', "\n                         "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_line_a_check_and_says_what_to_do() {
        let findings = [
            Finding::ok("config", "3 files read"),
            Finding::fail("state-folder", "mode 0755", "mode 0700", "chmod 0700 it"),
            Finding::unseen("floor", "whether the floor is true", "ask its author"),
        ];
        let expected = "\
ok    config             3 files read
FAIL  state-folder       mode 0755
                expected mode 0700
                      do chmod 0700 it

what can't be seen from here
      floor              whether the floor is true
                      do ask its author

1 ok, 0 to look at, 1 failed
";
        assert_eq!(text(&findings), expected);
        let value: serde_json::Value = serde_json::from_str(&json(&findings)).unwrap();
        assert_eq!(value["fail"], 1);
        assert_eq!(
            value["checks"][1],
            json!({"check": "state-folder", "status": "fail", "found": "mode 0755", "expected": "mode 0700", "do": "chmod 0700 it"})
        );
    }
}
