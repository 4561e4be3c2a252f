//! Labels on the wire (`design/labels.md`, "Between gateways").

use bellgate_policy::{Lattice, SecurityLabel};
use http::HeaderMap;

/// The label of a request or answer, set by the gateway that holds the SVID.
pub(crate) const LABEL: &str = "bellgate-label";
/// What a workload says of its own request or answer; it can raise, never lower.
pub(crate) const DECLARE: &str = "bellgate-declare";
/// This gateway's own name for an exchange.
pub(crate) const REQUEST_ID: &str = "bellgate-request-id";

/// A label header as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stated {
    /// There is none.
    Absent,
    /// One, in canonical form, of names that this lattice knows.
    Label(SecurityLabel),
    /// Repeated, oversized, not canonical, or of names unknown here.
    Unreadable,
}

/// Reads the label in header `name`: canonical form only, once.
#[must_use]
pub(crate) fn read(headers: &HeaderMap, name: &str, lattice: &Lattice) -> Stated {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Stated::Absent,
        (Some(_), Some(_)) => Stated::Unreadable,
        (Some(value), None) => value
            .to_str()
            .ok()
            .and_then(|text| lattice.parse_canonical(text).ok())
            .map_or(Stated::Unreadable, Stated::Label),
    }
}
