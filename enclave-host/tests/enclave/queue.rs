//! Many calls at once, full queues, callers that leave.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use bellgate_enclave_protocol::{Cause, Message, Module};

use crate::harness::{Call, Connection, Guest, Host, wait_until};

#[test]
fn sixty_four_calls_at_once_all_get_their_own_answer() {
    let host = Host::start(2, 64);
    let echo = Guest::attack("echo");
    let done = AtomicUsize::new(0);
    thread::scope(|scope| {
        for number in 0..64 {
            let (host, echo, done) = (&host, &echo, &done);
            scope.spawn(move || {
                let mut connection = host.connect();
                for time in 0..4 {
                    let input = format!("[{number},{time}]");
                    assert_eq!(connection.call(&Call::new(echo, "run", input.clone())), Ok(input.into_bytes()));
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(done.into_inner(), 256);
}

fn sleeper(spin: &Guest, wall_ms: u64) -> Call<'_> {
    let mut call = Call::new(spin, "spin", "{}");
    (call.fuel, call.wall_ms) = (u64::MAX, wall_ms);
    call
}

/// Starts a call and comes back when the host has it.
fn start(host: &Host, call: &Call<'_>) -> Connection {
    let mut connection = host.connect();
    connection.send(call.invoke(1));
    connection
}

#[test]
fn past_the_queue_a_call_is_busy_at_once() {
    let host = Host::start(1, 2);
    let spin = Guest::committed("spin");
    let warm = sleeper(&spin, 50);
    assert_eq!(host.call(&warm), Err(Cause::Timeout));
    // One runs, two wait; which of them is third is for the host to say.
    let long = sleeper(&spin, 3_000);
    let mut taken: Vec<Connection> = (0..3).map(|_| start(&host, &long)).collect();
    wait_until("a call is refused", || host.call(&sleeper(&spin, 60)) == Err(Cause::Busy));
    for connection in &mut taken {
        // The second waits for 3 s, the third for longer than anybody may wait.
        let answer = connection.receive();
        assert!(matches!(answer, Some(Message::Fault(1, Cause::Timeout | Cause::Busy))));
    }
    assert_eq!(host.call(&warm), Err(Cause::Timeout));
}

#[test]
fn a_call_whose_caller_left_is_not_run() {
    let host = Host::start(1, 8);
    let (spin, counter) = (Guest::committed("spin"), Guest::attack("echo"));
    assert_eq!(host.call(&sleeper(&spin, 50)), Err(Cause::Timeout));
    let running = start(&host, &sleeper(&spin, 1_000));
    let waiting: Vec<Connection> = (0..4).map(|_| start(&host, &sleeper(&spin, 60_000))).collect();
    drop(waiting);
    drop(running);
    // Had any of them been run, this would take a minute.
    assert!(host.call(&Call::new(&counter, "run", "1")).is_ok());
}

#[test]
fn connections_that_end_leave_nothing_open() {
    let host = Host::start(1, 8);
    let echo = Guest::attack("echo");
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", host.process.id())).unwrap().count();
    assert!(host.call(&Call::new(&echo, "run", "1")).is_ok());
    let before = descriptors();
    for _ in 0..50 {
        let mut connection = host.connect();
        connection.send(Call::new(&echo, "run", "1").invoke(1));
    }
    wait_until("all are closed", || descriptors() <= before);
}

#[test]
fn too_many_connections_are_closed_and_later_ones_served() {
    let host = Host::start(1, 8);
    let echo = Guest::attack("echo");
    let mut open: Vec<Connection> = (0..256).map(|_| host.connect()).collect();
    assert!(open.last_mut().unwrap().call(&Call::new(&echo, "run", "1")).is_ok());
    assert!(host.connect().receive().is_none(), "the 257th is closed");
    drop(open);
    wait_until("there is room again", || {
        let mut connection = host.connect();
        connection.stream.set_read_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
        let call = Call::new(&echo, "run", "2");
        std::io::Write::write_all(&mut connection.stream, &call.invoke(1).encode().unwrap().joined()).is_ok()
            && connection.receive().is_some()
    });
}

#[test]
fn a_module_is_sent_once_and_a_false_one_never_held() {
    let host = Host::start(1, 8);
    let (echo, counter) = (Guest::attack("echo"), Guest::attack("counter"));
    let mut connection = host.connect();
    let call = Call::new(&echo, "run", "1");
    for number in 1..=2 {
        connection.send(call.invoke(number));
        assert!(matches!(connection.receive(), Some(Message::NeedModule(of)) if of == number));
        let bytes = counter.bytes.clone();
        connection.send(Message::Module(Module { number, digest: echo.digest, bytes }));
        assert!(matches!(connection.receive(), Some(Message::Fault(of, Cause::ModuleRefused)) if of == number));
    }
    assert!(connection.call(&call).is_ok());
    connection.send(call.invoke(9));
    assert!(matches!(connection.receive(), Some(Message::Output(9, _))));
    assert!(matches!(host.connect().call(&call), Ok(output) if output == b"1"));
}
