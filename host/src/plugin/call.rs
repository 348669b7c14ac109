//! One call of one exported function, on an instance of its own that is thrown away afterwards.
//!
//! So nothing that a call leaves behind (a trap, a timeout, a dropped request, memory) reaches the next one: there is no
//! instance that could be poisoned. Bounds: [`Limits`] for each call and plugin, [`super::engine`] for all of them. A
//! call first waits for a place of its plugin, then for one of the gateway, so that a plugin whose calls hang has only its
//! own to lose.
//!
//! Cancel safe: a future that is dropped drops the instance and the import that it is in.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument;
use wasmtime::Store;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use super::captured::Captured;
use super::contained::{self, CallError, Contained, Places};
use super::engine::Engine;
use super::limits::{Bounds, Limits, PLACES};
use super::pace::{AFTER_FAILURE, Pace};
use super::report::{self, Report, Verdict};
use super::revision::Revision;
use super::taken::Taken;
use crate::imports::{Imports, printable};

/// For a place. Less than a client waits for an answer.
const PLACE: Duration = Duration::from_secs(10);
/// Characters of stderr that explain a trap.
const LAST_WORDS: usize = 500;

/// Which time limit a function has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Time {
    /// It has no side effects.
    Pure,
    Effects,
    /// It has none either, and is made in the middle of other calls of the plugin: it takes no place of the plugin's own,
    /// for which those would have to end first.
    Conversion,
}

impl Time {
    fn limit(self, limits: &Limits) -> (Duration, &'static str) {
        match self {
            Time::Pure | Time::Conversion => (limits.call, "limits.call-seconds"),
            Time::Effects => (limits.effect, "limits.effect-seconds"),
        }
    }
}

/// What a store holds for one call.
pub(super) struct CallState {
    imports: Imports,
    wasi: WasiCtx,
    table: ResourceTable,
    stderr: Captured,
    taken: Taken,
    pace: Pace,
}

impl CallState {
    fn new(mut imports: Imports, engine: &Engine, bounds: &Bounds) -> CallState {
        let limits = &bounds.limits;
        imports.bound_log(limits.log, bounds.log.clone());
        let stderr = Captured::at_most(limits.log.bytes);
        // The default is what is wanted: no files, no environment, no arguments, no network.
        let wasi = WasiCtxBuilder::new().stderr(stderr.clone()).build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        CallState {
            imports,
            wasi,
            table,
            stderr,
            taken: Taken::at_most(limits.memory),
            pace: engine.pace(bounds.computing.clone()),
        }
    }

    pub(super) fn imports(&mut self) -> &mut Imports {
        self.pace.asks();
        &mut self.imports
    }
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.pace.asks();
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// Runs `call` on a new instance of `revision`, with a deadline around all of it.
pub(super) async fn call<R, F>(
    revision: &Revision,
    function: &'static str,
    time: Time,
    imports: Imports,
    call: F,
) -> Result<R, CallError>
where
    R: Verdict,
    F: AsyncFnOnce(&mut Store<CallState>, &super::bindings::Plugin) -> wasmtime::Result<R>,
{
    let span = tracing::debug_span!("call", function, plugin = revision.label());
    placed(revision, function, time, imports, call).instrument(span).await
}

async fn placed<R, F>(
    revision: &Revision,
    function: &'static str,
    time: Time,
    imports: Imports,
    call: F,
) -> Result<R, CallError>
where
    R: Verdict,
    F: AsyncFnOnce(&mut Store<CallState>, &super::bindings::Plugin) -> wasmtime::Result<R>,
{
    let started = Instant::now();
    let bounds = revision.bounds();
    let error = |how| CallError { plugin: revision.label().to_owned(), function, how };
    let outcome = match place(revision.engine(), &bounds, time).await {
        Ok(Place { _own, of_all }) => {
            let report = Report::begin(revision, function);
            let limits = &bounds.limits;
            let mut store = store(revision.engine(), imports, &bounds);
            let (limit, setting) = time.limit(limits);
            let ended = within(limit, async {
                let instance = revision.instantiate(&mut store).await?;
                call(&mut store, &instance).await
            })
            .await;
            let state = store.into_data();
            say_what_was_dropped(revision, function, &state);
            let outcome = match ended {
                Some(Ok(result)) => Ok(result),
                Some(Err(cause)) => Err(error(understand(&cause, &state, limits))),
                None => Err(error(Contained::TimedOut { limit, setting })),
            };
            report.end(&outcome, state.taken.memory());
            drop((state, of_all));
            // A conversion has no place to rest in, and a gate makes one for each stored resource.
            if outcome.is_err() && time != Time::Conversion {
                tokio::time::sleep(AFTER_FAILURE).await;
            }
            outcome
        }
        Err(full) => {
            report::saturated(revision, function, started.elapsed());
            Err(error(full))
        }
    };
    if let Err(error) = &outcome {
        tracing::warn!(plugin = revision.label(), function, code = error.code(), elapsed = ?started.elapsed(), "{error}");
    }
    outcome
}

/// Where a call may run.
struct Place {
    /// Of the plugin. None is needed for a conversion.
    _own: Option<OwnedSemaphorePermit>,
    /// Of all plugins.
    of_all: Option<OwnedSemaphorePermit>,
}

async fn place(engine: &Engine, bounds: &Bounds, time: Time) -> Result<Place, Contained> {
    let full = |places| Contained::Saturated { places, waited: PLACE };
    // Neither kind is ever closed.
    let _own = match time {
        Time::Conversion => None,
        Time::Pure | Time::Effects => {
            let own = within(PLACE, bounds.places.clone().acquire_owned()).await;
            own.ok_or(full(Places::Own(bounds.limits.concurrency)))?.ok()
        }
    };
    let of_all = within(PLACE, engine.place()).await.ok_or(full(Places::All(PLACES as usize)))?;
    Ok(Place { _own, of_all })
}

fn store(engine: &Engine, imports: Imports, bounds: &Bounds) -> Store<CallState> {
    let limits = &bounds.limits;
    let mut store = Store::new(engine.wasmtime(), CallState::new(imports, engine, bounds));
    store.limiter(|state| &mut state.taken);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|mut store| Ok(store.data_mut().pace.tick()));
    store.set_hostcall_fuel(limits.answer);
    store.set_max_component_handles(limits.handles);
    store
}

fn understand(error: &wasmtime::Error, state: &CallState, limits: &Limits) -> Contained {
    let how = contained::understand(error, &state.taken, limits, PLACES as usize);
    let Contained::Trapped { reason } = how else { return how };
    let (stderr, _) = state.stderr.text();
    let skipped = stderr.chars().count().saturating_sub(LAST_WORDS);
    let last_words = stderr.char_indices().nth(skipped).and_then(|(start, _)| stderr.get(start..));
    let said = match (state.imports.last_error(), last_words) {
        (Some(text), _) => format!("; its last error was: {text}"),
        (None, Some(text)) => format!("; its stderr ends with: {}", printable(text)),
        (None, None) => String::new(),
    };
    Contained::Trapped { reason: reason + &said }
}

/// What was kept of stderr, and what was not kept.
fn say_what_was_dropped(revision: &Revision, function: &'static str, state: &CallState) {
    let plugin = revision.label();
    let (stderr, bytes) = state.stderr.text();
    if !stderr.is_empty() {
        tracing::debug!(plugin, function, "stderr: {}", printable(&stderr));
    }
    let lines = state.imports.dropped_lines();
    if lines > 0 || bytes > 0 {
        tracing::warn!(
            plugin,
            function,
            lines,
            bytes,
            "left out of the plugin's log: lines that are more than limits.log-lines and limits.log-bytes allow, and bytes of stderr"
        );
    }
}

async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, future).await.ok()
}
