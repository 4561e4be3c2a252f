//! Following the Workload API, and becoming the gateway of the workload that it names.

use std::sync::Arc;

use bellgate_proxy::core::{Core, Own};
use bellgate_spire::{SourceEvent, follow_workload_api};
use bellgate_watermark::{Missing, Startup, Watermark};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::config::{Config, MissingState};

/// The workload whose state this process has opened.
static OPENED: Mutex<Option<Arc<Own>>> = Mutex::new(None);

/// Runs until told to stop. Until the first SVID, and whenever there is none, everything is refused.
pub(crate) async fn follow(core: Arc<Core>, config: Config, stopped: watch::Receiver<bool>) {
    let endpoint = config.identity.workload_api.clone();
    let identity = core.identity.clone();
    let tell = {
        let core = Arc::clone(&core);
        move |event| match event {
            SourceEvent::Connected => log::info!("connected to the Workload API"),
            SourceEvent::Updated { not_after, generation } => {
                log::info!("SVID until {not_after}, trust bundles at generation {generation}");
                become_gateway(&core, &config);
            }
            SourceEvent::BundleRefused { trust_domain, why } => {
                log::warn!("the trust bundle of `{trust_domain}` is not used: {why}");
            }
            SourceEvent::Lost { why, retry_in } => {
                log::warn!("Workload API: {why}; trying again in {} ms", retry_in.as_millis());
            }
        }
    };
    follow_workload_api(&endpoint, identity, tell, stopped).await;
}

/// Opens the watermark of the workload whose SVID this is; refuses to speak for another one.
pub(crate) fn become_gateway(core: &Core, config: &Config) {
    let Some(svid) = core.identity.svid() else { return };
    if let Some(expected) = config.identity.id.as_ref().filter(|expected| **expected != svid.id) {
        log::error!("the Workload API gave `{}`, and `identity.id` says `{}`", svid.id.as_str(), expected.as_str());
        core.own.store(None);
        return;
    }
    match core.own.load_full() {
        Some(own) if own.id == svid.id => return,
        Some(own) => {
            log::error!(
                "the Workload API now gives `{}`, this gateway speaks for `{}`; restart it",
                svid.id.as_str(),
                own.id.as_str()
            );
            core.own.store(None);
            return;
        }
        None => {}
    }
    let snapshot = core.snapshot.load();
    let Some(subject) = snapshot.policy.subject(&svid.id) else {
        log::error!("the policy names no subject with the id `{}`; add it under `subjects`", svid.id.as_str());
        return;
    };
    // The state is this process's until it ends; where the identity went and came back, it is still open.
    let mut opened = OPENED.lock();
    if let Some(own) = opened.as_ref().filter(|own| own.id == svid.id) {
        // The policy may have been replaced in between.
        match own.watermark.rebase(subject, snapshot.policy.lattice()) {
            Ok(_) => core.own.store(Some(Arc::clone(own))),
            Err(error) => log::error!("{error}; everything is refused until this is mended"),
        }
        return;
    }
    let missing = match config.state.missing {
        MissingState::Floor => Missing::Floor,
        MissingState::Clearance => Missing::Clearance,
    };
    match Watermark::open(&config.state.directory, subject, snapshot.policy.lattice(), missing, core.now()) {
        Ok((watermark, startup)) => {
            let label = snapshot.policy.lattice().text(&watermark.reading().label);
            match startup {
                Startup::Restored => log::info!("`{}` starts where it was, at {label}", subject.name),
                Startup::NewAtFloor => log::info!("`{}` is new and starts at its floor, {label}", subject.name),
                Startup::MissingAtClearance => log::warn!(
                    "no state of `{}` was found, so it starts at its clearance, {label}; `state.missing: floor` is for workloads that end with their state",
                    subject.name
                ),
                Startup::TakenOver => {
                    log::info!("`{}` starts where an earlier version left it, at {label}", subject.name);
                }
                Startup::DamagedAtClearance(why) => {
                    log::error!("`{}` starts at the highest clearance that it ever had, {label}: {why}", subject.name);
                }
                Startup::DamagedAtTop(why) => log::error!("`{}` starts at the top, {label}: {why}", subject.name),
            }
            // Whatever moves here can end what is open.
            let flows = Arc::clone(&core.flows);
            watermark.on_change(Arc::new(move || flows.look()));
            let own = Arc::new(Own { id: svid.id.clone(), watermark: Arc::new(watermark) });
            *opened = Some(Arc::clone(&own));
            core.own.store(Some(own));
        }
        Err(error) => log::error!("{error}; everything is refused until this is mended and the gateway restarted"),
    }
}
