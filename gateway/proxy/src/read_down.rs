//! Reading what does not dominate the current label, within a budget (`design/labels.md`, "read_down").
//!
//! What holds: target and headers are what such a request carries upwards, so they are what is counted; each try pays
//! before anything of it leaves, durably; of the headers only those of the rule go, cookies never; and over the budget
//! nothing is contacted. The budget lives with the subject's gateway: a far one is asked by label and rule alone.
//!
//! Absent on purpose: paying back. What could not be sent may have been seen all the same.

use bellgate_policy::{ReadDown, Reason};
use bellgate_telemetry::Point;
use bellgate_watermark::SpendError;
use http::{HeaderMap, HeaderName, header};
use pingora::http::RequestHeader;

use crate::admission::Direction;
use crate::context::Context;
use crate::core::Core;
use crate::refusal::Refusal;

/// Takes what the request in `ctx` costs from its budget, if it reads down.
///
/// # Errors
///
/// `read-down-budget`, or [`Refusal::StateNotKept`]; nothing may leave then.
pub(crate) fn debit(core: &Core, headers: &HeaderMap, ctx: &mut Context) -> Result<(), Refusal> {
    let Some(admitted) = ctx.admitted.clone() else { return Err(Refusal::Internal) };
    let Some(rule) = admitted.permit.read_down() else { return Ok(()) };
    if admitted.facts.direction == Direction::Inbound {
        return Ok(());
    }
    let bytes = cost(rule, &admitted.target, headers);
    match admitted.own.watermark.spend(&rule.rule, bytes, rule.budget) {
        Ok(_left) => {
            core.metrics.read_down_bytes.inc_by(bytes);
            Ok(())
        }
        Err(SpendError::OverBudget { .. }) => {
            let policy = &ctx.snapshot.policy;
            let (matter, facts) = (&admitted.matter, &admitted.facts);
            let denial = admitted.asking().refuse(policy, matter, facts, core.now(), Reason::ReadDownBudget);
            ctx.exchange.report(core, policy, Point::Request, denial.decision(), denial.reasons());
            Err(Refusal::Denied(Box::new(denial)))
        }
        Err(SpendError::State(error)) => {
            log::error!("request {}: {error}", ctx.exchange.request_id);
            Err(Refusal::StateNotKept)
        }
    }
}

/// Bytes of the target and of the headers that are kept: each name and each value, and four for what stands between.
fn cost(rule: &ReadDown, target: &str, headers: &HeaderMap) -> u64 {
    let kept = headers.iter().filter(|(name, _)| is_kept(rule, name));
    let bytes = kept.fold(target.len(), |sum, (name, value)| sum + name.as_str().len() + value.len() + 4);
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// Takes out of `request` all that the rule does not keep.
pub(crate) fn keep_listed(rule: &ReadDown, request: &mut RequestHeader) {
    let dropped: Vec<HeaderName> = request.headers.keys().filter(|name| !is_kept(rule, name)).cloned().collect();
    for name in dropped {
        request.remove_header(&name);
    }
}

fn is_kept(rule: &ReadDown, name: &HeaderName) -> bool {
    *name != header::COOKIE && rule.headers.iter().any(|kept| kept == name.as_str())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bellgate_policy::{Policy, SpiffeId};

    use super::*;

    const POLICY: &str = r#"
version: 1
subjects:
  planner: { id: spiffe://a.test/planner, floor: PUBLIC, clearance: CONFIDENTIAL, gateway: true }
upstreams:
  wiki: { web: wiki.example, label: PUBLIC }
grants:
  - { subject: planner, object: wiki, modes: [observe], read_down: { budget: 1KiB } }
"#;

    fn rule() -> Arc<ReadDown> {
        let policy = Policy::parse("policy.yaml", POLICY).unwrap();
        let subject = SpiffeId::parse("spiffe://a.test/planner").unwrap();
        policy.read_downs_of(&subject).next().cloned().unwrap()
    }

    #[test]
    fn what_goes_is_what_is_counted() {
        let mut request = RequestHeader::build("GET", b"/wiki/Aspirin?x=1", None).unwrap();
        for (name, value) in [("accept", "text/html"), ("cookie", "secret"), ("user-agent", "me"), ("x-more", "data")] {
            request.append_header(name, value).unwrap();
        }
        request.append_header("accept", "*/*").unwrap();
        let expected = 17 + (6 + 9 + 4) + (6 + 3 + 4);
        assert_eq!(cost(&rule(), "/wiki/Aspirin?x=1", &request.headers), expected);
        keep_listed(&rule(), &mut request);
        let kept: Vec<_> = request.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(kept, ["accept"]);
        assert_eq!(request.headers.get_all("accept").iter().count(), 2);
        assert_eq!(cost(&rule(), "/wiki/Aspirin?x=1", &request.headers), expected, "dropped is not counted");
    }
}
