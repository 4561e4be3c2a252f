//! The files that a config names: each is read once, within bounds, and remembered.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The largest file that is read. A large set of schemas has 2 MiB.
const FILE_BYTES: u64 = 16 << 20;

/// What was read so far.
pub(super) struct Files {
    folder: PathBuf,
    texts: BTreeMap<PathBuf, Result<Arc<str>, String>>,
}

impl Files {
    /// Paths of the config at `config` are relative to its folder.
    pub(super) fn beside(config: &Path) -> Self {
        Self { folder: config.parent().unwrap_or(Path::new("")).to_owned(), texts: BTreeMap::new() }
    }

    /// Where a path of the config leads: absolute, or relative to the config's own folder.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// The text of a file; the error names it and says what to do. Read once, whoever asks.
    pub(super) fn text(&mut self, path: &Path) -> Result<Arc<str>, String> {
        self.own_text(path).map_err(|reason| format!("`{}` {reason}", path.display()))
    }

    /// [`Files::text`], for a report that begins with the file's name.
    pub(super) fn own_text(&mut self, path: &Path) -> Result<Arc<str>, String> {
        self.texts.entry(path.to_owned()).or_insert_with(|| read(path)).clone()
    }

    /// Every file that was asked for, sorted.
    pub(super) fn names(&self) -> Vec<PathBuf> {
        self.texts.keys().cloned().collect()
    }
}

fn read(path: &Path) -> Result<Arc<str>, String> {
    let unreadable = |error: std::io::Error| format!("can't be read: {error}");
    let found = std::fs::metadata(path).map_err(unreadable)?;
    if !found.is_file() {
        return Err(String::from("is not a regular file; name the file itself"));
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_BYTES {
        return Err(format!("is larger than {FILE_BYTES} bytes; split it"));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.into()),
        Err(error) => Err(format!("is not UTF-8 from byte {} on; save it as UTF-8", error.utf8_error().valid_up_to())),
    }
}
