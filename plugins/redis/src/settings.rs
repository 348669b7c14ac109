//! The settings, read once per call.

use std::ops::RangeInclusive;

use floci_az_sdk::{Fault, Host};

/// What the operator decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub backing: Backing,
    pub image: String,
    pub ports: RangeInclusive<u16>,
    /// Bytes.
    pub max_memory: u64,
    pub ssl_port: u16,
    /// Of the nodes of clusters, and of servers behind the gateway.
    pub node_ports: RangeInclusive<u16>,
    pub plain_port: PlainPort,
    pub firewall: Firewall,
}

/// What `enableNonSslPort: false` means (`strict-ports`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainPort {
    /// The port without TLS is closed.
    AsAsked,
    /// It is shown, and the port stays open.
    Open,
}

/// What becomes of firewall rules and `publicNetworkAccess` (`enforce-firewall`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firewall {
    Enforced,
    Stored,
}

/// What is behind a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backing {
    /// A server of its own.
    Server,
    /// Nothing (`mocked`): the management plane only.
    Nothing,
}

impl Settings {
    pub fn read(host: &dyn Host) -> Result<Settings, Fault> {
        let settings = host.settings();
        Ok(Settings {
            backing: if settings.boolean("mocked")? { Backing::Nothing } else { Backing::Server },
            image: settings.text("default-image")?,
            ports: settings.port("base-port")?..=settings.port("max-port")?,
            max_memory: settings.size("max-memory")?,
            ssl_port: settings.port("ssl-port")?,
            node_ports: settings.port("node-base-port")?..=settings.port("node-max-port")?,
            plain_port: if settings.boolean("strict-ports")? { PlainPort::AsAsked } else { PlainPort::Open },
            firewall: if settings.boolean("enforce-firewall")? { Firewall::Enforced } else { Firewall::Stored },
        })
    }
}

#[cfg(test)]
impl Settings {
    /// The defaults of the manifest.
    pub fn usual() -> Settings {
        Settings::read(&floci_az_sdk::testing::FakeHost::of::<crate::Redis>()).unwrap()
    }
}
