//! TLS to what is outside the mesh: by DNS name, against the public web's authorities and the operator's own.

use std::sync::{Arc, LazyLock};

use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Mozilla's authorities, parsed once for the process.
static PUBLIC_ROOTS: LazyLock<Arc<RootCertStore>> =
    LazyLock::new(|| Arc::new(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }));

/// ring with TLS 1.2 and 1.3: many servers of the web still have no 1.3. The process default speaks 1.3 alone, so it is named here.
static WEB_PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));

/// Why TLS settings for the web can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebTlsError {
    /// The extra authorities are not PEM.
    #[error("the extra authorities can't be read as PEM: {why}; give one or more `BEGIN CERTIFICATE` blocks")]
    Pem {
        /// What the PEM reader says.
        why: String,
    },
    /// PEM without a certificate.
    #[error("the extra authorities hold no certificate; give one or more `BEGIN CERTIFICATE` blocks")]
    NoCertificate,
    /// A certificate that can't be an authority.
    #[error("certificate {index} of the extra authorities can't be used: {why}")]
    Authority {
        /// Place in the PEM text, from 0.
        index: usize,
        /// What the certificate reader says.
        why: String,
    },
    /// The cryptography of this build doesn't fit.
    #[error("tls for the web can't be set up: {why}")]
    Unusable {
        /// What rustls says.
        why: String,
    },
}

/// Settings for dialling a server of the web by its DNS name, over TLS 1.2 or 1.3, without a client certificate.
///
/// `extra_roots_pem`: authorities that are believed beside the public ones, PEM. `alpn` lists protocols in order of preference.
///
/// # Errors
/// Extra authorities that can't be read; one bad block refuses all of them.
pub fn web_client_config(extra_roots_pem: Option<&[u8]>, alpn: &[&[u8]]) -> Result<Arc<ClientConfig>, WebTlsError> {
    let roots = match extra_roots_pem {
        None => Arc::clone(&PUBLIC_ROOTS),
        Some(pem) => Arc::new(with_extra(pem)?),
    };
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&WEB_PROVIDER))
        .with_safe_default_protocol_versions()
        .map_err(|error| WebTlsError::Unusable { why: error.to_string() })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}

fn with_extra(pem: &[u8]) -> Result<RootCertStore, WebTlsError> {
    let mut roots = PUBLIC_ROOTS.as_ref().clone();
    let mut found = false;
    for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
        let certificate = certificate.map_err(|error| WebTlsError::Pem { why: error.to_string() })?;
        roots.add(certificate).map_err(|error| WebTlsError::Authority { index, why: error.to_string() })?;
        found = true;
    }
    if found { Ok(roots) } else { Err(WebTlsError::NoCertificate) }
}
