//! `bellgate doctor`: looks at what must hold around a gateway for its labels to mean something.
//!
//! What holds: it changes nothing, holds no lock and sends no request of the workload; each check tells what was found, what was
//! expected and what to do. Status 0, or 1 where a check failed. What can't be seen from one machine is listed as such and never counted
//! as well: a check that guesses is worse than none.
//!
//! Run it as the gateway's user, beside a running gateway; run as root it can also try the network as the workload's uid would.
//! What is bounded: 5 s for the Workload API, 3 s a peer, 10 s for the admin socket. Absent on purpose: repairs.

mod access;
mod blind;
mod config_checks;
mod finding;
mod folders;
mod network;
mod page;
mod peers;
mod processes;
mod running;
mod sockets;
mod state;
mod svid;
mod table;
mod users;
mod workload;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;

use super::exit;
use crate::config::{self, Loaded};
use finding::{Finding, Status};

/// Which gateway to look around.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The config of the gateway.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// A uid that the workload runs as, where doctor can't see it for itself. May be given several times.
    #[arg(long, value_name = "UID")]
    workload_uid: Vec<u32>,
    /// How to tell it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a person.
    Text,
    /// One object.
    Json,
}

/// Runs the command to its end.
pub(crate) fn run(args: &Args) -> ExitCode {
    bellgate_spire::install_crypto_provider();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("bellgate doctor: starting a runtime: {error}");
            return ExitCode::from(exit::SYSTEM);
        }
    };
    let findings = runtime.block_on(look(args));
    let text = match args.format {
        Format::Text => page::text(&findings),
        Format::Json => page::json(&findings),
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(_) => return ExitCode::from(exit::SYSTEM),
    }
    if findings.iter().any(|finding| finding.status == Status::Fail) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// All checks, in the order in which they are told.
async fn look(args: &Args) -> Vec<Finding> {
    let loaded = match config::load(&args.config) {
        Ok(loaded) => loaded,
        // Nothing else can be looked for without knowing where.
        Err(report) => return vec![config_checks::unreadable(&args.config, &report)],
    };
    let (gateway, status) = running::find(&loaded.config).await;
    let people = users::workload(&loaded.config, &args.workload_uid);
    let own = svid::fetch(&loaded.config.identity.workload_api).await;
    let mut findings = config_checks::checks(&loaded);
    findings.extend(state::checks(&loaded, own.id.as_ref()));
    findings.extend(folders::checks(&loaded.config, &gateway));
    findings.extend(sockets::checks(&loaded.config, &gateway, &people));
    findings.extend(workload::checks(&loaded, &gateway, &people));
    findings.extend(network::checks(&loaded.config, &gateway, &people));
    findings.extend(svid::checks(&loaded, &gateway, &own));
    findings.extend(peers::checks(&loaded, &own).await);
    findings.extend(running::checks(&loaded, &gateway, &status));
    findings.extend(blind::spots(&loaded));
    findings
}
