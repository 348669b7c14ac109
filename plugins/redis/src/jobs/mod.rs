//! What actions ask for and what takes time: a flush, an export, an import.
//!
//! The action stores a [`Job`]; each `reconcile` takes it a step further and stores how far it has come, so a gateway that
//! is killed goes on where it was. A job that cannot be done is dropped, and its operation tells why. The cache goes on
//! serving, with the data it has then: after an import that failed while it copied, that is a part of the files.

mod export;
mod import;

use std::time::Duration;

use floci_az_sdk::Command;
use floci_az_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::cluster::Member;
use crate::nodes::Role;
use crate::private::Private;
use crate::requests;
use crate::settings::Settings;

/// URLs in it may be permissions: it is not printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Job {
    /// Of all keys, on every shard.
    Flush,
    Export(export::Export),
    Import(import::Import),
}

impl Job {
    /// One file for each shard.
    pub fn export(to: requests::Export) -> Job {
        Job::Export(export::Export::new(to))
    }

    /// The files replace what the cache holds, all together.
    pub fn import(from: requests::Import) -> Job {
        Job::Import(import::Import::new(from.files))
    }
}

/// How far a job has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    Done,
    Again(Duration, String),
}

/// What a job works with.
pub struct Scene<'a> {
    pub id: &'a ResourceId,
    pub settings: &'a Settings,
    pub host: &'a dyn Host,
    /// Of every shard.
    pub primaries: Vec<Member<'a>>,
    pub clustered: bool,
    /// The cache's.
    pub administrator: &'a str,
}

impl<'a> Scene<'a> {
    pub fn of(
        id: &'a ResourceId,
        members: &[Member<'a>],
        private: &'a Private,
        clustered: bool,
        settings: &'a Settings,
        host: &'a dyn Host,
    ) -> Scene<'a> {
        let primaries = members.iter().filter(|member| member.place.role == Role::Primary).cloned().collect();
        Scene { id, settings, host, primaries, clustered, administrator: &private.administrator }
    }
}

/// One step.
pub fn advance(job: &mut Job, scene: &Scene<'_>) -> Result<Progress, Fault> {
    match job {
        Job::Flush => flush(scene),
        Job::Export(export) => export.advance(scene),
        Job::Import(import) => import.advance(scene),
    }
}

/// After a job has ended, however it did.
pub fn tidy(id: &ResourceId, host: &dyn Host) -> Result<(), Fault> {
    import::tidy(id, host)
}

fn flush(scene: &Scene<'_>) -> Result<Progress, Fault> {
    for primary in &scene.primaries {
        // What is asked of the server in another thread is done before a client sees anything of it.
        primary.administration.one(&Command::new(["FLUSHALL", "ASYNC"]))?;
    }
    Ok(Progress::Done)
}
