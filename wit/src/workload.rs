//! A workload spec: one text that means the same as a container and as a local process.
//!
//! `args`, `env` and the contents of `files` may hold placeholders, which the runtime fills in:
//!
//! | placeholder      | in a container                     | as a process                      |
//! | ---------------- | ---------------------------------- | --------------------------------- |
//! | `${files}`       | the folder that holds `files`      | the same, in the state folder     |
//! | `${data}`        | a volume                           | a folder in the state folder      |
//! | `${address}`     | `0.0.0.0`                          | `127.0.0.1`                       |
//! | `${port.<name>}` | `inside`                           | `outside`                         |
//!
//! Secrets belong into `files` (written with mode 0600), never into `args` or `env`: those show in `ps` and `inspect`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What is to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkloadSpec {
    /// Unique within its owner. Letters, digits and hyphens.
    pub name: String,
    /// Image to run as a container. If its own command is one of `programs`, that one is run, else the first.
    pub image: String,
    /// Names of equivalent programs; as a process the first one found on PATH is run.
    pub programs: Vec<String>,
    #[serde(default)]
    pub args: Vec<String>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Ports by name.
    #[serde(default)]
    pub ports: BTreeMap<String, PortSpec>,
    /// Contents by file name (no folders).
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// Upper bound of a container's memory, in bytes. Not enforced on processes.
    #[serde(default)]
    pub memory: Option<u64>,
}

/// One port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortSpec {
    /// Where the program listens inside a container.
    pub inside: u16,
    /// Where clients reach it on the machine; allocated from `ports`.
    pub outside: u16,
}
