//! Child processes: pinned, ended by their own id, and asked what CPU they used.

use std::process::Stdio;

use anyhow::Context as _;
use tokio::process::{Child, Command};

use crate::cores::{self, Core};

/// `USER_HZ`: fixed at 100 for user space on every architecture that Envoy and we run on, whatever the kernel's own
/// tick is.
const TICKS_PER_SECOND: f64 = 100.0;

/// A child that is killed when this is dropped, and on `stop`.
pub(crate) struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Starts `command` on `core`. Its standard output can be read where `piped`; what it says on standard error goes
    /// to ours.
    pub(crate) fn start(name: &str, mut command: Command, core: Core, piped: bool) -> anyhow::Result<Self> {
        cores::pin(core)?;
        let stdout = if piped { Stdio::piped() } else { Stdio::null() };
        let child = command.stdin(Stdio::null()).stdout(stdout).kill_on_drop(true).spawn();
        cores::pin(Core::Rest)?;
        let child = child.with_context(|| format!("`{name}` can't be started"))?;
        Ok(Self { name: name.to_owned(), child })
    }

    /// Its standard output, once.
    pub(crate) fn stdout(&mut self) -> anyhow::Result<tokio::process::ChildStdout> {
        self.child.stdout.take().with_context(|| format!("the output of `{}` is read elsewhere", self.name))
    }

    /// Comes back only if it ends, which is always an error here.
    pub(crate) async fn ended(&mut self) -> anyhow::Error {
        match self.child.wait().await {
            Ok(status) => anyhow::anyhow!("`{}` ended by itself: {status}", self.name),
            Err(error) => anyhow::Error::from(error).context(format!("`{}` can't be waited for", self.name)),
        }
    }

    /// What it uses, even while it is waited for.
    pub(crate) fn meter(&self) -> anyhow::Result<Meter> {
        let id = self.child.id().with_context(|| format!("`{}` has ended", self.name))?;
        Ok(Meter { stat: format!("/proc/{id}/stat") })
    }

    /// Kills it and waits for its end: nothing of it disturbs the next row.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.child.start_kill().with_context(|| format!("`{}` can't be ended", self.name))?;
        self.child.wait().await?;
        Ok(())
    }
}

/// The CPU of one process.
pub(crate) struct Meter {
    stat: String,
}

impl Meter {
    /// CPU seconds of all its threads since its start, user and system: `proc_pid_stat(5)`, fields 14 and 15.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let stat = std::fs::read_to_string(&self.stat).with_context(|| format!("`{}` can't be read", self.stat))?;
        let ticks = ticks(&stat).with_context(|| format!("`{}` is not as proc_pid_stat(5) says", self.stat))?;
        Ok(f64::from(ticks) / TICKS_PER_SECOND)
    }
}

/// User and system ticks. The command's name may hold anything, so fields are counted from its closing bracket.
fn ticks(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_read_past_any_name() {
        for (stat, expected) in [
            ("12 (proxy) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0", Some(300)),
            ("12 (a ) b) R 1 2 3 4 5 6 7 8 9 10 7 3 0 0 20 0", Some(10)),
            ("12 (proxy) S 1 2", None),
            ("", None),
        ] {
            assert_eq!(ticks(stat), expected, "{stat}");
        }
    }
}
