//! The cryptography that rustls uses here: ring, and TLS 1.3 cipher suites alone.

use std::sync::{Arc, LazyLock};

use rustls::ProtocolVersion;
use rustls::crypto::CryptoProvider;

static TLS13: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites.retain(|suite| suite.version().version == ProtocolVersion::TLSv1_3);
    Arc::new(provider)
});

/// ring with TLS 1.3 cipher suites alone. One value for the whole process.
#[must_use]
pub fn tls13_provider() -> Arc<CryptoProvider> {
    Arc::clone(&TLS13)
}

/// Makes [`tls13_provider`] the default of the process, so that code which names TLS 1.2 (Pingora's listeners do) can't negotiate it.
/// Call it first in `main`; later calls change nothing.
///
/// Returns whether the default of the process now speaks TLS 1.3 alone; `false` means that somebody had installed another one before.
pub fn install_crypto_provider() -> bool {
    // An error says that there is a default already; what counts is what that one speaks.
    let _already = tls13_provider().as_ref().clone().install_default();
    CryptoProvider::get_default().is_some_and(|provider| {
        provider.cipher_suites.iter().all(|suite| suite.version().version == ProtocolVersion::TLSv1_3)
    })
}
