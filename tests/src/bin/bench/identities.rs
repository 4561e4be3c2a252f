//! Who is who: a development authority for gateway and load generator, and a certificate of Envoy's own.
//!
//! Envoy takes its SVID from files, and the authority hands keys to nobody but through the Workload API. So Envoy shows
//! a certificate of a second trust domain, which the load generator believes beside its own; what Envoy checks of its
//! clients is what the gateway checks. All keys are P-256, all chains one certificate long.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use bellgate_policy::SpiffeId;
use bellgate_spire::authority::{DevelopmentAuthority, Options, WorkloadApiSocket};
use bellgate_spire::{Identity, TrustBundleSet, follow_workload_api};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls_pki_types::CertificateDer;
use tokio::sync::watch;
use tokio::time::timeout;

/// Trust domain of the gateway and of the load generator.
const TRUST_DOMAIN: &str = "bench.bellgate.test";
/// Trust domain of Envoy's certificate.
const ENVOY_TRUST_DOMAIN: &str = "envoy.bench.bellgate.test";
/// The load generator.
pub(crate) const CALLER: &str = "spiffe://bench.bellgate.test/planner";
/// The gateway.
pub(crate) const GATEWAY: &str = "spiffe://bench.bellgate.test/orders";
/// Envoy.
pub(crate) const ENVOY: &str = "spiffe://envoy.bench.bellgate.test/orders";

/// Longer than any run: nothing rotates inside a window.
const TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// For the first SVID.
const FIRST_SVID: Duration = Duration::from_secs(10);

/// A running authority; its sockets go away with it.
pub(crate) struct Authority {
    caller: String,
    gateway: PathBuf,
    roots: Vec<CertificateDer<'static>>,
    _running: watch::Sender<bool>,
}

impl Authority {
    /// Starts it, with one socket for each of the two workloads.
    pub(crate) async fn start(folder: &Path) -> anyhow::Result<Self> {
        let authority = DevelopmentAuthority::new(TRUST_DOMAIN, Options { svid_ttl: TTL, root_ttl: TTL })?;
        let (running, stop) = watch::channel(false);
        let mut endpoints = Vec::new();
        let gateway = folder.join("gateway.sock");
        for (socket, id) in [(folder.join("caller.sock"), CALLER), (gateway.clone(), GATEWAY)] {
            let id = SpiffeId::parse(id)?;
            let bound = WorkloadApiSocket::bind(&socket)?;
            endpoints.push(bound.endpoint());
            let (authority, stop) = (authority.clone(), stop.clone());
            tokio::spawn(async move {
                if let Err(error) = bound.serve(&authority, id, stop).await {
                    eprintln!("the development authority ended: {error}");
                }
            });
        }
        let caller = endpoints.into_iter().next().context("no socket")?;
        Ok(Self { caller, gateway, roots: authority.roots(), _running: running })
    }

    /// The load generator's Workload API, as `unix:///path`.
    pub(crate) fn caller_endpoint(&self) -> &str {
        &self.caller
    }

    /// The socket of the gateway's Workload API.
    pub(crate) fn gateway_socket(&self) -> &Path {
        &self.gateway
    }
}

/// Envoy's files.
pub(crate) struct EnvoyFiles {
    /// Certificate, PEM.
    pub(crate) certificate: PathBuf,
    /// Its key, PEM.
    pub(crate) key: PathBuf,
    /// Whom Envoy believes, PEM.
    pub(crate) bundle: PathBuf,
    /// Who signed Envoy's certificate, DER: for the load generator.
    pub(crate) authority: PathBuf,
}

impl EnvoyFiles {
    /// Makes and writes them.
    pub(crate) fn write(folder: &Path, believed: &Authority) -> anyhow::Result<Self> {
        let root_key = KeyPair::generate()?;
        let mut root = CertificateParams::default();
        root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        root.subject_alt_names = vec![uri(&format!("spiffe://{ENVOY_TRUST_DOMAIN}"))?];
        let root_certificate = root.self_signed(&root_key)?;
        let issuer = Issuer::new(root, root_key);

        let key = KeyPair::generate()?;
        let mut leaf = CertificateParams::default();
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        leaf.subject_alt_names = vec![uri(ENVOY)?];
        leaf.use_authority_key_identifier_extension = true;
        let certificate = leaf.signed_by(&key, &issuer)?;

        let files = Self {
            certificate: folder.join("envoy.pem"),
            key: folder.join("envoy.key"),
            bundle: folder.join("envoy-bundle.pem"),
            authority: folder.join("envoy-authority.der"),
        };
        std::fs::write(&files.certificate, certificate.pem())?;
        std::fs::write(&files.key, key.serialize_pem())?;
        std::fs::write(&files.authority, root_certificate.der())?;
        std::fs::write(&files.bundle, believed.roots.iter().map(|root| pem(root)).collect::<String>())?;
        Ok(files)
    }
}

fn uri(text: &str) -> anyhow::Result<SanType> {
    Ok(SanType::URI(text.try_into()?))
}

/// RFC 7468.
fn pem(certificate: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut out = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in base64(certificate).as_bytes().chunks(64) {
        // Base64 is ASCII, and writing to a String can't fail.
        let _ = writeln!(out, "{}", String::from_utf8_lossy(line));
    }
    out.push_str("-----END CERTIFICATE-----\n");
    out
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().chain(&[0; 3]).take(3).fold(0_usize, |word, byte| word << 8 | usize::from(*byte));
        for place in 0..4 {
            let digit = ALPHABET.get(word >> (18 - 6 * place) & 63).copied().unwrap_or(b'=');
            out.push(if place > chunk.len() { '=' } else { char::from(digit) });
        }
    }
    out
}

/// The load generator's SVID, and whom it believes: its own trust domain, and Envoy's.
pub(crate) async fn load_generator(endpoint: &str, envoy_authority: &Path) -> anyhow::Result<Identity> {
    let followed = Identity::empty();
    let mut published = followed.subscribe();
    // The stream ends with this function: one SVID is enough for one window.
    let (_running, stop) = watch::channel(false);
    let follow = follow_workload_api(endpoint, followed.clone(), |_| {}, stop);
    tokio::select! {
        () = follow => anyhow::bail!("the Workload API at {endpoint} ended"),
        first = timeout(FIRST_SVID, published.changed()) => first.with_context(|| format!("no SVID from {endpoint}"))??,
    }
    let svid = followed.svid().with_context(|| format!("{endpoint} gave bundles and no SVID"))?;
    let mut bundles = TrustBundleSet::clone(&followed.bundles());
    let authority =
        std::fs::read(envoy_authority).with_context(|| format!("`{}` can't be read", envoy_authority.display()))?;
    bundles.insert(ENVOY_TRUST_DOMAIN, vec![CertificateDer::from(authority)])?;
    let identity = Identity::empty();
    identity.publish(svid, bundles);
    Ok(identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_in_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
