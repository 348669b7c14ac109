//! Certificates made here, and whether one that was made before still serves.
//!
//! What is made passes the strictest of the usual verifiers (OpenSSL's `X509_STRICT`, Go's, Apple's): ECDSA P-256,
//! names in subjectAltName, key identifiers on both, and a leaf that lasts no longer than browsers take.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::Names;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Of the authority, which people add to their trust stores by hand.
const AUTHORITY_LASTS: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// Of the leaf: browsers and Apple's verifier take 398 days at most, whoever signed it.
const LEAF_LASTS: Duration = Duration::from_secs(397 * 24 * 60 * 60);
/// What has less time left than this is made anew.
const RENEWED_BEFORE_END: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How far the clock of a container or a virtual machine may be behind.
const CLOCK_SKEW: Duration = Duration::from_secs(60 * 60);

/// A certificate and its private key, in PEM.
#[derive(Clone)]
pub(super) struct Pair {
    pub certificate: String,
    pub key: String,
}

/// What is wrong with a pair that was made before.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error("it is no certificate and private key in PEM that belong together: {0}")]
    Broken(String),
    #[error("it is not an authority's")]
    NoAuthority,
    #[error("it ends within {} days", RENEWED_BEFORE_END.as_secs() / DAY.as_secs())]
    Ends,
    /// Of an authority, which is kept all the same.
    #[error("its time has not come: this machine's clock was put back")]
    NotYet,
    #[error("it is for other names")]
    OtherNames,
    #[error("no client that trusts the authority would take it: {0}")]
    Refused(rustls::Error),
}

/// A certificate authority of this gateway's own.
pub(super) fn authority(now: SystemTime) -> Result<Pair, rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    // A name of its own: verifiers that look for an authority by its name must not find an earlier one.
    let id: String = uuid::Uuid::new_v4().simple().to_string().chars().take(8).collect();
    params.distinguished_name = called(&format!("floci-az local CA {id}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params.not_before = (now - CLOCK_SKEW).into();
    params.not_after = (now + AUTHORITY_LASTS).into();
    Ok(Pair { certificate: params.self_signed(&key)?.pem(), key: key.serialize_pem() })
}

/// A server's certificate, signed by the authority, that ends no later than it.
pub(super) fn leaf(authority: &Pair, names: &Names, now: SystemTime) -> Result<Pair, rcgen::Error> {
    let issuer = Issuer::from_ca_cert_pem(&authority.certificate, KeyPair::from_pem(&authority.key)?)?;
    let authority_ends = end(&authority.certificate).ok_or(rcgen::Error::CouldNotParseCertificate)?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name = called("floci-az");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let begins = now - CLOCK_SKEW;
    params.not_before = begins.into();
    params.not_after = (begins + LEAF_LASTS).min(authority_ends).into();
    Ok(Pair { certificate: params.signed_by(&key, &issuer)?.pem(), key: key.serialize_pem() })
}

fn called(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// An authority is kept for as long as it can be: every client that trusts it would have to be told of another.
pub(super) fn check_authority(pair: &Pair, now: SystemTime) -> Result<(), Unusable> {
    let certified = certified(pair)?;
    let parsed = parsed(&certified)?;
    if !parsed.is_ca() {
        return Err(Unusable::NoAuthority);
    }
    if seconds(now) < parsed.validity().not_before.timestamp() {
        return Err(Unusable::NotYet);
    }
    if parsed.validity().not_after.timestamp() < seconds(now + RENEWED_BEFORE_END) {
        return Err(Unusable::Ends);
    }
    Ok(())
}

/// Whether a client that trusts the authority takes the leaf now and for some time, and its names are the wanted ones.
pub(super) fn check_leaf(leaf: &Pair, authority: &Pair, names: &Names, now: SystemTime) -> Result<(), Unusable> {
    let certified = certified(leaf)?;
    let parsed = parsed(&certified)?;
    if !names.are(&names_of(&parsed)) {
        return Err(Unusable::OtherNames);
    }
    if parsed.validity().not_after.timestamp() < seconds(now + RENEWED_BEFORE_END) {
        return Err(Unusable::Ends);
    }
    let trusted = CertificateDer::from_pem_slice(authority.certificate.as_bytes());
    let mut roots = RootCertStore::empty();
    roots.add(trusted.map_err(broken)?).map_err(broken)?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider());
    let verifier = verifier.build().map_err(broken)?;
    let name = ServerName::try_from("localhost").map_err(broken)?;
    let now = UnixTime::since_unix_epoch(since_epoch(now));
    let end_entity = certified.end_entity_cert().map_err(broken)?;
    verifier.verify_server_cert(end_entity, &[], &name, &[], now).map_err(Unusable::Refused)?;
    Ok(())
}

/// As rustls serves it; an error if key and certificate do not belong together.
pub(super) fn certified(pair: &Pair) -> Result<CertifiedKey, Unusable> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pair.certificate.as_bytes()).collect();
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).map_err(broken)?;
    CertifiedKey::from_der(chain.map_err(broken)?, key, &provider()).map_err(broken)
}

/// The one implementation of cryptography that there is here.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn broken(error: impl std::fmt::Display) -> Unusable {
    Unusable::Broken(error.to_string())
}

fn parsed(certified: &CertifiedKey) -> Result<X509Certificate<'_>, Unusable> {
    let der = certified.cert.first().ok_or_else(|| broken("no certificate"))?;
    Ok(X509Certificate::from_der(der).map_err(broken)?.1)
}

fn names_of(certificate: &X509Certificate<'_>) -> BTreeSet<String> {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let names = extension.iter().flat_map(|extension| &extension.value.general_names);
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
        _ => None,
    };
    names.filter_map(text).collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// When the first certificate of a PEM text ends. None if it is none.
pub(super) fn end(pem: &str) -> Option<SystemTime> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    let ends = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(ends))
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn seconds(time: SystemTime) -> i64 {
    i64::try_from(since_epoch(time).as_secs()).unwrap_or(i64::MAX)
}
