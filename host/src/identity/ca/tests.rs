//! What clients make of the certificates, what is kept on disk, and what is made anew when.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;

use expect_test::expect;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn names() -> Names {
    Names::of(Some("gateway.test"), Ipv4Addr::LOCALHOST.into(), &["cache.test"])
}

fn made(state: Option<&Path>) -> Certificates {
    Certificates::open(state, names(), SystemTime::now()).unwrap()
}

fn client(trusted: &str, version: &'static SupportedProtocolVersion, protocol: &str) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(issue::provider()).with_protocol_versions(&[version]).unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    config
}

/// The version and the protocol that client and server agreed on, and the certificate that was served.
async fn shake_hands(
    certificates: &Certificates,
    oldest: OldestTls,
    config: ClientConfig,
    name: &str,
) -> io::Result<(ProtocolVersion, String, Vec<u8>)> {
    let server = certificates.server_config(&["h2", "http/1.1"], oldest).unwrap();
    let (here, there) = tokio::io::duplex(1 << 16);
    let accepting = tokio::spawn(async move { TlsAcceptor::from(server).accept(there).await.map(drop) });
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connected = TlsConnector::from(Arc::new(config)).connect(name, here).await;
    let _ = accepting.await.unwrap();
    let connected = connected?;
    let (_, session) = connected.get_ref();
    let protocol = String::from_utf8_lossy(session.alpn_protocol().unwrap_or_default()).into_owned();
    let served = session.peer_certificates().unwrap()[0].to_vec();
    Ok((session.protocol_version().unwrap(), protocol, served))
}

async fn served(certificates: &Certificates) -> Vec<u8> {
    let config = client(&certificates.trusted_pem(), &TLS13, "h2");
    shake_hands(certificates, OldestTls::V12, config, "localhost").await.unwrap().2
}

#[tokio::test]
async fn who_trusts_the_authority_takes_the_certificate_by_every_name() {
    let certificates = made(None);
    let named = ["localhost", "127.0.0.1", "::1", "host.docker.internal", "gateway.test", "my.cache.test"];
    for name in named {
        for (version, protocol) in [(&TLS12, "h2"), (&TLS12, "http/1.1"), (&TLS13, "h2"), (&TLS13, "http/1.1")] {
            let config = client(&certificates.trusted_pem(), version, protocol);
            let agreed = shake_hands(&certificates, OldestTls::V12, config, name).await.unwrap();
            assert_eq!((agreed.0, agreed.1.as_str()), (version.version, protocol), "{name}");
        }
    }
    let trusted = certificates.trusted_pem();
    for other in ["example.com", "cache.test", "a.b.cache.test", "10.0.0.1"] {
        let config = client(&trusted, &TLS13, "h2");
        shake_hands(&certificates, OldestTls::V12, config, other).await.unwrap_err();
    }
    let stranger = client(&made(None).trusted_pem(), &TLS13, "h2");
    shake_hands(&certificates, OldestTls::V12, stranger, "localhost").await.unwrap_err();
    let old = client(&trusted, &TLS12, "h2");
    shake_hands(&certificates, OldestTls::V13, old, "localhost").await.unwrap_err();
}

#[test]
fn names_are_those_of_this_machine_and_what_the_operator_adds() {
    let shown = |hostname, bind: &str, suffixes: &[&str]| {
        let names = Names::of(hostname, bind.parse::<IpAddr>().unwrap(), suffixes);
        names.to_vec().join(" ")
    };
    let always = "*.localhost 127.0.0.1 ::1 host.docker.internal localhost";
    assert_eq!(shown(None, "127.0.0.1", &[]), always);
    assert_eq!(shown(None, "::", &[]), always);
    expect!["*.cache.test *.localhost 10.0.0.1 127.0.0.1 ::1 gateway.test host.docker.internal localhost"]
        .assert_eq(&shown(Some("gateway.test"), "10.0.0.1", &["cache.test"]));
}

#[tokio::test]
async fn the_next_start_serves_the_same() {
    let state = tempfile::tempdir().unwrap();
    let first = made(Some(state.path()));
    let second = made(Some(state.path()));
    assert_eq!(first.trusted_pem(), second.trusted_pem());
    assert_eq!(served(&first).await, served(&second).await);
    let mut files: Vec<String> = Vec::new();
    for entry in fs::read_dir(state.path().join(FOLDER)).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
        files.push(entry.file_name().into_string().unwrap());
    }
    files.sort();
    assert_eq!(files, ["ca.key", "ca.pem", "leaf.key", "leaf.pem"]);
    assert_ne!(made(None).trusted_pem(), made(None).trusted_pem(), "nothing is kept in memory");
}

#[tokio::test]
async fn a_leaf_that_ends_soon_is_renewed_while_it_is_served() {
    let state = tempfile::tempdir().unwrap();
    let now = SystemTime::now();
    let certificates = Certificates::open(Some(state.path()), names(), now - 370 * DAY).unwrap();
    let (trusted, before) = (certificates.trusted_pem(), served(&certificates).await);
    certificates.renew(now - 10 * DAY).unwrap();
    assert_eq!(served(&certificates).await, before, "37 days are left");
    certificates.renew(now).unwrap();
    let after = served(&certificates).await;
    assert_ne!(after, before, "27 days were left");
    assert_eq!(certificates.trusted_pem(), trusted);
    assert_eq!(served(&made(Some(state.path()))).await, after, "it is kept");
}

#[tokio::test]
async fn other_names_are_another_leaf_of_the_same_authority() {
    let state = tempfile::tempdir().unwrap();
    let before = made(Some(state.path()));
    let other = Names::of(None, Ipv4Addr::LOCALHOST.into(), &[]);
    let after = Certificates::open(Some(state.path()), other, SystemTime::now()).unwrap();
    assert_ne!(served(&before).await, served(&after).await);
    assert_eq!(before.trusted_pem(), after.trusted_pem());
}

#[tokio::test]
async fn an_authority_that_is_about_to_end_is_made_anew_with_its_leaf() {
    let state = tempfile::tempdir().unwrap();
    let now = SystemTime::now();
    let certificates = Certificates::open(Some(state.path()), names(), now - 3630 * DAY).unwrap();
    let before = certificates.trusted_pem();
    certificates.renew(now - 30 * DAY).unwrap();
    assert_eq!(certificates.trusted_pem(), before, "50 days are left");
    served(&certificates).await;
    certificates.renew(now).unwrap();
    assert_ne!(certificates.trusted_pem(), before, "20 days were left");
    served(&certificates).await;
}

/// Whatever is done to a file, the next start serves; and the authority stays if it is not the one that was harmed.
#[tokio::test]
async fn what_cannot_be_used_is_made_anew() {
    let other = tempfile::tempdir().unwrap();
    made(Some(other.path()));
    for (harmed, authority_stays) in [("ca.pem", false), ("ca.key", false), ("leaf.pem", true), ("leaf.key", true)] {
        let others = fs::read(other.path().join(FOLDER).join(harmed)).unwrap();
        let harms: [&dyn Fn(&Path); 5] = [
            &|path| fs::remove_file(path).unwrap(),
            &|path| fs::write(path, "").unwrap(),
            &|path| fs::write(path, b"\xff\xfe").unwrap(),
            &|path| fs::write(path, &fs::read(path).unwrap()[..100]).unwrap(),
            &|path| fs::write(path, &others).unwrap(),
        ];
        for (number, harm) in harms.into_iter().enumerate() {
            let state = tempfile::tempdir().unwrap();
            let before = made(Some(state.path()));
            harm(&state.path().join(FOLDER).join(harmed));
            let after = made(Some(state.path()));
            served(&after).await;
            assert_eq!(before.trusted_pem() == after.trusted_pem(), authority_stays, "{harmed}, harm {number}");
            assert_eq!(after.trusted_pem(), made(Some(state.path())).trusted_pem(), "{harmed}, harm {number}");
        }
    }
}

/// A fault of the disk or of rights passes; the authority that clients trust would not come back.
#[tokio::test]
async fn what_cannot_be_read_stops_the_start_and_stays() {
    let faults: [&dyn Fn(&Path); 2] =
        [&|path| fs::create_dir(path).unwrap(), &|path| std::os::unix::fs::symlink(path, path).unwrap()];
    for harmed in ["ca.pem", "ca.key", "leaf.pem", "leaf.key"] {
        for fault in faults {
            let state = tempfile::tempdir().unwrap();
            let before = made(Some(state.path()));
            let (path, away) = (state.path().join(FOLDER).join(harmed), state.path().join("away"));
            fs::rename(&path, &away).unwrap();
            fault(&path);
            let error = Certificates::open(Some(state.path()), names(), SystemTime::now()).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{} cannot be read: ", path.display())), "{error}");
            fs::remove_dir(&path).or_else(|_| fs::remove_file(&path)).unwrap();
            fs::rename(&away, &path).unwrap();
            let after = made(Some(state.path()));
            assert_eq!(before.trusted_pem(), after.trusted_pem(), "{harmed}");
            assert_eq!(served(&before).await, served(&after).await, "{harmed}");
        }
    }
    let error = CertificateError::Unread { path: "ca.key".into(), reason: io::ErrorKind::PermissionDenied.into() };
    expect!["ca.key cannot be read: permission denied. Let this user read it: as long as it is there it is not made anew, because clients may trust it"].assert_eq(&error.to_string());
}

#[tokio::test]
async fn an_authority_whose_time_has_not_come_is_kept() {
    let state = tempfile::tempdir().unwrap();
    let now = SystemTime::now();
    let certificates = made(Some(state.path()));
    let trusted = certificates.trusted_pem();
    certificates.renew(now - 3 * DAY).unwrap();
    assert_eq!(certificates.trusted_pem(), trusted, "while it is served");
    let restarted = Certificates::open(Some(state.path()), names(), now - 3 * DAY).unwrap();
    assert_eq!(restarted.trusted_pem(), trusted, "at a start");
    let leaf = served(&restarted).await;
    let later = made(Some(state.path()));
    assert_eq!((later.trusted_pem(), served(&later).await), (trusted, leaf), "when the clock is right again");
}

#[test]
fn a_folder_that_cannot_be_written_stops_the_start() {
    let state = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("nowhere", state.path().join(FOLDER)).unwrap();
    let error = Certificates::open(Some(state.path()), names(), SystemTime::now()).unwrap_err().to_string();
    let error = error.replace(&state.path().display().to_string(), "STATE");
    expect![
        "certificates cannot be kept in STATE/tls: File exists (os error 17). Make room and let this user write there"
    ]
    .assert_eq(&error);
}

#[tokio::test]
async fn the_operators_own_certificate_is_served_and_shown_without_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let now = SystemTime::now();
    let authority = issue::authority(now).unwrap();
    let leaf = issue::leaf(&authority, &names(), now).unwrap();
    let (certificate, key) = (folder.path().join("server.pem"), folder.path().join("server.key"));
    fs::write(&certificate, format!("{}{}{}", leaf.certificate, leaf.key, authority.certificate)).unwrap();
    fs::write(&key, &leaf.key).unwrap();
    let certificates = Certificates::given(&certificate, &key, now).unwrap();
    assert_eq!(certificates.trusted_pem(), format!("{}{}", leaf.certificate, authority.certificate));
    certificates.renew(now + 1000 * DAY).unwrap();
    let config = client(&authority.certificate, &TLS13, "h2");
    shake_hands(&certificates, OldestTls::V12, config, "localhost").await.unwrap();
}

#[test]
fn an_own_certificate_that_nobody_could_use_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let now = SystemTime::now();
    let authority = issue::authority(now).unwrap();
    let leaf = issue::leaf(&authority, &names(), now).unwrap();
    let other = issue::leaf(&authority, &names(), now).unwrap();
    let expired = issue::leaf(&authority, &names(), SystemTime::UNIX_EPOCH + 1000 * DAY).unwrap();
    let (certificate, key) = (folder.path().join("server.pem"), folder.path().join("server.key"));
    let told = |certificate_text: Option<&str>, key_text: Option<&str>| {
        for (path, text) in [(&certificate, certificate_text), (&key, key_text)] {
            match text {
                Some(text) => fs::write(path, text).unwrap(),
                None => drop(fs::remove_file(path)),
            }
        }
        let error = Certificates::given(&certificate, &key, now).unwrap_err().to_string();
        error.replace(&folder.path().display().to_string(), "FOLDER")
    };
    let table = [
        told(None, Some(&leaf.key)),
        told(Some(&leaf.certificate), None),
        told(Some("no PEM"), Some(&leaf.key)),
        told(Some(&leaf.key), Some(&leaf.key)),
        told(Some(&leaf.certificate), Some("no PEM")),
        told(Some(&leaf.certificate), Some(&other.key)),
        told(Some(&expired.certificate), Some(&expired.key)),
    ];
    expect![[r#"
        FOLDER/server.pem (tls.cert-path) cannot be read: No such file or directory (os error 2). Supported: a file in PEM that this user can read
        FOLDER/server.key (tls.key-path) cannot be read: No such file or directory (os error 2). Supported: a file in PEM that this user can read
        FOLDER/server.pem (tls.cert-path) holds no certificate. Supported: PEM, which begins with -----BEGIN CERTIFICATE-----
        FOLDER/server.pem (tls.cert-path) holds no certificate. Supported: PEM, which begins with -----BEGIN CERTIFICATE-----
        FOLDER/server.key (tls.key-path) is not the private key of FOLDER/server.pem (tls.cert-path): no items found. Supported: the key that belongs to the first certificate, in PEM and without a password
        FOLDER/server.key (tls.key-path) is not the private key of FOLDER/server.pem (tls.cert-path): keys may not be consistent: KeyMismatch. Supported: the key that belongs to the first certificate, in PEM and without a password
        the certificate in FOLDER/server.pem (tls.cert-path) ended at 1973-10-28T23:00:00Z. Renew it, or leave tls.cert-path and tls.key-path out: then the gateway makes one"#]].assert_eq(&table.join("\n"));
}
