//! The identity that the Workload API gives to whoever runs doctor.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bellgate_policy::{Policy, SpiffeId, Timestamp};
use bellgate_spire::{Identity, Readiness, SourceEvent, follow_workload_api, wall_clock};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::Loaded;
use super::finding::Finding;
use super::users::Gateway;

/// An agent answers at once, or is not there.
const PATIENCE: Duration = Duration::from_secs(5);

/// What came.
pub(super) struct Own {
    /// The handle, to dial peers with.
    pub(super) identity: Identity,
    pub(super) id: Option<SpiffeId>,
    /// Why nothing came.
    pub(super) why: String,
}

/// Asks once.
pub(super) async fn fetch(endpoint: &str) -> Own {
    let identity = Identity::empty();
    let mut published = identity.subscribe();
    let (stop, stopped) = watch::channel(false);
    let lost = Arc::new(Mutex::new(String::from("no answer within 5 s")));
    let (told, ended) = (Arc::clone(&lost), Arc::new(Notify::new()));
    let end = Arc::clone(&ended);
    let (followed, endpoint) = (identity.clone(), endpoint.to_owned());
    let follow = tokio::spawn(async move {
        let tell = move |event| {
            if let SourceEvent::Lost { why, .. } = event
                && let Ok(mut told) = told.lock()
            {
                *told = why;
                end.notify_one();
            }
        };
        follow_workload_api(&endpoint, followed, tell, stopped).await;
    });
    let first = async {
        tokio::select! {
            _ = published.changed() => {}
            () = ended.notified() => {}
        }
    };
    let _in_time = timeout(PATIENCE, first).await;
    let _gone_already = stop.send(true);
    follow.abort();
    let why = lost.lock().map(|why| why.clone()).unwrap_or_default();
    Own { id: identity.svid().map(|svid| svid.id.clone()), identity, why }
}

/// That it is the one of the config, valid, and a subject of the policy.
pub(super) fn checks(loaded: &Loaded, gateway: &Gateway, own: &Own) -> Vec<Finding> {
    let me = rustix::process::geteuid().as_raw();
    let wanted = loaded.config.identity.id.as_ref();
    let mut findings = vec![matches(wanted, own.id.as_ref(), &own.why, me, gateway)];
    if let Some(id) = &own.id {
        findings.push(subject(&loaded.policy, id));
    }
    if let Some(svid) = own.identity.svid() {
        findings.push(life(own.identity.readiness(wall_clock()), svid.not_after));
    }
    findings
}

fn life(readiness: Readiness, not_after: Timestamp) -> Finding {
    if readiness.is_ready() {
        return Finding::ok("svid-life", format!("valid until {not_after}"));
    }
    Finding::fail(
        "svid-life",
        format!("the svid is valid until {not_after}: {}", readiness.code()),
        "an svid with more than a fifth of its life left",
        "look at the Workload API's agent, and at the clock of this machine",
    )
}

fn matches(wanted: Option<&SpiffeId>, found: Option<&SpiffeId>, why: &str, me: u32, gateway: &Gateway) -> Finding {
    // The Workload API tells by who asks: another user's answer says nothing of the gateway's.
    let asked_as_gateway = me == gateway.uid;
    let run = format!("run doctor as uid {}, for which the gateway's answer is meant", gateway.uid);
    let expected =
        wanted.map_or_else(|| String::from("an svid of the gateway"), |id| format!("`{id}` (`identity.id`)"));
    match (found, wanted) {
        (None, _) => {
            let found = format!("the Workload API gave uid {me} no svid: {why}");
            if asked_as_gateway {
                Finding::fail("svid", found, expected, "start the agent, or register this workload with it")
            } else {
                Finding::warn("svid", found, expected, run)
            }
        }
        (Some(found), Some(wanted)) if found != wanted => {
            let text = format!("the Workload API gave uid {me} `{found}`");
            if asked_as_gateway {
                Finding::fail(
                    "svid",
                    text,
                    expected,
                    "correct `identity.id`, or the registration entry of this gateway",
                )
            } else {
                Finding::warn("svid", text, expected, run)
            }
        }
        (Some(found), Some(_)) => Finding::ok("svid", format!("`{found}`, as `identity.id` says")),
        (Some(found), None) => Finding::warn(
            "svid",
            format!("`{found}`; the config accepts whatever comes first"),
            "the identity by name",
            format!("set `identity.id: {found}`"),
        ),
    }
}

fn subject(policy: &Policy, id: &SpiffeId) -> Finding {
    match policy.subject(id) {
        None => Finding::fail(
            "subject",
            format!("the policy names no subject `{id}`"),
            "the workload's own entry under `subjects`",
            "add it; until then everything is refused",
        ),
        Some(subject) if !subject.gateway => Finding::fail(
            "subject",
            format!("`{}` is a subject without `gateway: true`", subject.name),
            "`gateway: true`, since this gateway holds its svid",
            "add it; until then other gateways take its clearance for its current label",
        ),
        Some(subject) => {
            let text = |label| policy.lattice().text(label);
            Finding::ok(
                "subject",
                format!("`{}`, floor {}, clearance {}", subject.name, text(&subject.floor), text(&subject.clearance)),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Status;
    use super::*;

    #[test]
    fn the_svid_is_the_one_of_the_config_where_doctor_is_asked_as_the_gateway() {
        let (planner, other) =
            (SpiffeId::parse("spiffe://td.test/planner").unwrap(), SpiffeId::parse("spiffe://td.test/other").unwrap());
        let gateway = Gateway { uid: 7, from: "test", runs: true };
        for (wanted, found, me, status) in [
            (Some(&planner), Some(&planner), 7, Status::Ok),
            (Some(&planner), Some(&planner), 8, Status::Ok),
            (Some(&planner), Some(&other), 7, Status::Fail),
            (Some(&planner), Some(&other), 8, Status::Warn),
            (Some(&planner), None, 7, Status::Fail),
            (Some(&planner), None, 8, Status::Warn),
            (None, Some(&planner), 7, Status::Warn),
        ] {
            assert_eq!(matches(wanted, found, "why", me, &gateway).status, status);
        }
    }

    #[test]
    fn the_workload_is_a_subject_behind_a_gateway_with_an_svid_that_lives() {
        let text = "version: 1\nsubjects:\n  with: { id: spiffe://td.test/with, clearance: PUBLIC, gateway: true }\n  without: { id: spiffe://td.test/without, clearance: PUBLIC }\n";
        let policy = Policy::parse("policy.yaml", text).unwrap();
        for (name, status) in [("with", Status::Ok), ("without", Status::Fail), ("unnamed", Status::Fail)] {
            let id = SpiffeId::parse(&format!("spiffe://td.test/{name}")).unwrap();
            assert_eq!(subject(&policy, &id).status, status, "{name}");
        }
        for (readiness, status) in [
            (Readiness::Ready, Status::Ok),
            (Readiness::ExpiresSoon, Status::Fail),
            (Readiness::Expired, Status::Fail),
            (Readiness::NoSvid, Status::Fail),
        ] {
            assert_eq!(life(readiness, Timestamp(0)).status, status);
        }
    }

    #[tokio::test]
    async fn an_agent_that_is_not_there_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let own = fetch(&format!("unix://{}/none.sock", folder.path().display())).await;
        assert!(own.id.is_none());
        assert!(own.why != "no answer within 5 s", "{}", own.why);
    }
}
