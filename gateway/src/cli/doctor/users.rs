//! Whom it is about: the gateway's user, and the workload's.

use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::{processes, table};
use crate::config::{Config, EgressListen, TcpOrUnix};

/// The user that the gateway runs as.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Gateway {
    pub(super) uid: u32,
    /// How that is known.
    pub(super) from: &'static str,
    /// Whether a gateway answered.
    pub(super) runs: bool,
}

/// A user that the workload runs as.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Person {
    pub(super) uid: u32,
    pub(super) groups: Vec<u32>,
    /// How it is known that the workload is this user.
    pub(super) from: String,
    /// Dangerous capabilities of its processes.
    pub(super) capabilities: Vec<&'static str>,
    /// It is certainly in another container: it listens here, and none of its processes can be seen, or they have other mounts.
    pub(super) elsewhere: bool,
}

impl Person {
    /// A user by number, with what can be seen of its processes.
    pub(super) fn new(uid: u32, from: String, listens_here: bool) -> Self {
        let seen = processes::of_uid(uid);
        let mut groups: Vec<u32> = seen.iter().flat_map(|process| process.groups.clone()).collect();
        if seen.is_empty() {
            groups = processes::groups_by_name(uid);
        }
        groups.sort_unstable();
        groups.dedup();
        let mut capabilities: Vec<&'static str> = seen.iter().flat_map(processes::Process::dangerous).collect();
        capabilities.sort_unstable();
        capabilities.dedup();
        let apart =
            !seen.is_empty() && seen.iter().all(|process| processes::sees_our_files(process.pid) == Some(false));
        Self { uid, groups, from, capabilities, elsewhere: apart || (listens_here && seen.is_empty()) }
    }
}

/// The workload's users: who listens where `ingress` delivers, who may use an egress socket, and who was named.
pub(super) fn workload(config: &Config, named: &[u32]) -> Vec<Person> {
    let mut people: Vec<Person> = Vec::new();
    let mut add = |person: Person| {
        if people.iter().all(|known| known.uid != person.uid) {
            people.push(person);
        }
    };
    match config.ingress.as_ref().map(|ingress| &ingress.workload) {
        Some(TcpOrUnix::Tcp(address)) => {
            for uid in listeners(*address) {
                add(Person::new(uid, format!("it listens on {address}"), true));
            }
        }
        Some(TcpOrUnix::Unix(path)) => {
            if let Some(uid) = server_of(path) {
                add(Person::new(uid, format!("it listens on `{}`", path.display()), true));
            }
        }
        None => {}
    }
    if let Some(EgressListen::Unix(unix)) = config.egress.as_ref().map(|egress| &egress.listen) {
        for uid in &unix.uids {
            add(Person::new(*uid, String::from("`egress.uids` names it"), false));
        }
    }
    for uid in named {
        add(Person::new(*uid, String::from("--workload-uid"), false));
    }
    people
}

/// The uids that listen at an address of this network namespace.
pub(super) fn listeners(address: SocketAddr) -> Vec<u32> {
    let mut uids: Vec<u32> = table::at(&table::read(), address).iter().map(|listening| listening.uid).collect();
    uids.sort_unstable();
    uids.dedup();
    uids
}

/// The uid of the process that listens on a Unix socket, by the kernel's word.
pub(super) fn server_of(socket: &Path) -> Option<u32> {
    let stream = UnixStream::connect(socket).ok()?;
    Some(rustix::net::sockopt::socket_peercred(&stream).ok()?.uid.as_raw())
}
