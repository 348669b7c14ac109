//! What a plugin should not do. Asked for by `properties.misbehave`, in the function that `properties.misbehaveIn` names
//! (`validate` if it names none), or by `misbehave` in the body of an action.
//!
//! | word           | what happens                                                                                |
//! | -------------- | ------------------------------------------------------------------------------------------- |
//! | `loop`         | it computes for ever                                                                        |
//! | `memory`       | it takes memory until there is none, and aborts                                             |
//! | `handles`      | it makes handles for ever                                                                   |
//! | `recurse`      | it calls itself for ever                                                                    |
//! | `panic`        | it panics                                                                                   |
//! | `trap`         | it traps, without a word                                                                    |
//! | `big`          | it answers with `properties.megabytes` (100) of text                                        |
//! | `garbage`      | it answers with what is no JSON                                                             |
//! | `flood-log`    | it writes 10000 lines of 200 bytes to the log, and goes on as if nothing had happened       |
//! | `flood-stderr` | the same to stderr                                                                          |
//! | `flood-resp`   | it asks for a thousand commands to a server, for ever                                       |
//! | `block`        | it sleeps for an hour, in an import                                                         |

use std::cell::Cell;
use std::hint::black_box;
use std::time::Duration;

use floci_az_sdk::prelude::*;
use floci_az_sdk::{Command, Endpoint};

const LINES: usize = 10_000;
const MEGABYTE: usize = 1 << 20;

/// What the component says in place of what the provider said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instead {
    Garbage,
    Big { bytes: usize },
}

thread_local! {
    static INSTEAD: Cell<Option<Instead>> = const { Cell::new(None) };
}

/// What was asked to be said instead, once.
pub fn instead() -> Option<Instead> {
    INSTEAD.take()
}

impl Instead {
    pub fn text(self) -> String {
        match self {
            Instead::Garbage => "this is no JSON".to_owned(),
            Instead::Big { bytes } => "x".repeat(bytes),
        }
    }
}

/// Misbehaves, if the resource says so of this function.
pub fn of(resource: &Resource, function: &str, host: &dyn Host) {
    let properties = properties(&resource.state.document);
    let place = properties.get("misbehaveIn").and_then(Value::as_str).unwrap_or("validate");
    if let Some(word) = properties.get("misbehave").and_then(Value::as_str).filter(|_| place == function) {
        do_it(word, properties, &resource.id, host);
    }
}

/// Misbehaves, if the body of the action says so.
pub fn of_action(call: &ActionCall, host: &dyn Host) {
    if let (Some(word), Ok(resource)) = (call.body.get("misbehave").and_then(Value::as_str), call.resource()) {
        do_it(word, &call.body, &resource.id, host);
    }
}

fn properties(document: &Value) -> &Value {
    document.get("properties").unwrap_or(&Value::Null)
}

fn do_it(word: &str, options: &Value, id: &ResourceId, host: &dyn Host) {
    match word {
        "loop" => endless(),
        "memory" => take_all_memory(),
        "handles" => take_handles(),
        "recurse" => drop(black_box(recurse(black_box(u64::MAX)))),
        "panic" => do_panic(),
        "trap" => trap(),
        "big" => {
            let megabytes = options.get("megabytes").and_then(Value::as_u64).unwrap_or(100);
            let bytes = usize::try_from(megabytes).unwrap_or(100) * MEGABYTE;
            INSTEAD.set(Some(Instead::Big { bytes }));
        }
        "garbage" => INSTEAD.set(Some(Instead::Garbage)),
        "flood-log" => (0..LINES).for_each(|line| host.log().write(Level::Info, &flood(line))),
        "flood-stderr" => (0..LINES).for_each(|line| eprintln!("{}", flood(line))),
        "flood-resp" => flood_resp(id, host),
        "block" => std::thread::sleep(Duration::from_secs(3600)),
        // A test that asks for what there is not has to hear of it.
        _ => do_panic(),
    }
}

fn flood(line: usize) -> String {
    format!("flood {line:06} {}", "~".repeat(187))
}

pub fn endless() {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Touches what it takes: what is only reserved costs nobody anything.
fn take_all_memory() {
    loop {
        let mut more: Vec<u8> = Vec::new();
        if more.try_reserve_exact(MEGABYTE).is_err() {
            trap();
        }
        more.resize(MEGABYTE, 1);
        std::mem::forget(black_box(more));
    }
}

/// Not by way of memory: no address of a local is taken, so it is the engine's own stack that ends.
fn recurse(depth: u64) -> u64 {
    match depth {
        0 => 1,
        _ => recurse(depth - 1).wrapping_mul(31) ^ depth,
    }
}

#[expect(clippy::panic, reason = "what was asked for")]
fn do_panic() {
    panic!("the fixture was asked to panic");
}

pub fn trap() {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort();
}

fn take_handles() {
    loop {
        #[cfg(target_arch = "wasm32")]
        std::mem::forget(wasip2::clocks::monotonic_clock::subscribe_duration(0));
        #[cfg(not(target_arch = "wasm32"))]
        trap();
    }
}

fn flood_resp(id: &ResourceId, host: &dyn Host) {
    let endpoint = Endpoint { owner: id, workload: "none", port: "none" };
    let commands: Vec<Command> = (0..1000).map(|_| Command::new(["PING"])).collect();
    loop {
        drop(black_box(host.resp().execute(&endpoint, None, &commands)));
    }
}
