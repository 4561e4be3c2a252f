//! The processes of the demo: five gateways and the enclave host.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// A process that ends with the demo.
pub(super) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program`, with what it prints in `log`.
    pub(super) fn start(name: &str, program: &Path, arguments: &[&str], log: &Path) -> anyhow::Result<Self> {
        let out = File::create(log).with_context(|| format!("making `{}`", log.display()))?;
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::from(out.try_clone()?))
            .stderr(Stdio::from(out))
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting `{}`", program.display()))?;
        Ok(Self { name: name.to_owned(), child, log: log.to_owned() })
    }

    /// Fails if the process has ended, with the end of its log.
    pub(super) fn still_runs(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().take(12).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            bail!("{} ended with {status}:\n{}", self.name, last.join("\n"));
        }
        Ok(())
    }

    /// Asks it to end, and sees that it does.
    pub(super) async fn stop(mut self) {
        if let Some(id) = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw)
        {
            // It may have ended by itself; that is as good.
            let _ended_already = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        if timeout(Duration::from_secs(10), self.child.wait()).await.is_err() {
            log::warn!("{} did not end when asked, and is killed", self.name);
            drop(self.child.kill().await);
        }
    }
}

/// The enclave host's program, which is built beside this one.
pub(super) fn enclave_program() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("finding this program")?;
    let beside = own.with_file_name("bellgate-enclave");
    if !beside.exists() {
        bail!("`{}` is not there; build it with `cargo build -p bellgate-enclave`", beside.display());
    }
    Ok(beside)
}
