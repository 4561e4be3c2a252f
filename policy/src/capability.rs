//! Capabilities: WebAssembly modules that run in the enclave, known by URN and digest.

use std::sync::Arc;

use crate::name::Name;
use crate::object::Object;

/// A capability that the policy names. Built only by [`crate::Policy::parse`].
#[derive(Clone, Debug)]
pub struct Capability {
    /// Its name in the policy, and of its object.
    pub name: Name,
    /// The URN under which a registry holds it.
    pub urn: String,
    /// SHA-256 of the module, 64 lower-case hex digits.
    pub sha256: String,
    /// The exported function that is called.
    pub entry: String,
    /// Its object: the label is the highest that a call may carry.
    pub object: Arc<Object>,
    /// The manifest kind that its input must conform to.
    pub input: Option<Name>,
    /// The manifest kind that its output must conform to.
    pub output: Option<Name>,
    /// What one call may use.
    pub limits: CapabilityLimits,
}

/// What one call of a capability may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapabilityLimits {
    /// Linear memory, bytes. Default 64 MiB.
    pub memory_bytes: u64,
    /// Instructions, as wasmtime counts fuel. Default 1,000,000,000.
    pub fuel: u64,
    /// Wall time, milliseconds. Default 1,000.
    pub wall_ms: u64,
    /// Input, bytes. Default 1 MiB.
    pub input_bytes: u64,
    /// Output, bytes. Default 10,485,760 (10 MiB).
    pub output_bytes: u64,
}

impl Default for CapabilityLimits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            fuel: 1_000_000_000,
            wall_ms: 1000,
            input_bytes: 1 << 20,
            output_bytes: 10 << 20,
        }
    }
}
