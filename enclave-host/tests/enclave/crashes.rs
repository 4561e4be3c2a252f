//! Workers that die: one call is lost, the cause is told, the next call works, nothing is left behind.

use std::{sync::mpsc, thread};

use bellgate_enclave_protocol::Cause;
use rustix::process::{Signal, kill_process, test_kill_process};

use crate::harness::{Call, Guest, Host, PATIENCE, wait_until};

/// A guest that runs until it is stopped.
fn endless(spin: &Guest) -> Call<'_> {
    let mut call = Call::new(spin, "spin", "{}");
    (call.fuel, call.wall_ms) = (u64::MAX, 60_000);
    call
}

/// The CPU time of a process in ticks: whether a guest runs in it.
fn ticks(pid: rustix::process::Pid) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit(')').next().unwrap().split_whitespace().nth(11).map_or(0, |ticks| ticks.parse().unwrap())
}

#[test]
fn a_worker_killed_under_a_call_costs_that_call() {
    let host = Host::start(1, 4);
    let (spin, echo) = (Guest::committed("spin"), Guest::attack("echo"));
    let good = Call::new(&echo, "run", "1");
    assert!(host.call(&good).is_ok());
    for signal in [Signal::KILL, Signal::ABORT, Signal::KILL] {
        let workers = host.workers();
        let [worker] = workers[..] else { panic!("{workers:?}") };
        thread::scope(|scope| {
            let lost = scope.spawn(|| host.call(&endless(&spin)));
            let before = ticks(worker);
            wait_until("the guest runs", || ticks(worker) > before + 20);
            kill_process(worker, signal).unwrap();
            assert_eq!(lost.join().unwrap(), Err(Cause::Aborted), "{signal:?}");
        });
        assert!(host.call(&good).is_ok(), "the call after {signal:?}");
        assert!(test_kill_process(worker).is_err(), "the worker is reaped");
    }
}

#[test]
fn an_idle_worker_that_dies_is_replaced() {
    let host = Host::start(2, 4);
    let echo = Guest::attack("echo");
    wait_until("two workers", || host.workers().len() == 2);
    for worker in host.workers() {
        kill_process(worker, Signal::KILL).unwrap();
        wait_until("another worker", || {
            let workers = host.workers();
            workers.len() == 2 && !workers.contains(&worker)
        });
    }
    assert!(host.call(&Call::new(&echo, "run", "1")).is_ok());
}

#[test]
fn a_crash_loop_slows_down_and_a_good_call_ends_it() {
    let host = Host::start(1, 4);
    let (output, echo) = (Guest::attack("output"), Guest::attack("echo"));
    for _ in 0..6 {
        assert_eq!(host.call(&Call::new(&output, "forge_within", "")), Err(Cause::Aborted));
    }
    host.wait_for_log("another one is started in 320ms");
    assert!(host.call(&Call::new(&echo, "run", "1")).is_ok());
    assert_eq!(host.call(&Call::new(&output, "forge_within", "")), Err(Cause::Aborted));
    wait_until("no pause any more", || {
        host.log.lock().unwrap().lines().last().unwrap().contains("another one is started in 0ns")
    });
}

#[test]
fn the_worker_has_its_walls() {
    let host = Host::start(1, 4);
    let echo = Guest::attack("echo");
    assert!(host.call(&Call::new(&echo, "run", "1")).is_ok());
    let [worker] = host.workers()[..] else { panic!("one worker") };
    let read = |file: &str| std::fs::read(format!("/proc/{}/{file}", worker.as_raw_nonzero())).unwrap();
    let status = String::from_utf8(read("status")).unwrap();
    assert!(status.contains("NoNewPrivs:\t1"));
    assert_eq!(read("environ"), b"", "no environment");
    let folder = std::fs::read_dir(format!("/proc/{}/fd", worker.as_raw_nonzero())).unwrap();
    let open: Vec<_> = folder.map(|fd| std::fs::read_link(fd.unwrap().path()).unwrap()).collect();
    // Its socket, nothing, the log; its socket again. Module images are memfds.
    let names = open.iter().map(|at| at.to_string_lossy().into_owned());
    let others: Vec<_> = names.filter(|name| !name.starts_with("/memfd:")).collect();
    assert_eq!(others.len(), 4, "{others:?}");
    assert_eq!(others[0], others[3], "{others:?}");
    assert!(others[0].starts_with("socket:") && others[1] == "/dev/null", "{others:?}");
    let limits = String::from_utf8(read("limits")).unwrap();
    let row = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row("Max core file size"), ["0", "0"]);
    assert_eq!(row("Max open files"), ["128", "128"]);
    assert_eq!(row("Max data size"), ["4294967296", "4294967296"]);
}

#[test]
fn many_modules_stay_within_descriptors_and_keep_working() {
    let host = Host::start(1, 4);
    let guests: Vec<Guest> = (0..40)
        .map(|number| {
            let text = format!(
                "(module (import \"extism:host/env\" \"alloc\" (func $alloc (param i64) (result i64)))
                   (import \"extism:host/env\" \"store_u8\" (func $store (param i64 i32)))
                   (import \"extism:host/env\" \"output_set\" (func $out (param i64 i64)))
                   (memory 3) (data (i32.const 66000) \"{}\")
                   (func (export \"run\") (local $to i64)
                     (local.set $to (call $alloc (i64.const 1)))
                     (call $store (local.get $to) (i32.load8_u (i32.const 66000)))
                     (call $out (local.get $to) (i64.const 1))))",
                number % 10
            );
            Guest::new(wat::parse_str(text).unwrap())
        })
        .collect();
    for round in 0..2 {
        for (number, guest) in guests.iter().enumerate() {
            let expected = (number % 10).to_string().into_bytes();
            assert_eq!(host.call(&Call::new(guest, "run", "")), Ok(expected), "round {round}, guest {number}");
        }
    }
}

#[test]
fn terminated_the_host_takes_workers_and_socket_along() {
    let mut host = Host::start(3, 4);
    let spin = Guest::committed("spin");
    wait_until("three workers", || host.workers().len() == 3);
    let workers = host.workers();
    let mut connection = host.connect();
    let (running, is_running) = mpsc::channel();
    thread::scope(|scope| {
        let call = endless(&spin);
        scope.spawn(move || {
            connection.send(call.invoke(1));
            running.send(()).unwrap();
            let _ = connection.receive();
        });
        is_running.recv_timeout(PATIENCE).unwrap();
        assert!(host.terminate().success());
    });
    assert!(!host.socket.exists());
    for worker in workers {
        assert!(test_kill_process(worker).is_err(), "{worker:?} is gone");
    }
}

#[test]
fn killed_the_host_takes_its_workers_along() {
    let mut host = Host::start(2, 4);
    let spin = Guest::committed("spin");
    wait_until("two workers", || host.workers().len() == 2);
    let workers = host.workers();
    let mut connection = host.connect();
    connection.send(endless(&spin).invoke(1));
    assert!(connection.receive().is_some(), "it asks for the module");
    let module = bellgate_enclave_protocol::Module { number: 1, digest: spin.digest, bytes: spin.bytes.clone() };
    connection.send(bellgate_enclave_protocol::Message::Module(module));
    wait_until("a guest runs", || workers.iter().any(|worker| ticks(*worker) > 20));
    host.process.kill().unwrap();
    host.process.wait().unwrap();
    for worker in workers {
        wait_until("the worker is gone", || {
            let status = std::fs::read_to_string(format!("/proc/{}/status", worker.as_raw_nonzero()));
            status.map_or(true, |status| status.contains("State:\tZ"))
        });
    }
}
