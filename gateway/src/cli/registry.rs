//! `bellgate registry`: a folder of capabilities served over mutual TLS, for development and for sites without a network.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use bellgate_registry::{Folder, Urn};
use bellgate_spire::{Identity, SourceEvent};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::exit;

/// What can be done with registries.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Serve the capabilities of a folder to every workload of the trust domain.
    Serve(Serve),
}

/// The folder holds `index.json`: {"version": 1, "capabilities": [{"urn": "urn:...", "file": "name.wasm", "sha256": "<64 hex digits>"}]}
#[derive(clap::Args)]
struct Serve {
    /// The folder with `index.json` and the files that it names.
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// Where to listen. Port 0 takes a free one, which is printed.
    #[arg(long, value_name = "IP:PORT")]
    listen: SocketAddr,
    /// The Workload API that gives this registry its identity, as unix:///path.
    #[arg(long, value_name = "SOCKET")]
    workload_api: String,
}

/// Runs the command to its end.
pub(crate) fn run(args: Args) -> ExitCode {
    match args.command {
        Command::Serve(serve) => run_serve(&serve),
    }
}

fn run_serve(args: &Serve) -> ExitCode {
    if let Err(error) = bellgate_spire::check_endpoint(&args.workload_api) {
        eprintln!("--workload-api: {error}");
        return ExitCode::from(exit::CONFIG);
    }
    let (folder, names) = match Folder::open(&args.folder) {
        Ok(opened) => opened,
        Err(mistakes) => {
            for mistake in mistakes {
                eprintln!("{}: {mistake}", args.folder.display());
            }
            return ExitCode::from(exit::CONFIG);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime.map(|runtime| runtime.block_on(serve(args, folder, &names))) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) | Err(error) => {
            eprintln!("bellgate registry serve: {error}");
            ExitCode::from(exit::SYSTEM)
        }
    }
}

async fn serve(args: &Serve, folder: Folder, names: &[Urn]) -> std::io::Result<()> {
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|error| std::io::Error::new(error.kind(), format!("can't listen on {}: {error}", args.listen)))?;
    println!("registry on https://{} with {} capabilities", listener.local_addr()?, names.len());
    for name in names {
        println!("  {name}");
    }
    let (stop, stopped) = watch::channel(false);
    let identity = Identity::empty();
    let follow = {
        let (endpoint, identity, stopped) = (args.workload_api.clone(), identity.clone(), stopped.clone());
        tokio::spawn(async move { bellgate_spire::follow_workload_api(&endpoint, identity, tell, stopped).await })
    };
    let tls = bellgate_spire::server_config(&identity, &[b"h2", b"http/1.1"]);
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut serving = std::pin::pin!(bellgate_registry::serve(listener, tls, folder, stopped));
    let ended = tokio::select! {
        ended = &mut serving => ended,
        _ = interrupt.recv() => finish(&stop, serving).await,
        _ = terminate.recv() => finish(&stop, serving).await,
    };
    stop.send_replace(true);
    follow.await.map_err(std::io::Error::other)?;
    ended
}

async fn finish(stop: &watch::Sender<bool>, serving: impl Future<Output = std::io::Result<()>>) -> std::io::Result<()> {
    stop.send_replace(true);
    serving.await
}

/// Until the first SVID every handshake is refused, so the operator has to see why it does not come.
fn tell(event: SourceEvent) {
    match event {
        SourceEvent::Connected => log::info!("the workload api is there"),
        SourceEvent::Updated { not_after, .. } => log::info!("a new svid, valid until {not_after}"),
        SourceEvent::BundleRefused { trust_domain, why } => {
            log::warn!("the bundle of `{trust_domain}` can't be used: {why}")
        }
        SourceEvent::Lost { why, retry_in } => log::warn!("{why}; trying again in {} ms", retry_in.as_millis()),
    }
}
