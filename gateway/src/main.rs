//! `bellgate`: the gateway beside one workload, and the commands that make its policy trustworthy.

mod app;
mod cli;
mod config;

use std::process::ExitCode;

/// Pingora makes and frees many small buffers on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run()
}
