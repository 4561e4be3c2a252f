//! The messages of the X.509 half of the SPIFFE Workload API, by hand: field numbers are those of the standard's `workload.proto`.
//!
//! None has `Debug`: two of them carry private keys.

use std::collections::HashMap;

/// Asks for X.509-SVIDs. Without parameters.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(super) struct X509SvidRequest {}

/// The SVIDs of the caller, and the bundles to verify others with.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(super) struct X509SvidResponse {
    #[prost(message, repeated, tag = "1")]
    pub(super) svids: Vec<X509Svid>,
    /// DER; never filled.
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub(super) crl: Vec<Vec<u8>>,
    /// By SPIFFE ID of the trust domain; certificates in DER, one after another.
    #[prost(map = "string, bytes", tag = "3")]
    pub(super) federated_bundles: HashMap<String, Vec<u8>>,
}

/// One SVID with its key.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(super) struct X509Svid {
    #[prost(string, tag = "1")]
    pub(super) spiffe_id: String,
    /// Certificates in DER, one after another, leaf first.
    #[prost(bytes = "vec", tag = "2")]
    pub(super) x509_svid: Vec<u8>,
    /// PKCS#8, DER, not encrypted.
    #[prost(bytes = "vec", tag = "3")]
    pub(super) x509_svid_key: Vec<u8>,
    /// The own trust domain's; certificates in DER, one after another.
    #[prost(bytes = "vec", tag = "4")]
    pub(super) bundle: Vec<u8>,
    /// Which one to use, where there are several; empty, as there is one.
    #[prost(string, tag = "5")]
    pub(super) hint: String,
}

/// Asks for bundles. Without parameters.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(super) struct X509BundlesRequest {}

/// All bundles that the caller should believe, its own trust domain's among them.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(super) struct X509BundlesResponse {
    /// DER; never filled.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(super) crl: Vec<Vec<u8>>,
    /// By SPIFFE ID of the trust domain; certificates in DER, one after another.
    #[prost(map = "string, bytes", tag = "2")]
    pub(super) bundles: HashMap<String, Vec<u8>>,
}
