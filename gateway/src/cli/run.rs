//! `bellgate run`: the gateway itself.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::app;
use crate::cli::exit;
use crate::config;

/// Where the settings are.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The config file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Threads of each listener of the data path
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: usize,
}

/// Runs until SIGTERM (graceful) or SIGINT.
pub(crate) fn run(args: &Args) -> ExitCode {
    app::logging();
    let loaded = match config::load(&args.config) {
        Ok(loaded) => loaded,
        Err(report) => {
            eprint!("{report}");
            return ExitCode::from(exit::CONFIG);
        }
    };
    for warning in &loaded.warnings {
        log::warn!("{warning}");
    }
    match app::run(loaded, args.threads) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bellgate: {error:#}");
            ExitCode::from(exit::SYSTEM)
        }
    }
}
