//! The one wasmtime engine.
//!
//! Instances come from a pool whose memory is kept resident, so that a fresh instance for each call costs about as
//! much as a used one; if the pool's address space cannot be reserved, instances are allocated on demand. The pool is one
//! of slots, not of instances: there is none to be used again, and none to fall back from. Calls beyond its size wait for
//! a place, and are refused as busy after a while. A guest that computes is interrupted every [`TICK`] to let others run
//! (see [`super::pace`]), and every call has a deadline (see [`super::call`]).

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::Component;
use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::error::LoadError;
use super::limits::PLACES;
use super::pace::{Budget, Pace, SlowCalls};
use crate::telemetry::Telemetry;

/// Instances at the same time. Each reserves 4 GiB of address space, of which only what is touched costs memory.
const INSTANCES: u32 = PLACES;
/// The most of one component. A wasip2 component is its main module and up to three small ones that adapt it; a language
/// with a runtime of its own brings some more.
pub(super) const CORE_INSTANCES_EACH: u32 = 16;
pub(super) const MEMORIES_EACH: u32 = 2;
pub(super) const TABLES_EACH: u32 = 8;
/// The most elements of a table. A component in Rust has some hundreds.
pub(super) const TABLE_ELEMENTS: usize = 20_000;
/// What the pool has for each place: of a component of the usual kind. A larger one takes more than its part, and is
/// refused as busy when there are no more.
const CORE_INSTANCES_USUAL: u32 = 4;
const TABLES_USUAL: u32 = 2;
/// Bytes of a memory that are cleared by hand instead of being returned to the kernel: has to cover what a plugin
/// touches in a call, else each call pays for page faults (measured: 9.8 against 23.6 µs).
const MEMORY_KEPT: usize = 2 << 20;
/// The same for tables.
const TABLE_KEPT: usize = 64 << 10;
/// How often a computing guest lets others run.
pub(super) const TICK: Duration = Duration::from_millis(5);

#[derive(Clone)]
pub struct Engine {
    inner: wasmtime::Engine,
    places: Arc<Semaphore>,
    slow: SlowCalls,
    telemetry: Arc<Telemetry>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("free_places", &self.places.available_permits()).finish_non_exhaustive()
    }
}

impl Engine {
    pub fn new() -> Result<Engine, LoadError> {
        let inner = wasmtime::Engine::new(&config(InstanceAllocationStrategy::Pooling(pool())))
            .or_else(|pooled| {
                tracing::info!(reason = %pooled, "the instance pool's address space cannot be reserved; instances are allocated on demand");
                wasmtime::Engine::new(&config(InstanceAllocationStrategy::OnDemand))
            })
            .map_err(|error| LoadError::Engine(format!("{error:#}")))?;
        tick(&inner)?;
        let places = Arc::new(Semaphore::new(INSTANCES as usize));
        Ok(Engine { inner, places, slow: SlowCalls::default(), telemetry: Arc::default() })
    }

    /// The same engine, whose calls are reported.
    pub fn reporting(self, telemetry: Arc<Telemetry>) -> Engine {
        Engine { telemetry, ..self }
    }

    pub fn telemetry(&self) -> &Arc<Telemetry> {
        &self.telemetry
    }

    /// How many instances there can be, and how many there are.
    pub fn slots(&self) -> (usize, usize) {
        let slots = INSTANCES as usize;
        (slots, slots.saturating_sub(self.places.available_permits()))
    }

    pub(super) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.inner
    }

    /// A place in the pool, once there is one. None only if the engine is gone.
    pub(super) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().acquire_owned().await.ok()
    }

    /// Of a new call.
    pub(super) fn pace(&self, budget: Arc<Budget>) -> Pace {
        Pace::new(self.slow.clone(), budget)
    }

    /// Places that no call has.
    pub fn free_places(&self) -> usize {
        self.places.available_permits()
    }

    /// Whether an instance of the component can be had at all; else what it needs, and what there is.
    pub(super) fn fits(&self, component: &Component) -> Result<(), String> {
        let Some(needed) = component.resources_required() else {
            return Err("it instantiates a module that it imports, and a plugin brings all of its code".to_owned());
        };
        let counts = [
            ("memories", u64::from(needed.num_memories), u64::from(MEMORIES_EACH)),
            ("tables", u64::from(needed.num_tables), u64::from(TABLES_EACH)),
            ("elements in one table", needed.max_initial_table_size.unwrap_or(0), TABLE_ELEMENTS as u64),
        ];
        match counts.into_iter().find(|(_, found, most)| found > most) {
            Some((what, found, most)) => Err(format!("it needs {found} {what}, and a plugin may have {most}")),
            None => Ok(()),
        }
    }
}

fn config(strategy: InstanceAllocationStrategy) -> Config {
    let mut config = Config::new();
    config
        .allocation_strategy(strategy)
        .epoch_interruption(true)
        // A trap says what it was; where it was costs more than most calls (of a recursion, all of its frames).
        .wasm_backtrace_max_frames(None)
        // The contract's functions are synchronous for the guest; without this each call costs half as much again.
        .concurrency_support(false);
    config
}

fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(INSTANCES)
        .total_core_instances(INSTANCES * CORE_INSTANCES_USUAL)
        .total_memories(INSTANCES)
        .total_tables(INSTANCES * TABLES_USUAL)
        .max_core_instances_per_component(CORE_INSTANCES_EACH)
        // More than a plugin may have: `fits` says so in better words.
        .max_memories_per_module(MEMORIES_EACH * 8)
        .max_tables_per_module(TABLES_EACH * 8)
        .table_elements(TABLE_ELEMENTS * 8)
        .total_stacks(INSTANCES)
        .max_unused_warm_slots(INSTANCES)
        .linear_memory_keep_resident(MEMORY_KEPT)
        .table_keep_resident(TABLE_KEPT);
    pool
}

/// Moves the epoch for as long as there is an engine.
fn tick(engine: &wasmtime::Engine) -> Result<(), LoadError> {
    let engine = engine.weak();
    let ticking = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(TICK);
        }
    };
    let thread = thread::Builder::new().name("epoch".to_owned()).spawn(ticking);
    thread.map(drop).map_err(|error| LoadError::Engine(error.to_string()))
}
