//! What the plugin remembers of a cache, and shows to nobody.

use std::collections::BTreeMap;

use floci_az_sdk::{Fault, State};
use serde::{Deserialize, Serialize};

use crate::jobs::Job;
use crate::keys::{Keys, new_key};

/// The private state, in schema 1.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Private {
    pub keys: Keys,
    /// Password of the ACL user [`crate::access::ADMINISTRATOR`].
    pub administrator: String,
    /// Password of the ACL user that replicas, and the other nodes, log in as. Empty in states from before there were any.
    #[serde(default)]
    pub replication: String,
    /// The ports that the gateway serves for each node, in the order in which the document shows the nodes: by shard, the
    /// primary first; none for a node that is only shown. Empty for a cache that is no cluster.
    #[serde(default)]
    pub node_ports: Vec<Option<u16>>,
    pub server: Server,
    /// Ports that the gateway handed out and another program turned out to listen on.
    #[serde(default)]
    pub refused_ports: Vec<u16>,
    /// Its servers, by workload.
    #[serde(default)]
    pub nodes: BTreeMap<String, Node>,
    /// It has been a cluster, and stays one.
    #[serde(default)]
    pub clustered: bool,
    /// Ids of the caches that it is linked to by links of its own: they have to hear of its end.
    #[serde(default)]
    pub linked: Vec<String>,
    /// What an action has asked for and is not done yet.
    #[serde(default)]
    pub job: Option<Job>,
}

/// One of its servers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    pub shard: u8,
    pub primary: bool,
    /// The port that the gateway serves for it: of a node of a cluster.
    #[serde(default)]
    pub public: Option<u16>,
    /// It has been ready, and clients know its ports.
    #[serde(default)]
    pub ready: bool,
    /// Exits that are accounted for: up to when it was last ready, or given up.
    #[serde(default)]
    pub exits: u32,
    #[serde(default)]
    pub repair: Repair,
}

/// How far the cache has come.
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
            nodes: BTreeMap::new(),
            clustered: false,
            linked: Vec::new(),
            job: None,
        })
    }

    /// What is stored, or a new one where nothing is. Fails with `PrivateStateUnreadable` or `NoRandomness`.
    pub fn of(state: &State) -> Result<Private, Fault> {
        let Some(mut private) = state.private::<Private>()? else { return Private::generate() };
        if private.replication.is_empty() {
            private.replication = new_key()?;
        }
        Ok(private)
    }

    /// Whether the cache has been ready.
    pub fn has_served(&self) -> bool {
        matches!(self.server, Server::Serving { .. })
    }
}
