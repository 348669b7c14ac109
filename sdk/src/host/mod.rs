//! What the gateway lends to a plugin: one small trait for each interface of the contract.
//!
//! Two implementations: the gateway itself, inside a component, and [`crate::testing::FakeHost`] everywhere else. Every
//! function may fail with `NotGranted`: those that have effects do so while a change is validated.

mod resp;
mod workloads;

use std::ops::RangeInclusive;

pub use resp::{Command, Credentials, Endpoint, Reply, Resp};
pub use workloads::{Workload, WorkloadState, Workloads};

use crate::{Fault, Resource, ResourceId, Route, Setting};

/// Everything that a plugin can ask for.
pub trait Host {
    fn resources(&self) -> &dyn Resources;
    fn workloads(&self) -> &dyn Workloads;
    fn ports(&self) -> &dyn Ports;
    fn resp(&self) -> &dyn Resp;
    fn ingress(&self) -> &dyn Ingress;
    fn transfers(&self) -> &dyn Transfers;
    fn settings(&self) -> &dyn Settings;
    fn log(&self) -> &dyn Log;
}

/// Other resources of this provider. Fails with `NotGranted` for an id of another provider.
pub trait Resources {
    /// None if there is none.
    fn get(&self, id: &ResourceId) -> Result<Option<Resource>, Fault>;

    /// Direct children of one type (`firewallRules`), by name.
    fn children(&self, id: &ResourceId, child_type: &str) -> Result<Vec<Resource>, Fault>;

    /// Every resource of a type (`Microsoft.Cache/Redis`) with this name, in all groups and subscriptions: for names
    /// that must be unique beyond their group.
    fn named(&self, resource_type: &str, name: &str) -> Result<Vec<Resource>, Fault>;

    /// Has another resource reconciled soon: what it should be depends on this one. Succeeds if there is none.
    fn wake(&self, id: &ResourceId) -> Result<(), Fault>;
}

/// How clients reach a workload through the gateway: over TLS, from some addresses only, several resources on one port.
pub trait Ingress {
    /// Makes this the route of the resource, in the place of the one before. Routes are not stored: the gateway
    /// reconciles every resource after a restart.
    ///
    /// Fails with `InvalidRoute`, or with `PortInUse` if another program listens on one of its ports.
    fn publish(&self, owner: &ResourceId, route: &Route) -> Result<(), Fault>;

    /// Ends the route and its connections. Succeeds if there is none. Done by the gateway when the resource is gone.
    fn withdraw(&self, owner: &ResourceId) -> Result<(), Fault>;
}

/// Files between a workload's data folder and the world: backups. A URL is `https://`, `http://`, or `file:///` below the
/// folder that the operator allows.
///
/// Both fail with `WorkloadNotFound`, `FileNotFound`, `TransferRefused` (the URL is not allowed, or the other side says
/// no) or `TransferFailed`.
pub trait Transfers {
    /// PUTs a file of the workload's data folder to a URL, as Azure's storage takes a block blob. Its bytes.
    fn send(&self, owner: &ResourceId, workload: &str, file: &str, url: &str) -> Result<u64, Fault>;

    /// GETs a URL into a file of the workload's data folder, which is there whole or not at all. Its bytes.
    fn fetch(&self, owner: &ResourceId, workload: &str, file: &str, url: &str) -> Result<u64, Fault>;
}

/// Ports of the machine that clients connect to. Allocations are durable and belong to a resource.
pub trait Ports {
    /// The port that (owner, name) holds, else the lowest free one in `range` and not in `except`.
    /// Fails with `PortRangeExhausted`.
    fn allocate(
        &self,
        owner: &ResourceId,
        name: &str,
        range: RangeInclusive<u16>,
        except: &[u16],
    ) -> Result<u16, Fault>;

    /// Gives the port back. Succeeds if none is held.
    fn release(&self, owner: &ResourceId, name: &str) -> Result<(), Fault>;
}

/// The settings that the manifest declares. Values are valid for their kind: the gateway checks them at its start.
pub trait Settings {
    /// The value of `services.<service>.<key>`, or its default. None for a key that the manifest does not declare.
    fn get(&self, key: &str) -> Option<String>;

    /// Fails with `UndeclaredSetting`.
    fn text(&self, key: &str) -> Result<String, Fault> {
        self.get(key).ok_or_else(|| {
            Fault::new(
                "UndeclaredSetting",
                format!("the plugin reads the setting '{key}', which its manifest does not declare"),
            )
        })
    }

    /// Of kind [`crate::Kind::Boolean`]. Fails with `UndeclaredSetting` or `InvalidSetting`.
    fn boolean(&self, key: &str) -> Result<bool, Fault> {
        let value = self.text(key)?;
        value.parse().map_err(|_| invalid(key, &value, "true or false"))
    }

    /// Of kind [`crate::Kind::Port`]. Fails with `UndeclaredSetting` or `InvalidSetting`.
    fn port(&self, key: &str) -> Result<u16, Fault> {
        let value = self.text(key)?;
        value.parse().map_err(|_| invalid(key, &value, "a port"))
    }

    /// Bytes, of kind [`crate::Kind::Size`]. Fails with `UndeclaredSetting` or `InvalidSetting`.
    fn size(&self, key: &str) -> Result<u64, Fault> {
        let value = self.text(key)?;
        Setting::bytes(&value).ok_or_else(|| invalid(key, &value, "a size"))
    }
}

fn invalid(key: &str, value: &str, kind: &str) -> Fault {
    Fault::new("InvalidSetting", format!("the setting '{key}' is '{value}', which is not {kind}"))
}

/// How much a line of the log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// The gateway's log. It adds the plugin, its revision and the resource in progress.
pub trait Log {
    fn write(&self, level: Level, message: &str);
}
