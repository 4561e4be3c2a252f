//! Why a certificate is not accepted as an X.509-SVID: a closed set with stable codes.

use bellgate_policy::Timestamp;

/// Why an X.509-SVID, or the chain that came with it, is refused.
///
/// Source: the SPIFFE standard X509-SVID (section numbers below are its own) and RFC 5280. Messages name the SPIFFE ID at most,
/// never other content of a certificate, and never a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SvidError {
    /// The chain has no certificate.
    #[error("the chain is empty; send the X.509-SVID and its intermediates, leaf first")]
    ChainEmpty,
    /// More certificates than are read.
    #[error(
        "the chain has {found} certificates, of which at most {limit} are read; send the leaf and its intermediates only"
    )]
    ChainTooLong {
        /// Certificates in the chain.
        found: usize,
        /// [`crate::MAX_CHAIN`].
        limit: usize,
    },
    /// One certificate is larger than is read.
    #[error("certificate {position} of the chain has {bytes} bytes, of which at most {limit} are read")]
    CertificateTooLarge {
        /// Place in the chain; the leaf is 0.
        position: usize,
        /// Its size in bytes.
        bytes: usize,
        /// [`crate::MAX_CERTIFICATE_BYTES`].
        limit: usize,
    },
    /// Not strict DER, not version 3, bytes behind the end, or an extension that is unreadable or there twice (RFC 5280, 4.2).
    #[error("certificate {position} of the chain is malformed: {what}; issue it as RFC 5280 version 3 in DER")]
    Malformed {
        /// Place in the chain; the leaf is 0.
        position: usize,
        /// The part that can't be read.
        what: &'static str,
    },
    /// Section 2: exactly one URI SAN.
    #[error("the leaf has no URI SAN; an X.509-SVID has exactly one, its SPIFFE ID")]
    UriSanMissing,
    /// Section 2: exactly one URI SAN.
    #[error("the leaf has {found} URI SANs; an X.509-SVID has exactly one, its SPIFFE ID")]
    UriSanSeveral {
        /// How many there are.
        found: usize,
    },
    /// Section 3.1 with RFC 5280, 4.1.2.6.
    #[error("the leaf has an empty subject and a SAN extension that is not critical; mark it critical")]
    SanNotCritical,
    /// The URI is not a SPIFFE ID.
    #[error("the URI SAN of the leaf is no valid SPIFFE ID: {why}")]
    SpiffeIdInvalid {
        /// What the SPIFFE ID parser says.
        why: String,
    },
    /// Section 5.2: a non-root path.
    #[error("the SPIFFE ID `{id}` has no path; a bare trust domain identifies no workload")]
    SpiffeIdWithoutPath {
        /// The SPIFFE ID.
        id: String,
    },
    /// Section 5.2: `cA` must be false.
    #[error("the leaf is a signing certificate (cA is true), which may not be used for authentication")]
    LeafIsAuthority,
    /// Section 4.3: key usage must be set.
    #[error("the leaf has no key usage extension; set digitalSignature")]
    KeyUsageMissing,
    /// Section 4.3: key usage must be critical.
    #[error("the key usage extension of the leaf is not critical; mark it critical")]
    KeyUsageNotCritical,
    /// Section 4.3: `digitalSignature` must be set.
    #[error("the key usage of the leaf lacks digitalSignature; set it")]
    DigitalSignatureMissing,
    /// Section 5.2: `keyCertSign` must not be set.
    #[error("the key usage of the leaf has keyCertSign; a leaf must not sign certificates")]
    KeyCertSign,
    /// Section 5.2: `cRLSign` must not be set.
    #[error("the key usage of the leaf has cRLSign; a leaf must not sign revocation lists")]
    CrlSign,
    /// Section 4.4: where the extension is there, it must hold what the peer uses the certificate for.
    #[error(
        "the extended key usage of the leaf lacks {needed}; set both serverAuth and clientAuth, or leave the extension out"
    )]
    ExtendedKeyUsage {
        /// `serverAuth` or `clientAuth`.
        needed: &'static str,
    },
    /// Behind its `notAfter`, or behind that of the chain it hangs on.
    #[error("the certificate or its chain expired at {at}; wait for the rotation, or look at what holds it up")]
    Expired {
        /// End of validity.
        at: Timestamp,
    },
    /// Before its `notBefore`.
    #[error("the certificate is not valid before {from}; compare the clocks of both machines")]
    NotYetValid {
        /// Start of validity.
        from: Timestamp,
    },
    /// No bundle for the leaf's own trust domain.
    #[error("there is no trust bundle for `{trust_domain}`; federate with that trust domain if its workloads may call")]
    UnknownTrustDomain {
        /// Trust domain of the leaf.
        trust_domain: String,
    },
    /// No path to the bundle of its trust domain.
    #[error("the chain does not lead to the trust bundle of `{trust_domain}`: {why}")]
    ChainUntrusted {
        /// Trust domain of the leaf.
        trust_domain: String,
        /// What path validation says.
        why: String,
    },
    /// Section 3.2: an intermediate that may not sign.
    #[error("an intermediate of the chain is no X.509-SVID signing certificate: {why}")]
    IntermediateRefused {
        /// The rule that it breaks.
        why: &'static str,
    },
    /// A valid SVID of somebody else.
    #[error("the peer is `{found}`, not `{expected}` whom this connection is for")]
    PeerUnexpected {
        /// SPIFFE ID that was dialled.
        expected: String,
        /// SPIFFE ID that answered.
        found: String,
    },
    /// Of our own SVID: a key that rustls can't use.
    #[error("the private key of the SVID can't be used; give PKCS#8 with ECDSA P-256 or P-384, Ed25519 or RSA")]
    KeyUnusable,
    /// Of our own SVID: the key is not that of the leaf.
    #[error("the private key does not belong to the leaf of the SVID; give the pair that was issued together")]
    KeyMismatch,
}

impl SvidError {
    /// A stable code for logs, metrics and tests; it never changes its meaning.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::ChainEmpty => "chain-empty",
            Self::ChainTooLong { .. } => "chain-too-long",
            Self::CertificateTooLarge { .. } => "certificate-too-large",
            Self::Malformed { .. } => "certificate-malformed",
            Self::UriSanMissing => "uri-san-missing",
            Self::UriSanSeveral { .. } => "uri-san-several",
            Self::SanNotCritical => "san-not-critical",
            Self::SpiffeIdInvalid { .. } => "spiffe-id-invalid",
            Self::SpiffeIdWithoutPath { .. } => "spiffe-id-without-path",
            Self::LeafIsAuthority => "leaf-is-authority",
            Self::KeyUsageMissing => "key-usage-missing",
            Self::KeyUsageNotCritical => "key-usage-not-critical",
            Self::DigitalSignatureMissing => "digital-signature-missing",
            Self::KeyCertSign => "key-cert-sign",
            Self::CrlSign => "crl-sign",
            Self::ExtendedKeyUsage { .. } => "extended-key-usage",
            Self::Expired { .. } => "expired",
            Self::NotYetValid { .. } => "not-yet-valid",
            Self::UnknownTrustDomain { .. } => "unknown-trust-domain",
            Self::ChainUntrusted { .. } => "chain-untrusted",
            Self::IntermediateRefused { .. } => "intermediate-refused",
            Self::PeerUnexpected { .. } => "peer-unexpected",
            Self::KeyUnusable => "key-unusable",
            Self::KeyMismatch => "key-mismatch",
        }
    }

    /// The reason inside a TLS error that one of this package's verifiers returned; `None` for every other TLS error.
    #[must_use]
    pub fn of(error: &rustls::Error) -> Option<&Self> {
        let rustls::Error::InvalidCertificate(rustls::CertificateError::Other(other)) = error else {
            return None;
        };
        other.0.downcast_ref()
    }
}

/// The peer only ever sees the alert `certificate_unknown`, whatever the reason is.
impl From<SvidError> for rustls::Error {
    fn from(reason: SvidError) -> Self {
        Self::InvalidCertificate(rustls::CertificateError::Other(rustls::OtherError(std::sync::Arc::new(reason))))
    }
}
