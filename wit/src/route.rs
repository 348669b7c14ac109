//! A route: how clients reach the workloads of one resource through the gateway.
//!
//! Behind a [shared listener](crate::Listener) a connection is routed by the name that the client asks for in TLS
//! ([`Route::hosts`]); if that says nothing, and the protocol has logins, by the password that it sends first
//! ([`Route::keys`], [`Route::tokens`]). An entry on a port of its own leads to one workload only.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// How clients reach the workloads of one resource.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Route {
    /// What clients may ask for by TLS SNI, compared without case. The gateway has a certificate for each. A name that
    /// another resource has published is refused.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Ports, and where each leads.
    pub entries: BTreeMap<u16, Entry>,
    /// Who may connect. None for everybody, empty for nobody.
    #[serde(default)]
    pub from: Option<Vec<Addresses>>,
    /// SHA-256, in hexadecimal, of the passwords that belong to this resource.
    #[serde(default)]
    pub keys: Vec<String>,
    /// Users whose passwords are tokens of this gateway's identity service.
    #[serde(default)]
    pub tokens: Vec<TokenUser>,
    /// SHA-256 of the passwords that the workloads of this resource use among themselves: whoever logs in with one, and
    /// with the name of a user that is not the default one, is let in from anywhere, with TLS or without.
    #[serde(default)]
    pub peers: Vec<String>,
    /// The oldest version of TLS: `1.2` or `1.3`. None for the oldest that the gateway speaks.
    #[serde(default)]
    pub oldest_tls: Option<String>,
}

/// Passwords' digests tell nothing, but those of token users are passwords.
impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Route")
            .field("hosts", &self.hosts)
            .field("entries", &self.entries)
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

/// One port of a route: a shared listener's, or one that is allocated to the resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Entry {
    pub protocol: Protocol,
    /// Whether clients may speak TLS, and whether they may go without. A shared listener takes TLS only.
    pub tls: bool,
    pub plain: bool,
    pub to: Backend,
}

/// What is spoken inside of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Protocol {
    /// Bytes.
    Tcp,
    /// Redis serialisation protocol, 2 and 3: logins are `AUTH` and `HELLO`.
    Resp,
}

/// A port of a workload of the resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Backend {
    pub workload: String,
    /// Its name in the workload's spec.
    pub port: String,
}

/// A range, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Addresses {
    pub first: IpAddr,
    pub last: IpAddr,
}

impl Addresses {
    pub fn contain(&self, address: IpAddr) -> bool {
        // Of one family, addresses compare as numbers.
        let same_family = self.first.is_ipv4() == address.is_ipv4() && self.last.is_ipv4() == address.is_ipv4();
        same_family && self.first <= address && address <= self.last
    }
}

/// A user that logs in with a token: the gateway checks it, and logs in to the workload with the password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenUser {
    /// The object id that the token has to be for.
    pub user: String,
    pub password: String,
}

/// Without the password: what is printed ends in a log.
impl std::fmt::Debug for TokenUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenUser").field("user", &self.user).finish_non_exhaustive()
    }
}
