//! Starts the sidecars of one suite of an outsiders' benchmark: one for the agent, one for the desk that opens its runs,
//! one for each server of tools, all with one policy.
//!
//! Prints one line of JSON when all are ready, `{"agent": "127.0.0.1:…", "desk": "127.0.0.1:…"}`, the listeners that the
//! agent and the desk call; ends, and ends the sidecars, when its standard input ends. `tests/agentdojo/run.sh` builds
//! and starts it. The program under test is the `bellgate` beside this one, or `BELLGATE_BIN`.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use bellgate_tests::{Mesh, Running, Sidecar};
use clap::Parser;

#[derive(Parser)]
#[command(name = "bellgate-agentdojo", about = "The sidecars between an agent and the tools of one suite.")]
struct Options {
    /// The policy of all sidecars.
    #[arg(long)]
    policy: PathBuf,
    /// The folder of the tools' schemas, `<kind>.json` each.
    #[arg(long)]
    schemas: PathBuf,
    /// Where the agent serves.
    #[arg(long)]
    agent: SocketAddr,
    /// A server of tools, `<upstream>=<address>`; once for each.
    #[arg(long = "tool", value_parser = tool)]
    tools: Vec<(String, SocketAddr)>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bellgate-agentdojo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> anyhow::Result<()> {
    let mesh = Mesh::new();
    let policy =
        fs::read_to_string(&options.policy).with_context(|| format!("reading {}", options.policy.display()))?;
    mesh.write("policy.yaml", &policy);
    let kinds = schemas(&mesh, &options.schemas)?;

    let mut agent = sidecar(&mesh, "agent", &kinds).serves(options.agent);
    let mut tools = Vec::new();
    for (name, address) in &options.tools {
        let tool = sidecar(&mesh, name, &kinds).serves(*address).start().await;
        agent = agent.calls(name, tool.ingress);
        tools.push(tool);
    }
    let agent = agent.start().await;
    let desk = sidecar(&mesh, "desk", &kinds).calls("agent", agent.ingress).start().await;
    println!("{}", serde_json::json!({ "agent": agent.egress, "desk": desk.egress }));

    wait_for_the_end().await?;
    stop([agent, desk].into_iter().chain(tools)).await;
    Ok(())
}

fn sidecar<'m>(mesh: &'m Mesh, name: &str, kinds: &[String]) -> Sidecar<'m> {
    let files: Vec<String> = kinds.iter().map(|kind| format!("{kind}.json")).collect();
    // A run is opened by a blind write-up, which holds its place in the queue for half a minute.
    mesh.sidecar(name)
        .limits("append_queue: 16384")
        .kinds(kinds.iter().map(String::as_str).zip(files.iter().map(String::as_str)))
}

/// Copies the schemas into the mesh's folder, and says which kinds there are.
fn schemas(mesh: &Mesh, folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut kinds = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        let (Some(kind), Some("json")) =
            (path.file_stem().and_then(|s| s.to_str()), path.extension().and_then(|s| s.to_str()))
        else {
            continue;
        };
        mesh.write(&format!("{kind}.json"), &fs::read_to_string(&path)?);
        kinds.push(kind.to_owned());
    }
    kinds.sort();
    Ok(kinds)
}

async fn wait_for_the_end() -> anyhow::Result<()> {
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await??;
    Ok(())
}

async fn stop(sidecars: impl Iterator<Item = Running>) {
    for mut sidecar in sidecars {
        sidecar.process.terminate().await;
    }
}

fn tool(text: &str) -> Result<(String, SocketAddr), String> {
    let (name, address) = text.split_once('=').ok_or("expected `<upstream>=<address>`")?;
    let address = address.parse().map_err(|_| format!("`{address}` is not an address: write `127.0.0.1:8080`"))?;
    Ok((name.to_owned(), address))
}
