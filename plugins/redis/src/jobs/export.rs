//! Export: every shard saves a snapshot, which is sent to where the client wants it.

use std::collections::BTreeMap;
use std::time::Duration;

use floci_az_sdk::{Command, Fault};
use serde::{Deserialize, Serialize};

use super::{Progress, Scene};
use crate::administration::refused;
use crate::cluster::Member;
use crate::requests;

/// A small cache is saved in some milliseconds.
const SAVING: Duration = Duration::from_millis(20);
/// What the server calls its snapshot by itself.
const SNAPSHOT: &str = "dump.rdb";

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Export {
    to: requests::Export,
    /// Shards whose file is there.
    sent: usize,
    /// Snapshots of the server before the one that is under way.
    before: Option<u64>,
}

impl Export {
    pub fn new(to: requests::Export) -> Export {
        Export { to, sent: 0, before: None }
    }

    pub fn advance(&mut self, scene: &Scene<'_>) -> Result<Progress, Fault> {
        let Some(primary) = scene.primaries.get(self.sent) else { return Ok(Progress::Done) };
        let state = Persistence::of(primary)?;
        let Some(before) = self.before else {
            // One that is under way already is of an earlier moment.
            if state.is_saving {
                return Ok(Progress::Again(SAVING, "another snapshot is being saved".to_owned()));
            }
            primary.administration.one(&Command::new(["BGSAVE", "SCHEDULE"]))?;
            self.before = Some(state.saved);
            return Ok(Progress::Again(SAVING, "a snapshot is being saved".to_owned()));
        };
        if state.is_saving {
            return Ok(Progress::Again(SAVING, "a snapshot is being saved".to_owned()));
        }
        if state.saved < before {
            // It was restarted, and counts anew.
            self.before = None;
            return Ok(Progress::Again(SAVING, "the server was restarted while it saved a snapshot".to_owned()));
        }
        if state.saved == before {
            return Ok(Progress::Again(SAVING, "a snapshot is about to be saved".to_owned()));
        }
        // Of the one that was asked for: each is counted when it begins.
        if !state.is_good {
            return Err(refused("BGSAVE", "the snapshot could not be saved; the server's log says why"));
        }
        let url = self.to.url(scene.clustered.then_some(primary.place.shard));
        let bytes = scene.host.transfers().send(scene.id, &primary.place.workload, SNAPSHOT, &url)?;
        let message = format!("the snapshot of shard {} was exported: {bytes} bytes", self.sent);
        scene.host.log().write(floci_az_sdk::Level::Info, &message);
        (self.sent, self.before) = (self.sent + 1, None);
        match self.sent == scene.primaries.len() {
            true => Ok(Progress::Done),
            false => Ok(Progress::Again(Duration::ZERO, "the next shard is exported".to_owned())),
        }
    }
}

struct Persistence {
    is_saving: bool,
    is_good: bool,
    /// Since the start of the server.
    saved: u64,
}

impl Persistence {
    fn of(primary: &Member<'_>) -> Result<Persistence, Fault> {
        let info: BTreeMap<String, String> = primary.administration.info("persistence")?;
        let of = |name: &str| info.get(name).map(String::as_str).unwrap_or_default();
        Ok(Persistence {
            is_saving: of("rdb_bgsave_in_progress") == "1",
            is_good: of("rdb_last_bgsave_status") == "ok",
            saved: of("rdb_saves").parse().unwrap_or_default(),
        })
    }
}
