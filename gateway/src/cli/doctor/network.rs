//! Whether the workload could reach the network around its gateway: tried, as its uid, where doctor may become it.
//!
//! A thread of its own takes the workload's uid (credentials are a thread's own on Linux, credentials(7)) and opens a connection, which is
//! closed without a byte. Rules by owner (iptables `--uid-owner`) judge that socket as they judge the workload's. An address that the
//! gateway's own uid doesn't reach either tells nothing.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use rustix::process::{Gid, Uid};

use super::finding::Finding;
use super::users::{self, Gateway, Person};
use crate::config::{Config, EgressListen};

/// For one connection.
const PATIENCE: Duration = Duration::from_secs(1);
/// Of the upstreams' addresses; one that is reached is enough to know.
const MOST: usize = 8;

/// Who holds the egress port, and whether there is another way out.
pub(super) fn checks(config: &Config, gateway: &Gateway, people: &[Person]) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(EgressListen::Loopback(address)) = config.egress.as_ref().map(|egress| &egress.listen) {
        findings.push(egress_port(*address, &users::listeners(*address), gateway));
    }
    let addresses = outside(config);
    let root = rustix::process::geteuid().is_root();
    for person in people.iter().filter(|person| person.uid != gateway.uid && person.uid != 0) {
        findings.push(if !root {
            Finding::unseen(
                "way-out",
                format!("whether uid {} can reach the network around the gateway", person.uid),
                "run doctor as root in the workload's network namespace: it then tries as that uid",
            )
        } else if addresses.is_empty() {
            Finding::unseen(
                "way-out",
                format!(
                    "whether uid {} can reach the network around the gateway: no upstream is outside of this machine",
                    person.uid
                ),
                "",
            )
        } else {
            way_out(person.uid, gateway.uid, &addresses, reached)
        });
    }
    findings
}

/// Whoever holds the port hears all that the workload says.
fn egress_port(address: SocketAddr, holders: &[u32], gateway: &Gateway) -> Finding {
    match holders {
        [] => Finding::warn(
            "egress-port",
            format!("nobody listens on {address}"),
            format!("the gateway, uid {}", gateway.uid),
            "start the gateway",
        ),
        [uid] if *uid == gateway.uid => {
            Finding::ok("egress-port", format!("uid {uid}, the gateway's, listens on {address}"))
        }
        others => Finding::fail(
            "egress-port",
            format!("uids {others:?} listen on {address}"),
            format!("the gateway alone, uid {} ({})", gateway.uid, gateway.from),
            "stop the other process: the workload talks to it instead of its gateway",
        ),
    }
}

/// Upstreams and registry that are not on this machine.
fn outside(config: &Config) -> Vec<SocketAddr> {
    let upstreams = config.upstreams.values().map(|settings| (settings.address.host(), settings.address.port()));
    upstreams
        .filter_map(|place| place.to_socket_addrs().ok())
        .flatten()
        .filter(|address| !address.ip().is_loopback())
        .take(MOST)
        .collect()
}

fn way_out(
    workload: u32,
    gateway: u32,
    addresses: &[SocketAddr],
    reaches: impl Fn(u32, SocketAddr) -> bool,
) -> Finding {
    let open: Vec<SocketAddr> = addresses.iter().copied().filter(|address| reaches(gateway, *address)).collect();
    if open.is_empty() {
        return Finding::unseen(
            "way-out",
            format!(
                "whether uid {workload} can reach the network around the gateway: none of {} upstreams answers",
                addresses.len()
            ),
            "start the upstreams, and run doctor again",
        );
    }
    match open.iter().find(|address| reaches(workload, **address)) {
        Some(address) => Finding::fail(
            "way-out",
            format!("uid {workload} reached {address} around the gateway"),
            "no way out for the workload but its gateway",
            "let only the gateway's uid leave, as deploy/kubernetes/pod.yaml does with owner rules of iptables",
        ),
        None => Finding::ok(
            "way-out",
            format!(
                "uid {workload} is stopped on its way to {} of {} upstreams that uid {gateway} reaches",
                open.len(),
                addresses.len()
            ),
        ),
    }
}

fn reached(uid: u32, address: SocketAddr) -> bool {
    as_user(uid, move || TcpStream::connect_timeout(&address, PATIENCE).is_ok()).unwrap_or(false)
}

/// Runs `what` on a thread of its own with that uid, its groups gone; `None` where this process may not become it.
fn as_user<T: Send + 'static>(uid: u32, what: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let thread = std::thread::spawn(move || {
        let (user, group) = (Uid::from_raw(uid), Gid::from_raw(uid));
        rustix::thread::set_thread_groups(&[]).ok()?;
        rustix::thread::set_thread_res_gid(group, group, group).ok()?;
        rustix::thread::set_thread_res_uid(user, user, user).ok()?;
        Some(what())
    });
    thread.join().ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::super::finding::Status;
    use super::*;

    const GATEWAY: u32 = 10001;

    #[test]
    fn a_way_around_is_told_and_silence_is_not_taken_for_a_wall() {
        let addresses: Vec<SocketAddr> =
            ["192.0.2.1:443", "192.0.2.2:443"].iter().map(|text| text.parse().unwrap()).collect();
        for (gateway_reaches, workload_reaches, status) in [
            ([true, true], [false, false], Status::Ok),
            ([true, false], [false, true], Status::Ok),
            ([true, true], [false, true], Status::Fail),
            ([false, false], [false, false], Status::Unseen),
        ] {
            let reaches = |uid: u32, address: SocketAddr| {
                let of = if uid == GATEWAY { gateway_reaches } else { workload_reaches };
                of[addresses.iter().position(|one| *one == address).unwrap()]
            };
            assert_eq!(way_out(1000, GATEWAY, &addresses, reaches).status, status);
        }
    }

    #[test]
    fn the_egress_port_is_the_gateways() {
        let (address, gateway) =
            ("127.0.0.1:15001".parse().unwrap(), Gateway { uid: GATEWAY, from: "test", runs: true });
        for (holders, status) in [
            (vec![], Status::Warn),
            (vec![GATEWAY], Status::Ok),
            (vec![1000], Status::Fail),
            (vec![1000, GATEWAY], Status::Fail),
        ] {
            assert_eq!(egress_port(address, &holders, &gateway).status, status, "{holders:?}");
        }
    }

    #[test]
    fn a_thread_becomes_another_user_and_no_other_thread_does() {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: becoming another user takes root");
            return;
        }
        let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
        drop(one);
        drop(other);
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s.sock");
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        use std::os::unix::fs::PermissionsExt as _;
        for path in [folder.path(), socket.as_path()] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
        }
        let place = socket.clone();
        let _open = as_user(40_001, move || std::os::unix::net::UnixStream::connect(place).unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        assert_eq!(rustix::net::sockopt::socket_peercred(&accepted).unwrap().uid.as_raw(), 40_001);
        assert!(rustix::process::geteuid().is_root());
    }
}
