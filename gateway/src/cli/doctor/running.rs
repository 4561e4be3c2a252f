//! The gateway that runs: whose process it is, and whether it decides by the policy that lies on disk.

use std::os::unix::fs::MetadataExt as _;

use http::Method;
use serde_json::Value;

use super::Loaded;
use super::finding::Finding;
use super::users::{self, Gateway};
use crate::cli::admin_socket::{self, AdminError};
use crate::config::Config;

/// What its admin socket says.
pub(super) enum Told {
    /// The config has no admin socket.
    NoSocket,
    Status(Value),
    Nothing(AdminError),
}

/// Finds the gateway's user: from the process on its admin socket, else from what it left.
pub(super) async fn find(config: &Config) -> (Gateway, Told) {
    let me = rustix::process::geteuid().as_raw();
    let told = match &config.admin {
        None => Told::NoSocket,
        Some(admin) => match admin_socket::ask_within(&admin.socket, Method::GET, "/v1/status", None).await {
            Ok(answer) => {
                let gateway = Gateway { uid: answer.uid, from: "of the process on the admin socket", runs: true };
                return (gateway, Told::Status(answer.body));
            }
            Err(error) => Told::Nothing(error),
        },
    };
    if let Some(uid) = config.admin.as_ref().and_then(|admin| users::server_of(&admin.socket)) {
        return (Gateway { uid, from: "of the process on the admin socket", runs: true }, told);
    }
    let owner = std::fs::metadata(&config.state.directory).ok().map(|meta| meta.uid());
    let gateway = match owner {
        Some(uid) if me == 0 => {
            Gateway { uid, from: "of the state folder's owner, since no gateway answers", runs: false }
        }
        Some(_) | None => Gateway { uid: me, from: "of whoever runs doctor, since no gateway answers", runs: false },
    };
    (gateway, told)
}

/// That it answers, is ready, and has the policy that was checked.
pub(super) fn checks(loaded: &Loaded, gateway: &Gateway, told: &Told) -> Vec<Finding> {
    match told {
        Told::NoSocket => vec![Finding::unseen(
            "running",
            "whether a gateway runs, and with which policy: the config has no `admin` section",
            "add one",
        )],
        Told::Nothing(error) => vec![Finding::warn(
            "running",
            error.to_string(),
            "a running gateway that answers this user",
            "what follows from the running process could not be checked",
        )],
        Told::Status(status) => judged(status, loaded.policy.digest(), gateway),
    }
}

fn judged(status: &Value, on_disk: &str, gateway: &Gateway) -> Vec<Finding> {
    let text = |name: &str| status.get(name).and_then(Value::as_str);
    let mut findings = vec![if status.get("ready") == Some(&Value::Bool(true)) {
        Finding::ok("running", format!("a gateway of uid {} runs and is ready", gateway.uid))
    } else {
        Finding::fail(
            "running",
            format!(
                "a gateway of uid {} runs and is not ready: {}",
                gateway.uid,
                text("why").unwrap_or("it does not say why")
            ),
            "a gateway that is ready",
            "see its log",
        )
    }];
    findings.push(match text("policy") {
        Some(digest) if digest == on_disk => {
            Finding::ok("running-policy", format!("it decides by {digest}, as the file is"))
        }
        Some(digest) => Finding::fail(
            "running-policy",
            format!("it decides by {digest}"),
            format!("{on_disk}, as the file is"),
            "reload it (POST /v1/reload on the admin socket), or put the old file back",
        ),
        None => Finding::warn(
            "running-policy",
            "it does not say by which policy it decides",
            on_disk,
            "is it a gateway of this version?",
        ),
    });
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::finding::Status;
    use super::*;

    #[test]
    fn a_gateway_that_is_not_ready_or_has_another_policy_is_told() {
        let gateway = Gateway { uid: 7, from: "test", runs: true };
        for (ready, policy, expected) in [
            (json!(true), json!("sha256:aa"), [Status::Ok, Status::Ok]),
            (json!(false), json!("sha256:aa"), [Status::Fail, Status::Ok]),
            (json!(true), json!("sha256:bb"), [Status::Ok, Status::Fail]),
            (json!(true), json!(null), [Status::Ok, Status::Warn]),
        ] {
            let findings = judged(&json!({"ready": ready, "policy": policy, "why": null}), "sha256:aa", &gateway);
            assert_eq!([findings[0].status, findings[1].status], expected);
        }
    }
}
