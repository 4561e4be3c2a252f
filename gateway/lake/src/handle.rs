//! Starting, asking and ending a lake.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::thread::{JoinHandle, Thread};

use bellgate_telemetry::EventReceiver;

use crate::aside::Aside;
use crate::config::LakeConfig;
use crate::stats::{Counters, LakeStats};
use crate::worker::{Command, Worker};

/// A lake that is not yet running.
pub struct Lake;

/// Why a lake could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// The folder can't be used.
    #[error("the lake's folder `{}` can't be used ({source}), check that it can be made and written", folder.display())]
    Folder {
        /// The root of the lake.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No thread could be had.
    #[error("the lake's thread could not be started ({0})")]
    Thread(io::Error),
    /// Rows are still in memory; they are tried again.
    #[error("{rows} rows are not written yet ({cause}), they are kept and tried again")]
    NotWritten {
        /// How many rows.
        rows: usize,
        /// What the last failure said.
        cause: String,
    },
    /// Rows were dropped, because the lake was closed while the disk refused.
    #[error("{rows} rows were lost when the lake was closed ({cause})")]
    Lost {
        /// How many rows.
        rows: usize,
        /// What the last failure said.
        cause: String,
    },
    /// The lake's thread has ended.
    #[error("the lake is not running any more")]
    Ended,
}

impl Lake {
    /// Makes the folder, removes what dead writers have left in it, and starts the thread `bellgate-lake`.
    ///
    /// # Errors
    /// [`LakeError::Folder`], [`LakeError::Thread`]
    pub fn start(config: LakeConfig, events: EventReceiver) -> Result<LakeHandle, LakeError> {
        let (aside, removed) =
            Aside::open(&config.root).map_err(|source| LakeError::Folder { folder: config.root.clone(), source })?;
        if removed > 0 {
            log::info!("lake: removed {removed} unfinished files of writers that ended early");
        }
        let (commands, inbox) = channel();
        let counters = Arc::new(Counters::default());
        let worker = Worker::new(config, events, inbox, aside, Arc::clone(&counters));
        let thread = std::thread::Builder::new()
            .name("bellgate-lake".to_owned())
            .spawn(move || worker.run())
            .map_err(LakeError::Thread)?;
        Ok(LakeHandle { commands, thread: Some(thread), watch: LakeWatch(counters) })
    }
}

/// A running lake. Dropping it closes the lake and waits for that; [`close`](Self::close) says how it went.
pub struct LakeHandle {
    commands: Sender<Command>,
    thread: Option<JoinHandle<()>>,
    watch: LakeWatch,
}

/// Reads the counts of a lake, for metrics. Cheap to clone.
#[derive(Clone)]
pub struct LakeWatch(Arc<Counters>);

impl LakeWatch {
    /// The counts at this moment.
    pub fn stats(&self) -> LakeStats {
        self.0.read()
    }
}

impl LakeHandle {
    /// The counts at this moment.
    pub fn stats(&self) -> LakeStats {
        self.watch.stats()
    }

    /// A reader of the counts that can be given away.
    pub fn watch(&self) -> LakeWatch {
        self.watch.clone()
    }

    /// Writes all that was accepted before this call, and waits for it.
    ///
    /// # Errors
    /// [`LakeError::NotWritten`] if the disk refused; the rows are kept. [`LakeError::Ended`].
    pub fn flush(&self) -> Result<(), LakeError> {
        self.ask(Command::Flush)
    }

    /// Closes the queue (later offers are dropped and counted), writes all that was accepted, and ends the thread.
    /// A disk that refuses is tried three times within a second.
    ///
    /// # Errors
    /// [`LakeError::Lost`] if it kept refusing. [`LakeError::Ended`].
    pub fn close(mut self) -> Result<LakeStats, LakeError> {
        self.end()?;
        Ok(self.stats())
    }

    fn end(&mut self) -> Result<(), LakeError> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        let outcome = self.ask_thread(thread.thread(), Command::Close);
        thread.join().map_err(|_| LakeError::Ended)?;
        outcome
    }

    fn ask(&self, command: impl FnOnce(SyncSender<Result<(), LakeError>>) -> Command) -> Result<(), LakeError> {
        let thread = self.thread.as_ref().ok_or(LakeError::Ended)?;
        self.ask_thread(thread.thread(), command)
    }

    fn ask_thread(
        &self,
        thread: &Thread,
        command: impl FnOnce(SyncSender<Result<(), LakeError>>) -> Command,
    ) -> Result<(), LakeError> {
        let (answer, answered) = sync_channel(1);
        self.commands.send(command(answer)).map_err(|_| LakeError::Ended)?;
        thread.unpark();
        answered.recv().map_err(|_| LakeError::Ended)?
    }
}

impl Drop for LakeHandle {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            log::error!("lake: {error}");
        }
    }
}
