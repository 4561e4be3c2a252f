//! `bellgate-bench`: requests per second, latency and CPU per request of the sidecar's parts, next to Envoy doing the
//! least that identity needs.
//!
//! What is compared: an ingress sidecar, mTLS with client certificates, HTTP/1.1 kept alive, 1 KiB POST and 1 KiB
//! answer, a plain upstream on loopback. Envoy checks the URI SAN (RBAC) and nothing else; each row of the gateway adds
//! one part (see [`rows`]). How: closed loop, the proxy alone on core 0, everything else on core 1; one proxy at a
//! time, started anew for each measurement; rounds in turn, each beginning with another row, so that a disturbance hits
//! no row in every round; medians over the rounds. What is not measured: handshakes (connections are opened before the
//! window), HTTP/2, other machines' networks.
//!
//! `tests/bench/run.sh` builds and starts it; see `tests/bench/README.md`.

mod config;
mod cores;
mod identities;
mod load;
mod message;
mod pairs;
mod process;
mod proxies;
mod report;
mod rows;
mod run;
mod scrape;
mod upstream;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "bellgate-bench", about = "The sidecar's parts next to Envoy: throughput, latency, CPU per request.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure every row in rounds and print a table in Markdown.
    Run(run::Options),
    /// Measure two rows in interleaved pairs at half of what saturates the first, and print the ratios.
    Pairs(pairs::Options),
    /// Generate load against one proxy (started by `run`, in a process of its own).
    Load(load::Options),
    /// Serve the answers (started by `run`, in a process of its own).
    Upstream,
}

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bellgate-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Run(options) => runtime()?.block_on(run::run(options)),
        Command::Pairs(options) => runtime()?.block_on(pairs::run(options)),
        Command::Load(options) => runtime()?.block_on(load::run(options)),
        Command::Upstream => runtime()?.block_on(upstream::run()),
    }
}

/// One thread: what it costs stays on the core that it is pinned to.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
