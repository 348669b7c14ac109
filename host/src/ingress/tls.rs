//! How listeners speak TLS: with a certificate for each published name, and sessions that can be resumed.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::table::{OldestTls, Table};
use crate::identity::ca::{CertificateError, Certificates};

/// For clients that know nothing older than what the route allows, and for all others.
#[derive(Debug)]
pub(super) struct Tls {
    v12: Arc<ServerConfig>,
    v13: Arc<ServerConfig>,
}

impl Tls {
    pub(super) fn new(certificates: &Arc<Certificates>, table: &Arc<ArcSwap<Table>>) -> Result<Tls, CertificateError> {
        let by_name = Arc::new(ByName { certificates: certificates.clone(), table: table.clone() });
        let config = |oldest| certificates.listener_config(by_name.clone(), oldest);
        Ok(Tls { v12: config(OldestTls::V12)?, v13: config(OldestTls::V13)? })
    }

    pub(super) fn config(&self, oldest: OldestTls) -> Arc<ServerConfig> {
        match oldest {
            OldestTls::V12 => self.v12.clone(),
            OldestTls::V13 => self.v13.clone(),
        }
    }
}

/// Only published names get a certificate of their own: whatever else clients ask for costs nothing.
#[derive(Debug)]
struct ByName {
    certificates: Arc<Certificates>,
    table: Arc<ArcSwap<Table>>,
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let published = hello.server_name().filter(|name| self.table.load().has_host(name));
        Some(match published {
            Some(name) => self.certificates.of_name(name),
            None => self.certificates.usual(),
        })
    }
}
