//! `ext_authz` for the Envoy beside us: the same policy, watermark, schemas, metrics and audit log.

use std::sync::Arc;

use bellgate_envoy::{Check, Context, DEFAULT_TIMEOUT, ExtAuthz, Outcome, Own, Rendered};
use bellgate_proxy::core::Core;
use bellgate_proxy::refusal::Refusal;
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::config::Config;

/// Serves `ext_authz` where the config asks for it.
pub(crate) fn spawn(control: &Runtime, core: &Arc<Core>, config: &Config, stopped: &watch::Receiver<bool>) {
    let Some(envoy) = &config.envoy else { return };
    let Some(socket) = envoy.ext_authz.clone() else { return };
    let uids = envoy.listen.uids.clone();
    let service = ExtAuthz::new(context(core));
    let stopped = stopped.clone();
    control.spawn(async move {
        if let Err(error) = service.serve(&socket, &uids, stopped).await {
            log::error!("ext_authz on `{}`: {error}", socket.display());
        }
    });
}

fn context(core: &Arc<Core>) -> Context {
    let (policy, own, manifest, observe) = (Arc::clone(core), Arc::clone(core), Arc::clone(core), Arc::clone(core));
    Context {
        policy: Arc::new(move || Arc::clone(&policy.snapshot.load().policy)),
        own: Arc::new(move || {
            let own = own.own.load_full()?;
            Some(Own { id: own.id.clone(), watermark: Arc::clone(&own.watermark) })
        }),
        manifest: Arc::new(move |policy, kind, body, request_id| {
            let snapshot = manifest.snapshot.load();
            if snapshot.policy.digest() != policy.digest() {
                return Err(rendered(&Refusal::Busy("the policy is being replaced; try again"), policy, request_id));
            }
            match snapshot.schemas.validate(kind.as_ref(), body) {
                Ok(_manifest) => Ok(()),
                Err(rejection) => Err(rendered(&Refusal::Manifest(Box::new(rejection)), policy, request_id)),
            }
        }),
        render: Arc::new(|policy, denial, request_id| {
            rendered(&Refusal::Denied(Box::new(denial.clone())), policy, request_id)
        }),
        observe: Arc::new(move |check| record(&observe, check)),
        timeout: DEFAULT_TIMEOUT,
    }
}

fn rendered(refusal: &Refusal, policy: &bellgate_policy::Policy, request_id: &str) -> Rendered {
    Rendered {
        status: refusal.status(),
        body: String::from_utf8_lossy(&refusal.problem(policy, request_id)).into_owned(),
    }
}

fn record(core: &Core, check: &Check<'_>) {
    let (mode, verdict, reason) = match check.outcome {
        Outcome::Permitted(permitted) => (permitted.permit.decision().mode.as_str(), "permit", ""),
        Outcome::Denied(denial) => (denial.decision().mode.as_str(), "refuse", denial.first().code()),
        Outcome::NonConforming { permit, .. } => (permit.decision().mode.as_str(), "refuse", "manifest"),
        Outcome::Fault(fault) => ("", "refuse", fault.code()),
        _ => ("", "refuse", "unknown"),
    };
    core.metrics.decisions.with_label_values(&["ext_authz", "request", mode, verdict, reason]).inc();
    core.audit.record(|| {
        let decision = match (check.outcome, check.policy) {
            (Outcome::Permitted(permitted), Some(policy)) => {
                json!(permitted.permit.decision().to_json(policy.lattice(), &[]))
            }
            (Outcome::Denied(denial), Some(policy)) => {
                json!(denial.decision().to_json(policy.lattice(), denial.reasons()))
            }
            (Outcome::NonConforming { permit, .. }, Some(policy)) => {
                json!(permit.decision().to_json(policy.lattice(), &[]))
            }
            _ => json!(null),
        };
        json!({"kind": "ext-authz", "request_id": check.request_id, "at": check.at.to_string(),
               "verdict": verdict, "reason": reason, "decision": decision})
    });
}
