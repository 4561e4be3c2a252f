//! Why a capability could not be had: one closed set, with a code for each that answers, metrics and the audit record share.

use crate::Digest;

/// Why a capability could not be had. Cheap to clone: everyone who waited for one fetch gets the same error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The registry has no capability of that name (404 or 410).
    #[error("the registry has no capability of that urn; publish it there, or correct the urn in the policy")]
    UnknownUrn,
    /// No answer: nobody listens, the name does not resolve, the handshake failed on either side, or what came is not HTTP.
    #[error("the registry can't be reached; see whether it runs and whether its SPIFFE ID is the configured one")]
    Unreachable,
    /// The whole fetch took longer than its deadline.
    #[error("the registry did not deliver within {milliseconds} ms; try again, or raise the deadline")]
    TimedOut {
        /// The deadline.
        milliseconds: u64,
    },
    /// The connection ended within the answer.
    #[error("the registry's answer broke off; try again")]
    Interrupted,
    /// More bytes than the limit, whether told beforehand or seen while streaming.
    #[error("the capability is larger than {limit} bytes; make it smaller, or raise the limit")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// Other bytes than the policy pins.
    #[error(
        "the registry delivered sha256 {actual} where the policy pins {expected}; find out who changed it before anything else"
    )]
    DigestMismatch {
        /// What the policy pins.
        expected: Digest,
        /// What came.
        actual: Digest,
    },
    /// Any other answer, redirects included: they are never followed.
    #[error("the registry answered with status {status}; see its log")]
    Status {
        /// The HTTP status.
        status: u16,
    },
}

impl FetchError {
    /// The stable code: lower case, words joined by hyphens.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownUrn => "unknown-urn",
            Self::Unreachable => "registry-unreachable",
            Self::TimedOut { .. } => "registry-timeout",
            Self::Interrupted => "registry-interrupted",
            Self::TooLarge { .. } => "capability-too-large",
            Self::DigestMismatch { .. } => "digest-mismatch",
            Self::Status { .. } => "registry-status",
        }
    }

    /// Whether the same fetch can succeed later without anyone changing anything.
    #[must_use]
    pub fn can_retry_help(&self) -> bool {
        match self {
            Self::Unreachable | Self::TimedOut { .. } | Self::Interrupted => true,
            Self::Status { status } => *status >= 500 || *status == 429,
            Self::UnknownUrn | Self::TooLarge { .. } | Self::DigestMismatch { .. } => false,
        }
    }
}
