//! Labels on the wire (`design/labels.md`, "Between gateways"), and what else gateways and workloads say in headers.
//!
//! What holds: each of these headers counts only once and only in its one spelling; what cannot be read is never taken
//! for what is not there. Who may say what is not decided here.

use bellgate_policy::{LabelError, Lattice, MAX_WIRE_LABEL_BYTES, RuleKind, SecurityLabel};
use bellgate_watermark::HandleId;
use http::HeaderMap;

/// The label of a request or answer, set by the gateway that holds the SVID.
pub(crate) const LABEL: &str = "bellgate-label";
/// The kind of the rule under which a request goes that states less than its sender's current label.
pub(crate) const RULE: &str = "bellgate-rule";
/// What a workload says of its own request or answer; it can raise, never lower.
pub(crate) const DECLARE: &str = "bellgate-declare";
/// The session of a request, between a workload and its own gateway alone.
pub(crate) const HANDLE: &str = "bellgate-handle";
/// Grants for one task, from an orchestrator to the gateway of the workload that is to do it.
pub(crate) const TASK: &str = "bellgate-task";
/// This gateway's own name for an exchange.
pub(crate) const REQUEST_ID: &str = "bellgate-request-id";

/// Most bytes of a task in its header.
pub(crate) const MAX_TASK_BYTES: usize = 8 * 1024;

/// A label header as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stated {
    /// There is none.
    Absent,
    /// One, in canonical form, of names that this lattice knows.
    Label(SecurityLabel),
    /// There is something, and it is no label here.
    Unreadable(Unreadable),
}

/// Why a label header is no label here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// More than one header of the name.
    Repeated,
    /// Longer than a label may be on the wire.
    Oversized,
    /// Not the one spelling that a label has.
    NotCanonical,
    /// A level or category that the policy in force here does not have.
    LatticesDiffer,
    /// A rule that is none, more than one, or one without the label that it gives.
    Rule,
}

impl Unreadable {
    /// One sentence for who sent it; `digest` is that of the policy in force here.
    #[must_use]
    pub(crate) fn explain(self, header: &str, digest: &str) -> String {
        match self {
            Self::Repeated => format!("`{header}` is there more than once; send it once"),
            Self::Oversized => {
                format!("`{header}` is longer than the {MAX_WIRE_LABEL_BYTES} bytes that a label can have")
            }
            Self::NotCanonical => format!(
                "`{header}` is no label in canonical form; expected `LEVEL` or `LEVEL:category,category`, sorted, each once, without spaces"
            ),
            Self::LatticesDiffer => format!(
                "the lattices differ: `{header}` has a level or category that the policy in force here, {digest}, does not have; give both gateways one policy"
            ),
            Self::Rule => format!(
                "`{RULE}` must be one of read-down, trusted, guard and task, once, beside the `{LABEL}` that the rule gives"
            ),
        }
    }
}

/// Reads the label in header `name`: canonical form only, once.
#[must_use]
pub(crate) fn read(headers: &HeaderMap, name: &str, lattice: &Lattice) -> Stated {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Stated::Absent,
        (Some(_), Some(_)) => Stated::Unreadable(Unreadable::Repeated),
        (Some(value), None) if value.len() > MAX_WIRE_LABEL_BYTES => Stated::Unreadable(Unreadable::Oversized),
        (Some(value), None) => match value.to_str().map(|text| lattice.parse_canonical(text)) {
            Ok(Ok(label)) => Stated::Label(label),
            Ok(Err(error)) => Stated::Unreadable(why(&error)),
            Err(_) => Stated::Unreadable(Unreadable::NotCanonical),
        },
    }
}

/// A name that has the form of one and is not known is another lattice's; all else is no label anywhere.
fn why(error: &LabelError) -> Unreadable {
    let is_name = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    match error {
        LabelError::UnknownLevel { given, .. } | LabelError::UnknownCategory { given, .. } if is_name(given) => {
            Unreadable::LatticesDiffer
        }
        LabelError::TooLong(_) => Unreadable::Oversized,
        LabelError::Empty { .. }
        | LabelError::UnknownLevel { .. }
        | LabelError::UnknownCategory { .. }
        | LabelError::DuplicateCategory(_)
        | LabelError::EmptyCategory(_)
        | LabelError::NotSorted(_) => Unreadable::NotCanonical,
    }
}

/// Reads the kind of the rule under which a peer's request goes.
///
/// # Errors
///
/// [`Unreadable::Rule`] where it is repeated or no kind.
pub(crate) fn rule(headers: &HeaderMap) -> Result<Option<RuleKind>, Unreadable> {
    match one(headers, RULE) {
        Ok(None) => Ok(None),
        Ok(Some(text)) => text.parse().map(Some).map_err(|_| Unreadable::Rule),
        Err(_) => Err(Unreadable::Rule),
    }
}

/// A header of a session, as it was found.
#[derive(Clone)]
pub(crate) enum Session {
    /// There is none.
    Absent,
    /// One that has the form of a handle.
    Handle(HandleId),
    /// There is something, and it is no handle.
    Malformed,
}

/// Reads the handle of a request of the local workload.
#[must_use]
pub(crate) fn handle(headers: &HeaderMap) -> Session {
    match one(headers, HANDLE) {
        Ok(None) => Session::Absent,
        Ok(Some(text)) => handle_of(text),
        Err(Several) => Session::Malformed,
    }
}

/// Reads a handle.
#[must_use]
pub(crate) fn handle_of(text: &str) -> Session {
    HandleId::parse(text).map_or(Session::Malformed, Session::Handle)
}

/// Reads the task of a request.
///
/// # Errors
///
/// Why there is one that cannot be read.
pub(crate) fn task(headers: &HeaderMap) -> Result<Option<String>, &'static str> {
    match one(headers, TASK) {
        Ok(Some(text)) if text.len() > MAX_TASK_BYTES => {
            Err("`Bellgate-Task` has more than 8192 bytes; name fewer objects or values")
        }
        Ok(text) => Ok(text.map(str::to_owned)),
        Err(Several) => Err("`Bellgate-Task` must be there once, as JSON in visible ASCII (escape other characters)"),
    }
}

/// More than one value, or one that is not visible ASCII.
struct Several;

fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Several> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| Several),
        (Some(_), Some(_)) => Err(Several),
    }
}

#[cfg(test)]
mod tests {
    use bellgate_policy::Name;

    use super::*;

    fn lattice() -> Lattice {
        let names = |list: &[&str]| list.iter().map(|name| Name::new(name).unwrap()).collect();
        Lattice::new(names(&["PUBLIC", "SECRET"]), names(&["clinical", "legal"])).unwrap()
    }

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn what_is_no_label_says_why() {
        let long = format!("SECRET:{}", "a".repeat(MAX_WIRE_LABEL_BYTES - 7));
        let longer = format!("{long}a");
        for (values, why) in [
            (&["PUBLIC", "PUBLIC"][..], Unreadable::Repeated),
            (&[&longer], Unreadable::Oversized),
            (&["SECRET:secret"], Unreadable::LatticesDiffer),
            (&["TOP"], Unreadable::LatticesDiffer),
            (&["public"], Unreadable::LatticesDiffer),
            (&["SECRET:legal,clinical"], Unreadable::NotCanonical),
            (&["SECRET:legal,legal"], Unreadable::NotCanonical),
            (&["SECRET: legal"], Unreadable::NotCanonical),
            (&["SECRET:"], Unreadable::NotCanonical),
            (&[""], Unreadable::NotCanonical),
            (&["PUBLIC, PUBLIC"], Unreadable::NotCanonical),
            (&["SÉCRET"], Unreadable::NotCanonical),
        ] {
            assert_eq!(read(&headers(LABEL, values), LABEL, &lattice()), Stated::Unreadable(why), "{values:?}");
            assert!(!why.explain(LABEL, "sha256:0").contains("legal"), "nothing of the value is repeated");
        }
        assert!(matches!(read(&headers(LABEL, &["SECRET:clinical,legal"]), LABEL, &lattice()), Stated::Label(_)));
        assert_eq!(read(&HeaderMap::new(), LABEL, &lattice()), Stated::Absent);
        // At the limit itself it is read, and is another lattice's.
        assert_eq!(long.len(), MAX_WIRE_LABEL_BYTES);
        assert_ne!(read(&headers(LABEL, &[&long]), LABEL, &lattice()), Stated::Unreadable(Unreadable::Oversized));
    }

    #[test]
    fn a_rule_is_one_of_four_and_once() {
        for (values, kind) in [
            (&[][..], Ok(None)),
            (&["guard"], Ok(Some(RuleKind::Guard))),
            (&["read-down"], Ok(Some(RuleKind::ReadDown))),
            (&["trusted"], Ok(Some(RuleKind::Trusted))),
            (&["task"], Ok(Some(RuleKind::Task))),
            (&["Guard"], Err(Unreadable::Rule)),
            (&[""], Err(Unreadable::Rule)),
            (&["guard", "guard"], Err(Unreadable::Rule)),
        ] {
            assert_eq!(rule(&headers(RULE, values)), kind, "{values:?}");
        }
    }

    #[test]
    fn a_handle_is_32_hex_digits_in_lower_case_and_once() {
        let id = "0123456789abcdef0123456789abcdef";
        assert!(matches!(handle(&HeaderMap::new()), Session::Absent));
        assert!(matches!(handle(&headers(HANDLE, &[id])), Session::Handle(_)));
        for values in [
            &[id, id][..],
            &[""],
            &["0123456789abcdef0123456789abcde"],
            &["0123456789abcdef0123456789abcdef0"],
            &["0123456789ABCDEF0123456789abcdef"],
            &["0123456789abcdef0123456789abcdeg"],
            &["é123456789abcdef0123456789abcde"],
        ] {
            assert!(matches!(handle(&headers(HANDLE, values)), Session::Malformed), "{values:?}");
        }
    }

    #[test]
    fn a_task_is_bounded_at_8_kib() {
        for (bytes, read) in [(MAX_TASK_BYTES - 1, true), (MAX_TASK_BYTES, true), (MAX_TASK_BYTES + 1, false)] {
            assert_eq!(task(&headers(TASK, &[&"x".repeat(bytes)])).is_ok(), read, "{bytes}");
        }
        assert!(task(&headers(TASK, &["{}", "{}"])).is_err());
    }
}
