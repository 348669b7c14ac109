//! One call of one exported function, on an instance of its own that is thrown away afterwards.
//!
//! So nothing that a call leaves behind (a trap, a timeout, a dropped request, memory) reaches the next one. Bounds:
//! wall-clock time per call, memory summed over the instance, bytes and handles per call of an import, bytes of
//! captured stderr.

use std::future::Future;
use std::time::Duration;

use tracing::Instrument;
use wasmtime::component::ResourceTable;
use wasmtime::{ResourceLimiter, Store};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use super::report::{self, Report, Verdict};
use super::revision::Revision;
use crate::imports::Imports;

/// Memory of one instance, in bytes, summed over its linear memories. A redis call touches less than 2 MiB.
const MEMORY: usize = 64 << 20;
/// Elements of one table.
const TABLE_ELEMENTS: usize = 20_000;
/// Bytes that one call of an import may make the gateway copy: more than the largest request (4 MiB), twice.
const COPIED: usize = 9 << 20;
/// Handles that an instance may hold; a plugin needs those of its streams.
const HANDLES: usize = 1_000;
/// Bytes of stderr that a call may write; beyond that, writing fails.
const STDERR: usize = 1 << 20;
/// For a place in the pool.
const PLACE: Duration = Duration::from_secs(10);

/// Why a call did not return.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    #[error("the plugin {plugin} did not answer '{function}' within {} s and was stopped", limit.as_secs())]
    TimedOut { plugin: String, function: &'static str, limit: Duration },
    #[error("the plugin {plugin} was not called: {} s went by without a place for another call", limit.as_secs())]
    Saturated { plugin: String, limit: Duration },
    #[error("the plugin {plugin} failed in '{function}': {reason}")]
    Failed { plugin: String, function: &'static str, reason: String },
}

/// What a store holds for one call.
pub(super) struct CallState {
    imports: Imports,
    wasi: WasiCtx,
    table: ResourceTable,
    stderr: MemoryOutputPipe,
    memory: Memory,
}

impl CallState {
    fn new(imports: Imports) -> CallState {
        let stderr = MemoryOutputPipe::new(STDERR);
        // The default is what is wanted: no files, no environment, no arguments, no network.
        let wasi = WasiCtxBuilder::new().stderr(stderr.clone()).build();
        CallState { imports, wasi, table: ResourceTable::new(), stderr, memory: Memory { left: MEMORY } }
    }

    pub(super) fn imports(&mut self) -> &mut Imports {
        &mut self.imports
    }
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// What is left of an instance's memory, over all its linear memories.
struct Memory {
    left: usize,
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        let granted = more <= self.left;
        if granted {
            self.left -= more;
        }
        Ok(granted)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }
}

/// Runs `call` on a new instance of `revision`, with a deadline around all of it.
pub(super) async fn call<R, F>(
    revision: &Revision,
    function: &'static str,
    limit: Duration,
    imports: Imports,
    call: F,
) -> Result<R, CallError>
where
    R: Verdict,
    F: AsyncFnOnce(&mut Store<CallState>, &super::bindings::Plugin) -> wasmtime::Result<R>,
{
    let span = tracing::debug_span!("call", function, plugin = revision.label());
    placed(revision, function, limit, imports, call).instrument(span).await
}

async fn placed<R, F>(
    revision: &Revision,
    function: &'static str,
    limit: Duration,
    imports: Imports,
    call: F,
) -> Result<R, CallError>
where
    R: Verdict,
    F: AsyncFnOnce(&mut Store<CallState>, &super::bindings::Plugin) -> wasmtime::Result<R>,
{
    let plugin = revision.label();
    let failed = |reason: String| CallError::Failed { plugin: plugin.to_owned(), function, reason };
    let place = within(PLACE, revision.engine().place()).await;
    let Some(_place) = place.flatten() else {
        report::saturated(revision, function, PLACE);
        return Err(CallError::Saturated { plugin: plugin.to_owned(), limit: PLACE });
    };
    let report = Report::begin(revision, function);
    let mut store = Store::new(revision.engine().wasmtime(), CallState::new(imports));
    store.limiter(|state| &mut state.memory);
    store.set_epoch_deadline(1);
    store.epoch_deadline_async_yield_and_update(1);
    store.set_hostcall_fuel(COPIED);
    store.set_max_component_handles(HANDLES);

    let outcome = within(limit, async {
        let instance = revision.instantiate(&mut store).await?;
        call(&mut store, &instance).await
    })
    .await;
    let state = store.into_data();
    let stderr = state.stderr.contents();
    if !stderr.is_empty() {
        tracing::debug!(plugin, function, "stderr: {}", String::from_utf8_lossy(&stderr).trim_end());
    }
    let memory = MEMORY.saturating_sub(state.memory.left);
    let outcome = match outcome {
        Some(Ok(result)) => Ok(result),
        Some(Err(error)) => {
            let said = state.imports.last_error().map(|text| format!("; its last error was: {text}"));
            // The first line is the cause; the rest is where in the component it was.
            let trap = format!("{:#}", error.root_cause());
            Err(failed(format!("{trap}{}", said.unwrap_or_default())))
        }
        None => Err(CallError::TimedOut { plugin: plugin.to_owned(), function, limit }),
    };
    report.end(&outcome, memory);
    outcome
}

async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, future).await.ok()
}
