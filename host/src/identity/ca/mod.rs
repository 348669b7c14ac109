//! The certificate that the gateway serves: made here and signed by an authority of its own, or the operator's.
//!
//! The authority is made at the first start and kept beside the state for as long as it can be, because clients are told
//! to trust it; the certificate that it signs is made anew when its end is near or when it should have other names, and
//! is served from then on without a restart. Where nothing is kept, both live as long as the gateway. What is found
//! on disk and cannot be used (half written, of another authority, about to end) is made anew, with a line in the log.
//! What cannot be read stops the start and stays, and so does an authority that only this machine's clock is against.
//!
//! Every listener gets its [`ServerConfig`] here, and all of them serve the same certificate.

mod files;
mod given;
mod issue;
mod named;
mod names;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};

pub use given::chain;
use issue::{Pair, Unusable};
use named::Named;
pub use names::Names;

/// How often the certificate's end is looked at. Daily would do; but timers stand still while a laptop sleeps.
const LOOK_EVERY: Duration = Duration::from_secs(60 * 60);

/// Below the state folder.
const FOLDER: &str = "tls";
const AUTHORITY: &str = "ca";
const LEAF: &str = "leaf";

/// Why there is no certificate to serve.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("{} ({setting}) cannot be read: {reason}. Supported: a file in PEM that this user can read", path.display())]
    Unreadable { path: PathBuf, setting: &'static str, reason: io::Error },
    #[error(
        "{} (tls.cert-path) holds no certificate. Supported: PEM, which begins with -----BEGIN CERTIFICATE-----", path.display()
    )]
    NoCertificate { path: PathBuf },
    #[error(
        "{} (tls.key-path) is not the private key of {} (tls.cert-path): {reason}. Supported: the key that belongs to the first certificate, in PEM and without a password", key.display(), certificate.display()
    )]
    Unfit { certificate: PathBuf, key: PathBuf, reason: String },
    #[error(
        "the certificate in {} (tls.cert-path) ended at {ended}. Renew it, or leave tls.cert-path and tls.key-path out: then the gateway makes one", path.display()
    )]
    Expired { path: PathBuf, ended: String },
    #[error(
        "{} cannot be read: {reason}. Let this user read it: as long as it is there it is not made anew, because clients may trust it", path.display()
    )]
    Unread { path: PathBuf, reason: io::Error },
    #[error("certificates cannot be kept in {}: {reason}. Make room and let this user write there", path.display())]
    Unwritable { path: PathBuf, reason: io::Error },
    #[error("a certificate could not be made: {0}")]
    Make(#[from] rcgen::Error),
    #[error("a certificate that was just made cannot be served: {0}")]
    Serve(String),
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// The oldest version of TLS that a listener speaks. There is none before 1.2 here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldestTls {
    V12,
    V13,
}

/// The certificate of this gateway, and what a client has to trust to take it.
#[derive(Debug)]
pub struct Certificates {
    origin: Origin,
    served: Arc<Served>,
    named: Named,
}

#[derive(Debug)]
enum Origin {
    Given,
    Made(Maker),
}

/// What is served now. Read at every handshake.
#[derive(Debug)]
struct Served(ArcSwap<Snapshot>);

#[derive(Debug)]
struct Snapshot {
    key: Arc<CertifiedKey>,
    trusted: String,
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load().key.clone())
    }
}

struct Maker {
    names: Names,
    /// None if nothing is kept.
    folder: Option<PathBuf>,
    set: Mutex<Set>,
}

impl fmt::Debug for Maker {
    /// Without the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Maker").field("names", &self.names).field("folder", &self.folder).finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct Set {
    authority: Pair,
    leaf: Pair,
}

/// Where a gateway with this state folder keeps the authority's certificate.
pub fn authority_file(state: &Path) -> PathBuf {
    files::certificate(&state.join(FOLDER), AUTHORITY)
}

impl Certificates {
    /// Those in the state folder, made anew as far as needed; without a folder they are made and not kept.
    pub fn open(state: Option<&Path>, names: Names, now: SystemTime) -> Result<Certificates, CertificateError> {
        let folder = state.map(|state| state.join(FOLDER));
        let kept = |name| folder.as_deref().map_or(Ok(None), |folder| files::read(folder, name));
        let set = renewed(kept(AUTHORITY)?, kept(LEAF)?, &names, now, folder.as_deref())?;
        let served = Arc::new(Served(ArcSwap::from_pointee(Snapshot::of(&set)?)));
        Ok(Certificates {
            origin: Origin::Made(Maker { names, folder, set: Mutex::new(set) }),
            served,
            named: Named::default(),
        })
    }

    /// The operator's own.
    pub fn given(certificate: &Path, key: &Path, now: SystemTime) -> Result<Certificates, CertificateError> {
        let (key, trusted) = given::read(certificate, key, now)?;
        let snapshot = Snapshot { key: Arc::new(key), trusted };
        Ok(Certificates {
            origin: Origin::Given,
            served: Arc::new(Served(ArcSwap::from_pointee(snapshot))),
            named: Named::default(),
        })
    }

    /// What a client has to trust, in PEM: the authority, or the operator's chain.
    pub fn trusted_pem(&self) -> String {
        self.served.0.load().trusted.clone()
    }

    /// For a listener, which names the protocols that it speaks (ALPN), the best one first. It serves whatever
    /// certificate is the current one at each handshake.
    pub fn server_config(&self, protocols: &[&str], oldest: OldestTls) -> Result<Arc<ServerConfig>, CertificateError> {
        let mut config = config(self.served.clone(), oldest)?;
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Ok(Arc::new(config))
    }

    /// For a listener that chooses among the certificates by itself, and whose clients come back often: sessions can be
    /// resumed without a memory of them here.
    pub fn listener_config(
        &self,
        resolver: Arc<dyn ResolvesServerCert>,
        oldest: OldestTls,
    ) -> Result<Arc<ServerConfig>, CertificateError> {
        let mut config = config(resolver, oldest)?;
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        Ok(Arc::new(config))
    }

    /// The certificate for a name, made when it is first asked for; the operator's, if there is one. Who asks bounds the
    /// names.
    pub fn of_name(&self, name: &str) -> Arc<CertifiedKey> {
        let Origin::Made(maker) = &self.origin else { return self.usual() };
        let authority = || maker.set.lock().unwrap_or_else(PoisonError::into_inner).authority.clone();
        self.named.get(name, authority, SystemTime::now()).unwrap_or_else(|| self.usual())
    }

    /// For clients that ask for no name of a workload.
    pub fn usual(&self) -> Arc<CertifiedKey> {
        self.served.0.load().key.clone()
    }

    /// Forgets the certificates of all other names.
    pub fn keep_names(&self, kept: impl Fn(&str) -> bool) {
        self.named.keep(kept);
    }

    /// Makes anew what has to be. Writes files, so not for a thread that answers requests.
    pub fn renew(&self, now: SystemTime) -> Result<(), CertificateError> {
        let Origin::Made(Maker { names, folder, set }) = &self.origin else {
            return Ok(());
        };
        let mut set = set.lock().unwrap_or_else(PoisonError::into_inner);
        let before = set.clone();
        let authority = before.authority.certificate.clone();
        *set = renewed(Some(before.authority), Some(before.leaf), names, now, folder.as_deref())?;
        self.served.0.store(Arc::new(Snapshot::of(&set)?));
        let another = set.authority.certificate != authority;
        drop(set);
        if another {
            self.named.forget();
        }
        Ok(())
    }

    /// Renews for as long as it is polled. A renewal that fails is tried again; what is served stays meanwhile.
    pub async fn keep_fresh(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let certificates = self.clone();
            let renewal = tokio::task::spawn_blocking(move || certificates.renew(SystemTime::now()));
            if let Ok(Err(error)) = renewal.await {
                tracing::warn!(%error, "the certificate could not be looked after");
            }
        }
    }
}

fn config(resolver: Arc<dyn ResolvesServerCert>, oldest: OldestTls) -> Result<ServerConfig, CertificateError> {
    let versions = match oldest {
        OldestTls::V12 => &[&TLS13, &TLS12][..],
        OldestTls::V13 => &[&TLS13],
    };
    let builder = ServerConfig::builder_with_provider(issue::provider()).with_protocol_versions(versions)?;
    Ok(builder.with_no_client_auth().with_cert_resolver(resolver))
}

impl Snapshot {
    fn of(set: &Set) -> Result<Snapshot, CertificateError> {
        let key = issue::certified(&set.leaf).map_err(|error| CertificateError::Serve(error.to_string()))?;
        Ok(Snapshot { key: Arc::new(key), trusted: set.authority.certificate.clone() })
    }
}

/// The set with what cannot be used on made anew, and written to the folder before it is served.
fn renewed(
    authority: Option<Pair>,
    leaf: Option<Pair>,
    names: &Names,
    now: SystemTime,
    folder: Option<&Path>,
) -> Result<Set, CertificateError> {
    let keep = |name, pair: &Pair| match folder {
        Some(folder) => files::write(folder, name, pair)
            .map_err(|reason| CertificateError::Unwritable { path: folder.to_owned(), reason }),
        None => Ok(()),
    };
    let usable = authority.and_then(|pair| or_say(issue::check_authority(&pair, now), AUTHORITY).then_some(pair));
    let authority = match usable {
        Some(authority) => authority,
        None => {
            let made = issue::authority(now)?;
            keep(AUTHORITY, &made)?;
            tracing::info!("a certificate authority was made: clients that use HTTPS have to trust it");
            made
        }
    };
    let usable = leaf.and_then(|pair| or_say(issue::check_leaf(&pair, &authority, names, now), LEAF).then_some(pair));
    let leaf = match usable {
        Some(leaf) => leaf,
        None => {
            let made = issue::leaf(&authority, names, now)?;
            keep(LEAF, &made)?;
            tracing::debug!("the server's certificate was made");
            made
        }
    };
    Ok(Set { authority, leaf })
}

/// Whether it can be used on.
fn or_say(checked: Result<(), Unusable>, name: &str) -> bool {
    match checked {
        Ok(()) => true,
        // Its time comes when the clock is right again; another one would have to be trusted first.
        Err(reason @ Unusable::NotYet) => {
            tracing::warn!(%reason, "clients may refuse the certificate {name}.pem");
            true
        }
        Err(reason) => {
            tracing::warn!(%reason, "the certificate {name}.pem is made anew");
            false
        }
    }
}
