//! What a call may use, and the name of the function it calls: values that the host can enforce, by construction.

use std::fmt;

use crate::frame::{INPUT_BYTES_MAX, OUTPUT_BYTES_MAX};

/// What one call may use. Built only within the bounds of [`Limits::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    memory_bytes: u64,
    fuel: u64,
    wall_ms: u64,
    input_bytes: u64,
    output_bytes: u64,
}

/// A limit that the enclave host would not enforce.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the limit `{name}` is {given}; give a number from {least} to {most}")]
pub struct LimitsError {
    /// The limit: `memory`, `fuel`, `wall`, `input` or `output`.
    pub name: &'static str,
    /// What was given, in the limit's unit.
    pub given: u64,
    /// The smallest value that is taken.
    pub least: u64,
    /// The largest value that is taken.
    pub most: u64,
}

impl Limits {
    /// One page of linear memory, the unit in which memory is limited.
    pub const PAGE_BYTES: u64 = 65_536;
    /// Most linear memory of a call: 1 GiB.
    pub const MEMORY_BYTES_MAX: u64 = 1 << 30;
    /// Longest wall clock of a call: one minute.
    pub const WALL_MS_MAX: u64 = 60_000;

    /// Limits of a call.
    ///
    /// - `memory_bytes`: linear memory of the guest, one page (65,536) to 1 GiB; counted in whole pages, rounded down.
    /// - `fuel`: WebAssembly instructions, about; 1 and up.
    /// - `wall_ms`: milliseconds from the start of the instance to the guest's return, 1 to 60,000.
    /// - `input_bytes`: 0 to 16 MiB. `output_bytes`: 1 to 64 MiB, compared with the guest's raw length.
    ///
    /// # Errors
    ///
    /// The first limit that is out of its bounds, with the bounds.
    pub fn new(
        memory_bytes: u64,
        fuel: u64,
        wall_ms: u64,
        input_bytes: u64,
        output_bytes: u64,
    ) -> Result<Self, LimitsError> {
        let within = |name, given, least, most| {
            if (least..=most).contains(&given) { Ok(given) } else { Err(LimitsError { name, given, least, most }) }
        };
        Ok(Self {
            memory_bytes: within("memory", memory_bytes, Self::PAGE_BYTES, Self::MEMORY_BYTES_MAX)?,
            fuel: within("fuel", fuel, 1, u64::MAX)?,
            wall_ms: within("wall", wall_ms, 1, Self::WALL_MS_MAX)?,
            input_bytes: within("input", input_bytes, 0, u64::from(INPUT_BYTES_MAX))?,
            output_bytes: within("output", output_bytes, 1, u64::from(OUTPUT_BYTES_MAX))?,
        })
    }

    /// Linear memory of the guest, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    /// Linear memory of the guest in pages of 65,536 bytes, 1 to 16,384.
    #[must_use]
    pub fn memory_pages(&self) -> u64 {
        self.memory_bytes / Self::PAGE_BYTES
    }

    /// WebAssembly instructions, about: Extism's kernel calls cost some too.
    #[must_use]
    pub fn fuel(&self) -> u64 {
        self.fuel
    }

    /// Wall clock in milliseconds.
    #[must_use]
    pub fn wall_ms(&self) -> u64 {
        self.wall_ms
    }

    /// Longest input in bytes.
    #[must_use]
    pub fn input_bytes(&self) -> u64 {
        self.input_bytes
    }

    /// Longest output in bytes.
    #[must_use]
    pub fn output_bytes(&self) -> u64 {
        self.output_bytes
    }
}

impl Default for Limits {
    /// 64 MiB of memory, 1,000,000,000 of fuel, one second, 1 MiB in, 10 MiB (10,485,760 bytes) out.
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            fuel: 1_000_000_000,
            wall_ms: 1_000,
            input_bytes: 1 << 20,
            output_bytes: 10_485_760,
        }
    }
}

/// The name of the exported function that a call runs: 1 to 128 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry(Box<str>);

/// A text that is no entry name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no entry name; give 1 to 128 visible ASCII characters")]
pub struct EntryError(String);

impl Entry {
    /// Longest name in bytes.
    pub const BYTES_MAX: usize = 128;

    /// An entry name.
    ///
    /// # Errors
    ///
    /// If it is empty, longer than 128 bytes, or has a character that is not visible ASCII.
    pub fn new(name: &str) -> Result<Self, EntryError> {
        let fits = (1..=Self::BYTES_MAX).contains(&name.len());
        if fits && name.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(name.into()))
        } else {
            Err(EntryError(name.chars().take(Self::BYTES_MAX).flat_map(char::escape_default).collect()))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_bounded_on_both_sides() {
        let good = [64 << 20, 1_000, 1_000, 1 << 20, 10_485_760_u64];
        let build = |at: usize, value: u64| {
            let mut v = good;
            v[at] = value;
            Limits::new(v[0], v[1], v[2], v[3], v[4]).map_err(|error| error.name)
        };
        let bounds = [
            ("memory", 65_536, 1 << 30),
            ("fuel", 1, u64::MAX),
            ("wall", 1, 60_000),
            ("input", 0, 16 << 20),
            ("output", 1, 64 << 20),
        ];
        for (at, (name, least, most)) in bounds.into_iter().enumerate() {
            assert!(build(at, least).is_ok() && build(at, most).is_ok(), "{name}");
            if let Some(under) = least.checked_sub(1) {
                assert_eq!(build(at, under), Err(name));
            }
            if let Some(over) = most.checked_add(1) {
                assert_eq!(build(at, over), Err(name));
            }
        }
    }

    #[test]
    fn the_default_is_one_that_new_builds() {
        let d = Limits::default();
        let built = Limits::new(d.memory_bytes(), d.fuel(), d.wall_ms(), d.input_bytes(), d.output_bytes());
        assert_eq!(built, Ok(d));
        assert_eq!(d.memory_pages(), 1_024);
    }

    #[test]
    fn entry_names() {
        assert!(Entry::new("deidentify").is_ok());
        assert!(Entry::new(&"x".repeat(128)).is_ok());
        for refused in ["", "a b", "é", "a\0", &"x".repeat(129)] {
            assert!(Entry::new(refused).is_err(), "{refused:?}");
        }
    }
}
