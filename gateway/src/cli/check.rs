//! `bellgate check`: reads a config, or a policy alone, exactly as the sidecar would, and says what is wrong or what would happen.
//!
//! Needs no secret, opens no socket, writes nothing. Status 0, or 78 (`EX_CONFIG` of sysexits(3)) where anything is wrong.

mod summary;

use std::path::PathBuf;
use std::process::ExitCode;

use bellgate_policy::Diagnostic;

use super::exit;
use crate::config::{self, Report};

/// What to check: exactly one of the two.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Args {
    /// A sidecar's config, with its policy and every file that they name.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A policy alone.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

/// Runs the command to its end.
pub(crate) fn run(args: Args) -> ExitCode {
    let checked = match (args.config, args.policy) {
        (Some(file), _) => config::load(&file).map(|loaded| (summary::of_config(&loaded), loaded.warnings)),
        (None, Some(file)) => config::load_policy(&file).map(|policy| (summary::of_policy(&policy), policy.warnings())),
        // clap asks for one of them.
        (None, None) => return ExitCode::from(exit::CONFIG),
    };
    match checked {
        Ok((summary, warnings)) => {
            print!("{}{summary}", listed(&warnings));
            ExitCode::SUCCESS
        }
        Err(report) => {
            eprintln!("{}", refusal(&report));
            ExitCode::from(exit::CONFIG)
        }
    }
}

fn listed(warnings: &[Diagnostic]) -> String {
    warnings.iter().map(|warning| format!("warning: {warning}\n\n")).collect()
}

fn refusal(report: &Report) -> String {
    let count = report.len();
    format!("{report}\n\n{count} {}; nothing would start", if count == 1 { "mistake" } else { "mistakes" })
}
