//! What a user may do with a path, by owners and mode bits of it and of every folder above it.

use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::users::Person;

/// What would be done with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Need {
    /// Read a file, or list a folder.
    Read,
    /// Write a file or into a folder; connect to a socket.
    Write,
}

/// Whether it could.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Access {
    /// Nothing is there.
    Missing,
    /// Something in the way keeps it out: which.
    No(PathBuf),
    /// Nothing in the way keeps it out.
    Yes,
    /// Doctor may not look at it, or it has an access control list, which is not read here.
    Unknown(String),
}

/// Whether `person` could do that with `path`.
pub(super) fn of(person: &Person, path: &Path, need: Need) -> Access {
    let whole = match fs::canonicalize(path) {
        Ok(whole) => whole,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Access::Missing,
        Err(error) => return Access::Unknown(format!("`{}` can't be looked at: {error}", path.display())),
    };
    let mut above: Vec<&Path> = whole.ancestors().skip(1).collect();
    above.reverse();
    let mut listed = None;
    for (step, bit) in above.into_iter().map(|folder| (folder, 0o1)).chain([(whole.as_path(), bit(need))]) {
        let meta = match fs::metadata(step) {
            Ok(meta) => meta,
            Err(error) => return Access::Unknown(format!("`{}` can't be looked at: {error}", step.display())),
        };
        if !may(person, &meta, bit) {
            return Access::No(step.to_owned());
        }
        if listed.is_none() && has_list(step) {
            listed = Some(step.to_owned());
        }
    }
    match listed {
        Some(step) => {
            Access::Unknown(format!("`{}` has an access control list, which doctor does not read", step.display()))
        }
        None => Access::Yes,
    }
}

/// As [`of`] for connecting to a socket: where it is not there, for making one in its folder.
pub(super) fn to_socket(person: &Person, socket: &Path) -> Access {
    match fs::metadata(socket) {
        Ok(meta) if meta.file_type().is_socket() => of(person, socket, Need::Write),
        Ok(_) | Err(_) => match socket.parent() {
            Some(folder) => of(person, folder, Need::Write),
            None => Access::Missing,
        },
    }
}

fn bit(need: Need) -> u32 {
    match need {
        Need::Read => 0o4,
        Need::Write => 0o2,
    }
}

/// path_resolution(7): the first class that fits decides, and root passes.
fn may(person: &Person, meta: &Metadata, bit: u32) -> bool {
    if person.uid == 0 || person.capabilities.contains(&"CAP_DAC_OVERRIDE") {
        return true;
    }
    if bit != 0o2 && person.capabilities.contains(&"CAP_DAC_READ_SEARCH") {
        return true;
    }
    let class = if meta.uid() == person.uid {
        6
    } else if person.groups.contains(&meta.gid()) {
        3
    } else {
        0
    };
    (meta.mode() >> class) & bit == bit
}

fn has_list(path: &Path) -> bool {
    let mut value = [0_u8; 1024];
    match rustix::fs::getxattr(path, "system.posix_acl_access", &mut value[..]) {
        Ok(length) => length > 0,
        // Larger than an entry for each class: a list.
        Err(error) => error == rustix::io::Errno::RANGE,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn person(uid: u32, groups: &[u32]) -> Person {
        Person { uid, groups: groups.to_vec(), from: String::new(), capabilities: Vec::new(), elsewhere: false }
    }

    #[test]
    fn owner_group_and_others_have_their_own_bits_and_every_folder_counts() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let file = inner.join("file");
        fs::write(&file, "x").unwrap();
        let meta = fs::metadata(&file).unwrap();
        let (me, group) = (meta.uid(), meta.gid());
        let other = person(me + 40_001, &[group + 40_001]);
        let member = person(me + 40_001, &[group]);
        // Who owns it, who shares its group, and who has nothing to do with it.
        for (folder_mode, file_mode, need, others, members) in [
            (0o755, 0o644, Need::Read, true, true),
            (0o755, 0o644, Need::Write, false, false),
            (0o755, 0o660, Need::Write, false, true),
            (0o755, 0o606, Need::Write, true, false),
            (0o700, 0o666, Need::Read, false, false),
            (0o750, 0o666, Need::Read, false, true),
            (0o754, 0o666, Need::Read, false, true),
        ] {
            fs::set_permissions(&inner, Permissions::from_mode(folder_mode)).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(file_mode)).unwrap();
            // The folders above a temporary one are the machine's; they let everybody through.
            let found = |person: &Person| of(person, &file, need) == Access::Yes;
            assert_eq!(found(&other), others, "others, {folder_mode:o} {file_mode:o} {need:?}");
            assert_eq!(found(&member), members, "group, {folder_mode:o} {file_mode:o} {need:?}");
            assert!(of(&person(0, &[]), &file, need) == Access::Yes, "root");
        }
        fs::set_permissions(&inner, Permissions::from_mode(0o700)).unwrap();
        assert_eq!(of(&other, &file, Need::Read), Access::No(fs::canonicalize(&inner).unwrap()));
        let strong = Person { capabilities: vec!["CAP_DAC_READ_SEARCH"], ..other.clone() };
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(of(&strong, &file, Need::Read), Access::Yes);
        assert!(matches!(of(&strong, &file, Need::Write), Access::No(_)));
        assert_eq!(of(&other, &inner.join("nothing"), Need::Read), Access::Missing);
    }

    #[test]
    fn a_socket_that_is_not_there_counts_as_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("a.sock");
        let other = person(fs::metadata(folder.path()).unwrap().uid() + 40_001, &[]);
        fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
        assert!(matches!(to_socket(&other, &socket), Access::No(_)));
        fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        assert_eq!(to_socket(&other, &socket), Access::Yes, "it could listen there first");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        fs::set_permissions(&socket, Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(to_socket(&other, &socket), Access::No(_)));
        fs::set_permissions(&socket, Permissions::from_mode(0o666)).unwrap();
        assert_eq!(to_socket(&other, &socket), Access::Yes);
    }
}
