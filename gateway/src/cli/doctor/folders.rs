//! Folders and files that are the gateway's alone.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::finding::Finding;
use super::users::Gateway;
use crate::config::Config;

/// State, audit log, lake.
pub(super) fn checks(config: &Config, gateway: &Gateway) -> Vec<Finding> {
    let mut findings = vec![own("state-folder", &config.state.directory, gateway)];
    if let Some(audit) = &config.audit {
        if let Some(folder) = audit.parent().filter(|folder| *folder != config.state.directory) {
            findings.push(own("audit-folder", folder, gateway));
        }
        if audit.exists() {
            findings.push(own_file("audit-file", audit, gateway));
        }
    }
    if let Some(telemetry) = &config.telemetry
        && telemetry.lake.exists()
    {
        findings.push(lake(&telemetry.lake));
    }
    findings
}

/// Whoever can write there can lower a watermark; whoever can read there learns what was read.
fn own(check: &'static str, folder: &Path, gateway: &Gateway) -> Finding {
    let expected = format!("mode 0700 and owner {} ({})", gateway.uid, gateway.from);
    let shown = folder.display();
    let meta = match fs::metadata(folder) {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Finding::warn(
                check,
                format!("`{shown}` is not there"),
                expected,
                "the gateway makes it at its first start; a volume that should be mounted there is not",
            );
        }
        Err(error) => {
            return Finding::fail(
                check,
                format!("`{shown}` can't be looked at: {error}"),
                expected,
                "run doctor as the gateway's user",
            );
        }
    };
    let (mode, owner) = (meta.mode() & 0o7777, meta.uid());
    if !meta.is_dir() {
        return Finding::fail(
            check,
            format!("`{shown}` is no folder"),
            expected,
            "name a folder of this gateway alone",
        );
    }
    if mode & 0o077 != 0 || owner != gateway.uid {
        return Finding::fail(
            check,
            format!("`{shown}` has mode {mode:04o} and owner {owner}"),
            expected,
            format!("chown {} {shown} && chmod 0700 {shown}", gateway.uid),
        );
    }
    Finding::ok(check, format!("`{shown}`, mode {mode:04o}, owner {owner}, on {}", filesystem(folder)))
}

fn own_file(check: &'static str, file: &Path, gateway: &Gateway) -> Finding {
    let expected = format!("mode 0600 and owner {} ({})", gateway.uid, gateway.from);
    let shown = file.display();
    match fs::metadata(file) {
        Ok(meta) if meta.mode() & 0o077 != 0 || meta.uid() != gateway.uid => Finding::fail(
            check,
            format!(
                "`{shown}` has mode {:04o} and owner {}; it names everything that was read",
                meta.mode() & 0o7777,
                meta.uid()
            ),
            expected,
            format!("chown {} {shown} && chmod 0600 {shown}", gateway.uid),
        ),
        Ok(meta) => Finding::ok(check, format!("`{shown}`, mode {:04o}, owner {}", meta.mode() & 0o7777, meta.uid())),
        Err(error) => Finding::fail(
            check,
            format!("`{shown}` can't be looked at: {error}"),
            expected,
            "run doctor as the gateway's user",
        ),
    }
}

/// Rows of several labels lie there for several readers; nobody else may write.
fn lake(folder: &Path) -> Finding {
    let shown = folder.display();
    match fs::metadata(folder).map(|meta| meta.mode() & 0o7777) {
        Ok(mode) if mode & 0o002 != 0 => Finding::fail(
            "lake",
            format!("`{shown}` has mode {mode:04o}: anybody may put rows there"),
            "no write permission for others",
            format!("chmod o-w {shown}"),
        ),
        Ok(mode) => Finding::ok("lake", format!("`{shown}`, mode {mode:04o}; files in it are of mode 0600, by label")),
        Err(error) => Finding::warn(
            "lake",
            format!("`{shown}` can't be looked at: {error}"),
            "",
            "run doctor as the gateway's user",
        ),
    }
}

/// What a path is on, for a person who judges whether it ends with the workload: `ext4 at /var`.
pub(super) fn filesystem(path: &Path) -> String {
    let known = path.ancestors().find_map(|path| fs::canonicalize(path).ok());
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    known.and_then(|path| mount_of(&mounts, &path)).unwrap_or_else(|| String::from("a file system that can't be told"))
}

/// The longest mount point above `path`; of several at one place the last, which hides the others (proc_pid_mountinfo(5)).
fn mount_of(mounts: &str, path: &Path) -> Option<String> {
    let mut best: Option<(&str, &str)> = None;
    for line in mounts.lines() {
        let (left, right) = line.split_once(" - ")?;
        let (point, kind) = (left.split(' ').nth(4)?, right.split(' ').next()?);
        if path.starts_with(point) && best.is_none_or(|(best, _)| point.len() >= best.len()) {
            best = Some((point, kind));
        }
    }
    best.map(|(point, kind)| format!("{kind} at {point}"))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::finding::Status;
    use super::*;

    fn gateway() -> Gateway {
        Gateway { uid: rustix::process::geteuid().as_raw(), from: "test", runs: false }
    }

    #[test]
    fn a_folder_of_the_gateway_alone_is_of_mode_0700_and_its_own() {
        let folder = tempfile::tempdir().unwrap();
        for (mode, status) in [
            (0o700, Status::Ok),
            (0o500, Status::Ok),
            (0o701, Status::Fail),
            (0o710, Status::Fail),
            (0o770, Status::Fail),
            (0o704, Status::Fail),
        ] {
            fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
            let finding = own("state-folder", folder.path(), &gateway());
            assert_eq!(finding.status, status, "{mode:o}");
            assert!(status == Status::Ok || finding.todo.contains("chmod 0700"), "{finding:?}");
        }
        fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
        let other = Gateway { uid: gateway().uid + 1, ..gateway() };
        assert_eq!(own("state-folder", folder.path(), &other).status, Status::Fail, "another's folder");
        assert_eq!(own("state-folder", &folder.path().join("none"), &gateway()).status, Status::Warn);
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(own("state-folder", &file, &gateway()).status, Status::Fail, "no folder");
    }

    #[test]
    fn the_audit_file_is_for_the_gateway_and_the_lake_is_written_by_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.jsonl");
        fs::write(&file, "").unwrap();
        for (mode, status) in [(0o600, Status::Ok), (0o640, Status::Fail), (0o604, Status::Fail)] {
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            assert_eq!(own_file("audit-file", &file, &gateway()).status, status, "{mode:o}");
        }
        for (mode, status) in [(0o750, Status::Ok), (0o755, Status::Ok), (0o757, Status::Fail)] {
            fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
            assert_eq!(lake(folder.path()).status, status, "{mode:o}");
        }
    }

    #[test]
    fn the_mount_is_the_longest_and_the_last() {
        let mounts = "22 1 0:1 / / rw - ext4 /dev/a rw\n23 22 0:2 / /var rw shared:1 - xfs /dev/b rw\n24 22 0:3 / /var/lib/bellgate rw - tmpfs tmpfs rw\n25 22 0:4 / /v rw - nfs x rw\n";
        let of = |path: &str| mount_of(mounts, Path::new(path)).unwrap();
        assert_eq!(of("/var/lib/bellgate/state"), "tmpfs at /var/lib/bellgate");
        assert_eq!(of("/var/lib"), "xfs at /var");
        assert_eq!(of("/home"), "ext4 at /");
    }
}
