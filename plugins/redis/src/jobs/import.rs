//! Import: a server of its own loads the files one after the other, and copies what is in them into the cache.
//!
//! All files are fetched and loaded once before the cache is emptied: what cannot be read costs no data. The copy goes key
//! by key, so the cache may have any number of shards, and any number of files is merged.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use floci_az_sdk::prelude::*;
use floci_az_sdk::{Command, PortSpec, Reply, WorkloadState};
use serde::{Deserialize, Serialize};

use super::{Progress, Scene};
use crate::access::ADMINISTRATOR;
use crate::administration::Administration;
use crate::cluster::{self, hexadecimal, migrate};
use crate::keys::digest;
use crate::nodes::PORT;
use crate::server;
use crate::slots;

/// Name of the workload, and of its port in the gateway's allocations.
const IMPORT: &str = "import";
const INSIDE: u16 = 6379;
const STARTING: Duration = Duration::from_millis(20);
const SLOW: Duration = Duration::from_millis(250);
/// For copying in one step.
const BUDGET: Duration = Duration::from_secs(10);
/// A cursor and keys, as hexadecimal: replies of arrays are texts, and a key may be any bytes.
const SCAN: &str = "local found = redis.call('SCAN', ARGV[1], 'COUNT', ARGV[2]) local keys = found[2] \
    for i, key in ipairs(keys) do keys[i] = (key:gsub('.', function(c) return string.format('%02x', c:byte()) end)) end \
    return {found[1], keys}";
const COUNT: &str = "100";

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Import {
    files: Vec<String>,
    phase: Phase,
}

/// `file` by its number.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Phase {
    Fetching {
        file: usize,
    },
    Checking {
        file: usize,
    },
    Flushing,
    /// From this place of the file on: a cursor in a database of the server that has it loaded.
    Copying {
        file: usize,
        database: u32,
        cursor: String,
        /// Of that server: a cursor means nothing to another run of it.
        #[serde(default)]
        run: String,
    },
}

/// Whether the server has a file loaded.
enum Loaded {
    Yes,
    NotYet(Progress),
}

impl Import {
    pub fn new(files: Vec<String>) -> Import {
        Import { files, phase: Phase::Fetching { file: 0 } }
    }

    pub fn advance(&mut self, scene: &Scene<'_>) -> Result<Progress, Fault> {
        let go_on = |what: &str| Ok(Progress::Again(Duration::ZERO, what.to_owned()));
        match self.phase.clone() {
            Phase::Fetching { file } => {
                let Some(url) = self.files.get(file) else {
                    self.phase = Phase::Checking { file: 0 };
                    return go_on("the files are fetched");
                };
                if let Loaded::NotYet(progress) = load(None, scene)? {
                    return Ok(progress);
                }
                scene.host.transfers().fetch(scene.id, IMPORT, &name(file), url)?;
                self.phase = Phase::Fetching { file: file + 1 };
                go_on("the next file is fetched")
            }
            Phase::Checking { file } if file == self.files.len() => {
                self.phase = Phase::Flushing;
                go_on("all files can be read")
            }
            Phase::Checking { file } => {
                if let Loaded::NotYet(progress) = load(Some(file), scene)? {
                    return Ok(progress);
                }
                let databases = databases(&administration(scene))?;
                if let Some(other) = databases.iter().find(|database| scene.clustered && **database != 0) {
                    let message = format!(
                        "the file {} has keys in database {other}, and a cache with shards has database 0 only",
                        file + 1
                    );
                    return Err(Fault::new("ImportFileNotUsable", message));
                }
                self.phase = Phase::Checking { file: file + 1 };
                go_on("the next file is looked at")
            }
            Phase::Flushing => {
                super::flush(scene)?;
                self.phase = beginning_of(0);
                go_on("the cache is empty")
            }
            Phase::Copying { file, .. } if file == self.files.len() => Ok(Progress::Done),
            Phase::Copying { file, database, cursor, run } => {
                if let Loaded::NotYet(progress) = load(Some(file), scene)? {
                    return Ok(progress);
                }
                match copy_on(file, (database, cursor, run), scene) {
                    Ok(phase) => self.phase = phase,
                    // The cache is empty by now, and what is copied twice is the same.
                    Err(fault) if is_passing(&fault) => {
                        return Ok(Progress::Again(SLOW, format!("the copy is tried again: {fault}")));
                    }
                    Err(fault) => return Err(fault),
                }
                go_on("the files are copied into the cache")
            }
        }
    }
}

/// One of the two servers did not answer.
fn is_passing(fault: &Fault) -> bool {
    fault.is("ConnectionFailed") || fault.message.contains("IOERR")
}

fn beginning_of(file: usize) -> Phase {
    Phase::Copying { file, database: 0, cursor: "0".to_owned(), run: String::new() }
}

fn copy_on(file: usize, place: (u32, String, String), scene: &Scene<'_>) -> Result<Phase, Fault> {
    let administration = administration(scene);
    let run = administration.info("server")?.remove("run_id").unwrap_or_default();
    let (database, cursor) = match place {
        (database, cursor, last) if last == run => (database, cursor),
        _ => (0, "0".to_owned()),
    };
    // Keys may expire, and a database may be empty by now.
    let Some(number) = databases(&administration)?.into_iter().find(|number| *number >= database) else {
        return Ok(beginning_of(file + 1));
    };
    let cursor = if number == database { cursor } else { "0".to_owned() };
    Ok(match copy(&administration, number, cursor, scene)? {
        None => Phase::Copying { file, database: number + 1, cursor: "0".to_owned(), run },
        Some(cursor) => Phase::Copying { file, database: number, cursor, run },
    })
}

pub fn tidy(id: &ResourceId, host: &dyn Host) -> Result<(), Fault> {
    host.workloads().remove(id, IMPORT)?;
    host.ports().release(id, IMPORT)
}

fn name(file: usize) -> String {
    format!("import-{file}.rdb")
}

fn administration<'a>(scene: &Scene<'a>) -> Administration<'a> {
    Administration { owner: scene.id, workload: IMPORT, host: scene.host, password: scene.administrator }
}

/// Brings the server of the import to where it has this file loaded, or none.
fn load(file: Option<usize>, scene: &Scene<'_>) -> Result<Loaded, Fault> {
    let wait = |after, what: &str| Ok(Loaded::NotYet(Progress::Again(after, what.to_owned())));
    let workloads = scene.host.workloads();
    let unreadable = |detail: &str| {
        let which =
            file.map_or_else(|| "that loads the files".to_owned(), |file| format!("cannot load file {}", file + 1));
        Fault::new("ImportFileNotUsable", format!("the server {which} and ended: {detail}"))
    };
    // Before `ensure`, which would start it again.
    if let Some(workload) = workloads.inspect(scene.id, IMPORT)? {
        match &workload.state {
            WorkloadState::Exited { detail } if workload.exits > 0 => return Err(unreadable(detail)),
            _ => {}
        }
    }
    let dbfilename = file.map_or_else(|| "none.rdb".to_owned(), name);
    let workload = workloads.ensure(scene.id, &spec(&dbfilename, scene)?)?;
    match &workload.state {
        WorkloadState::Preparing { progress } => return wait(SLOW, progress),
        WorkloadState::Exited { detail } if workload.exits > 0 => return Err(unreadable(detail)),
        WorkloadState::Exited { detail } => return wait(SLOW, detail),
        WorkloadState::Running { .. } => {}
    }
    let commands = [Command::new(["PING"]), Command::new(["CONFIG", "GET", "dbfilename"])];
    let replies = match administration(scene).run(&commands) {
        Ok(replies) => replies,
        Err(fault) if fault.is("ConnectionFailed") => return wait(STARTING, &fault.message),
        Err(fault) => return Err(fault),
    };
    match replies.as_slice() {
        [Reply::Error(error), ..] if error.starts_with("LOADING") => wait(STARTING, "a file is being loaded"),
        [_, Reply::Aggregate(Value::Array(pair))] if pair.get(1).and_then(Value::as_str) == Some(&dbfilename) => {
            Ok(Loaded::Yes)
        }
        [_, Reply::Aggregate(_)] => {
            // It reads its file when it starts.
            workloads.restart(scene.id, IMPORT)?;
            wait(STARTING, "a file is being loaded")
        }
        _ => Err(Fault::new("CacheServerRefused", "the server that loads the files does not say which it has loaded")),
    }
}

fn spec(dbfilename: &str, scene: &Scene<'_>) -> Result<floci_az_sdk::WorkloadSpec, Fault> {
    let outside =
        scene.host.ports().allocate(scene.id, IMPORT, scene.settings.node_ports.clone(), &[scene.settings.ssl_port])?;
    let ports = BTreeMap::from([(PORT.to_owned(), PortSpec { inside: INSIDE, outside })]);
    let users = format!("user {ADMINISTRATOR} on #{} ~* &* +@all\nuser default off\n", digest(scene.administrator));
    let configuration = format!(
        r#"{}dbfilename {dbfilename}
appendonly no
save ""
"#,
        server::placed()
    );
    Ok(server::workload(IMPORT, scene.settings, ports, [("server.conf", configuration), ("users.acl", users)]))
}

/// Those that have keys.
fn databases(administration: &Administration<'_>) -> Result<Vec<u32>, Fault> {
    let info = administration.info("keyspace")?;
    let mut numbers: Vec<u32> = info.keys().filter_map(|name| name.strip_prefix("db")?.parse().ok()).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// None when the database is copied, else where to go on.
fn copy(
    from: &Administration<'_>,
    database: u32,
    mut cursor: String,
    scene: &Scene<'_>,
) -> Result<Option<String>, Fault> {
    let owners = if scene.clustered { cluster::owners(&scene.primaries)? } else { vec![Some(0); slots::SLOTS] };
    let select = Command::new(["SELECT", &database.to_string()]);
    let until = Instant::now() + BUDGET;
    loop {
        let scan = Command::new(["EVAL", SCAN, "0", &cursor, COUNT]);
        let replies = from.run(&[select.clone(), scan])?;
        let Some(Reply::Aggregate(Value::Array(found))) = replies.get(1) else {
            let why = replies.iter().find_map(Reply::error).unwrap_or("no keys in the reply");
            return Err(Fault::new("CacheServerRefused", format!("the keys of a file cannot be listed: {why}")));
        };
        let keys = found.get(1).map(|keys| hexadecimal(&Reply::Aggregate(keys.clone()))).unwrap_or_default();
        for (number, primary) in scene.primaries.iter().enumerate() {
            let own = |key: &&Vec<u8>| owners.get(slots::of(key)).copied().flatten() == Some(number);
            let own: Vec<Vec<u8>> = keys.iter().filter(own).cloned().collect();
            if !own.is_empty() {
                migrate(from, (&primary.host, primary.port), database, &own, &["COPY", "REPLACE"])?;
            }
        }
        cursor = found.first().and_then(Value::as_str).unwrap_or("0").to_owned();
        if cursor == "0" {
            return Ok(None);
        }
        if Instant::now() > until {
            return Ok(Some(cursor));
        }
    }
}
