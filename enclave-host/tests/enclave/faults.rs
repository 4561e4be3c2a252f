//! Each fault has its cause, the same one three times, and the next call works each time.

use bellgate_enclave_protocol::Cause;

use crate::harness::{Call, Guest, Host};

const PAGE: u64 = 65_536;

#[test]
fn each_fault_has_one_cause_and_costs_one_call() {
    let host = Host::start(1, 4);
    let echo = Guest::attack("echo");
    let good = Call::new(&echo, "run", "[1]");
    let attack = |name| Guest::attack(name);
    let rows: Vec<(Guest, &str, Cause)> = vec![
        (attack("trap"), "unreachable", Cause::Trap),
        (attack("trap"), "divide", Cause::Trap),
        (attack("trap"), "out_of_bounds", Cause::Trap),
        (attack("trap"), "null_call", Cause::Trap),
        (attack("trap"), "recurse", Cause::Trap),
        (attack("echo"), "missing", Cause::EntryMissing),
        (attack("echo"), "takes", Cause::EntryMissing),
        (attack("echo"), "gives64", Cause::EntryMissing),
        (attack("echo"), "value", Cause::EntryMissing),
        (attack("echo"), "fails", Cause::Trap),
        (attack("output"), "not_utf8", Cause::OutputNotUtf8),
        (attack("output"), "cut_utf8", Cause::OutputNotUtf8),
        (attack("output"), "not_json", Cause::OutputNotJson),
        (attack("output"), "two_documents", Cause::OutputNotJson),
        (attack("output"), "cut_json", Cause::OutputNotJson),
        (attack("output"), "nothing", Cause::OutputNotJson),
        (attack("output"), "forge_huge", Cause::OutputTooLarge),
        (attack("output"), "forge_all", forged_past_any_slice()),
        (attack("output"), "forge_within", Cause::Aborted),
        (attack("words"), "timeout", Cause::Trap),
        (attack("words"), "timeout_and_code", Cause::Trap),
        (attack("words"), "large_error", Cause::Trap),
        (attack("words"), "variable", Cause::Trap),
        (attack("memory"), "for_ever", Cause::MemoryExceeded),
        (attack("memory"), "blocks", Cause::MemoryExceeded),
        (attack("start_trap"), "run", Cause::Trap),
        (attack("start_loop"), "run", Cause::FuelExhausted),
        (attack("import_missing"), "run", Cause::ModuleRefused),
        (attack("import_wrong"), "run", Cause::ModuleRefused),
        (Guest::new("(module (func (export \"run\")))"), "run", Cause::ModuleRefused),
        (Guest::new(""), "run", Cause::ModuleRefused),
        (Guest::new("\0asm\x01\0\0\0\x01\x02\x03"), "run", Cause::ModuleRefused),
        (Guest::committed("spin"), "spin", Cause::FuelExhausted),
        (Guest::committed("flood"), "flood", Cause::OutputTooLarge),
    ];
    for (guest, entry, cause) in rows {
        let mut bad = Call::new(&guest, entry, "{}");
        bad.fuel = 100_000_000;
        for time in 1..=3 {
            assert_eq!(host.call(&bad), Err(cause), "{entry}, time {time}");
            assert_eq!(host.call(&good).as_deref(), Ok(&b"[1]"[..]), "the call after {entry}");
        }
    }
}

/// A length that no slice can have: a build with debug assertions stops at the slice, others refuse the length.
fn forged_past_any_slice() -> Cause {
    if cfg!(debug_assertions) { Cause::Aborted } else { Cause::OutputTooLarge }
}

#[test]
fn a_loop_within_its_fuel_ends_by_the_clock_and_the_worker_lives_on() {
    let host = Host::start(1, 4);
    let (spin, echo) = (Guest::committed("spin"), Guest::attack("echo"));
    let mut bad = Call::new(&spin, "spin", "{}");
    (bad.fuel, bad.wall_ms) = (u64::MAX, 100);
    let good = Call::new(&echo, "run", "1");
    assert!(host.call(&good).is_ok());
    let workers = host.workers();
    for _ in 0..3 {
        assert_eq!(host.call(&bad), Err(Cause::Timeout));
        assert!(host.call(&good).is_ok());
    }
    assert_eq!(host.workers(), workers, "the guest is stopped inside its worker");
}

#[test]
fn a_loop_that_the_engine_does_not_stop_is_killed_with_its_worker() {
    let host = Host::start(1, 4);
    let (start_loop, echo) = (Guest::attack("start_loop"), Guest::attack("echo"));
    let mut bad = Call::new(&start_loop, "run", "{}");
    (bad.fuel, bad.wall_ms) = (u64::MAX, 100);
    let good = Call::new(&echo, "run", "1");
    for _ in 0..3 {
        let workers = host.workers();
        assert_eq!(host.call(&bad), Err(Cause::Timeout));
        assert!(host.call(&good).is_ok());
        assert_ne!(host.workers(), workers, "the worker is another one");
    }
}

#[test]
fn nothing_survives_a_call() {
    let host = Host::start(1, 4);
    let counter = Guest::attack("counter");
    for _ in 0..5 {
        assert_eq!(host.call(&Call::new(&counter, "run", "")).as_deref(), Ok(&b"11"[..]));
    }
}

#[test]
fn what_is_allowed_works() {
    let host = Host::start(1, 4);
    let (words, output, table) = (Guest::attack("words"), Guest::attack("output"), Guest::attack("table"));
    assert_eq!(host.call(&Call::new(&words, "logs", "")).as_deref(), Ok(&b"1"[..]));
    assert_eq!(host.call(&Call::new(&table, "run", "")).as_deref(), Ok(&b"1"[..]));
    assert_eq!(host.call(&Call::new(&output, "deep", "")).map(|deep| deep.len()), Ok(200_000));
    assert!(!host.log.lock().unwrap().contains("timeout"), "guests write to no log of ours");
}

#[test]
fn a_start_function_can_not_grow_past_the_cap() {
    let host = Host::start(1, 4);
    let start_grow = Guest::attack("start_grow");
    let mut call = Call::new(&start_grow, "run", "");
    call.memory = 10 * PAGE;
    assert_eq!(host.call(&call).as_deref(), Ok(&b"0"[..]));
    call.entry = "grow_once_more";
    assert_eq!(host.call(&call), Err(Cause::MemoryExceeded));
}

#[test]
fn many_functions_compile() {
    let host = Host::start(1, 4);
    // The compiler itself is slow without optimisation, and what takes it longer than 20 s is refused.
    let count = if cfg!(debug_assertions) { 300 } else { 10_000 };
    let functions: String = (0..count).map(|number| format!("(func (result i32) (i32.const {number}))")).collect();
    let many = Guest::new(wat::parse_str(format!("(module {functions} (func (export \"run\")))")).unwrap());
    assert_eq!(host.call(&Call::new(&many, "run", "")), Err(Cause::OutputNotJson));
}
