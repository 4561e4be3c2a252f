//! One call: a fresh instance, the guest's function, its output measured before it is touched, and one cause for each fault.
//!
//! The output stays in Extism's kernel memory until its stated length was compared with the limit:
//! Extism hands out a slice of that memory, of which only the length is looked at first. Then UTF-8, then JSON
//! (RFC 8259, any depth: the check does not recurse), then one copy into the answer. A guest can
//! forge the length by writing into the kernel's own fields (its `store_u64` is off by 7 bytes): a
//! length past the limit is refused unread; one past the end of the kernel's memory
//! makes this process fault on the inaccessible pages behind it, which the host answers as `aborted`; so does a
//! length that no slice can have, in a build with debug assertions.
//!
//! # Which cause
//!
//! Fuel and clock are read from the meter and from our own clock, never from the error's text, which a guest can
//! choose. A guest that says `oom` itself is believed: it only harms its own record.
//!
//! Extism's timer can fire for a call that just ended and hit the next one of the same module. A call
//! that is interrupted before its own time is up is run once more; guests have no side effects.

use std::time::{Duration, Instant};

use bellgate_enclave_protocol::{Cause, Invoke};
use bytes::Bytes;
use extism::{CompiledPlugin, Plugin};
use serde::de::IgnoredAny;
use wasmtime::{PoolConcurrencyLimitError, Trap};

/// Runs a call and gives its checked output.
pub(super) fn run(compiled: &CompiledPlugin, call: &Invoke) -> Result<Bytes, Cause> {
    match attempt(compiled, call) {
        Err(Stopped::TooEarly) => attempt(compiled, call),
        other => other,
    }
    .map_err(|stopped| match stopped {
        Stopped::For(cause) => cause,
        Stopped::TooEarly => Cause::Trap, // twice is no late timer: the guest says `timeout` itself
    })
}

enum Stopped {
    For(Cause),
    TooEarly,
}

impl From<Cause> for Stopped {
    fn from(cause: Cause) -> Self {
        Self::For(cause)
    }
}

fn attempt(compiled: &CompiledPlugin, call: &Invoke) -> Result<Bytes, Stopped> {
    let started = Instant::now();
    // A start function runs in here already, with fuel but without Extism's clock: the host's covers it.
    let mut plugin = Plugin::new_from_compiled(compiled).map_err(|error| cause_of_link(&error))?;
    if !plugin.function_exists(call.entry.as_str()) {
        return Err(Cause::EntryMissing.into());
    }
    match plugin.call::<&[u8], &[u8]>(call.entry.as_str(), &call.input) {
        Ok(output) => Ok(checked(output, call.limits.output_bytes())?),
        Err(error) => Err(cause_of_call(&error, &plugin, call, started.elapsed())),
    }
}

fn checked(output: &[u8], most: u64) -> Result<Bytes, Cause> {
    if u64::try_from(output.len()).map_or(true, |length| length > most) {
        return Err(Cause::OutputTooLarge);
    }
    let text = std::str::from_utf8(output).map_err(|_| Cause::OutputNotUtf8)?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|_| Cause::OutputNotJson)?;
    Ok(Bytes::copy_from_slice(output))
}

/// Linking runs a start function; whatever else fails there is the module's shape.
fn cause_of_link(error: &anyhow::Error) -> Cause {
    if error.is::<PoolConcurrencyLimitError>() {
        return Cause::Aborted; // ours, not the guest's: what a call takes is what the pool has
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => Cause::FuelExhausted,
        Some(_) => Cause::Trap,
        None => Cause::ModuleRefused,
    }
}

fn cause_of_call(error: &anyhow::Error, plugin: &Plugin, call: &Invoke, elapsed: Duration) -> Stopped {
    if error.is::<PoolConcurrencyLimitError>() {
        return Cause::Aborted.into();
    }
    if plugin.fuel_consumed().is_some_and(|used| used >= call.limits.fuel()) {
        return Cause::FuelExhausted.into();
    }
    match error.root_cause().to_string().as_str() {
        "timeout" if elapsed >= Duration::from_millis(call.limits.wall_ms()) => Cause::Timeout.into(),
        "timeout" => Stopped::TooEarly,
        "oom" => Cause::MemoryExceeded.into(),
        _ => Cause::Trap.into(),
    }
}
