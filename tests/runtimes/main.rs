//! What the contract promises of workloads, on each runtime, with a real server.
//!
//! The module `docker` needs Docker's engine and the image, the module `process` a server on PATH. Every test is a gateway
//! of its own; what it leaves is removed even if it fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    reason = "tests"
)]

mod containers;
mod gateway;
mod programs;
mod promises;

use gateway::{Kind, on};

/// Each test as one of a module that is named for its runtime.
macro_rules! tests {
    (on each: $($each:ident)*; docker: $($docker:ident)*; process: $($process:ident)*) => {
        mod docker {
            $( #[test] fn $each() { super::on(super::Kind::Docker, super::promises::$each); } )*
            $( #[test] fn $docker() { super::on(super::Kind::Docker, super::containers::$docker); } )*
        }
        mod process {
            $( #[test] fn $each() { super::on(super::Kind::Process, super::promises::$each); } )*
            $( #[test] fn $process() { super::on(super::Kind::Process, super::programs::$process); } )*
        }
    };
}

tests! {
    on each:
        a_workload_lives_and_dies_and_is_started_again_with_its_data
        files_alone_are_rewritten_without_a_restart
        the_next_gateway_adopts_what_runs_and_hears_of_its_end
        another_spec_replaces_the_program_and_keeps_the_data
        stopping_all_keeps_the_data_and_counts_no_exit
        a_port_that_is_taken_is_an_error_until_it_is_free
        a_program_that_ends_at_once_says_why
        ten_at_once
        a_dropped_ensure_is_made_good_by_the_next
        a_program_that_nobody_has_is_said_to_be_missing;
    docker:
        what_the_engine_does_not_accept_is_the_specs_fault
        an_image_that_cannot_be_had_is_an_error_and_then_tried_again
        a_volume_whose_container_is_gone_is_found
        a_container_has_no_capabilities_and_listens_on_this_machine_alone;
    process:
        a_program_survives_its_gateway_and_runs_once
        a_program_gets_nothing_of_the_gateways_environment
}
