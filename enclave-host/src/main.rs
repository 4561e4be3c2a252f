//! `bellgate-enclave`: runs other people's WebAssembly for the gateway beside it, and nothing else.
//!
//! Two kinds of process from one binary:
//!
//! - The **host** listens on one Unix socket, checks who is there, holds modules by digest in bounded
//!   memory, and hands calls to workers. It never parses a module nor runs guest code.
//! - A **worker** (`bellgate-enclave worker`, started by the host with one end of a socket pair as its
//!   standard input) compiles and runs one call at a time, each in a fresh instance behind limits.
//!
//! The host holds the wall clock: a worker that is not done in time is killed and a new one started.
//! Whatever a guest does, a call ends with an output or one cause of a closed set
//! ([`Cause`](bellgate_enclave_protocol::Cause)), and the next call works.
//!
//! # Bounds
//!
//! | what | bound |
//! | --- | --- |
//! | workers | `--workers`, 1 to 64 |
//! | calls waiting for one | `--queue`, 0 to 1,024; past it `busy` at once, and after 5 s of waiting |
//! | connections | 256; past it a connection is closed at once |
//! | modules held by the host | 512 and 128 MiB, the least recently used goes first |
//! | compiled modules held by a worker | 16, the least recently used goes first |
//! | input, module, output | 16 MiB, 16 MiB, 64 MiB, and the call's own limits |
//!
//! # Absent on purpose
//!
//! Host functions, WASI, files and network for guests; configuration files; text WAT. What the processes themselves may
//! still do is in [`walls`]: a worker reaches its one socket and memory, and nothing else of the machine.
//!
//! Sources: the WebAssembly core specification 3.0; Extism 1.30 (`plugin.rs`, `current_plugin.rs` and its kernel)
//! as built; wasmtime 43.

mod connection;
mod descriptors;
mod host;
mod listener;
mod modules;
mod pool;
mod stream;
mod walls;
mod worker;
mod worker_process;

use std::{num::NonZeroUsize, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use walls::Wall;
use worker_process::WorkerStart;

/// Runs untrusted WebAssembly capabilities behind limits, for the gateway on one Unix socket.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Arguments {
    #[command(flatten)]
    host: Option<HostArguments>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Args)]
struct HostArguments {
    /// The Unix socket to listen on. Its folder is created with mode 0700, or must have that mode.
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// The only user that may call: the uid that the gateway runs as.
    #[arg(long, value_name = "UID")]
    allow_uid: u32,
    /// Worker processes, 1 to 64 [default: one for each CPU, at most 8].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: Option<u16>,
    /// Calls that may wait for a worker, 0 to 1024.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(0..=1024))]
    queue: u16,
    /// Do without these walls where the kernel lacks them: landlock, seccomp, ... Without this, a kernel that refuses
    /// one is an error.
    #[arg(long, value_name = "WALL", value_delimiter = ',')]
    without: Vec<Wall>,
    /// A cgroup (v2) that every worker is put into before it is given anything; its limits are whoever's that made it.
    #[arg(long, value_name = "FOLDER")]
    cgroup: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// What the host starts; of no use from a shell.
    #[command(hide = true)]
    Worker {
        /// Walls to do without.
        #[arg(long, value_delimiter = ',')]
        without: Vec<Wall>,
        /// Raise the walls and end.
        #[arg(long)]
        check: bool,
    },
}

/// `EX_CONFIG` of sysexits(3): what was asked for can't be done as asked.
const BAD_CONFIGURATION: u8 = 78;

fn main() -> ExitCode {
    match Arguments::parse() {
        Arguments { command: Some(Command::Worker { without, check }), .. } => worker::main(&without, check),
        Arguments { host: Some(arguments), .. } => host_main(arguments),
        Arguments { host: None, command: None } => {
            eprintln!("give --socket and --allow-uid; `bellgate-enclave --help` says more");
            ExitCode::from(BAD_CONFIGURATION)
        }
    }
}

fn host_main(arguments: HostArguments) -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let workers = arguments.workers.map_or_else(one_for_each_cpu, usize::from);
    let settings = host::Settings {
        socket: arguments.socket,
        allow_uid: arguments.allow_uid,
        workers,
        queue: usize::from(arguments.queue),
        start: WorkerStart { without: arguments.without, cgroup: arguments.cgroup },
    };
    match host::run(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bellgate-enclave: {error}");
            ExitCode::from(BAD_CONFIGURATION)
        }
    }
}

fn one_for_each_cpu() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(8)
}
