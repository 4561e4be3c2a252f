//! What a worker gives up before it reads its first byte. All of it is cheap and needs no privilege, so
//! a kernel that refuses any of it ends the worker.
//!
//! - It dies with the host's main thread (`PR_SET_PDEATHSIG`).
//! - It can't gain privileges by an exec (`no_new_privs`).
//! - No core dump: its memory holds other people's data. Few descriptors. Bounded data: what the engine
//!   itself may allocate, whatever the limits of a call say (`RLIMIT_DATA` counts private writable memory).
//!
//! The environment is empty because the host starts it so. Not here: Landlock, seccomp, namespaces, `RLIMIT_AS`
//! (the engine reserves gigabytes of address space that it never touches), `RLIMIT_FSIZE` (module
//! images live in memfds, which it would bound).

use std::io;

use rustix::{
    process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit},
    thread::set_no_new_privs,
};

/// Two memfds for each compiled module, and room.
const DESCRIPTORS: u64 = 128;
/// Two instances of the largest memory, their kernels, and what compiling takes.
const DATA_BYTES: u64 = 4 << 30;

/// A wall that the kernel refused.
#[derive(Debug, thiserror::Error)]
#[error("the kernel refused {wall}: {source}; workers do not run without it")]
pub(super) struct WallError {
    wall: &'static str,
    source: io::Error,
}

/// Raises all walls.
pub(super) fn raise() -> Result<(), WallError> {
    wall("PR_SET_PDEATHSIG", set_parent_process_death_signal(Some(Signal::KILL)))?;
    wall("no_new_privs", set_no_new_privs(true))?;
    wall("RLIMIT_CORE", limit(Resource::Core, 0))?;
    wall("RLIMIT_NOFILE", limit(Resource::Nofile, DESCRIPTORS))?;
    wall("RLIMIT_DATA", limit(Resource::Data, DATA_BYTES))
}

fn limit(resource: Resource, most: u64) -> rustix::io::Result<()> {
    let hard = rustix::process::getrlimit(resource).maximum.map_or(most, |hard| hard.min(most));
    setrlimit(resource, Rlimit { current: Some(hard), maximum: Some(hard) })
}

fn wall(wall: &'static str, result: rustix::io::Result<()>) -> Result<(), WallError> {
    result.map_err(|error| WallError { wall, source: error.into() })
}
