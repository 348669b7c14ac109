//! The data plane with real sockets, real TLS and servers that are made up: what they are told is what they answer.

mod copying;
mod routing;
mod tokens;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{LazyLock, Mutex};
use std::time::SystemTime;

use floci_az_contract::{Addresses, Backend, Entry, TokenUser};
use futures_util::future::BoxFuture;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::resp::{Commands, Held};
use super::*;
use crate::config::AuthMode;
use crate::identity::ca::Names;
use crate::runtime::WorkloadKey;

/// Far beyond what anything here takes; only the test of the deadline has a shorter one.
const BEGINNING: Duration = Duration::from_secs(60);

/// Making a key takes long in a debug build: one for all tests.
static IDENTITY: LazyLock<Arc<Identity>> = LazyLock::new(|| Arc::new(Identity::new(AuthMode::Dev, None, 4577)));

/// Workloads by owner.
#[derive(Debug, Default)]
struct Places(Mutex<HashMap<String, Vec<SocketAddr>>>);

impl Locate for Places {
    fn locate<'a>(
        &'a self,
        workload: &'a WorkloadKey,
        port: &'a str,
    ) -> BoxFuture<'a, Result<Vec<SocketAddr>, String>> {
        assert_eq!((workload.name.as_str(), port), ("server", "main"));
        let found = self.0.lock().unwrap().get(&workload.owner).cloned().unwrap_or_default();
        Box::pin(std::future::ready(Ok(found)))
    }
}

/// A data plane with one shared port.
struct Stage {
    ingress: Ingress,
    places: Arc<Places>,
    port: u16,
    trusted: String,
}

impl Stage {
    async fn new() -> Stage {
        Stage::with(Protocol::Resp, BEGINNING).await
    }

    async fn with(protocol: Protocol, beginning: Duration) -> Stage {
        let names = Names::of(None, Ipv4Addr::LOCALHOST.into(), &["cache.test"]);
        let certificates = Arc::new(Certificates::open(None, names, SystemTime::now()).unwrap());
        let places = Arc::<Places>::default();
        loop {
            let port = free_port().await;
            let shared = vec![Shared { port, protocol, setting: "services.web.tls-port".to_owned() }];
            let (given, locate) = (Some(certificates.clone()), places.clone());
            let here = Ipv4Addr::LOCALHOST.into();
            let ingress = Ingress::with(here, shared, given, IDENTITY.clone(), locate, beginning).unwrap();
            ingress.listen().await;
            // Another test may have been faster.
            if ingress.listening().await.len() == 1 {
                return Stage { ingress, places, port, trusted: certificates.trusted_pem() };
            }
        }
    }

    /// Has a server that answers with its name, and publishes a route to it.
    async fn cache(&self, name: &str, change: impl FnOnce(&mut Route)) {
        let address = server(name).await;
        self.place(name, &[address]);
        self.publish(name, change).await.unwrap();
    }

    fn place(&self, name: &str, addresses: &[SocketAddr]) {
        self.places.0.lock().unwrap().insert(name.to_owned(), addresses.to_vec());
    }

    /// As a cache does it: its names, the shared port, and the keys `<name>-1` and `<name>-2`.
    async fn publish(&self, name: &str, change: impl FnOnce(&mut Route)) -> Result<(), IngressError> {
        let mut route = Route {
            hosts: vec![format!("{name}.cache.test"), format!("{name}.localhost")],
            entries: [(self.port, entry(Protocol::Resp, Takes::Tls))].into(),
            keys: vec![digest(&format!("{name}-1")), digest(&format!("{name}-2"))],
            ..Route::default()
        };
        change(&mut route);
        self.ingress.publish(name, route).await
    }

    async fn plain(&self, port: u16) -> TcpStream {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap()
    }

    async fn tls(&self, name: &str) -> TlsStream<TcpStream> {
        self.tls_to(self.port, name, &rustls::version::TLS13).await.unwrap()
    }

    /// With the certificate verified.
    async fn tls_to(
        &self,
        port: u16,
        name: &str,
        version: &'static SupportedProtocolVersion,
    ) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.trusted.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
        let config = builder.with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, self.plain(port).await).await
    }

    /// What a client gets that says something, ends its half and reads to the end.
    async fn ask(&self, name: &str, said: &[u8]) -> String {
        exchange(self.tls(name).await, said).await
    }
}

async fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap().port()
}

async fn exchange(mut client: impl AsyncRead + AsyncWrite + Unpin, said: &[u8]) -> String {
    client.write_all(said).await.unwrap();
    client.shutdown().await.unwrap();
    rest(client).await
}

/// To the end, which has to be a clean one.
async fn rest(mut client: impl AsyncRead + Unpin) -> String {
    let mut got = Vec::new();
    client.read_to_end(&mut got).await.unwrap();
    String::from_utf8(got).unwrap()
}

/// As much as is expected.
async fn read(client: &mut (impl AsyncRead + Unpin), expected: &str) {
    let mut got = vec![0; expected.len()];
    client.read_exact(&mut got).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&got), expected);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Tls,
    Plain,
    Both,
}

fn entry(protocol: Protocol, takes: Takes) -> Entry {
    let to = Backend { workload: "server".to_owned(), port: "main".to_owned() };
    Entry { protocol, tls: takes != Takes::Plain, plain: takes != Takes::Tls, to }
}

fn digest(key: &str) -> String {
    Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn range(first: &str, last: &str) -> Addresses {
    Addresses { first: first.parse().unwrap(), last: last.parse().unwrap() }
}

/// A server that repeats each command after its name, as one simple string, and ends when its client does.
async fn server(name: &str) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (address, name) = (listener.local_addr().unwrap(), name.to_owned());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(repeat(stream, name.clone()));
        }
    });
    address
}

async fn repeat(mut stream: TcpStream, name: String) {
    let (mut commands, mut buffer) = (Commands::new(Held::All), vec![0; 1000]);
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        let mut input = &buffer[..read];
        while let Some(command) = commands.take(&mut input, &mut Vec::new()).unwrap() {
            let words: Vec<_> = command.words.iter().map(|word| word.escape_ascii().to_string()).collect();
            stream.write_all(format!("+{name}: {}\r\n", words.join(" ")).as_bytes()).await.unwrap();
        }
    }
}
