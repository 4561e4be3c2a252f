//! Pinning: the proxy on core 0, everything else on core 1.
//!
//! A child inherits the affinity of the thread that starts it, and each thread inherits it again; so a process is
//! pinned whole, from its first instruction, without a helper program.

use anyhow::Context as _;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Where a process runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Core {
    /// What is measured.
    Proxy,
    /// Load generator, upstream, and this program.
    Rest,
}

impl Core {
    fn number(self) -> usize {
        match self {
            Self::Proxy => 0,
            Self::Rest => 1,
        }
    }
}

/// Checks that both cores are there for us.
pub(crate) fn check() -> anyhow::Result<()> {
    let allowed = sched_getaffinity(None).context("the affinity of this process can't be read")?;
    anyhow::ensure!(
        allowed.is_set(Core::Proxy.number()) && allowed.is_set(Core::Rest.number()),
        "cores 0 and 1 are needed, and this process may not use both; run it on a machine with two cores, without a narrower affinity"
    );
    Ok(())
}

/// Pins this thread, and what it starts from now on.
pub(crate) fn pin(core: Core) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    set.set(core.number());
    sched_setaffinity(None, &set).with_context(|| format!("core {} can't be had", core.number()))
}
