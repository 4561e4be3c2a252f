//! What a process gives up before it reads its first byte from outside. None of it needs a privilege.
//!
//! | wall | worker | host |
//! | --- | --- | --- |
//! | `parent-death` | dies with the thread that started it (`PR_SET_PDEATHSIG`) | – |
//! | `no-new-privileges` | no exec gains a right | the same |
//! | `rlimits` | no core dump, since memory holds other people's data; few descriptors; bounded data, whatever the limits of a call say | no core dump |
//! | `landlock` | no path at all, no TCP, no socket or process outside | its own program and libraries to read and run, its socket's folder to tidy up, the cgroup; no TCP |
//! | `seccomp` | the system calls that running guests takes ([`syscalls`]); no process, no socket, no exec | – |
//! | `cgroup` | the one that the host was told, where it was told one | – |
//!
//! A wall that the kernel refuses ends the process, and says which, unless the operator said beforehand to do without it
//! (`--without`). The environment of a worker is empty because the host starts it so.
//!
//! Absent on purpose: `RLIMIT_AS` (the engine reserves gigabytes of address space that it never touches), `RLIMIT_FSIZE`
//! (module images live in memfds, which it would bound), user namespaces (many kernels and containers refuse them, and
//! what they would hide is out of reach already).
//!
//! Sources: landlock(7), seccomp(2), prctl(2), getrlimit(2).

mod paths;
mod syscalls;

use std::{fmt, io, path::Path, str::FromStr};

use landlock::{ABI, Access, AccessFs, AccessNet, RestrictionStatus, RulesetStatus, Scope};
use rustix::{
    process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit},
    thread::set_no_new_privs,
};

/// Two memfds for each compiled module, and room.
const DESCRIPTORS: u64 = 128;
/// Two instances of the largest memory, their kernels, and what compiling takes.
const DATA_BYTES: u64 = 4 << 30;
/// What of Landlock is asked for; a kernel that knows less gives what it knows, and one that knows none of it refuses.
const LANDLOCK: ABI = ABI::V6;

/// A wall that a kernel can lack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wall {
    ParentDeath,
    NoNewPrivileges,
    Rlimits,
    Landlock,
    Seccomp,
}

/// A wall that the kernel refused.
#[derive(Debug, thiserror::Error)]
#[error(
    "the kernel refused the wall `{wall}`: {why}; run on a kernel that has it, or say `--without {wall}` to do without"
)]
pub(crate) struct WallError {
    wall: Wall,
    why: String,
}

impl Wall {
    const ALL: [Self; 5] = [Self::ParentDeath, Self::NoNewPrivileges, Self::Rlimits, Self::Landlock, Self::Seccomp];

    fn as_str(self) -> &'static str {
        match self {
            Self::ParentDeath => "parent-death",
            Self::NoNewPrivileges => "no-new-privileges",
            Self::Rlimits => "rlimits",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
        }
    }
}

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Wall {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|wall| wall.as_str() == text).ok_or_else(|| {
            format!("`{text}` is no wall; there are parent-death, no-new-privileges, rlimits, landlock and seccomp")
        })
    }
}

/// Raises all walls of a worker but those in `without`, for this thread and all that it will start.
///
/// # Errors
/// The first wall that the kernel refused; the process must not go on.
pub(crate) fn raise_worker(without: &[Wall]) -> Result<(), WallError> {
    let raise = |wall, raise: &dyn Fn() -> Result<(), String>| one(wall, without, raise);
    raise(Wall::ParentDeath, &|| said(set_parent_process_death_signal(Some(Signal::KILL))))?;
    raise(Wall::NoNewPrivileges, &|| said(set_no_new_privs(true)))?;
    raise(Wall::Rlimits, &|| {
        said(limit(Resource::Core, 0))?;
        said(limit(Resource::Nofile, DESCRIPTORS))?;
        said(limit(Resource::Data, DATA_BYTES))
    })?;
    raise(Wall::Landlock, &|| restricted(ruleset()?.restrict_self()))?;
    raise(Wall::Seccomp, &|| syscalls::allow_only_what_guests_take().map_err(|error| error.to_string()))
}

/// Raises the walls of the host but those in `without`, once it listens on its socket in `folder`.
///
/// # Errors
/// The first wall that the kernel refused; the process must not go on.
pub(crate) fn raise_host(folder: &Path, cgroup: Option<&Path>, without: &[Wall]) -> Result<(), WallError> {
    let raise = |wall, raise: &dyn Fn() -> Result<(), String>| one(wall, without, raise);
    raise(Wall::NoNewPrivileges, &|| said(set_no_new_privs(true)))?;
    raise(Wall::Rlimits, &|| said(limit(Resource::Core, 0)))?;
    raise(Wall::Landlock, &|| restricted(paths::of_host(ruleset()?, folder, cgroup)?.restrict_self()))
}

fn one(wall: Wall, without: &[Wall], raise: &dyn Fn() -> Result<(), String>) -> Result<(), WallError> {
    if without.contains(&wall) {
        return Ok(());
    }
    raise().map_err(|why| WallError { wall, why })
}

/// Everything that this kernel's Landlock can forbid, forbidden.
fn ruleset() -> Result<landlock::RulesetCreated, String> {
    use landlock::{Ruleset, RulesetAttr as _};
    Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(LANDLOCK)))
        .and_then(|rules| rules.scope(Scope::from_all(LANDLOCK)))
        .and_then(Ruleset::create)
        .map_err(|error| error.to_string())
}

fn restricted(status: Result<RestrictionStatus, landlock::RulesetError>) -> Result<(), String> {
    match status.map_err(|error| error.to_string())?.ruleset {
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
        RulesetStatus::NotEnforced => Err("it is not built in, or not switched on".to_owned()),
    }
}

fn limit(resource: Resource, most: u64) -> rustix::io::Result<()> {
    let hard = rustix::process::getrlimit(resource).maximum.map_or(most, |hard| hard.min(most));
    setrlimit(resource, Rlimit { current: Some(hard), maximum: Some(hard) })
}

fn said(result: rustix::io::Result<()>) -> Result<(), String> {
    result.map_err(|error| io::Error::from(error).to_string())
}
