//! The names that a certificate is for.

use std::collections::BTreeSet;
use std::net::IpAddr;

/// What every gateway on a developer's machine is called; the last one by containers that reach their host.
/// Some verifiers (OpenSSL's, rustls's) take no wildcard right below the root, so `*.localhost` helps only the others.
const ALWAYS: [&str; 5] = ["localhost", "*.localhost", "127.0.0.1", "::1", "host.docker.internal"];

/// DNS names, of which the first label may be `*`, and IP addresses, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names(BTreeSet<String>);

impl Names {
    /// Those of every gateway; `hostname`, the operator's; the address that is listened on, if it is one; and whatever
    /// stands directly below each of `suffixes`.
    pub fn of(hostname: Option<&str>, bind: IpAddr, suffixes: &[&str]) -> Names {
        let always = ALWAYS.into_iter().chain(hostname).map(str::to_owned);
        let bound = Some(bind).filter(|address| !address.is_unspecified()).map(|address| address.to_string());
        Names(always.chain(bound).chain(suffixes.iter().map(|suffix| format!("*.{suffix}"))).collect())
    }

    /// One DNS name.
    pub(super) fn one(name: &str) -> Names {
        Names(BTreeSet::from([name.to_owned()]))
    }

    pub(super) fn are(&self, found: &BTreeSet<String>) -> bool {
        self.0 == *found
    }

    pub(super) fn to_vec(&self) -> Vec<String> {
        self.0.iter().cloned().collect()
    }
}
