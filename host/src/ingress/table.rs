//! What is published: by port, and there by name.
//!
//! A table is never changed, only replaced; a connection keeps the route that it was let in by.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use floci_az_contract::{Entry, Protocol, Route};
use rustls::ProtocolVersion;
use rustls::pki_types::DnsName;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::backend::Backends;
use super::{IngressError, Shared};
use crate::identity::TokenLogins;

/// SHA-256 of a password.
pub(super) type Hash = [u8; 32];

pub(super) fn hash(password: &[u8]) -> Hash {
    Sha256::digest(password).into()
}

/// A route, ready to be used.
#[derive(Debug)]
pub(super) struct Published {
    pub owner: String,
    pub route: Route,
    hosts: BTreeSet<String>,
    pub keys: HashSet<Hash>,
    pub peers: HashSet<Hash>,
    oldest_tls: OldestTls,
    /// None if it has no token users.
    pub logins: Option<TokenLogins>,
    pub backends: Backends,
    /// True once it is withdrawn. One for all routes that an owner has published in turn.
    pub gone: watch::Sender<bool>,
}

pub(super) use crate::identity::ca::OldestTls;

/// Why a client that may be known may still not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Restriction {
    Address(IpAddr),
    WithoutTls,
    OldTls,
}

impl Restriction {
    /// As an error of a server.
    pub(super) fn text(self) -> String {
        match self {
            Restriction::Address(address) => format!(
                "ERR the address {address} of this client is not allowed by the firewall rules. Add a rule for it, or allow public network access"
            ),
            Restriction::WithoutTls => {
                "ERR connections without TLS are not allowed on this port. Connect with TLS".to_owned()
            }
            Restriction::OldTls => {
                "ERR this version of TLS is older than the oldest that is allowed here. Use TLS 1.3".to_owned()
            }
        }
    }
}

impl Published {
    pub(super) fn new(
        owner: &str,
        route: Route,
        logins: Option<TokenLogins>,
        gone: watch::Sender<bool>,
    ) -> Result<Published, IngressError> {
        let hosts = route.hosts.iter().map(|host| name(host)).collect::<Result<_, _>>()?;
        let oldest_tls = match route.oldest_tls.as_deref() {
            None | Some("1.2") => OldestTls::V12,
            Some("1.3") => OldestTls::V13,
            Some(other) => return Err(invalid(format!("'oldestTls' is '{other}'. Supported: 1.2, 1.3"))),
        };
        for range in route.from.iter().flatten() {
            if range.first.is_ipv4() != range.last.is_ipv4() || range.first > range.last {
                return Err(invalid(format!(
                    "the range {}-{} in 'from' has no address. Supported: two addresses of one family, the lower one first",
                    range.first, range.last
                )));
            }
        }
        Ok(Published {
            hosts,
            keys: hashes("keys", &route.keys)?,
            peers: hashes("peers", &route.peers)?,
            oldest_tls,
            logins,
            backends: Backends::new(owner),
            gone,
            owner: owner.to_owned(),
            route,
        })
    }

    pub(super) fn entry(&self, port: u16) -> Option<&Entry> {
        self.route.entries.get(&port)
    }

    pub(super) fn oldest_tls(&self) -> OldestTls {
        self.oldest_tls
    }

    /// Why this client may not connect; `tls` is none without TLS.
    pub(super) fn restriction(&self, port: u16, client: IpAddr, tls: Option<ProtocolVersion>) -> Option<Restriction> {
        let from = self.route.from.as_deref();
        if from.is_some_and(|ranges| !ranges.iter().any(|range| range.contain(client))) {
            return Some(Restriction::Address(client));
        }
        match (tls, self.oldest_tls) {
            (None, _) if !self.entry(port).is_some_and(|entry| entry.plain) => Some(Restriction::WithoutTls),
            (Some(ProtocolVersion::TLSv1_2), OldestTls::V13) => Some(Restriction::OldTls),
            _ => None,
        }
    }

    pub(super) fn has_token_user(&self, user: &[u8]) -> bool {
        self.route.tokens.iter().any(|known| known.user.as_bytes().eq_ignore_ascii_case(user))
    }
}

fn name(host: &str) -> Result<String, IngressError> {
    let lower = host.to_ascii_lowercase();
    match DnsName::try_from(lower.as_str()) {
        Ok(_) => Ok(lower),
        Err(_) => Err(invalid(format!("'{host}' in 'hosts' is no DNS name"))),
    }
}

fn hashes(member: &str, texts: &[String]) -> Result<HashSet<Hash>, IngressError> {
    let parsed = texts.iter().map(|text| {
        // The text is not repeated: somebody may have put a password here.
        hash_of(text).ok_or_else(|| invalid(format!("'{member}' holds what is no SHA-256 in hexadecimal (64 digits)")))
    });
    parsed.collect()
}

fn hash_of(text: &str) -> Option<Hash> {
    let digits: Vec<u8> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| digit.try_into().ok())).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).filter_map(|pair| Some(pair.first()? << 4 | pair.last()?)).collect();
    if digits.len() == 64 { bytes.try_into().ok() } else { None }
}

fn invalid(reason: String) -> IngressError {
    IngressError::Invalid(reason)
}

/// Whether an entry can be what it says.
pub(super) fn check(port: u16, entry: &Entry, shared: Option<&Shared>) -> Result<(), IngressError> {
    match shared {
        Some(shared) if !entry.tls || entry.plain || entry.protocol != shared.protocol => Err(invalid(format!(
            "the entry on {port}, which is shared ({}), has to speak {} over TLS only",
            shared.setting,
            protocol(shared.protocol)
        ))),
        None if !entry.tls && !entry.plain => {
            Err(invalid(format!("the entry on {port} takes connections neither with TLS nor without")))
        }
        _ => Ok(()),
    }
}

fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Resp => "resp",
    }
}

/// Everything that is published.
#[derive(Debug, Default)]
pub(super) struct Table {
    owners: BTreeMap<String, Arc<Published>>,
    ports: HashMap<u16, Vec<Arc<Published>>>,
    hosts: HashMap<String, Vec<Arc<Published>>>,
}

impl Table {
    fn of(owners: BTreeMap<String, Arc<Published>>) -> Table {
        let mut table = Table::default();
        for published in owners.values() {
            for port in published.route.entries.keys() {
                table.ports.entry(*port).or_default().push(published.clone());
            }
            for host in &published.hosts {
                table.hosts.entry(host.clone()).or_default().push(published.clone());
            }
        }
        Table { owners, ..table }
    }

    pub(super) fn with(&self, published: Arc<Published>) -> Table {
        let mut owners = self.owners.clone();
        owners.insert(published.owner.clone(), published);
        Table::of(owners)
    }

    pub(super) fn without(&self, owner: &str) -> Table {
        let mut owners = self.owners.clone();
        owners.remove(owner);
        Table::of(owners)
    }

    pub(super) fn owner(&self, owner: &str) -> Option<&Arc<Published>> {
        self.owners.get(owner)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Published>> {
        self.owners.values()
    }

    /// A name leads to one resource.
    pub(super) fn check_hosts(&self, route: &Published) -> Result<(), IngressError> {
        for host in &route.hosts {
            let mut holders = self.hosts.get(host).into_iter().flatten();
            if let Some(holder) = holders.find(|holder| holder.owner != route.owner) {
                return Err(invalid(format!("'{host}' in 'hosts' is a name of {}. Use another name", holder.owner)));
            }
        }
        Ok(())
    }

    /// Whether a name is published. Of a client's, in any case.
    pub(super) fn has_host(&self, host: &str) -> bool {
        self.hosts.contains_key(&host.to_ascii_lowercase())
    }

    /// What a client may want that connects to a port, and asks for a name: those of that name, else all of the port.
    pub(super) fn candidates(&self, port: u16, host: Option<&str>) -> Vec<Arc<Published>> {
        let all = self.ports.get(&port).map(Vec::as_slice).unwrap_or_default();
        let named = host.and_then(|host| self.hosts.get(&host.to_ascii_lowercase()));
        let named: Vec<_> = named.into_iter().flatten().filter(|one| one.entry(port).is_some()).cloned().collect();
        if named.is_empty() { all.to_vec() } else { named }
    }
}
