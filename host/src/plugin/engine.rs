//! The one wasmtime engine.
//!
//! Instances come from a pool whose memory is kept resident, so that a fresh instance for each call costs about as
//! much as a used one; if the pool's address space cannot be reserved, instances are allocated on demand. Calls beyond
//! the pool's size wait for a place. A guest that computes is interrupted every [`TICK`] to let others run, and every
//! call has a deadline (see [`super::call`]).

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::error::LoadError;
use crate::telemetry::Telemetry;

/// Instances at the same time. Each reserves 4 GiB of address space, of which only what is touched costs memory.
const INSTANCES: u32 = 128;
/// A wasip2 component is its main module and up to three small ones that adapt it.
const CORE_INSTANCES_EACH: u32 = 4;
const TABLES_EACH: u32 = 2;
/// Bytes of a memory that are cleared by hand instead of being returned to the kernel: has to cover what a plugin
/// touches in a call, else each call pays for page faults (measured: 9.8 against 23.6 µs).
const MEMORY_KEPT: usize = 2 << 20;
/// The same for tables.
const TABLE_KEPT: usize = 64 << 10;
/// How often a computing guest lets others run.
const TICK: Duration = Duration::from_millis(5);

#[derive(Clone)]
pub struct Engine {
    inner: wasmtime::Engine,
    places: Arc<Semaphore>,
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
        Ok(Engine { inner, places: Arc::new(Semaphore::new(INSTANCES as usize)), telemetry: Arc::default() })
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
}

fn config(strategy: InstanceAllocationStrategy) -> Config {
    let mut config = Config::new();
    config
        .allocation_strategy(strategy)
        .epoch_interruption(true)
        // The contract's functions are synchronous for the guest; without this each call costs half as much again.
        .concurrency_support(false);
    config
}

fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(INSTANCES)
        .total_core_instances(INSTANCES * CORE_INSTANCES_EACH)
        .total_memories(INSTANCES)
        .total_tables(INSTANCES * TABLES_EACH)
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
