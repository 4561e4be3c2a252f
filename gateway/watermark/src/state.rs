//! The state file of one watermark.
//!
//! ```json
//! {"version":1,"subject":"spiffe://…","label":"RESTRICTED:clinical","cause":{…}}
//! ```
//!
//! It is replaced whole: written to a sibling, synced, renamed, and the folder synced, so that a
//! reader finds the old or the new one and never a part (POSIX rename(2)). Mode 0600.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bellgate_policy::{Observation, SpiffeId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const FORMAT: u32 = 1;
/// A label of 1,024 categories with names of 32 bytes is about 34 KiB; a state file larger than
/// this was not written by us.
const MAX_BYTES: u64 = 256 * 1024;

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
    /// Another process keeps its state in this folder.
    #[error("`{}` is in use by another gateway; give each one a folder of its own", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The file is there but is not what this version writes.
    #[error("watermark state `{}` is damaged: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was expected.
        why: String,
    },
}

/// What is kept on disk.
#[derive(Serialize, Deserialize)]
pub(crate) struct State {
    version: u32,
    subject: String,
    /// The text form of the label; names, never indices.
    pub(crate) label: String,
    /// What raised it last.
    pub(crate) cause: Option<Observation>,
}

/// Where the state of one subject lies.
pub(crate) struct StateFile {
    folder: PathBuf,
    path: PathBuf,
    subject: String,
}

impl StateFile {
    /// Named after the SPIFFE ID: a subject's name in the policy can change, and its watermark must not get lost by that.
    pub(crate) fn new(folder: &Path, subject: &SpiffeId) -> Self {
        let digest = hex::encode(Sha256::digest(subject.as_str()));
        Self {
            folder: folder.to_owned(),
            path: folder.join(format!("watermark-{}.json", digest.get(..16).unwrap_or(&digest))),
            subject: subject.as_str().to_owned(),
        }
    }

    /// `Ok(None)` where nothing was ever kept here.
    pub(crate) fn read(&self) -> Result<Option<State>, StateError> {
        let bytes = match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.io("read", error)),
            Ok(meta) if meta.len() > MAX_BYTES => {
                return Err(self.damaged(format!("it has {} bytes, expected at most {MAX_BYTES}", meta.len())));
            }
            Ok(_) => fs::read(&self.path).map_err(|error| self.io("read", error))?,
        };
        let state: State = serde_json::from_slice(&bytes)
            .map_err(|error| self.damaged(format!("expected one JSON object, {error}")))?;
        if state.version != FORMAT {
            return Err(self.damaged(format!("expected version {FORMAT}, found {}", state.version)));
        }
        if state.subject != self.subject {
            return Err(self.damaged(format!("expected the state of `{}`, found another subject's", self.subject)));
        }
        Ok(Some(state))
    }

    /// Returns once the new state would survive a power cut.
    pub(crate) fn write(&self, label: String, cause: Option<&Observation>) -> Result<(), StateError> {
        let state = State { version: FORMAT, subject: self.subject.clone(), label, cause: cause.cloned() };
        self.replace(&state).map_err(|error| self.io("write", error))
    }

    fn replace(&self, state: &State) -> io::Result<()> {
        let aside = self.path.with_extension("json.new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        serde_json::to_writer(&mut file, state)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&aside, &self.path)?;
        File::open(&self.folder)?.sync_all()
    }

    fn io(&self, doing: &'static str, source: io::Error) -> StateError {
        StateError::Io { doing, path: self.path.clone(), source: Arc::new(source) }
    }

    pub(crate) fn damaged(&self, why: String) -> StateError {
        StateError::Damaged { path: self.path.clone(), why }
    }
}
