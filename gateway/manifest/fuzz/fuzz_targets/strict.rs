//! The strict reader against `serde_json`, for any bytes: the laws of `tests/laws.rs`.
#![no_main]

#[path = "../../tests/laws/oracle.rs"]
mod oracle;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| oracle::check(body));
