//! Each limit at one less, itself, and one more.

use bellgate_enclave_protocol::Cause;

use crate::harness::{Call, Guest, Host};

const PAGE: u64 = 65_536;

#[test]
fn output_is_measured_to_the_byte() {
    let host = Host::start(1, 4);
    let exact = Guest::attack("exact");
    for (length, fits) in [(10_485_759_usize, true), (10_485_760, true), (10_485_761, false)] {
        let answer = host.call(&Call::new(&exact, "run", length.to_string()));
        match answer {
            Ok(output) => {
                assert!(fits, "{length}");
                assert_eq!(output.len(), length);
                assert!(output.starts_with(b"\"aa") && output.ends_with(b"aa\""));
            }
            Err(cause) => assert_eq!((cause, fits), (Cause::OutputTooLarge, false), "{length}"),
        }
    }
}

#[test]
fn other_output_limits_hold_as_well() {
    let host = Host::start(1, 4);
    let exact = Guest::attack("exact");
    for (length, fits) in [(99, true), (100, true), (101, false)] {
        let mut call = Call::new(&exact, "run", length.to_string());
        call.output_most = 100;
        let answer = host.call(&call).map(|output| output.len());
        assert_eq!(answer, if fits { Ok(length) } else { Err(Cause::OutputTooLarge) });
    }
}

#[test]
fn input_is_measured_to_the_byte() {
    let host = Host::start(1, 4);
    let echo = Guest::attack("echo");
    for (length, fits) in [(1_048_575_usize, true), (1_048_576, true), (1_048_577, false)] {
        let input = format!("\"{}\"", "x".repeat(length - 2));
        let answer = host.call(&Call::new(&echo, "run", input)).map(|output| output.len());
        assert_eq!(answer, if fits { Ok(length) } else { Err(Cause::InputTooLarge) });
    }
}

#[test]
fn memory_is_measured_to_the_page() {
    let host = Host::start(1, 4);
    let memory = Guest::attack("memory");
    for entry in ["at_once", "step_by_step"] {
        for pages in [2_u64, 10, 100] {
            for (holds, fits) in [(pages - 1, true), (pages, true), (pages + 1, false)] {
                let grows_by = usize::try_from(holds - 1).unwrap();
                let mut call = Call::new(&memory, entry, " ".repeat(grows_by));
                call.memory = pages * PAGE;
                let answer = host.call(&call);
                let expected = if fits { Ok(b"1".to_vec()) } else { Err(Cause::MemoryExceeded) };
                assert_eq!(answer, expected, "{entry}: {holds} pages of {pages}");
            }
        }
    }
}

#[test]
fn memory_at_the_start_is_measured_to_the_page() {
    let host = Host::start(1, 4);
    for (start, fits) in [(9, true), (10, true), (11, false)] {
        let text = format!("(module (memory {start}) (func (export \"run\")))");
        let guest = Guest::new(wat::parse_str(text).unwrap());
        let mut call = Call::new(&guest, "run", "");
        call.memory = 10 * PAGE + PAGE - 1; // counted in whole pages
        let expected = if fits { Cause::OutputNotJson } else { Cause::MemoryExceeded };
        assert_eq!(host.call(&call), Err(expected), "{start} pages");
    }
}

#[test]
fn a_declared_maximum_can_be_reached_and_not_passed() {
    let host = Host::start(1, 4);
    for (grow, fits) in [(3, true), (4, true), (5, false)] {
        let text = format!(
            "(module (memory 1 5) (func (export \"run\") (if (i32.eq (memory.grow (i32.const {grow})) (i32.const -1)) (then unreachable))))"
        );
        let guest = Guest::new(wat::parse_str(text).unwrap());
        let expected = if fits { Cause::OutputNotJson } else { Cause::MemoryExceeded };
        assert_eq!(host.call(&Call::new(&guest, "run", "")), Err(expected), "{grow} pages");
    }
}

#[test]
fn fuel_is_measured_to_the_unit_and_always_the_same() {
    let host = Host::start(1, 4);
    let echo = Guest::attack("echo");
    let with = |fuel| {
        let mut call = Call::new(&echo, "run", "[true]");
        call.fuel = fuel;
        host.call(&call)
    };
    let (mut too_little, mut enough) = (1, 1 << 20);
    assert_eq!(with(too_little), Err(Cause::FuelExhausted));
    assert!(with(enough).is_ok());
    while enough - too_little > 1 {
        let between = u64::midpoint(too_little, enough);
        match with(between) {
            Ok(_) => enough = between,
            Err(cause) => {
                assert_eq!(cause, Cause::FuelExhausted, "at {between}");
                too_little = between;
            }
        }
    }
    for _ in 0..3 {
        assert_eq!(with(enough - 1), Err(Cause::FuelExhausted));
        assert!(with(enough).is_ok());
        assert!(with(enough + 1).is_ok());
    }
}
