//! Every bound of one sidecar that its config may set, with the reason for its default. One table, from which the file is read, and which
//! `bellgate check` and the sample config repeat.

use std::time::Duration;

/// The bounds of one sidecar. Each is named as in the file's `limits:`; see [`BOUNDS`] for defaults, ranges and reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes of a body that is checked against a schema.
    pub(crate) body: usize,
    /// Nesting of a checked body: objects and arrays.
    pub(crate) depth: usize,
    /// Values in a checked body, all levels together.
    pub(crate) members: usize,
    /// Violations that one rejection lists.
    pub(crate) errors: usize,
    /// Permitted `append` requests that wait for their upstream at once.
    pub(crate) append_queue: usize,
    /// Until an upstream's TCP and TLS handshakes are done.
    pub(crate) connect_timeout: Duration,
    /// Until an upstream's answer begins, and between two pieces of it.
    pub(crate) answer_timeout: Duration,
    /// Exchanges open at once on one listener; one more hears 503.
    pub(crate) max_exchanges: usize,
}

/// One row of the table.
pub(crate) struct Bound {
    /// The key in `limits:`.
    pub(crate) name: &'static str,
    /// Used when the file is silent: bytes, milliseconds or a count.
    pub(crate) default: u64,
    /// The least that makes sense.
    pub(crate) least: u64,
    /// The most that can be asked for.
    pub(crate) most: u64,
    /// How the file writes it.
    pub(crate) unit: Unit,
    /// Why it is there, and why this default.
    pub(crate) reason: &'static str,
    set: fn(&mut Limits, u64),
    get: fn(&Limits) -> u64,
}

/// How the file writes a bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unit {
    /// `1MiB`, `64KiB`, or plain bytes.
    Bytes,
    /// `3s`, `500ms`.
    Time,
    /// A whole number.
    Count,
}

/// All bounds, in the order of the documentation.
pub(crate) const BOUNDS: [Bound; 8] = [
    Bound {
        name: "body",
        default: 1 << 20,
        least: 1,
        most: 16 << 20,
        unit: Unit::Bytes,
        reason: "a checked body is held whole until its schema has passed it",
        set: |limits, value| limits.body = size(value),
        get: |limits| number(limits.body),
    },
    Bound {
        name: "depth",
        default: 64,
        least: 1,
        most: 256,
        unit: Unit::Count,
        reason: "a validator goes as deep as the body does, and a stack is finite",
        set: |limits, value| limits.depth = size(value),
        get: |limits| number(limits.depth),
    },
    Bound {
        name: "members",
        default: 100_000,
        least: 1,
        most: 10_000_000,
        unit: Unit::Count,
        reason: "one MiB can hold half a million values, each of which costs memory and time",
        set: |limits, value| limits.members = size(value),
        get: |limits| number(limits.members),
    },
    Bound {
        name: "errors",
        default: 64,
        least: 1,
        most: 1_024,
        unit: Unit::Count,
        reason: "an answer that lists what is wrong must not be larger than what was sent",
        set: |limits, value| limits.errors = size(value),
        get: |limits| number(limits.errors),
    },
    Bound {
        name: "append_queue",
        default: 256,
        least: 1,
        most: 65_536,
        unit: Unit::Count,
        reason: "a blind write is answered before its upstream answers, so these wait without a caller",
        set: |limits, value| limits.append_queue = size(value),
        get: |limits| number(limits.append_queue),
    },
    Bound {
        name: "connect_timeout",
        default: 3_000,
        least: 10,
        most: 60_000,
        unit: Unit::Time,
        reason: "one lost SYN is sent again after 1 s, a second one after 3 s: the first is waited for",
        set: |limits, value| limits.connect_timeout = Duration::from_millis(value),
        get: |limits| milliseconds(limits.connect_timeout),
    },
    Bound {
        name: "answer_timeout",
        default: 60_000,
        least: 100,
        most: 3_600_000,
        unit: Unit::Time,
        reason: "a language model may think for most of a minute before its first token",
        set: |limits, value| limits.answer_timeout = Duration::from_millis(value),
        get: |limits| milliseconds(limits.answer_timeout),
    },
    Bound {
        name: "max_exchanges",
        default: 1_024,
        least: 1,
        most: 1_000_000,
        unit: Unit::Count,
        reason: "each may hold a body that is being checked, so this times `body` bounds memory",
        set: |limits, value| limits.max_exchanges = size(value),
        get: |limits| number(limits.max_exchanges),
    },
];

impl Limits {
    /// The limits of a file that is silent.
    pub(crate) fn standard() -> Self {
        let mut limits = Self {
            body: 0,
            depth: 0,
            members: 0,
            errors: 0,
            append_queue: 0,
            connect_timeout: Duration::ZERO,
            answer_timeout: Duration::ZERO,
            max_exchanges: 0,
        };
        for bound in &BOUNDS {
            (bound.set)(&mut limits, bound.default);
        }
        limits
    }

    /// Sets one bound. The caller has checked that `value` is in its range.
    pub(crate) fn set(&mut self, bound: &Bound, value: u64) {
        (bound.set)(self, value);
    }

    /// One bound, in the unit of its row.
    pub(crate) fn get(&self, bound: &Bound) -> u64 {
        (bound.get)(self)
    }

    /// What the bounds of a body are to the schema store.
    pub(crate) fn of_manifests(&self) -> bellgate_manifest::Limits {
        bellgate_manifest::Limits {
            bytes: self.body,
            depth: self.depth,
            members: self.members,
            errors: self.errors,
            ..bellgate_manifest::Limits::default()
        }
    }
}

fn size(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn number(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_has_its_place_and_a_sound_range() {
        let standard = Limits::standard();
        for bound in &BOUNDS {
            assert!(bound.least <= bound.default && bound.default <= bound.most, "{}", bound.name);
            let mut other = standard.clone();
            other.set(bound, bound.most);
            assert_ne!(other, standard, "`{}` sets nothing", bound.name);
            assert_eq!((other.get(bound), standard.get(bound)), (bound.most, bound.default), "{}", bound.name);
        }
        assert_eq!(standard.of_manifests(), bellgate_manifest::Limits::default());
        assert_eq!(
            BOUNDS.iter().find(|bound| bound.name == "depth").map(|bound| bound.most),
            u64::try_from(bellgate_manifest::MAX_DEPTH).ok()
        );
    }
}
