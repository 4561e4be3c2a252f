//! The files of one workload's state, and what can go wrong with them.
//!
//! | file | what |
//! | --- | --- |
//! | `journal-<id>.log` | what raised the watermark, handles, budgets: `record.rs` |
//! | `journal-<id>.new` | the journal that is being written to replace it; never read |
//! | `journal-<id>.damaged` | the last one that could not be used, kept for people |
//! | `clearance-<id>.json` | the highest clearance that this ID ever had here: `clearance.rs` |
//! | `watermark-<id>.json` | the format before this one; taken over once, then removed: `earlier.rs` |
//! | `lock` | held while a gateway runs |
//!
//! `<id>` is the first half of the SHA-256 of the SPIFFE ID, in hexadecimal digits: a subject's name in the policy can
//! change, and its watermark must not get lost by that.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bellgate_policy::SpiffeId;
use sha2::{Digest, Sha256};

use crate::disk::Folder;

/// Why the state of a watermark could not be read or kept.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StateError {
    /// The folder or file could not be read or written.
    #[error("cannot {doing} watermark state `{}`: {source}; check the folder's owner, mode and free space", path.display())]
    Io {
        /// What was being done: `read`, `write`.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: Arc<io::Error>,
    },
    /// The file is there but is not what this version writes.
    #[error("watermark state `{}` is damaged: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was expected.
        why: String,
    },
    /// Another process keeps its state in this folder.
    #[error("`{}` is in use by another gateway; give each one a folder of its own", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A label of a policy that is not the one in force here.
    #[error("the label to keep is of another policy's lattice; try again once the policy has been replaced")]
    OtherLattice,
}

/// Names of the files in a folder.
pub(crate) struct Files {
    pub(crate) folder: Folder,
    pub(crate) subject: String,
    pub(crate) journal: String,
    pub(crate) aside: String,
    pub(crate) damaged: String,
    pub(crate) clearance: String,
    pub(crate) earlier: String,
}

impl Files {
    pub(crate) fn new(folder: Folder, subject: &SpiffeId) -> Self {
        let mut id = hex::encode(Sha256::digest(subject.as_str()));
        id.truncate(16);
        Self {
            folder,
            subject: subject.as_str().to_owned(),
            journal: format!("journal-{id}.log"),
            aside: format!("journal-{id}.new"),
            damaged: format!("journal-{id}.damaged"),
            clearance: format!("clearance-{id}.json"),
            earlier: format!("watermark-{id}.json"),
        }
    }

    pub(crate) fn reading(&self, name: &str) -> impl FnOnce(io::Error) -> StateError {
        self.error("read", name)
    }

    pub(crate) fn writing(&self, name: &str) -> impl FnOnce(io::Error) -> StateError {
        self.error("write", name)
    }

    fn error(&self, doing: &'static str, name: &str) -> impl FnOnce(io::Error) -> StateError {
        let path = self.folder.path().join(name);
        move |source| StateError::Io { doing, path, source: Arc::new(source) }
    }

    pub(crate) fn damage(&self, name: &str, why: String) -> StateError {
        StateError::Damaged { path: self.folder.path().join(name), why }
    }

    /// Replaces a file whole, and returns once that would survive a power cut. `aside` must be a name that nobody reads.
    pub(crate) fn replace(&self, aside: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
        let log = self.folder.create(aside)?;
        log.write_at(0, bytes)?;
        log.sync()?;
        self.folder.rename(aside, name)?;
        self.folder.sync()
    }
}
