//! What is no frame closes its connection, and only that.

use std::io::{Read, Write};

use bellgate_enclave_protocol::{Cause, INPUT_BYTES_MAX, MODULE_BYTES_MAX, Message};

use crate::harness::{Call, Guest, Host};

#[test]
fn malformed_frames_close_their_connection_alone() {
    let host = Host::start(1, 4);
    let echo = Guest::attack("echo");
    let good = Call::new(&echo, "run", "1");
    let mut other = host.connect();
    assert!(other.call(&good).is_ok());
    let frame = |kind: u8, length: u32, body: &[u8]| {
        let mut frame = vec![1, kind, 0, 0];
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(body);
        frame
    };
    let mut bad_limits = good.invoke(1).encode().unwrap().joined().to_vec();
    bad_limits[48..56].fill(0xff); // memory
    let mut bad_entry = good.invoke(1).encode().unwrap().joined().to_vec();
    bad_entry[89] = b' ';
    let rows = [
        ("version", vec![2, 1, 0, 0, 0, 0, 0, 90]),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("kind 0", frame(0, 8, &[0; 8])),
        ("kind 7", frame(7, 8, &[0; 8])),
        ("reserved", vec![1, 1, 0, 1, 0, 0, 0, 90]),
        ("an invoke too short", frame(1, 81, &[0; 81])),
        ("an invoke too long", frame(1, INPUT_BYTES_MAX + 210, &[])),
        ("a module too long", frame(3, MODULE_BYTES_MAX + 41, &[])),
        ("the largest length", frame(1, u32::MAX, &[])),
        ("a module that nobody asked for", frame(3, 40, &[0; 40])),
        ("an output from the gateway", frame(4, 9, &[0; 9])),
        ("prepared from the gateway", frame(6, 8, &[0; 8])),
        ("an entry that is not there", frame(1, 90, &[0xff; 90])),
        ("limits out of bounds", bad_limits),
        ("a bad entry", bad_entry),
    ];
    for (what, bytes) in rows {
        let mut connection = host.connect();
        connection.stream.write_all(&bytes).unwrap();
        let mut rest = Vec::new();
        // Closed with unread bytes, a Unix socket resets.
        let _ = connection.stream.read_to_end(&mut rest);
        assert_eq!(rest, b"", "{what}");
        assert!(other.call(&good).is_ok(), "after {what}");
    }
}

#[test]
fn a_frame_out_of_turn_while_a_call_runs_ends_the_connection() {
    let host = Host::start(1, 4);
    let (spin, echo) = (Guest::committed("spin"), Guest::attack("echo"));
    let mut call = Call::new(&spin, "spin", "{}");
    (call.fuel, call.wall_ms) = (u64::MAX, 300);
    assert_eq!(host.call(&call), Err(Cause::Timeout));
    let mut connection = host.connect();
    connection.send(call.invoke(1));
    connection.send(call.invoke(2));
    assert!(connection.receive().is_none());
    assert!(host.call(&Call::new(&echo, "run", "1")).is_ok());
}

#[test]
fn a_connection_cut_inside_a_frame_harms_nobody() {
    let host = Host::start(1, 4);
    let echo = Guest::attack("echo");
    let good = Call::new(&echo, "run", "1");
    let whole = good.invoke(1).encode().unwrap().joined();
    for length in [1, 7, 8, 9, whole.len() - 1] {
        let mut connection = host.connect();
        connection.stream.write_all(&whole[..length]).unwrap();
    }
    assert!(host.call(&good).is_ok());
}

#[test]
fn a_frame_may_come_in_pieces() {
    let host = Host::start(1, 4);
    let echo = Guest::attack("echo");
    let good = Call::new(&echo, "run", "[1,2]");
    assert!(host.call(&good).is_ok());
    let mut connection = host.connect();
    for byte in good.invoke(1).encode().unwrap().joined() {
        connection.stream.write_all(&[byte]).unwrap();
    }
    assert!(matches!(connection.receive(), Some(Message::Output(1, output)) if &*output == b"[1,2]"));
}
