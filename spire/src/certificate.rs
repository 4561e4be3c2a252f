//! Strict reading of one certificate, shared by leaf, intermediates and authorities.
//!
//! It runs before webpki: what x509-parser can't read is refused here, because code further on (Pingora's TLS digest) would
//! panic over it.

use bellgate_policy::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Version;

use crate::SvidError;
use crate::clock::from_seconds;

/// Most certificates read of one chain: a leaf and six intermediates, what webpki follows.
pub const MAX_CHAIN: usize = 7;

/// Most bytes read of one certificate. An SVID with an RSA-4096 key has about 2 KiB.
pub const MAX_CERTIFICATE_BYTES: usize = 16 * 1024;

/// Reads `der` as exactly one version 3 certificate with readable extensions, none of them twice.
///
/// `position` is the place in the chain, for the message.
pub(crate) fn read(der: &[u8], position: usize) -> Result<X509Certificate<'_>, SvidError> {
    let malformed = |what| SvidError::Malformed { position, what };
    if der.len() > MAX_CERTIFICATE_BYTES {
        return Err(SvidError::CertificateTooLarge { position, bytes: der.len(), limit: MAX_CERTIFICATE_BYTES });
    }
    let (rest, certificate) =
        X509Certificate::from_der(der).map_err(|_| malformed("it is not DER of a certificate"))?;
    if !rest.is_empty() {
        return Err(malformed("bytes follow its end"));
    }
    if certificate.version() != X509Version::V3 {
        return Err(malformed("its version is not 3"));
    }
    if certificate.extensions_map().is_err() {
        return Err(malformed("an extension is there twice"));
    }
    let unreadable = certificate
        .iter_extensions()
        .any(|extension| matches!(extension.parsed_extension(), ParsedExtension::ParseError { .. }));
    if unreadable {
        return Err(malformed("an extension can't be read"));
    }
    Ok(certificate)
}

/// `notBefore` and `notAfter`; both ends are inside, to the second.
pub(crate) fn validity(certificate: &X509Certificate<'_>) -> (Timestamp, Timestamp) {
    let validity = certificate.validity();
    (from_seconds(validity.not_before.timestamp()), from_seconds(validity.not_after.timestamp()))
}

/// Whether basic constraints say `cA`; a missing extension says no.
pub(crate) fn is_authority(certificate: &X509Certificate<'_>) -> bool {
    matches!(certificate.basic_constraints(), Ok(Some(constraints)) if constraints.value.ca)
}
