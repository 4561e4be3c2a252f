//! The commands, and the statuses they end with.

mod admin_socket;
mod audit_log;
mod check;
mod demo;
mod doctor;
mod exit;
mod label;
mod manifest;
mod policy;
mod registry;
mod run;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A sidecar that keeps security labels on every flow between AI agents and their tools.
#[derive(Parser)]
#[command(name = "bellgate", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway beside its workload
    Run(run::Args),
    /// See it all at work: two agents, three tools, their gateways, on this machine
    Demo(demo::Args),
    /// Read a config and everything that it names, and tell all mistakes at once
    Check(check::Args),
    /// Look at what must hold around a gateway for its labels to mean something
    Doctor(doctor::Args),
    /// Ask a policy what it would decide
    Policy(Box<policy::Args>),
    /// See what a running gateway's workload has read, or let it start anew
    Label(label::Args),
    /// Check documents against a JSON Schema as the gateway would
    Manifest(manifest::Args),
    /// Serve a folder of capabilities
    Registry(registry::Args),
}

/// Parses the command line and runs the command.
pub(crate) fn run() -> ExitCode {
    match Arguments::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Check(args) => check::run(args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Policy(args) => policy::run(*args),
        Command::Label(args) => label::run(&args),
        Command::Manifest(args) => manifest::run(args),
        Command::Registry(args) => registry::run(args),
    }
}
