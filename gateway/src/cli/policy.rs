//! `bellgate policy`: what a policy answers, without a gateway. `decide` takes one question from flags, or JSON lines from standard
//! input to one verdict a line; `explain` tells why, of a supposed question or of a request that an audit log has.
//!
//! Status 0 where every question was answered, whatever the verdicts; 2 where one could not be understood; 78 where the policy is
//! wrong. `decide` reads the policy and standard input, and nothing else.

mod explain;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use bellgate_policy::offline::{self, Inquiry, LineAnswer, MAX_LINE_BYTES};
use bellgate_policy::{Policy, Timestamp};
use clap::{Subcommand, ValueEnum};

use super::exit;
use crate::config;

/// What can be asked of a policy.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Decide one question from flags, or JSON lines from standard input
    ///
    /// Without --subject, each line of standard input is a question,
    /// {"subject": "planner", "object": "search", "mode": "alter", "current": "PUBLIC"}, "current" optional; further members are
    /// named like the flags. It is answered by one line. Exit status: 0 if every question was answered, 2 if one could not be understood, 78 if the policy is wrong.
    Decide(Decide),
    /// Tell why: of a request in an audit log, or of a supposed one
    ///
    /// From an audit log: which labels were compared, what was read before and in which request, how the label came to where it
    /// was, and what can be done. From flags: the same for a subject that has read what --after names, in that order.
    Explain(explain::Args),
}

#[derive(clap::Args)]
struct Decide {
    /// The policy.
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Who asks: a subject's name in the policy, or a SPIFFE ID.
    #[arg(long, value_name = "NAME|ID", requires_all = ["object", "mode"])]
    subject: Option<String>,
    /// For what: an upstream, upstream/route, or a capability.
    #[arg(long, value_name = "NAME", requires = "subject")]
    object: Option<String>,
    /// How: observe, append, alter or execute.
    #[arg(long, value_name = "MODE", requires = "subject")]
    mode: Option<String>,
    /// The subject's current label; its floor, as of a fresh instance, where left out.
    #[arg(long, value_name = "LABEL", requires = "subject")]
    current: Option<String>,
    /// The target, path with query: for rules with path templates.
    #[arg(long, value_name = "TARGET", requires = "subject")]
    target: Option<String>,
    /// The body as JSON: for objects that it names, and values that a task pins.
    #[arg(long, value_name = "JSON", requires = "subject", value_parser = json)]
    body: Option<serde_json::Value>,
    /// Ask as the other gateway would, told that the request goes under such a rule: read-down, trusted, guard or task.
    #[arg(long, value_name = "KIND", requires = "subject")]
    rule: Option<String>,
    /// The task of the request, as Bellgate-Task has it.
    #[arg(long, value_name = "JSON", requires_all = ["orchestrator", "subject"], value_parser = json)]
    task: Option<serde_json::Value>,
    /// Who gave the task: a subject's name in the policy, or a SPIFFE ID.
    #[arg(long, value_name = "NAME|ID", requires = "task")]
    orchestrator: Option<String>,
    /// The time of the question, such as 2027-01-01T00:00:00Z, since rules expire; now where left out.
    #[arg(long, value_name = "TIME", requires = "subject")]
    at: Option<String>,
    /// How to tell the verdict; text for flags, json for lines where left out.
    #[arg(long, value_enum)]
    format: Option<Format>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a person.
    Text,
    /// One object a line.
    Json,
}

/// Runs the command to its end.
pub(crate) fn run(args: Args) -> ExitCode {
    let decide = match args.command {
        Command::Decide(decide) => decide,
        Command::Explain(args) => return explain::run(&args),
    };
    let policy = match config::load_policy(&decide.policy) {
        Ok(policy) => policy,
        Err(mistakes) => {
            eprintln!("{mistakes}");
            return ExitCode::from(exit::CONFIG);
        }
    };
    let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
    let done = match decide.inquiry() {
        Some(inquiry) => one(&policy, &inquiry, decide.format.unwrap_or(Format::Text), &mut out, &mut err),
        None => {
            let mut lines = BufReader::new(io::stdin().lock());
            all(&policy, decide.format.unwrap_or(Format::Json), &mut lines, &mut out)
        }
    };
    match done {
        Ok(Understood::All) => ExitCode::SUCCESS,
        Ok(Understood::NotAll) => ExitCode::from(exit::USAGE),
        // Who read the verdicts has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do where this can't be told either.
            let _ = writeln!(err, "reading questions or writing verdicts failed: {error}");
            ExitCode::from(exit::SYSTEM)
        }
    }
}

/// Whether every question was one.
#[derive(Debug, PartialEq, Eq)]
enum Understood {
    All,
    NotAll,
}

impl Decide {
    /// The question that the flags ask; clap holds that they ask a whole one or none.
    fn inquiry(&self) -> Option<Inquiry> {
        Some(Inquiry {
            subject: self.subject.clone()?,
            object: self.object.clone()?,
            mode: self.mode.clone()?,
            current: self.current.clone(),
            target: self.target.clone(),
            body: self.body.clone(),
            rule: self.rule.clone(),
            orchestrator: self.orchestrator.clone(),
            task: self.task.clone(),
            at: self.at.clone(),
        })
    }
}

fn json(text: &str) -> Result<serde_json::Value, serde_json::Error> {
    serde_json::from_str(text)
}

/// The wall time: rules expire by it.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn one(
    policy: &Policy,
    inquiry: &Inquiry,
    format: Format,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Understood> {
    let now = now();
    match offline::answer(policy, inquiry, now) {
        Ok(record) => {
            match format {
                Format::Text => out.write_all(offline::explain(policy, inquiry, &record, now).as_bytes())?,
                Format::Json => write_json(out, &LineAnswer::Verdict(Box::new(record)))?,
            }
            out.flush()?;
            Ok(Understood::All)
        }
        Err(error) => {
            writeln!(err, "{error}")?;
            Ok(Understood::NotAll)
        }
    }
}

/// Answers every line by one line, the blank ones too, so that questions and answers can be laid side by side.
fn all<R: Read>(
    policy: &Policy,
    format: Format,
    lines: &mut BufReader<R>,
    out: &mut impl Write,
) -> io::Result<Understood> {
    let mut understood = Understood::All;
    let mut line = Vec::new();
    let mut number = 0;
    while next_line(lines, &mut line)? {
        number += 1;
        let answer = offline::answer_line(policy, number, &line, now());
        if answer.is_error() {
            understood = Understood::NotAll;
        }
        match format {
            Format::Text => writeln!(out, "{}", offline::summary(&answer))?,
            Format::Json => write_json(out, &answer)?,
        }
        // Whoever asks line by line waits for the answer; a file is answered in large writes.
        if lines.buffer().is_empty() {
            out.flush()?;
        }
    }
    out.flush()?;
    Ok(understood)
}

/// Reads a line without its end into `line`, at most one byte more than a line may have; the rest of such a line is dropped.
/// `false` at the end of the input.
fn next_line(lines: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let most = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX).saturating_add(2);
    if lines.by_ref().take(most).read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    if line.pop_if(|last| *last == b'\n').is_some() {
        line.pop_if(|last| *last == b'\r');
    } else if line.len() > MAX_LINE_BYTES {
        lines.skip_until(b'\n')?;
    }
    Ok(true)
}

fn write_json(out: &mut impl Write, answer: &LineAnswer) -> io::Result<()> {
    serde_json::to_writer(&mut *out, answer)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "\
version: 1
subjects:
  planner: { id: spiffe://td.test/planner, floor: PUBLIC, clearance: RESTRICTED, gateway: true }
upstreams:
  search: { web: search.test, label: PUBLIC }
grants:
  - { subject: planner, object: search, modes: [alter] }
";
    const QUESTION: &str = r#"{"subject":"planner","object":"search","mode":"alter"}"#;

    fn policy() -> Policy {
        Policy::parse("policy.yaml", POLICY).unwrap()
    }

    fn asked(input: &[u8], format: Format) -> (Understood, Vec<String>) {
        let mut out = Vec::new();
        let understood = all(&policy(), format, &mut BufReader::with_capacity(16, input), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        (understood, text.lines().map(str::to_owned).collect())
    }

    #[test]
    fn every_line_gets_one_line_and_a_bad_one_stops_nothing() {
        let input = format!("{QUESTION}\n\nnonsense\r\n\u{0}\n{QUESTION}\r\n{QUESTION}");
        let (understood, lines) = asked(input.as_bytes(), Format::Json);
        assert_eq!(understood, Understood::NotAll);
        let starts: Vec<&str> = lines.iter().map(|line| line.split([',', '"']).nth(1).unwrap()).collect();
        assert_eq!(starts, ["permit", "line", "line", "line", "permit", "permit"]);
        assert!(lines[2].starts_with(r#"{"line":3,"error":"the line is no question: "#), "{}", lines[2]);
        assert_eq!(asked(format!("{QUESTION}\n").as_bytes(), Format::Json).0, Understood::All);
        assert_eq!(asked(b"", Format::Json), (Understood::All, Vec::new()));
    }

    #[test]
    fn lines_that_are_not_utf8_or_too_long_are_told_and_passed_over() {
        let mut input = b"{\"subject\":\"\xff\"}\n".to_vec();
        for length in [MAX_LINE_BYTES - 1, MAX_LINE_BYTES, MAX_LINE_BYTES + 1, MAX_LINE_BYTES * 3] {
            let padding = " ".repeat(length - QUESTION.len());
            input.extend(format!("{QUESTION}{padding}\n").into_bytes());
        }
        input.extend(QUESTION.as_bytes());
        let (understood, lines) = asked(&input, Format::Text);
        assert_eq!(understood, Understood::NotAll);
        let permits: Vec<bool> = lines.iter().map(|line| line.starts_with("permit")).collect();
        assert_eq!(permits, [false, true, true, false, false, true]);
        assert_eq!(lines[3], "error line 4: the line is longer than 65536 bytes");
    }

    #[test]
    fn a_line_in_text_says_verdict_and_why() {
        let refused = QUESTION.replace('}', r#","current":"RESTRICTED"}"#);
        let (_, lines) = asked(format!("{QUESTION}\n{refused}\n").as_bytes(), Format::Text);
        assert_eq!(
            lines,
            [
                "permit spiffe://td.test/planner alter search: grants[0]",
                "refuse spiffe://td.test/planner alter search: no-write-down",
            ]
        );
    }

    #[test]
    fn one_question_is_told_as_text_or_json_and_a_bad_one_on_standard_error() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut inquiry: Inquiry = serde_json::from_str(QUESTION).unwrap();
        let understood = one(&policy(), &inquiry, Format::Text, &mut out, &mut err).unwrap();
        assert_eq!(understood, Understood::All);
        assert!(String::from_utf8(out.split_off(0)).unwrap().starts_with("permitted\n"));
        one(&policy(), &inquiry, Format::Json, &mut out, &mut err).unwrap();
        assert!(out.starts_with(br#"{"permit":true,"reasons":[],"#));
        inquiry.mode = String::from("read");
        out.clear();
        let understood = one(&policy(), &inquiry, Format::Json, &mut out, &mut err).unwrap();
        assert_eq!((understood, out.len()), (Understood::NotAll, 0));
        assert!(String::from_utf8(err).unwrap().starts_with("`read` is not an access mode"));
    }
}
