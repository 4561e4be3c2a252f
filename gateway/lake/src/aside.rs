//! Files that appear whole or not at all.
//!
//! A file is written to `<root>/.aside/`, outside of all tables but in their file system, synced, renamed to its place,
//! and the folder that it is in now is synced. So a table's folder never has a part of a file in it, under any name.
//!
//! While it is written, the file is locked (`flock`). What a process that died has left there is told from what another
//! living sidecar is writing by that lock, and removed when a lake starts.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// The folder of a lake where files are written first.
pub(crate) struct Aside {
    folder: PathBuf,
    /// Distinguishes the writers of one lake.
    writer: uuid::Uuid,
    written: u64,
}

impl Aside {
    /// Makes the folder if it isn't there, and removes what dead writers have left. Says how many files that were.
    pub(crate) fn open(root: &Path) -> io::Result<(Self, usize)> {
        let folder = root.join(".aside");
        make_folder(&folder)?;
        let mut removed = 0;
        for entry in std::fs::read_dir(&folder)? {
            if remove_if_left_behind(&entry?.path())? {
                removed += 1;
            }
        }
        Ok((Self { folder, writer: uuid::Uuid::now_v7(), written: 0 }, removed))
    }

    /// Puts `bytes` into `folder` under `name`, replacing a file of that name, and makes it last.
    pub(crate) fn write(&mut self, folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
        make_folder(folder)?;
        self.written += 1;
        let aside = self.folder.join(format!("{}-{}", self.writer, self.written));
        let outcome = write_locked(&aside, bytes)
            .and_then(|file| std::fs::rename(&aside, folder.join(name)).map(|()| file))
            .and_then(|_file| sync_folder(folder));
        if outcome.is_err() {
            // Gone already if the rename worked. If it can't be removed, the next start does.
            let _ = std::fs::remove_file(&aside);
        }
        outcome
    }
}

/// A new file with these bytes, synced; the lock lasts as long as the answer.
fn write_locked(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)?;
    // Refused only if a lake that starts at this moment takes the file for one left behind: then it will be gone, the
    // write fails, and is tried again.
    file.try_lock()?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(file)
}

/// Removes a file unless a living writer has it locked.
fn remove_if_left_behind(path: &Path) -> io::Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(gone) if gone.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(other) => return Err(other),
    };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
        Ok(()) => match std::fs::remove_file(path) {
            Ok(()) => Ok(true),
            // Its writer had just renamed it.
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(other) => Err(other),
        },
    }
}

/// Makes a folder and what is missing above it, each made to last in the one above.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent();
    if let Some(above) = above {
        make_folder(if above.as_os_str().is_empty() { Path::new(".") } else { above })?;
    }
    match DirBuilder::new().mode(FOLDER_MODE).create(folder) {
        Ok(()) => above.map_or(Ok(()), sync_folder),
        Err(there) if there.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(other) => Err(other),
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_appears_whole_with_narrow_rights() {
        let root = tempfile::tempdir().unwrap();
        let (mut aside, removed) = Aside::open(root.path()).unwrap();
        assert_eq!(removed, 0);
        let folder = root.path().join("silver/events/label=PUBLIC");
        aside.write(&folder, "a.parquet", b"one").unwrap();
        aside.write(&folder, "a.parquet", b"two").unwrap();
        assert_eq!(std::fs::read(folder.join("a.parquet")).unwrap(), b"two");
        assert_eq!(mode(&folder.join("a.parquet")), 0o600);
        for made in [&folder, folder.parent().unwrap(), &root.path().join(".aside")] {
            assert_eq!(mode(made), 0o700);
        }
        assert_eq!(std::fs::read_dir(root.path().join(".aside")).unwrap().count(), 0);
    }

    #[test]
    fn what_a_dead_writer_left_is_removed_and_what_a_living_one_writes_is_not() {
        let root = tempfile::tempdir().unwrap();
        drop(Aside::open(root.path()).unwrap());
        let left = root.path().join(".aside/dead-1");
        std::fs::write(&left, b"half of a fi").unwrap();
        let living = root.path().join(".aside/living-1");
        let file = write_locked(&living, b"half").unwrap();
        let (_, removed) = Aside::open(root.path()).unwrap();
        assert_eq!(removed, 1);
        assert!(!left.exists() && living.exists());
        drop(file);
        assert_eq!(Aside::open(root.path()).unwrap().1, 1);
        assert!(!living.exists());
    }

    #[test]
    fn a_write_that_fails_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let (mut aside, _) = Aside::open(root.path()).unwrap();
        std::fs::write(root.path().join("silver"), b"a file where a folder should be").unwrap();
        aside.write(&root.path().join("silver/events"), "a.parquet", b"x").unwrap_err();
        std::fs::create_dir_all(root.path().join("b/a.parquet")).unwrap();
        aside.write(&root.path().join("b"), "a.parquet", b"x").unwrap_err();
        assert_eq!(std::fs::read_dir(root.path().join(".aside")).unwrap().count(), 0);
    }
}
