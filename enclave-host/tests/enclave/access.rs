//! Who may listen where, and who may call.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::Path,
    process::{Child, Stdio},
};

use crate::harness::{Call, Guest, Host, command};

fn our_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[test]
fn the_socket_is_for_its_owner_alone() {
    let host = Host::start(1, 1);
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(&host.socket), 0o600);
    assert_eq!(mode(host.socket.parent().unwrap()), 0o700);
}

#[test]
fn another_uid_is_refused_before_a_byte_is_read() {
    let host = Host::start_for(our_uid() + 4_242, 1, 1);
    assert!(host.connect().receive().is_none());
    host.wait_for_log(&format!("a connection from uid {} is refused", our_uid()));
    // Who may call has another uid, so the folder is made for the group that both have.
    assert_eq!(fs::metadata(host.socket.parent().unwrap()).unwrap().mode() & 0o777, 0o750);
    assert_eq!(fs::metadata(&host.socket).unwrap().mode() & 0o777, 0o660);
}

/// What the program says when it does not start.
fn refusal(socket: &Path) -> (Option<i32>, String) {
    let output = command(socket, our_uid()).stderr(Stdio::piped()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_place_that_is_not_ours_alone_is_refused() {
    let base = tempfile::tempdir().unwrap();
    let folder = |name: &str, mode: u32| {
        let path = base.path().join(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    let occupied = folder("occupied", 0o700).join("socket");
    fs::write(&occupied, "not a socket").unwrap();
    let linked = base.path().join("link");
    symlink(folder("target", 0o700), &linked).unwrap();
    let rows = [
        (folder("group-writes", 0o770).join("socket"), "has mode 0770"),
        (folder("others", 0o701).join("socket"), "has mode 0701"),
        (linked.join("socket"), "is no folder"),
        (occupied.clone(), "is no socket"),
        (base.path().join("missing/deeper/socket"), "can't listen"),
        ("socket".into(), "names no folder"),
    ];
    for (socket, expected) in rows {
        let (status, said) = refusal(&socket);
        assert_eq!(status, Some(78), "{said}");
        assert!(said.contains(expected), "{said}");
    }
    assert_eq!(fs::read(&occupied).unwrap(), b"not a socket");
}

#[test]
fn a_folder_that_its_group_may_enter_has_a_socket_for_the_group() {
    let base = tempfile::tempdir().unwrap();
    let folder = base.path().join("shared");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o750)).unwrap();
    let socket = folder.join("socket");
    let _host = Ended(command(&socket, our_uid()).stderr(Stdio::null()).spawn().unwrap());
    crate::harness::wait_until("the host answers", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
    assert_eq!(fs::metadata(&socket).unwrap().mode() & 0o7777, 0o660);
}

#[test]
fn a_socket_in_use_is_left_alone_and_a_stale_one_replaced() {
    let mut host = Host::start(1, 1);
    let (status, said) = refusal(&host.socket);
    assert_eq!(status, Some(78));
    assert!(said.contains("another host listens"), "{said}");
    let echo = Guest::attack("echo");
    assert!(host.call(&Call::new(&echo, "run", "1")).is_ok());

    host.process.kill().unwrap();
    host.process.wait().unwrap();
    assert!(host.socket.exists(), "killed, it can't tidy up");
    let _again = Ended(command(&host.socket, our_uid()).stderr(Stdio::null()).spawn().unwrap());
    crate::harness::wait_until("the new host answers", || {
        std::os::unix::net::UnixStream::connect(&host.socket).is_ok()
    });
    assert!(host.call(&Call::new(&echo, "run", "1")).is_ok());
}

#[test]
fn a_worker_from_a_shell_says_that_it_is_of_no_use() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_bellgate-enclave"))
        .arg("worker")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("started by `bellgate-enclave` alone"));
}

#[test]
fn workers_are_put_into_the_cgroup_before_they_are_given_anything() {
    let base = tempfile::tempdir().unwrap();
    // What stands for a cgroup here is a folder with the file that the kernel would make; the host only writes to it.
    let processes = base.path().join("cgroup.procs");
    fs::write(&processes, "").unwrap();
    let socket = base.path().join("enclave/socket");
    let mut host = command(&socket, our_uid());
    let host = host.args(["--workers", "1", "--cgroup"]).arg(base.path()).stderr(Stdio::null());
    let host = Ended(host.spawn().unwrap());
    let parent = format!("PPid:\t{}\n", host.0.id());
    crate::harness::wait_until("a worker's number is written", || {
        let pid = fs::read_to_string(&processes).unwrap();
        fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| status.contains(&parent))
    });
    let echo = Guest::attack("echo");
    assert!(crate::harness::Connection::open(&socket).call(&Call::new(&echo, "run", "1")).is_ok());
}

/// A host that is ended when this is dropped, also by a test that fails.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_cgroup_that_is_not_there_and_a_wall_that_is_none_are_told_at_the_start() {
    let base = tempfile::tempdir().unwrap();
    let socket = base.path().join("enclave/socket");
    let started = |arguments: &[&str]| {
        let output = command(&socket, our_uid()).args(arguments).stderr(Stdio::piped()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let missing = base.path().join("nowhere");
    let (status, said) = started(&["--cgroup", missing.to_str().unwrap()]);
    assert_eq!(status, Some(78), "{said}");
    assert!(said.contains("cgroup.procs"), "{said}");
    let (status, said) = started(&["--without", "firewall"]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("`firewall` is no wall; there are parent-death"), "{said}");
}
