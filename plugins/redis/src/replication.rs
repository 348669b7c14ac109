//! Whom a server replicates: the primary of its shard, or of another cache that it is linked to.

use floci_az_sdk::{Command, Fault, ResourceId};

use crate::administration::Administration;

/// A primary, as its replicas reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Primary {
    pub host: String,
    pub port: u16,
}

/// How a server stands to what it is to replicate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Following {
    /// As it should be: it has what its primary has, or has none.
    Settled,
    /// It does not have it yet.
    Catching(String),
}

/// Makes a server replicate this primary, or nobody: then it is writable, and keeps its data. Idempotent.
pub fn follow(administration: &Administration<'_>, primary: Option<&Primary>) -> Result<Following, Fault> {
    let info = administration.info("replication")?;
    let of = |name: &str| info.get(name).map(String::as_str).unwrap_or_default();
    let is_replica = of("role") == "slave";
    match primary {
        None if !is_replica => Ok(Following::Settled),
        None => {
            administration.one(&Command::new(["REPLICAOF", "NO", "ONE"]))?;
            Ok(Following::Settled)
        }
        Some(primary) => {
            let port = primary.port.to_string();
            if !is_replica || of("master_host") != primary.host || of("master_port") != port {
                administration.one(&Command::new(["REPLICAOF", &primary.host, &port]))?;
                return Ok(Following::Catching("it has just been told to replicate".to_owned()));
            }
            match of("master_link_status") {
                "up" => Ok(Following::Settled),
                _ if of("master_sync_in_progress") == "1" => {
                    Ok(Following::Catching("it copies the data of its primary".to_owned()))
                }
                other => Ok(Following::Catching(format!("its link to its primary is {other}"))),
            }
        }
    }
}

/// Whether a server replicates somebody, and has done so to the end.
pub fn is_replica(administration: &Administration<'_>) -> Result<Option<bool>, Fault> {
    let info = administration.info("replication")?;
    let of = |name: &str| info.get(name).map(String::as_str).unwrap_or_default();
    Ok((of("role") == "slave").then(|| of("master_link_status") == "up"))
}

/// Two clusters: a node of one cannot replicate a node of another.
pub fn refuse_clusters(id: &ResourceId, primary: &ResourceId) -> Fault {
    let message = format!(
        "'{}' is linked to '{}', and both have shards: servers of a cluster replicate only within it. Link caches \
         without shardCount, or delete the link",
        id.name(),
        primary.name()
    );
    Fault::new("LinkedClustersNotSupported", message)
}
