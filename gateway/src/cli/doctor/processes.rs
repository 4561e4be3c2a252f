//! Processes of this PID namespace: whose they are and what they could do (proc_pid_status(5)).

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// What doctor wants of a process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// Primary and supplementary groups.
    pub(super) groups: Vec<u32>,
    /// Effective capabilities, one bit each.
    pub(super) capabilities: u64,
}

/// Capabilities with which a workload gets around its gateway, or into it.
const DANGEROUS: [(u32, &str); 16] = [
    (0, "CAP_CHOWN"),
    (1, "CAP_DAC_OVERRIDE"),
    (2, "CAP_DAC_READ_SEARCH"),
    (3, "CAP_FOWNER"),
    (5, "CAP_KILL"),
    (6, "CAP_SETGID"),
    (7, "CAP_SETUID"),
    (8, "CAP_SETPCAP"),
    (12, "CAP_NET_ADMIN"),
    (13, "CAP_NET_RAW"),
    (16, "CAP_SYS_MODULE"),
    (17, "CAP_SYS_RAWIO"),
    (19, "CAP_SYS_PTRACE"),
    (21, "CAP_SYS_ADMIN"),
    (27, "CAP_MKNOD"),
    (39, "CAP_BPF"),
];

impl Process {
    /// The dangerous capabilities that it has.
    pub(super) fn dangerous(&self) -> Vec<&'static str> {
        DANGEROUS.iter().filter(|(bit, _)| self.capabilities & (1 << bit) != 0).map(|(_, name)| *name).collect()
    }
}

/// Those of `uid` that can be seen from here.
pub(super) fn of_uid(uid: u32) -> Vec<Process> {
    pids().filter(|pid| owner(*pid) == Some(uid)).filter_map(read).collect()
}

/// The one with this process ID.
pub(super) fn read(pid: u32) -> Option<Process> {
    parse(pid, &fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn parse(pid: u32, status: &str) -> Option<Process> {
    let field = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)).map(|rest| rest.trim_start_matches(':').trim())
    };
    let mut groups: Vec<u32> = field("Groups")?.split_whitespace().filter_map(|gid| gid.parse().ok()).collect();
    // Real, effective, saved, of the filesystem: the last decides about files.
    groups.extend(field("Gid")?.split_whitespace().filter_map(|gid| gid.parse::<u32>().ok()).next_back());
    groups.sort_unstable();
    groups.dedup();
    Some(Process { pid, groups, capabilities: u64::from_str_radix(field("CapEff")?, 16).ok()? })
}

fn owner(pid: u32) -> Option<u32> {
    // The status file belongs to the effective uid even where the folder says root.
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    uids.split_whitespace().nth(1)?.parse().ok()
}

fn pids() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Groups that the machine's files give `uid`: the primary one and those in which its name stands.
pub(super) fn groups_by_name(uid: u32) -> Vec<u32> {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    groups_in(&read("/etc/passwd"), &read("/etc/group"), uid)
}

fn groups_in(passwd: &str, group: &str, uid: u32) -> Vec<u32> {
    let mut groups = Vec::new();
    for line in passwd.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, number, primary, ..] = fields.as_slice() else { continue };
        if number.parse() != Ok(uid) {
            continue;
        }
        groups.extend(primary.parse::<u32>().ok());
        for line in group.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            if let [_, _, number, members] = fields.as_slice()
                && members.split(',').any(|member| member == *name)
            {
                groups.extend(number.parse::<u32>().ok());
            }
        }
    }
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// Whether `path` is one and the same for that process and for us: by mount namespace. `None` where it may not be looked at.
pub(super) fn sees_our_files(pid: u32) -> Option<bool> {
    let namespace = |path: &Path| fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
    let own = namespace(Path::new("/proc/self/ns/mnt"))?;
    Some(namespace(Path::new(&format!("/proc/{pid}/ns/mnt")))? == own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_file_is_read() {
        let status = "Name:\tapp\nUid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\nGroups:\t27 1000 4 \nCapEff:\t0000000000003000\n";
        let process = parse(7, status).unwrap();
        assert_eq!(process.groups, [4, 27, 1000]);
        assert_eq!(process.dangerous(), ["CAP_NET_ADMIN", "CAP_NET_RAW"]);
        assert_eq!(parse(7, "Name:\tapp\n"), None);
        let own = std::process::id();
        assert!(of_uid(rustix::process::geteuid().as_raw()).iter().any(|process| process.pid == own));
        assert_eq!(sees_our_files(own), Some(true));
    }

    #[test]
    fn groups_come_from_both_files() {
        let passwd = "root:x:0:0::/root:/bin/sh\napp:x:1000:100::/:/bin/sh\nbroken\n";
        let group = "bellgate:x:200:web,app\nothers:x:201:apple\nbroken\n";
        assert_eq!(groups_in(passwd, group, 1000), [100, 200]);
        assert_eq!(groups_in(passwd, group, 4), Vec::<u32>::new());
    }
}
