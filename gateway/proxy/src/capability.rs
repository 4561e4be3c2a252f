//! Calling a capability: from the local workload's request to the enclave's answer.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use bellgate_enclave_protocol::{Cause, Entry, Limits, ManifestConformanceError, ModuleDigest};
use bellgate_policy::{Capability, SecurityLabel};
use bellgate_telemetry::{CapabilityCallEvent, Event};
use bytes::Bytes;
use parking_lot::Mutex;
use pingora::proxy::Session;

use crate::answer::{Source, release_answer};
use crate::context::{Admitted, Context};
use crate::core::Core;
use crate::enclave::{EnclaveClient, Invocation};
use crate::refusal::Refusal;
use crate::reply;
use crate::request::Next;

/// Why a capability's module could not be had, as the caller may hear it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ModuleFault {
    /// The registry does not know the URN.
    #[error("the registry does not know the capability's URN")]
    Unknown,
    /// The bytes are not the ones that the policy pins.
    #[error("the registry's module is not the one whose digest the policy pins")]
    DigestMismatch,
    /// More bytes than a module may have.
    #[error("the registry's module is larger than a module may be")]
    TooLarge,
    /// No answer, or not a usable one.
    #[error("the registry could not be reached or gave no usable answer")]
    Unavailable,
}

impl ModuleFault {
    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Unknown => "unknown-urn",
            Self::DigestMismatch => "digest-mismatch",
            Self::TooLarge => "module-too-large",
            Self::Unavailable => "registry-unavailable",
        }
    }
}

/// Where modules come from.
#[async_trait]
pub trait ModuleSource: Send + Sync {
    /// The bytes of the capability's module, verified against its pinned digest.
    ///
    /// # Errors
    ///
    /// A [`ModuleFault`].
    async fn module(&self, capability: &Capability) -> Result<Bytes, ModuleFault>;
}

/// The enclave and where its modules come from.
pub struct Capabilities {
    /// The enclave host's socket.
    pub enclave: EnclaveClient,
    /// The registry.
    pub modules: Arc<dyn ModuleSource>,
}

/// Runs the capability that the permit names and answers with its output.
///
/// # Errors
///
/// A [`Refusal`]; what the guest did is told as one of a closed set of causes.
pub(crate) async fn execute(
    core: &Core,
    session: &mut Session,
    ctx: &mut Context,
    admitted: Admitted,
) -> Result<Next, Refusal> {
    let capability = admitted.matter.capability.clone().ok_or(Refusal::Internal)?;
    let input = ctx.body.take().unwrap_or_default();
    ctx.exchange.request_bytes = input.len() as u64;
    let policy = Arc::clone(&ctx.snapshot.policy);
    let outcome = run(core, ctx, &capability, admitted.permit.current(), input).await;
    // Results and errors alike carry the label of the call.
    let released = release_answer(core, &policy, &admitted, &Source::Capability, &mut ctx.exchange)?;
    let label = policy.lattice().text(&released.label);
    ctx.released = Some(released);
    let output = outcome?;
    ctx.exchange.response_bytes = output.len() as u64;
    let request_id = ctx.exchange.request_id.clone();
    reply::send(session, 200, Some("application/json"), &request_id, Some(&label), output)
        .await
        .map_err(|_| Refusal::BodyUnreadable)?;
    Ok(Next::Answered)
}

/// Runs `capability` on `input`: counted, timed, and told to the lake as a call whose current label is `label`. Its output
/// conforms to the manifest kind that the policy asks of it.
///
/// # Errors
///
/// A [`Refusal`] by [`outcome_code`], never one by labels: whoever calls has asked the policy.
pub(crate) async fn run(
    core: &Core,
    ctx: &Context,
    capability: &Capability,
    label: &SecurityLabel,
    input: Bytes,
) -> Result<Bytes, Refusal> {
    let began = Instant::now();
    let input_bytes = input.len() as u64;
    let outcome = call(core, capability, input).await.and_then(|output| check_output(ctx, capability, output));
    let took = began.elapsed();
    core.metrics.capability_seconds.observe(took.as_secs_f64());
    let code = outcome.as_ref().map_or_else(outcome_code, |_| "ok");
    core.metrics.capability_calls.with_label_values(&[code]).inc();
    core.tell(|| {
        Event::CapabilityCall(Box::new(CapabilityCallEvent {
            request_id: ctx.exchange.request_id.clone(),
            at: ctx.exchange.at,
            capability: capability.name.to_string(),
            urn: capability.urn.clone(),
            digest: format!("sha256:{}", capability.sha256),
            outcome: code.into(),
            input_bytes,
            output_bytes: outcome.as_ref().map_or(0, |output| output.len() as u64),
            duration_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            label: ctx.snapshot.policy.lattice().text(label),
        }))
    });
    outcome
}

/// What a call came to, as one of a closed set of codes.
#[must_use]
pub(crate) fn outcome_code(refusal: &Refusal) -> &'static str {
    if let Refusal::Capability(error) = refusal { error.cause.code() } else { refusal.code() }
}

/// Makes sure, before anything is done that can't be undone, that `capability` can be run: its module can be had and the
/// enclave is there.
///
/// # Errors
///
/// As of [`run`].
pub(crate) async fn reach(core: &Core, capability: &Capability) -> Result<(), Refusal> {
    let parts = parts(core)?;
    parts.modules.module(capability).await.map_err(Refusal::Module)?;
    parts.enclave.reach().await.map_err(Refusal::Capability)
}

fn parts(core: &Core) -> Result<&Capabilities, Refusal> {
    core.capabilities.as_ref().ok_or(Refusal::NotConfigured("this gateway's config names no enclave and registry"))
}

async fn call(core: &Core, capability: &Capability, input: Bytes) -> Result<Bytes, Refusal> {
    let parts = parts(core)?;
    let digest: ModuleDigest = capability
        .sha256
        .parse()
        .map_err(|_| Refusal::NotConfigured("the policy's digest of this capability is not a SHA-256"))?;
    let entry = Entry::new(&capability.entry)
        .map_err(|_| Refusal::NotConfigured("the policy's entry point of this capability is not a function name"))?;
    let limits = &capability.limits;
    let limits = Limits::new(limits.memory_bytes, limits.fuel, limits.wall_ms, limits.input_bytes, limits.output_bytes)
        .map_err(|error| {
            log::error!("capability `{}`: {error}", capability.name);
            Refusal::NotConfigured("the policy's limits of this capability are outside what the enclave enforces")
        })?;
    let fault = Mutex::new(None);
    let invocation = Invocation { digest, entry: &entry, limits, input };
    let output = parts
        .enclave
        .invoke(invocation, || async {
            parts.modules.module(capability).await.map_err(|why| {
                *fault.lock() = Some(why);
                ManifestConformanceError::from(Cause::Unavailable)
            })
        })
        .await;
    output.map_err(|error| match fault.into_inner() {
        Some(why) => Refusal::Module(why),
        None => Refusal::Capability(error),
    })
}

fn check_output(ctx: &Context, capability: &Capability, output: Bytes) -> Result<Bytes, Refusal> {
    match &capability.output {
        None => Ok(output),
        Some(kind) => match ctx.snapshot.schemas.validate(kind.as_ref(), &output) {
            Ok(_manifest) => Ok(output),
            Err(rejection) => Err(Refusal::Manifest(Box::new(rejection))),
        },
    }
}
