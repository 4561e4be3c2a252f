//! Modules from the registry.

use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;
use bellgate_policy::Capability;
use bellgate_proxy::capability::{ModuleFault, ModuleSource};
use bellgate_registry::{Digest, FetchError, FetchLimits, Registry, Urn};
use bellgate_spire::{Identity, client_config};
use bytes::Bytes;

use crate::config::RegistrySettings;

struct FromRegistry(Registry);

/// The registry of the config, reached with our SVID.
///
/// # Errors
///
/// When no client can be made.
pub(crate) fn source(settings: &RegistrySettings, identity: &Identity) -> anyhow::Result<Arc<dyn ModuleSource>> {
    let tls = client_config(identity, &settings.id, &[b"h2", b"http/1.1"]);
    let registry = Registry::new(settings.url.clone(), tls.as_ref().clone(), FetchLimits::default())
        .context("setting up the registry's client")?;
    Ok(Arc::new(FromRegistry(registry)))
}

#[async_trait]
impl ModuleSource for FromRegistry {
    async fn module(&self, capability: &Capability) -> Result<Bytes, ModuleFault> {
        let urn = Urn::parse(&capability.urn).map_err(|_| ModuleFault::Unknown)?;
        let digest = Digest::parse(&capability.sha256).map_err(|_| ModuleFault::DigestMismatch)?;
        self.0.fetch(&urn, &digest).await.map_err(|error| {
            log::warn!("capability `{}`: {error}", capability.name);
            match error {
                FetchError::UnknownUrn => ModuleFault::Unknown,
                FetchError::DigestMismatch { .. } => ModuleFault::DigestMismatch,
                FetchError::TooLarge { .. } => ModuleFault::TooLarge,
                FetchError::Unreachable
                | FetchError::TimedOut { .. }
                | FetchError::Interrupted
                | FetchError::Status { .. } => ModuleFault::Unavailable,
            }
        })
    }
}
