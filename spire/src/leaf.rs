//! The leaf rules of the X509-SVID standard, each with a code of its own in [`SvidError`].

use bellgate_policy::{SpiffeId, Timestamp};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use crate::SvidError;
use crate::certificate::{is_authority, read, validity};

/// What the peer uses its certificate for on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerUsage {
    /// The peer dialled us: `clientAuth`.
    Client,
    /// We dialled the peer: `serverAuth`.
    Server,
}

/// What is kept of a leaf that passed every rule that needs no bundle and no clock.
#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    pub(crate) id: SpiffeId,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    for_client: bool,
    for_server: bool,
}

impl Leaf {
    /// Reads a leaf and checks the rules of sections 2, 3.1, 4.1, 4.3 and 5.2.
    pub(crate) fn read(der: &[u8]) -> Result<Self, SvidError> {
        let certificate = read(der, 0)?;
        if is_authority(&certificate) {
            return Err(SvidError::LeafIsAuthority);
        }
        check_key_usage(&certificate)?;
        let id = spiffe_id(&certificate)?;
        let (not_before, not_after) = validity(&certificate);
        let (for_client, for_server) = extended_key_usage(&certificate)?;
        Ok(Self { id, not_before, not_after, for_client, for_server })
    }

    /// Section 4.4: an extended key usage that is there must allow what the certificate is used for.
    pub(crate) fn check_usage(&self, usage: PeerUsage) -> Result<(), SvidError> {
        let (allowed, needed) = match usage {
            PeerUsage::Client => (self.for_client, "clientAuth"),
            PeerUsage::Server => (self.for_server, "serverAuth"),
        };
        if allowed { Ok(()) } else { Err(SvidError::ExtendedKeyUsage { needed }) }
    }

    /// Both ends of the validity are inside.
    pub(crate) fn check_time(&self, now: Timestamp) -> Result<(), SvidError> {
        if now < self.not_before {
            Err(SvidError::NotYetValid { from: self.not_before })
        } else if now > self.not_after {
            Err(SvidError::Expired { at: self.not_after })
        } else {
            Ok(())
        }
    }
}

fn malformed(what: &'static str) -> SvidError {
    SvidError::Malformed { position: 0, what }
}

fn check_key_usage(certificate: &X509Certificate<'_>) -> Result<(), SvidError> {
    let usage = certificate
        .key_usage()
        .map_err(|_| malformed("its key usage can't be read"))?
        .ok_or(SvidError::KeyUsageMissing)?;
    if usage.value.key_cert_sign() {
        Err(SvidError::KeyCertSign)
    } else if usage.value.crl_sign() {
        Err(SvidError::CrlSign)
    } else if !usage.value.digital_signature() {
        Err(SvidError::DigitalSignatureMissing)
    } else if !usage.critical {
        Err(SvidError::KeyUsageNotCritical)
    } else {
        Ok(())
    }
}

fn spiffe_id(certificate: &X509Certificate<'_>) -> Result<SpiffeId, SvidError> {
    let names = certificate
        .subject_alternative_name()
        .map_err(|_| malformed("its SAN extension can't be read"))?
        .ok_or(SvidError::UriSanMissing)?;
    let mut uris = Vec::new();
    for name in &names.value.general_names {
        match name {
            GeneralName::URI(uri) => uris.push(*uri),
            GeneralName::Invalid(..) => return Err(malformed("a name in its SAN can't be read")),
            GeneralName::OtherName(..)
            | GeneralName::RFC822Name(_)
            | GeneralName::DNSName(_)
            | GeneralName::X400Address(_)
            | GeneralName::DirectoryName(_)
            | GeneralName::EDIPartyName(_)
            | GeneralName::IPAddress(_)
            | GeneralName::RegisteredID(_) => {}
        }
    }
    let uri = match uris.as_slice() {
        [] => return Err(SvidError::UriSanMissing),
        [uri] => *uri,
        several => {
            return Err(SvidError::UriSanSeveral { found: several.len() });
        }
    };
    if !names.critical && certificate.subject().iter_rdn().next().is_none() {
        return Err(SvidError::SanNotCritical);
    }
    workload_id(uri)
}

/// A SPIFFE ID with a path.
pub(crate) fn workload_id(uri: &str) -> Result<SpiffeId, SvidError> {
    let id = SpiffeId::parse(uri).map_err(|error| SvidError::SpiffeIdInvalid { why: error.to_string() })?;
    if id.path().is_empty() {
        return Err(SvidError::SpiffeIdWithoutPath { id: uri.to_owned() });
    }
    Ok(id)
}

/// (`clientAuth`, `serverAuth`); without the extension everything is allowed.
fn extended_key_usage(certificate: &X509Certificate<'_>) -> Result<(bool, bool), SvidError> {
    let usage = certificate.extended_key_usage().map_err(|_| malformed("its extended key usage can't be read"))?;
    Ok(usage.map_or((true, true), |usage| (usage.value.client_auth, usage.value.server_auth)))
}
