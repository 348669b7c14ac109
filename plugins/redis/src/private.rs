//! What the plugin remembers of a cache, and shows to nobody.

use floci_az_sdk::{Fault, State};
use serde::{Deserialize, Serialize};

use crate::keys::{Keys, new_key};

/// The private state, in schema 1.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Private {
    pub keys: Keys,
    /// Password of the ACL user [`crate::access::ADMINISTRATOR`].
    pub administrator: String,
    /// Password of the ACL user [`crate::access::REPLICA`].
    #[serde(default = "replication")]
    pub replication: String,
    /// The ports that the gateway serves for each node, in the order in which the document shows the nodes: by shard, the
    /// primary first. Empty for a cache that is no cluster.
    #[serde(default)]
    pub node_ports: Vec<u16>,
    pub server: Server,
    /// Ports that the gateway handed out and another program turned out to listen on.
    #[serde(default)]
    pub refused_ports: Vec<u16>,
    /// Exits of the server that are accounted for: up to when it was last ready, or given up.
    #[serde(default)]
    pub exits: u32,
    #[serde(default)]
    pub repair: Repair,
}

/// How far the server has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Server {
    /// None was asked for, or it was removed.
    Absent,
    /// Asked for, and not ready yet.
    Placed,
    /// It has been ready, here.
    Serving { host: String, port: u16 },
}

/// What was done about a server that does not know its administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Repair {
    #[default]
    NotNeeded,
    /// It was restarted, to read its ACL file again.
    Restarted,
}

/// Of a cache that was stored before there were replicas. Without randomness nothing that needs it goes on.
fn replication() -> String {
    new_key().unwrap_or_default()
}

impl Private {
    /// Of a new cache. Fails with `NoRandomness`.
    pub fn generate() -> Result<Private, Fault> {
        Ok(Private {
            keys: Keys::generate()?,
            administrator: new_key()?,
            replication: new_key()?,
            node_ports: Vec::new(),
            server: Server::Absent,
            refused_ports: Vec::new(),
            exits: 0,
            repair: Repair::NotNeeded,
        })
    }

    /// What is stored, or a new one where nothing is. Fails with `PrivateStateUnreadable` or `NoRandomness`.
    pub fn of(state: &State) -> Result<Private, Fault> {
        state.private()?.map_or_else(Private::generate, Ok)
    }
}
