//! `bellgate demo`: the whole path on one machine, over real sockets, in one command.

mod client;
mod drawing;
mod files;
mod processes;
mod report;
mod story;
mod tools;
mod world;

use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use report::Report;
use tokio::signal::unix::{SignalKind, signal};
use world::World;

use crate::app;
use crate::cli::exit;

/// How to show it.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// End after the tour, with status 0 only if every step went as declared
    #[arg(long)]
    once: bool,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
    /// Draw the story into this file, as SVG, from what the gateways recorded
    #[arg(long, value_name = "FILE.svg", requires = "once")]
    draw: Option<PathBuf>,
}

/// Starts everything, drives the story, and stays up until Ctrl-C.
pub(crate) fn run(args: &Args) -> ExitCode {
    app::logging();
    bellgate_spire::install_crypto_provider();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("bellgate demo: starting threads: {error}");
            return ExitCode::from(exit::SYSTEM);
        }
    };
    match runtime.block_on(tour(args)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bellgate demo: {error:#}");
            ExitCode::from(exit::SYSTEM)
        }
    }
}

/// Tells of each new SVID of the planner's gateway, for as long as the demo is up.
async fn rotations(world: &World, report: &Report) {
    let mut before = None;
    loop {
        let left = story::svid_seconds_left(world).await;
        if let (Some(before), Some(left)) = (before, left)
            && left > before
        {
            report.rotated(left);
        }
        before = left.or(before);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn tour(args: &Args) -> anyhow::Result<bool> {
    let mut report = Report::new(args.json);
    let world = World::start(&mut report).await?;
    // From here on there is something to stop: a signal ends the tour, not the program.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut stopped = pin!(async {
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted.map_err(anyhow::Error::from),
            _ = terminate.recv() => Ok(()),
        }
    });
    let outcome = tokio::select! {
        outcome = story::tell(&world, &mut report) => outcome,
        interrupted = &mut stopped => interrupted.and_then(|()| Err(anyhow::anyhow!("stopped within the tour"))),
    };
    if outcome.is_ok() && !args.once {
        report.stays_up(&world);
        tokio::select! {
            interrupted = &mut stopped => interrupted?,
            () = rotations(&world, &report) => {}
        }
    }
    let sidecars = world.sidecars();
    // Only now is every record on disk.
    let folder = world.stop().await;
    outcome?;
    if let Some(file) = &args.draw {
        drawing::draw(folder.path(), &sidecars, file)?;
        report.drawn(file);
    }
    Ok(report.all_as_declared())
}
