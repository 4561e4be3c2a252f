//! Why a capability call gave no result: one closed set, the same cause each time for the same fault.

use std::fmt;

/// A capability call that gave no result.
///
/// Carries the cause and nothing of the guest: no message, no backtrace, no path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the capability call failed ({}): {}", .cause.code(), .cause.explanation())]
pub struct ManifestConformanceError {
    /// What went wrong.
    pub cause: Cause,
}

impl From<Cause> for ManifestConformanceError {
    fn from(cause: Cause) -> Self {
        Self { cause }
    }
}

/// Why a call gave no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The module is no WebAssembly binary, is not what its digest says, does not compile, or imports what is not offered.
    ModuleRefused,
    /// The module has no such exported function without parameters.
    EntryMissing,
    /// The input is longer than the capability allows.
    InputTooLarge,
    /// The output is longer than the capability allows; nothing of it was copied.
    OutputTooLarge,
    /// The guest asked for more linear memory than the capability allows.
    MemoryExceeded,
    /// The guest used up its instructions.
    FuelExhausted,
    /// The guest, or its instantiation, was not done within its wall clock.
    Timeout,
    /// The guest trapped (also by a stack overflow of its own), or said itself that it failed.
    Trap,
    /// The worker process died under the call, or gave up on it.
    Aborted,
    /// The output is not UTF-8.
    OutputNotUtf8,
    /// The output is UTF-8 but not one JSON document.
    OutputNotJson,
    /// All workers are taken and the queue is full.
    Busy,
    /// The enclave host can't be reached, or did not answer in time.
    Unavailable,
}

impl Cause {
    /// All causes, in the order of their wire numbers.
    pub const ALL: [Self; 13] = [
        Self::ModuleRefused,
        Self::EntryMissing,
        Self::InputTooLarge,
        Self::OutputTooLarge,
        Self::MemoryExceeded,
        Self::FuelExhausted,
        Self::Timeout,
        Self::Trap,
        Self::Aborted,
        Self::OutputNotUtf8,
        Self::OutputNotJson,
        Self::Busy,
        Self::Unavailable,
    ];

    /// The stable code, for problems, metrics and records: lower case with hyphens.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::ModuleRefused => "module-refused",
            Self::EntryMissing => "entry-missing",
            Self::InputTooLarge => "input-too-large",
            Self::OutputTooLarge => "output-too-large",
            Self::MemoryExceeded => "memory-exceeded",
            Self::FuelExhausted => "fuel-exhausted",
            Self::Timeout => "timeout",
            Self::Trap => "trap",
            Self::Aborted => "aborted",
            Self::OutputNotUtf8 => "output-not-utf8",
            Self::OutputNotJson => "output-not-json",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
        }
    }

    /// One sentence for the caller, with what to do about it where there is something.
    #[must_use]
    pub fn explanation(self) -> &'static str {
        match self {
            Self::ModuleRefused => {
                "the module is not a usable WebAssembly binary; publish one that compiles and imports only the Extism kernel"
            }
            Self::EntryMissing => {
                "the module does not export the entry function without parameters; correct the capability's `entry`"
            }
            Self::InputTooLarge => "the input is longer than the capability allows; send less",
            Self::OutputTooLarge => "the output is longer than the capability allows; ask for less at once",
            Self::MemoryExceeded => "the capability needs more memory than it is allowed",
            Self::FuelExhausted => "the capability needs more instructions than it is allowed",
            Self::Timeout => "the capability was not done in the time it is allowed",
            Self::Trap => "the capability trapped, or reported a failure of its own",
            Self::Aborted => "the process that ran the capability ended; the next call has a new one",
            Self::OutputNotUtf8 => "the capability's output is not UTF-8",
            Self::OutputNotJson => "the capability's output is not a JSON document",
            Self::Busy => "all workers are taken and the queue is full; try again later",
            Self::Unavailable => "the enclave host can't be reached; try again later",
        }
    }

    /// Whether the same call can succeed later without anything else being changed.
    #[must_use]
    pub fn can_retry_help(self) -> bool {
        match self {
            Self::Aborted | Self::Busy | Self::Unavailable => true,
            Self::ModuleRefused
            | Self::EntryMissing
            | Self::InputTooLarge
            | Self::OutputTooLarge
            | Self::MemoryExceeded
            | Self::FuelExhausted
            | Self::Timeout
            | Self::Trap
            | Self::OutputNotUtf8
            | Self::OutputNotJson => false,
        }
    }

    /// The number on the wire, 1 and up.
    #[must_use]
    pub fn wire(self) -> u8 {
        match self {
            Self::ModuleRefused => 1,
            Self::EntryMissing => 2,
            Self::InputTooLarge => 3,
            Self::OutputTooLarge => 4,
            Self::MemoryExceeded => 5,
            Self::FuelExhausted => 6,
            Self::Timeout => 7,
            Self::Trap => 8,
            Self::Aborted => 9,
            Self::OutputNotUtf8 => 10,
            Self::OutputNotJson => 11,
            Self::Busy => 12,
            Self::Unavailable => 13,
        }
    }

    /// The cause of a wire number; `None` for a number that has none.
    #[must_use]
    pub fn from_wire(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.wire() == number)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn wire_numbers_and_codes_are_distinct_and_lead_back() {
        let numbers: BTreeSet<u8> = Cause::ALL.iter().map(|cause| cause.wire()).collect();
        let codes: BTreeSet<&str> = Cause::ALL.iter().map(|cause| cause.code()).collect();
        assert_eq!(numbers, (1..=13).collect());
        assert_eq!(codes.len(), Cause::ALL.len());
        for cause in Cause::ALL {
            assert_eq!(Cause::from_wire(cause.wire()), Some(cause));
        }
        assert_eq!(Cause::from_wire(0), None);
        assert_eq!(Cause::from_wire(14), None);
    }

    #[test]
    fn the_error_names_code_and_explanation() {
        let error = ManifestConformanceError::from(Cause::Timeout);
        assert_eq!(
            error.to_string(),
            "the capability call failed (timeout): the capability was not done in the time it is allowed"
        );
    }
}
