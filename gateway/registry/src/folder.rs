//! A folder of capabilities, as `bellgate registry serve` offers it.
//!
//! ```text
//! DIR/index.json      {"version": 1, "capabilities": [{"urn": "urn:...", "file": "deidentify.wasm", "sha256": "<64 hex digits>"}]}
//! DIR/deidentify.wasm
//! ```
//!
//! What holds: a name that was asked for is looked up in the index and never becomes a path; `file` is a plain name within the folder and no
//! symbolic link; bytes whose digest is not the index's are never handed out. The folder is read at every request, so that what lies
//! there now is what is served, and nothing is ever written.
//!
//! Bounded: the index by 1 MiB, a capability by 10,485,760 bytes.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::Deserialize;

use crate::{Digest, Urn};

/// The name of the index.
pub const INDEX: &str = "index.json";
/// The largest index.
const INDEX_BYTES: usize = 1 << 20;
/// The largest capability; what [`crate::FetchLimits`] allows.
const CAPABILITY_BYTES: usize = 10_485_760;

/// A folder of capabilities.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// One row of the index, checked.
pub(crate) struct Entry {
    pub(crate) urn: Urn,
    pub(crate) file: String,
    pub(crate) digest: Digest,
}

impl Folder {
    /// Opens a folder and reads everything that its index names, so that a mistake is told before anyone asks.
    ///
    /// Returns the folder and the names in it, in the index's order.
    ///
    /// # Errors
    /// All mistakes in one go.
    pub fn open(path: &Path) -> Result<(Self, Vec<Urn>), Vec<FolderError>> {
        let folder = Self { path: path.to_owned() };
        let entries = folder.entries()?;
        let mistakes: Vec<_> = entries.iter().filter_map(|entry| folder.read(entry).err()).collect();
        if mistakes.is_empty() {
            Ok((folder, entries.into_iter().map(|entry| entry.urn).collect()))
        } else {
            Err(mistakes)
        }
    }

    /// The row of `urn`, as the index says now.
    pub(crate) fn find(&self, urn: &Urn) -> Result<Option<Entry>, FolderError> {
        let entries = self
            .entries()
            .map_err(|mistakes| mistakes.into_iter().next().unwrap_or(FolderError::Index("it is empty".into())))?;
        Ok(entries.into_iter().find(|entry| entry.urn == *urn))
    }

    /// The bytes of a row, proved.
    pub(crate) fn read(&self, entry: &Entry) -> Result<Bytes, FolderError> {
        let bytes = read_file(&self.path.join(&entry.file), CAPABILITY_BYTES)
            .map_err(|error| FolderError::File { file: entry.file.clone(), reason: error.to_string() })?;
        let actual = Digest::of(&bytes);
        if actual == entry.digest {
            Ok(bytes.into())
        } else {
            Err(FolderError::Digest { file: entry.file.clone(), expected: entry.digest, actual })
        }
    }

    fn entries(&self) -> Result<Vec<Entry>, Vec<FolderError>> {
        let index = |reason: String| vec![FolderError::Index(reason)];
        let text = read_file(&self.path.join(INDEX), INDEX_BYTES).map_err(|error| index(error.to_string()))?;
        let raw: RawIndex = serde_json::from_slice(&text).map_err(|error| index(error.to_string()))?;
        if raw.version != 1 {
            return Err(index(format!("its version is {}, and this program reads version 1", raw.version)));
        }
        let mut seen = HashSet::new();
        let mut entries = Vec::new();
        let mut mistakes = Vec::new();
        for (number, row) in raw.capabilities.into_iter().enumerate() {
            match row.check() {
                Ok(entry) if seen.insert(entry.urn.clone()) => entries.push(entry),
                Ok(entry) => mistakes.push(FolderError::Row {
                    number,
                    reason: format!("`{}` is in the index twice; keep one", entry.urn),
                }),
                Err(reason) => mistakes.push(FolderError::Row { number, reason }),
            }
        }
        if mistakes.is_empty() { Ok(entries) } else { Err(mistakes) }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawIndex {
    version: u64,
    capabilities: Vec<RawRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRow {
    urn: String,
    file: String,
    sha256: String,
}

impl RawRow {
    fn check(self) -> Result<Entry, String> {
        let urn = Urn::parse(&self.urn).map_err(|error| error.to_string())?;
        let digest = Digest::parse(&self.sha256).map_err(|error| error.to_string())?;
        let plain = (1..=255).contains(&self.file.len())
            && !self.file.starts_with('.')
            && self.file.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if plain {
            Ok(Entry { urn, file: self.file, digest })
        } else {
            Err(format!(
                "`{}` is not a plain file name; use letters, digits, `.`, `_` and `-`, with no folder",
                self.file
            ))
        }
    }
}

/// Reads a regular file of at most `limit` bytes; a symbolic link is not followed, and a pipe does not make it wait.
fn read_file(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file: File = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let too_large = || io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {limit} bytes"));
    let bound = u64::try_from(limit).unwrap_or(u64::MAX);
    if found.len() > bound {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(found.len()).unwrap_or_default());
    file.take(bound.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > limit { Err(too_large()) } else { Ok(bytes) }
}

/// What is wrong with a folder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The index can't be used at all.
    #[error("{INDEX} can't be used: {0}")]
    Index(String),
    /// One row of it is wrong.
    #[error("{INDEX}, capabilities[{number}]: {reason}")]
    Row {
        /// Counted from 0.
        number: usize,
        /// What is wrong, and what to write.
        reason: String,
    },
    /// A file can't be read.
    #[error("`{file}` can't be read: {reason}")]
    File {
        /// Its name.
        file: String,
        /// What the system says.
        reason: String,
    },
    /// A file is not what the index says.
    #[error("`{file}` has sha256 {actual}, and {INDEX} says {expected}; correct whichever is wrong")]
    Digest {
        /// Its name.
        file: String,
        /// The index's.
        expected: Digest,
        /// The file's.
        actual: Digest,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            std::fs::write(dir.path().join(name), bytes).unwrap();
        }
        dir
    }

    fn index(rows: &str) -> String {
        format!(r#"{{"version":1,"capabilities":[{rows}]}}"#)
    }

    fn row(urn: &str, file: &str, bytes: &[u8]) -> String {
        format!(r#"{{"urn":"{urn}","file":"{file}","sha256":"{}"}}"#, Digest::of(bytes))
    }

    fn mistakes(index: &str, files: &[(&str, &[u8])]) -> String {
        let dir = folder(files);
        std::fs::write(dir.path().join(INDEX), index).unwrap();
        let mistakes = Folder::open(dir.path()).unwrap_err();
        mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_is_in_the_index_is_there() {
        let rows = [row("urn:x:a", "a.wasm", b"A"), row("URN:X:b?", "b.wasm", b"B")].join(",");
        let dir = folder(&[(INDEX, index(&rows).as_bytes()), ("a.wasm", b"A"), ("b.wasm", b"B"), ("c.wasm", b"C")]);
        let (folder, names) = Folder::open(dir.path()).unwrap();
        assert_eq!(names.iter().map(Urn::as_str).collect::<Vec<_>>(), ["urn:x:a", "urn:x:b%3F"]);
        let entry = folder.find(&Urn::parse("urn:x:b?").unwrap()).unwrap().unwrap();
        assert_eq!(folder.read(&entry).unwrap(), "B");
        assert!(folder.find(&Urn::parse("urn:x:c").unwrap()).unwrap().is_none());
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let rows = [
            row("nonsense", "a.wasm", b"A"),
            row("urn:x:b", "../b.wasm", b"B"),
            row("urn:x:c", "c", b"C"),
            row("urn:X:c", "d", b"C"),
        ]
        .join(",");
        let told = mistakes(&index(&rows), &[]);
        for part in [
            "capabilities[0]: `nonsense` does not begin",
            "capabilities[1]: `../b.wasm` is not a plain",
            "capabilities[3]: `urn:x:c` is in the index twice",
        ] {
            assert!(told.contains(part), "{told}");
        }
        let rows = [row("urn:x:a", "a", b"A"), row("urn:x:b", "b", b"B")].join(",");
        let told = mistakes(&index(&rows), &[("a", b"changed")]);
        assert!(told.contains("`a` has sha256") && told.contains("`b` can't be read"), "{told}");
    }

    #[test]
    fn an_index_that_is_none() {
        for (text, part) in [
            ("", "EOF"),
            ("{}", "missing field"),
            (r#"{"version":2,"capabilities":[]}"#, "version is 2"),
            (r#"{"version":1,"capabilities":[],"more":1}"#, "unknown field `more`"),
            (r#"{"version":1,"version":1,"capabilities":[]}"#, "duplicate field"),
        ] {
            let told = mistakes(text, &[]);
            assert!(told.contains(part), "{told}");
        }
        let dir = tempfile::tempdir().unwrap();
        assert!(
            matches!(Folder::open(dir.path()), Err(mistakes) if matches!(mistakes.as_slice(), [FolderError::Index(_)]))
        );
    }

    #[test]
    fn neither_links_nor_folders_nor_pipes_are_read() {
        let outside = folder(&[("secret", b"S")]);
        let rows = ["link", "folder", "pipe"].map(|file| row(&format!("urn:x:{file}"), file, b"S")).join(",");
        let dir = folder(&[(INDEX, index(&rows).as_bytes())]);
        std::os::unix::fs::symlink(outside.path().join("secret"), dir.path().join("link")).unwrap();
        std::fs::create_dir(dir.path().join("folder")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, dir.path().join("pipe"), rustix::fs::Mode::RUSR).unwrap();
        let mistakes = Folder::open(dir.path()).unwrap_err();
        assert_eq!(mistakes.len(), 3, "{mistakes:?}");
        assert!(mistakes.iter().all(|mistake| matches!(mistake, FolderError::File { .. })), "{mistakes:?}");
    }

    #[test]
    fn the_size_limit_holds_at_its_edge() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        for (length, read) in [(9, true), (10, true), (11, false)] {
            std::fs::write(&path, vec![0; length]).unwrap();
            assert_eq!(read_file(&path, 10).is_ok(), read);
        }
    }
}
