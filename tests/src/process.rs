//! A child process that ends with its handle.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::until;

/// A running child; killed by handle when dropped.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program`; what it prints goes to `log`.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn start(program: &Path, arguments: &[&str], log: &Path) -> Self {
        let out = File::create(log).unwrap();
        let child = Command::new(program)
            .args(arguments)
            .env("RUST_LOG", "info,access=debug,pingora=warn,pingora_core=warn,pingora_proxy=warn")
            .stdin(Stdio::null())
            .stdout(Stdio::from(out.try_clone().unwrap()))
            .stderr(Stdio::from(out))
            .spawn()
            .unwrap_or_else(|error| panic!("starting `{}`: {error}", program.display()));
        Self { child, log: log.to_owned() }
    }

    /// Its process ID.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that it has printed.
    ///
    /// # Panics
    /// When the log can't be read.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// # Panics
    /// When the process has ended, with its log.
    pub fn assert_running(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("the process ended with {status}:\n{}", self.log());
        }
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end in time.
    pub async fn ended(&mut self) -> ExitStatus {
        let child = &mut self.child;
        let mut look = || child.try_wait().unwrap();
        until("the process ends", || std::future::ready(look())).await
    }

    /// Sends SIGTERM and waits.
    ///
    /// # Panics
    /// When it does not end in time.
    pub async fn terminate(&mut self) -> ExitStatus {
        let id = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(id, Signal::TERM).unwrap();
        self.ended().await
    }

    /// Sends SIGKILL and waits.
    ///
    /// # Panics
    /// When it does not end in time.
    pub async fn kill(&mut self) {
        self.child.kill().unwrap();
        self.ended().await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
