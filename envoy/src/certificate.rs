//! The peer's certificate, where Envoy sends it (`include_peer_certificate`, which the bootstraps turn on).
//!
//! Envoy names the *first* URI SAN as the principal, and verifies a certificate at the handshake alone. So, for each
//! request: the certificate must have exactly one URI SAN, it must be the principal (X509-SVID, section 2: exactly one
//! URI), and it must not have expired since. Chain and signature were Envoy's to check; only the leaf is sent here.

use bellgate_policy::{SpiffeId, Timestamp};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::outcome::Fault;

/// Checks the certificate against the principal; `sent` is URL-encoded PEM, empty where Envoy does not send it.
///
/// # Errors
///
/// [`Fault::NoIdentity`] where it is not the principal's alone or can't be read, [`Fault::Expired`].
pub(crate) fn check(sent: &str, principal: &SpiffeId, now: Timestamp) -> Result<(), Fault> {
    if sent.is_empty() {
        return Ok(());
    }
    let pem: Vec<u8> = percent_encoding::percent_decode_str(sent).collect();
    let der = CertificateDer::from_pem_slice(&pem).map_err(|_| Fault::NoIdentity)?;
    let (_, leaf) = X509Certificate::from_der(&der).map_err(|_| Fault::NoIdentity)?;
    if !names_only(&leaf, principal) {
        return Err(Fault::NoIdentity);
    }
    let seconds = i64::try_from(now.0 / 1000).map_err(|_| Fault::Expired)?;
    if leaf.validity().not_after.timestamp() < seconds { Err(Fault::Expired) } else { Ok(()) }
}

fn names_only(leaf: &X509Certificate<'_>, principal: &SpiffeId) -> bool {
    let Ok(Some(names)) = leaf.subject_alternative_name() else { return false };
    let mut uris = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        GeneralName::OtherName(..)
        | GeneralName::RFC822Name(_)
        | GeneralName::DNSName(_)
        | GeneralName::X400Address(_)
        | GeneralName::DirectoryName(_)
        | GeneralName::EDIPartyName(_)
        | GeneralName::IPAddress(_)
        | GeneralName::RegisteredID(_)
        | GeneralName::Invalid(..) => None,
    });
    uris.next() == Some(principal.as_str()) && uris.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, SanType};

    const PLANNER: &str = "spiffe://demo.bellgate.test/planner";

    fn sent(uris: &[&str]) -> String {
        let mut params = CertificateParams::new(vec!["planner.example.com".to_owned()]).unwrap();
        params.subject_alt_names.extend(uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())));
        params.not_after = rcgen::date_time_ymd(2040, 1, 1);
        let pem = params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
        percent_encoding::utf8_percent_encode(&pem, percent_encoding::NON_ALPHANUMERIC).to_string()
    }

    #[test]
    fn exactly_the_principal_and_in_time() {
        let id = SpiffeId::parse(PLANNER).unwrap();
        let end = 2_208_988_800_000;
        for (what, sent, now, expected) in [
            ("not sent", String::new(), end + 1, Ok(())),
            ("its own", sent(&[PLANNER]), 0, Ok(())),
            ("its last second", sent(&[PLANNER]), end + 999, Ok(())),
            ("after it", sent(&[PLANNER]), end + 1000, Err(Fault::Expired)),
            ("a second URI", sent(&[PLANNER, "spiffe://demo.bellgate.test/x"]), 0, Err(Fault::NoIdentity)),
            ("the same URI twice", sent(&[PLANNER, PLANNER]), 0, Err(Fault::NoIdentity)),
            ("another URI", sent(&["spiffe://demo.bellgate.test/x"]), 0, Err(Fault::NoIdentity)),
            ("no URI", sent(&[]), 0, Err(Fault::NoIdentity)),
            ("no certificate", "planner".to_owned(), 0, Err(Fault::NoIdentity)),
        ] {
            assert_eq!(check(&sent, &id, Timestamp(now)), expected, "{what}");
        }
    }
}
