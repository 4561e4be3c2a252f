//! `bellgate label`: what a running gateway's workload has seen, and how an operator lets it start anew.
//!
//! Both talk to the admin socket of a running gateway and to nothing else. Status 0; 2 for a reason that can't be used; 69 where
//! no gateway answers; 76 where something else does; 77 where it refuses this user; 78 where its config is wrong.

mod page;
mod seen;
#[cfg(test)]
mod tests;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use http::Method;
use serde_json::{Value, json};

use super::admin_socket::{self, AdminError, Place};
use super::exit;
use seen::{Done, Seen};

/// Longer ones belong into a ticket that the reason names.
const MOST_CHARACTERS: usize = 500;

/// What to do with the label.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the current label, and all that raised it
    Show(Show),
    /// Let the workload count as having read nothing: its label falls to its floor, budgets start anew, handles close
    ///
    /// Say it only of a workload that has forgotten what it read, such as one whose process and storage are new. It is audited
    /// with the reason and the uid that asked, and counted. Answers that are still on their way to the workload raise its label again.
    Reset(Reset),
}

#[derive(clap::Args)]
struct Show {
    #[command(flatten)]
    place: Place,
    /// How to tell it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(clap::Args)]
struct Reset {
    #[command(flatten)]
    place: Place,
    /// Why: 1 to 500 characters, for the audit log.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    /// How to tell it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a person.
    Text,
    /// What the gateway answered, in one line.
    Json,
}

/// Runs the command to its end.
pub(crate) fn run(args: &Args) -> ExitCode {
    let told = match &args.command {
        Command::Show(show) => shown(show),
        Command::Reset(reset) => done(reset),
    };
    match told {
        Ok(text) => match io::stdout().lock().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            // Who read it has read enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(exit::SYSTEM),
        },
        Err(error) => {
            eprintln!("{error}");
            error.exit()
        }
    }
}

fn shown(show: &Show) -> Result<String, AdminError> {
    let socket = show.place.socket()?;
    let answer = admin_socket::ask(&socket, Method::GET, "/v1/label", None)?;
    match show.format {
        Format::Json => Ok(format!("{}\n", answer.body)),
        Format::Text => Ok(page::of(&read::<Seen>(&socket, answer.body)?, &show.place.flags())),
    }
}

fn done(reset: &Reset) -> Result<String, AdminError> {
    let socket = reset.place.socket()?;
    let answer = admin_socket::ask(&socket, Method::POST, "/v1/label/reset", Some(&json!({"reason": reset.reason})))?;
    match reset.format {
        Format::Json => Ok(format!("{}\n", answer.body)),
        Format::Text => Ok(page::of_reset(&read::<Done>(&socket, answer.body)?)),
    }
}

fn read<T: serde::de::DeserializeOwned>(socket: &std::path::Path, body: Value) -> Result<T, AdminError> {
    serde_json::from_value(body)
        .map_err(|error| AdminError::Foreign { socket: socket.to_owned(), what: format!("JSON in which {error}") })
}

/// The same bounds as the gateway's own, told before anything is asked.
fn reason(text: &str) -> Result<String, String> {
    let characters = text.chars().count();
    if text.trim().is_empty() {
        return Err("it is empty; say why, for who reads the audit log".into());
    }
    if characters > MOST_CHARACTERS {
        return Err(format!("it has {characters} characters, and {MOST_CHARACTERS} are the most; shorten it"));
    }
    if text.chars().any(char::is_control) {
        return Err("it has a control character, such as a line feed; write one line of plain text".into());
    }
    Ok(text.to_owned())
}
