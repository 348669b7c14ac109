//! End to end: the real binary, real servers, real clients.
//!
//! Modules named `docker` need Docker's engine and the image; the others need a valkey or redis server on PATH.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    reason = "tests"
)]

/// Each test once with containers and once with processes.
macro_rules! on_each_runtime {
    ($($test:ident),* $(,)?) => {
        mod docker {
            $( #[test] fn $test() { super::$test($crate::gateway::Runtime::Docker); } )*
        }
        mod process {
            $( #[test] fn $test() { super::$test($crate::gateway::Runtime::Process); } )*
        }
    };
}

mod access;
mod arm;
mod children;
mod clients;
mod conformance;
mod contained;
mod contained_figures;
mod core;
mod faults;
mod fixture;
mod fuzz;
mod gateway;
mod grants;
mod lifecycle;
mod login;
mod nodes;
mod observability;
mod plugin_cli;
mod raw;
mod readme;
mod refusals;
mod revisions;
mod rules;
mod schema;
mod secrets;
mod settings;
mod swap;
mod tls;
mod versions;
