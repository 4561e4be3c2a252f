//! The few things that are asked of a disk, in one place, so that a test can put a disk beneath the same source that
//! fails, tears writes and loses what was not synced (`tests/support/disk.rs`).
//!
//! Files have mode 0600. A file becomes durable by [`Log::sync`], its name by [`Folder::sync`] (fsync(2), rename(2)).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

/// The folder of one gateway's state.
pub(crate) struct Folder {
    path: PathBuf,
}

/// That this process alone has the folder, until it is dropped or the process ends.
pub(crate) struct Lock(File);

impl Drop for Lock {
    /// Closing alone would not do: a child that is being started may have the descriptor still.
    fn drop(&mut self) {
        let _ = rustix::fs::flock(&self.0, FlockOperation::Unlock);
    }
}

impl Folder {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// `None` where another holder has it.
    pub(crate) fn lock(&self, name: &str) -> io::Result<Option<Lock>> {
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(self.path.join(name))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Lock(file))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A small file whole, at most one byte more than `at_most`; `None` where there is none.
    pub(crate) fn read(&self, name: &str, at_most: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(file) = found(File::open(self.path.join(name)))? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(at_most.saturating_add(1)).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// An existing file, to read and to append to.
    pub(crate) fn log(&self, name: &str) -> io::Result<Option<Log>> {
        let file = found(OpenOptions::new().read(true).write(true).open(self.path.join(name)))?;
        Ok(file.map(Log))
    }

    /// A new file, empty; what had the name is gone.
    pub(crate) fn create(&self, name: &str) -> io::Result<Log> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        Ok(Log(options.open(self.path.join(name))?))
    }

    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    /// A second name for a file.
    pub(crate) fn link(&self, from: &str, to: &str) -> io::Result<()> {
        fs::hard_link(self.path.join(from), self.path.join(to))
    }

    /// Nothing happens where there is none.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        found(fs::remove_file(self.path.join(name))).map(|_| ())
    }

    /// Makes what was written to `log` durable, and makes sure that `name` still leads there: what nobody will find again is
    /// not kept.
    pub(crate) fn keep(&self, log: &Log, name: &str) -> io::Result<()> {
        log.sync()?;
        let (ours, found) = (log.0.metadata()?, fs::metadata(self.path.join(name))?);
        if (ours.dev(), ours.ino()) == (found.dev(), found.ino()) {
            Ok(())
        } else {
            Err(io::Error::other("another file has taken its place"))
        }
    }

    /// Makes names durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A file that grows at its end.
pub(crate) struct Log(File);

impl Log {
    pub(crate) fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    /// All of `bytes`, or an error, after which a part may be there.
    pub(crate) fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    /// As many as there are; 0 at the end.
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Makes what was written durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}
