//! A new policy without a restart.
//!
//! Policy and schemas are swapped whole; all else in the config takes a restart. Levels and
//! categories must stay the same: labels in flight are read against them.

use std::sync::Arc;

use bellgate_proxy::admin::Reload;
use bellgate_proxy::core::Core;
use bellgate_proxy::snapshot::Snapshot;
use parking_lot::Mutex;

use super::identity;
use crate::config::{self, Config};

/// What `POST /v1/reload` does.
pub(crate) fn handler(core: Arc<Core>, config: Config) -> Reload {
    let one_at_a_time = Mutex::new(());
    Arc::new(move || {
        let _turn = one_at_a_time.lock();
        reload(&core, &config)
    })
}

fn reload(core: &Core, config: &Config) -> Result<String, String> {
    let loaded = config::load(&config.file).map_err(|report| report.to_string())?;
    let old = core.snapshot.load_full();
    let (before, after) = (old.policy.lattice(), loaded.policy.lattice());
    if before.levels() != after.levels() || before.categories() != after.categories() {
        return Err("the new policy declares other levels or categories; restart the gateway to change those".into());
    }
    if let Some(own) = core.own.load_full() {
        let subject = loaded
            .policy
            .subject(&own.id)
            .ok_or_else(|| format!("the new policy names no subject with the id `{}`", own.id.as_str()))?;
        // First the watermark, then the policy: no request may be decided with a floor that fell.
        own.watermark.rebase(subject, loaded.policy.lattice()).map_err(|error| error.to_string())?;
    }
    let digest = loaded.policy.digest().to_owned();
    core.snapshot.store(Arc::new(Snapshot { policy: loaded.policy, schemas: loaded.schemas }));
    core.flows.look();
    log::info!("policy {digest} in force");
    // A policy that named our workload only now.
    identity::become_gateway(core, config);
    Ok(digest)
}
