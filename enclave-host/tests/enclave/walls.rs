//! The walls themselves, attacked from within: a process that raises them as the program does, and then misbehaves as a
//! guest that broke out would.
//!
//! The process is this test binary, started anew with the attack in its environment. Each attack is tried behind all
//! walls, where it fails in the way that is written down; and without them, where it works: so a wall that stopped
//! standing would be seen.

#[path = "../../src/walls/mod.rs"]
mod raised;

use std::{
    env, fs, io,
    net::TcpStream,
    os::unix::{net::UnixStream, process::CommandExt, process::ExitStatusExt},
    path::Path,
    process::{Command, Stdio},
    thread,
};

use raised::Wall;

const ATTACK: &str = "BELLGATE_ENCLAVE_TEST_ATTACK";
const WITHOUT: &str = "BELLGATE_ENCLAVE_TEST_WITHOUT";

/// Killed for a system call that is not allowed.
const BAD_SYSTEM_CALL: i32 = 31;

/// How an attack ended.
#[derive(Debug, PartialEq)]
enum End {
    /// It did what it wanted.
    Worked,
    /// It was told no.
    Refused(io::ErrorKind),
    /// The kernel killed its process.
    Killed(i32),
    /// None of these: the test itself is wrong.
    Unclear,
}

/// What the process of an attack does, after its walls are raised.
fn misbehave(attack: &str) -> io::Result<()> {
    match attack {
        "read a file" => fs::read("/etc/passwd").map(drop),
        "write a file" => fs::write(env::temp_dir().join("bellgate-enclave-attack"), "x")
            .and_then(|()| fs::remove_file(env::temp_dir().join("bellgate-enclave-attack"))),
        "list a folder" => fs::read_dir("/").map(drop),
        "read its own memory map" => fs::read("/proc/self/maps").map(drop),
        // A port that nobody listens on: that it was asked for is what counts.
        "reach the network" => match TcpStream::connect("127.0.0.1:9") {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
            other => other.map(drop),
        },
        "make a socket pair" => UnixStream::pair().map(drop),
        "start a process" => Command::new("/bin/true").stdin(Stdio::inherit()).status().map(drop),
        "become another program" => Err(Command::new("/bin/true").exec()),
        "signal its parent" => {
            let parent = rustix::process::getppid().expect("a parent");
            rustix::process::test_kill_process(parent).map_err(Into::into)
        }
        "start a thread" => thread::spawn(|| 7).join().map(drop).map_err(|_| io::Error::other("it panicked")),
        "take five gibibytes" => {
            let mut taken: Vec<u8> = Vec::new();
            taken.try_reserve_exact(5 << 30).map_err(|_| io::ErrorKind::OutOfMemory.into())
        }
        "open two hundred descriptors" => {
            let input = io::stdin();
            let copies: Result<Vec<_>, _> =
                (0..200).map(|_| std::os::fd::AsFd::as_fd(&input).try_clone_to_owned()).collect();
            copies.map(drop)
        }
        other => Err(io::Error::other(format!("no attack `{other}`"))),
    }
}

/// Not a test of its own: what the process of an attack runs.
#[test]
fn the_process_of_an_attack() {
    let Ok(attack) = env::var(ATTACK) else { return };
    let without: Vec<Wall> = env::var(WITHOUT)
        .unwrap()
        .split(',')
        .filter(|name| !name.is_empty())
        .map(|name| name.parse().unwrap())
        .collect();
    match env::var("BELLGATE_ENCLAVE_TEST_HOST") {
        Ok(folder) => raised::raise_host(Path::new(&folder), None, &without).unwrap(),
        Err(_) => raised::raise_worker(&without).unwrap(),
    }
    let code = match misbehave(&attack) {
        Ok(()) => 100,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => 101,
        Err(error) if error.kind() == io::ErrorKind::OutOfMemory => 102,
        Err(error) if error.raw_os_error() == Some(libc::EMFILE) => 103,
        Err(error) => {
            eprintln!("{error:?}");
            104
        }
    };
    std::process::exit(code);
}

fn attack(attack: &str, host: Option<&Path>, without: &str) -> End {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "walls::the_process_of_an_attack", "--nocapture", "--test-threads", "1"])
        .env(ATTACK, attack)
        .env(WITHOUT, without)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    if let Some(folder) = host {
        command.env("BELLGATE_ENCLAVE_TEST_HOST", folder);
    }
    let status = command.status().unwrap();
    match (status.code(), status.signal()) {
        // 0: it became another program, which ended well.
        (Some(0 | 100), _) => End::Worked,
        (Some(101), _) => End::Refused(io::ErrorKind::PermissionDenied),
        (Some(102), _) => End::Refused(io::ErrorKind::OutOfMemory),
        (Some(103), _) => End::Refused(io::ErrorKind::Other),
        (_, Some(signal)) => End::Killed(signal),
        (_, None) => End::Unclear,
    }
}

#[test]
fn a_worker_that_was_taken_over_reaches_nothing() {
    let denied = End::Refused(io::ErrorKind::PermissionDenied);
    let killed = End::Killed(BAD_SYSTEM_CALL);
    let all = "parent-death,no-new-privileges,rlimits,landlock,seccomp";
    // (attack, behind all walls, without seccomp)
    let rows = [
        ("read a file", &denied, &denied),
        ("write a file", &denied, &denied),
        ("list a folder", &denied, &denied),
        ("read its own memory map", &denied, &denied),
        ("reach the network", &killed, &denied),
        ("make a socket pair", &killed, &End::Worked),
        ("start a process", &killed, &denied),
        ("become another program", &killed, &denied),
        ("signal its parent", &killed, &denied),
        ("take five gibibytes", &End::Refused(io::ErrorKind::OutOfMemory), &End::Refused(io::ErrorKind::OutOfMemory)),
        ("open two hundred descriptors", &End::Refused(io::ErrorKind::Other), &End::Refused(io::ErrorKind::Other)),
        ("start a thread", &End::Worked, &End::Worked),
    ];
    for (name, behind_all, without_seccomp) in rows {
        assert_eq!(&attack(name, None, ""), behind_all, "{name}");
        assert_eq!(&attack(name, None, "seccomp"), without_seccomp, "{name}, without seccomp");
        assert_eq!(attack(name, None, all), End::Worked, "{name}, without any wall");
    }
}

#[test]
fn the_host_reaches_its_own_program_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let denied = End::Refused(io::ErrorKind::PermissionDenied);
    let all = "no-new-privileges,rlimits,landlock";
    for name in [
        "read a file",
        "write a file",
        "list a folder",
        "reach the network",
        "start a process",
        "become another program",
    ] {
        assert_eq!(attack(name, Some(folder.path()), ""), denied, "{name}");
        assert_eq!(attack(name, Some(folder.path()), all), End::Worked, "{name}, without any wall");
    }
    assert_eq!(attack("start a thread", Some(folder.path()), ""), End::Worked);
}
