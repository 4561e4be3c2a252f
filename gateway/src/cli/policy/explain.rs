//! `bellgate policy explain`: why something was, or would be, permitted or refused, and what can be done about it.
//!
//! What holds: of a request in an audit log nothing is decided again; what its gateway recorded is told. A policy beside it adds names and
//! what can be done, and is compared with the one that decided. A supposed question is answered by the gateway's own `decide`.

mod page;
mod recorded;
mod supposed;
#[cfg(test)]
mod tests;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use bellgate_policy::{Lattice, SecurityLabel};
use serde::Serialize;

use super::Format;
use crate::cli::exit;
use crate::config::{self, Report};

/// A request of an audit log, or a supposed one.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The gateway's own ID of the request, as `Bellgate-Request-Id` and every record have it.
    #[arg(value_name = "REQUEST_ID", requires = "audit")]
    request: Option<String>,
    /// The audit log of the gateway that refused it.
    #[arg(long, value_name = "FILE", requires = "request", conflicts_with_all = ["subject", "object", "mode", "current", "after", "target", "body", "task", "at"])]
    audit: Option<PathBuf>,
    /// The policy: needed for a supposed request; of one in an audit log it tells what can be done.
    #[arg(long, value_name = "FILE", required_unless_present = "audit")]
    policy: Option<PathBuf>,
    /// Who asks: a subject's name in the policy, or a SPIFFE ID.
    #[arg(long, value_name = "NAME|ID", required_unless_present = "audit")]
    subject: Option<String>,
    /// For what: an upstream, upstream/route, or a capability.
    #[arg(long, value_name = "NAME", required_unless_present = "audit")]
    object: Option<String>,
    /// How: observe, append, alter or execute.
    #[arg(long, value_name = "MODE", required_unless_present = "audit")]
    mode: Option<String>,
    /// The subject's current label; its floor where left out.
    #[arg(long, value_name = "LABEL")]
    current: Option<String>,
    /// What it has read before, from there on; may be given several times, in order.
    #[arg(long, value_name = "OBJECT")]
    after: Vec<String>,
    /// The target, path with query: for rules with path templates.
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// The body as JSON: for objects that it names, and values that a task pins.
    #[arg(long, value_name = "JSON", value_parser = super::json)]
    body: Option<serde_json::Value>,
    /// The task of the request, as Bellgate-Task has it.
    #[arg(long, value_name = "JSON", requires = "orchestrator", value_parser = super::json)]
    task: Option<serde_json::Value>,
    /// Who gave the task: a subject's name in the policy, or a SPIFFE ID.
    #[arg(long, value_name = "NAME|ID", requires = "task")]
    orchestrator: Option<String>,
    /// The time of the question, such as 2027-01-01T00:00:00Z, since rules expire; now where left out.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// How to tell it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Why there is nothing to tell.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Policy(Report),
    #[error("`{}` can't be read: {why}; name the file that `audit.file` of the gateway's config names", file.display())]
    Log { file: PathBuf, why: io::Error },
    #[error("{0}")]
    Question(String),
    #[error("no decision about request `{request}` is in `{}` ({found}); it is in the log of the gateway that refused it, and in no other", file.display())]
    NotThere { request: String, file: PathBuf, found: String },
}

impl Trouble {
    fn exit(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Policy(_) => exit::CONFIG,
            Self::Log { .. } => exit::SYSTEM,
            Self::Question(_) | Self::NotThere { .. } => exit::USAGE,
        })
    }
}

/// All that is told. Members that do not apply are null or empty.
#[derive(Serialize)]
struct Explanation {
    permit: bool,
    reasons: Vec<Why>,
    /// Its name in the policy, where that is given.
    subject: String,
    subject_id: String,
    object: String,
    mode: String,
    /// Where and when it was asked; null for a supposed one.
    asked: Option<AskedAt>,
    current: Option<String>,
    object_label: Option<String>,
    clearance: Option<String>,
    rule: Option<String>,
    policy: String,
    /// By which rule it went with another label than the current one.
    downgrade: Option<Lowered>,
    /// What was read, so that this was refused.
    cause: Option<Cause>,
    /// How the current label came to where it was.
    chain: Vec<Step>,
    remedies: Vec<Way>,
    /// What to know of this answer itself.
    notes: Vec<String>,
}

#[derive(Serialize)]
struct Why {
    reason: String,
    text: String,
}

#[derive(Serialize)]
struct AskedAt {
    request_id: String,
    listener: String,
    point: String,
    at: String,
    handle: Option<String>,
}

#[derive(Serialize)]
struct Lowered {
    kind: String,
    rule: String,
    label: String,
}

#[derive(Serialize)]
struct Cause {
    object: String,
    label: Option<String>,
    at: Option<String>,
    request_id: Option<String>,
    /// How it was read and which rule let it: from its own record.
    mode: Option<String>,
    rule: Option<String>,
}

#[derive(Serialize)]
struct Step {
    object: String,
    at: Option<String>,
    request_id: Option<String>,
    after: String,
    /// From here on the object was out of reach.
    is_cause: bool,
}

#[derive(Serialize)]
struct Way {
    action: String,
    text: String,
}

/// Runs the command to its end.
pub(super) fn run(args: &Args) -> ExitCode {
    let told = told(args).and_then(|explanation| match args.format {
        Format::Text => Ok(page::of(&explanation)),
        Format::Json => serde_json::to_string(&explanation)
            .map(|text| text + "\n")
            .map_err(|error| Trouble::Question(error.to_string())),
    });
    match told {
        Ok(text) => match io::stdout().lock().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(exit::SYSTEM),
        },
        Err(trouble) => {
            eprintln!("{trouble}");
            trouble.exit()
        }
    }
}

fn told(args: &Args) -> Result<Explanation, Trouble> {
    let policy = args.policy.as_deref().map(config::load_policy).transpose().map_err(Trouble::Policy)?;
    match (&args.audit, &args.request, &policy) {
        (Some(file), Some(request), policy) => recorded::explain(file, request, policy.as_ref()),
        (_, _, Some(policy)) => supposed::explain(policy, args),
        // clap asks for one of them.
        (_, _, None) => Err(Trouble::Question(String::from("give --audit and a request, or --policy and a question"))),
    }
}

/// Why one label does not dominate another, in words.
fn gap(lattice: &Lattice, high: &SecurityLabel, low: &SecurityLabel) -> String {
    let (above, below) = (lattice.text(high), lattice.text(low));
    let ((level_above, held), (level_below, wanted)) = (parts(&above), parts(&below));
    let rank = |name: &str| lattice.levels().iter().position(|level| level.as_str() == name);
    let mut lacks = Vec::new();
    if rank(level_above) < rank(level_below) {
        lacks.push(format!("{level_above} is below {level_below}"));
    }
    let missing: Vec<&str> = wanted.into_iter().filter(|name| !held.contains(name)).collect();
    if !missing.is_empty() {
        lacks.push(format!("it lacks {}", missing.join(", ")));
    }
    format!("{above} does not dominate {below}: {}.", lacks.join(", and "))
}

/// Level and categories of a label's canonical text.
fn parts(text: &str) -> (&str, Vec<&str>) {
    match text.split_once(':') {
        Some((level, categories)) => (level, categories.split(',').collect()),
        None => (text, Vec::new()),
    }
}
