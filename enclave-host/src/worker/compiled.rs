//! Compiled modules, held by digest and limits, bounded; the least recently used goes first.
//!
//! An engine and its pool belong to each: the memory cap is the pool's too, and fuel and clock are
//! part of what Extism compiles. A pool reserves address space, not memory.
//!
//! Extism 1.30 instantiates the module twice for a call (`plugin.rs`: `relink` links it as a reactor,
//! `instantiate` makes the instance that is called), and once its kernel: hence the counts below. It also
//! copies the module's bytes for each instance, which a large module pays for.

use std::time::Duration;

use bellgate_enclave_protocol::{Cause, Invoke, ModuleDigest};
use extism::{CompiledPlugin, DebugOptions, Manifest, PluginBuilder, Wasm};
use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig, ProfilingStrategy};

use super::inspect::{TABLE_ELEMENTS_MAX, TABLES_MAX, inspect};

/// Most compiled modules held.
const HELD_MAX: usize = 16;
/// Pages that Extism's kernel starts with, in a memory of its own.
const KERNEL_PAGES: u64 = 16;
/// The instances of one call: the module as linked, the module as called, the kernel.
const INSTANCES: u32 = 3;
/// Stack of the guest, in bytes; past it the guest traps.
const GUEST_STACK_BYTES: usize = 512 << 10;
/// Most bytes of an instance's own bookkeeping: it grows with functions, globals and tables.
const INSTANCE_BYTES: usize = 4 << 20;

/// The compiled modules of this worker, the last used last.
#[derive(Default)]
pub(super) struct Compiled {
    held: Vec<(Key, CompiledPlugin)>,
}

/// What a compiled module is good for.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    digest: ModuleDigest,
    pages: u64,
    fuel: u64,
    wall_ms: u64,
}

impl Key {
    fn of(call: &Invoke) -> Self {
        Self {
            digest: call.digest,
            pages: call.limits.memory_pages(),
            fuel: call.limits.fuel(),
            wall_ms: call.limits.wall_ms(),
        }
    }
}

impl Compiled {
    /// Whether a call needs no module bytes.
    pub(super) fn holds(&self, call: &Invoke) -> bool {
        self.held.iter().any(|(key, _)| *key == Key::of(call))
    }

    /// The compiled module of a call, which counts as used now.
    pub(super) fn get(&mut self, call: &Invoke) -> Option<&CompiledPlugin> {
        let at = self.held.iter().position(|(key, _)| *key == Key::of(call))?;
        let used = self.held.remove(at);
        self.held.push(used);
        self.held.last().map(|(_, plugin)| plugin)
    }

    /// Compiles the module of a call and holds it.
    pub(super) fn add(&mut self, call: &Invoke, module: &[u8]) -> Result<(), Cause> {
        let key = Key::of(call);
        let inspected = inspect(module, key.pages)?;
        let plugin = compile(inspected, key)?;
        if self.held.len() >= HELD_MAX {
            self.held.remove(0);
        }
        self.held.push((key, plugin));
        Ok(())
    }
}

fn compile(module: Vec<u8>, key: Key) -> Result<CompiledPlugin, Cause> {
    let pages = u32::try_from(key.pages).map_err(|_| Cause::MemoryExceeded)?;
    let mut manifest = Manifest::new([Wasm::data(module)])
        .with_memory_max(pages)
        .with_timeout(Duration::from_millis(key.wall_ms))
        .disallow_all_hosts();
    manifest.memory.max_var_bytes = Some(0); // a variable could not outlive its call anyway
    manifest.memory.max_http_response_bytes = Some(0);
    PluginBuilder::new(manifest)
        .with_wasi(false)
        .with_fuel_limit(key.fuel)
        .with_cache_disabled()
        .with_debug_options(no_debugging())
        .with_wasmtime_config(engine_config(key.pages)?)
        .compile()
        .map_err(|_| Cause::ModuleRefused)
}

fn engine_config(pages: u64) -> Result<Config, Cause> {
    // One page more than the cap, which is where `inspect` puts the maximum; and the kernel's blocks.
    let memory_bytes = usize::try_from((pages + 1 + KERNEL_PAGES) << 16).map_err(|_| Cause::MemoryExceeded)?;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(INSTANCES)
        .total_memories(INSTANCES + 1) // and the heap of the one reference that Extism keeps
        .total_tables(INSTANCES * TABLES_MAX)
        .total_gc_heaps(1)
        .total_stacks(1) // for async calls, of which there are none; the default maps 2 GiB
        .max_memory_size(memory_bytes)
        .max_memories_per_module(1)
        .max_tables_per_module(TABLES_MAX)
        .table_elements(usize::try_from(TABLE_ELEMENTS_MAX).unwrap_or(usize::MAX))
        .max_core_instance_size(INSTANCE_BYTES);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .max_wasm_stack(GUEST_STACK_BYTES)
        .wasm_multi_memory(false)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .wasm_backtrace_max_frames(None)
        .parallel_compilation(false);
    Ok(config)
}

/// Everything that Extism would read from its environment, off.
fn no_debugging() -> DebugOptions {
    DebugOptions { profiling_strategy: ProfilingStrategy::None, coredump: None, memdump: None, debug_info: false }
}
