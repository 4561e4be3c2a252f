//! The lake, where the config has one.

use std::sync::Arc;

use anyhow::Context as _;
use bellgate_lake::{Lake, LakeConfig, LakeHandle};
use bellgate_policy::Policy;
use bellgate_proxy::metrics::Metrics;
use bellgate_telemetry::{EventSender, Tenant, channel};

use super::lake_metrics::LakeMetrics;
use crate::config::Config;

/// Starts the lake's threads.
///
/// # Errors
///
/// When the lake's folder cannot be used.
pub(crate) fn start(
    config: &Config,
    policy: &Arc<Policy>,
    metrics: &Metrics,
) -> anyhow::Result<(Option<EventSender>, Option<LakeHandle>)> {
    let Some(settings) = &config.telemetry else { return Ok((None, None)) };
    let tenant = Tenant::parse(&config.tenant).context("`tenant`")?;
    let label = policy.lattice().text(policy.lake_label());
    let lake = LakeConfig {
        flush_rows: settings.flush_rows,
        flush_interval: settings.flush_interval,
        ..LakeConfig::new(&settings.lake, tenant, label)
    };
    let (sender, receiver) = channel(settings.queue);
    let handle =
        Lake::start(lake, receiver).with_context(|| format!("opening the lake `{}`", settings.lake.display()))?;
    let collector = LakeMetrics::new(handle.watch()).context("the lake's metrics")?;
    metrics.registry().register(Box::new(collector)).context("the lake's metrics")?;
    Ok((Some(sender), Some(handle)))
}

/// Writes what was accepted.
pub(crate) fn close(lake: Option<LakeHandle>) {
    if let Some(lake) = lake
        && let Err(error) = lake.close()
    {
        log::error!("closing the lake: {error}");
    }
}
