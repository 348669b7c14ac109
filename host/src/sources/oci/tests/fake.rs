//! A registry that says what the test has it say.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use oci_client::manifest::OCI_IMAGE_MEDIA_TYPE;
use oci_client::secrets::RegistryAuth;
use rcgen::CertifiedKey;
use rustls::crypto::aws_lc_rs;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::super::{COMPONENT, Patience, Pulled, Reference, SIGNATURE, SIMPLE_SIGNING, pull};
use crate::plugin::Digest;
use crate::sources::SourceError;
use crate::sources::signature::Signatures;
use crate::sources::signature::tests::Signer;

/// Status, headers, body.
pub type Answer = (u16, Vec<(String, String)>, Vec<u8>);

/// Paths that are not known are answered with 404, all of them with 401 if `guard` says so of a request's authorization.
#[derive(Default)]
pub struct Said {
    answers: HashMap<String, Answer>,
    guard: Option<(String, String)>,
    /// `path authorization`
    asked: Vec<String>,
}

#[derive(Clone)]
pub struct Fake {
    pub address: String,
    said: Arc<Mutex<Said>>,
}

impl Fake {
    pub fn start() -> Fake {
        Fake::serve("127.0.0.1:0", answer)
    }

    /// At an address that leads to this machine and is not known to, over TLS. Its certificate in PEM.
    pub fn start_elsewhere() -> (Fake, String) {
        let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["0.0.0.0".to_owned()]).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], signing_key.serialize_der().try_into().unwrap())
            .unwrap();
        let config = Arc::new(config);
        let serve = move |stream, said: &Mutex<Said>| {
            let tls = ServerConnection::new(config.clone()).unwrap();
            answer(StreamOwned::new(tls, stream), said);
        };
        (Fake::serve("0.0.0.0:0", serve), cert.pem())
    }

    pub fn serve(address: &str, serve: impl Fn(TcpStream, &Mutex<Said>) + Send + 'static) -> Fake {
        let listener = TcpListener::bind(address).unwrap();
        let fake = Fake { address: listener.local_addr().unwrap().to_string(), said: Arc::default() };
        let said = fake.said.clone();
        // Ends with the program of the tests.
        thread::spawn(move || {
            for stream in listener.incoming() {
                serve(stream.unwrap(), &said);
            }
        });
        fake
    }

    /// Of whom something is asked is to show `wanted` as its authorization, and is told so by `challenge`.
    pub fn guard(&self, wanted: &str, challenge: &str) {
        self.said.lock().unwrap().guard = Some((wanted.to_owned(), challenge.to_owned()));
    }

    pub fn answers(&self, path: &str, answer: Answer) {
        self.said.lock().unwrap().answers.insert(path.to_owned(), answer);
    }

    pub fn asked(&self) -> Vec<String> {
        self.said.lock().unwrap().asked.clone()
    }

    pub fn blob(&self, bytes: &[u8]) -> String {
        let digest = format!("sha256:{}", Digest::of(bytes));
        self.answers(&format!("/v2/a/b/blobs/{digest}"), (200, Vec::new(), bytes.to_vec()));
        digest
    }

    /// The digest, without its algorithm.
    pub fn manifest(&self, tag: &str, manifest: &Value) -> String {
        let bytes = serde_json::to_vec(manifest).unwrap();
        let digest = Digest::of(&bytes).to_string();
        let headers = vec![
            ("Content-Type".to_owned(), OCI_IMAGE_MEDIA_TYPE.to_owned()),
            ("Docker-Content-Digest".to_owned(), format!("sha256:{digest}")),
        ];
        for version in [tag.to_owned(), format!("sha256:{digest}")] {
            self.answers(&format!("/v2/a/b/manifests/{version}"), (200, headers.clone(), bytes.clone()));
        }
        digest
    }

    /// As wkg lays it out.
    pub fn component(&self, tag: &str, bytes: &[u8]) -> String {
        let digest = self.blob(bytes);
        self.manifest(tag, &layers(json!([{"mediaType": COMPONENT, "digest": digest, "size": bytes.len()}])))
    }

    pub fn signature(&self, of: &str, signer: &Signer, payload: &Value) {
        let payload = serde_json::to_vec(payload).unwrap();
        let signature = signer.sign(&payload);
        let layer = json!({"mediaType": SIMPLE_SIGNING, "digest": self.blob(&payload), "size": payload.len(),
            "annotations": {SIGNATURE: signature}});
        self.manifest(&format!("sha256-{of}.sig"), &layers(json!([layer])));
    }

    pub fn reference(&self, version: &str) -> Reference {
        format!("{}/a/b{version}", self.address).parse().unwrap()
    }

    pub async fn pull(&self, version: &str) -> Result<Pulled, SourceError> {
        self.pull_as(version, RegistryAuth::Anonymous).await
    }

    pub async fn pull_as(&self, version: &str, login: RegistryAuth) -> Result<Pulled, SourceError> {
        pull(&self.reference(version), login, &Signatures::NotLookedAt, Patience::default()).await
    }

    /// Without what is another one in each run.
    pub fn told(&self, result: Result<Pulled, SourceError>) -> String {
        let text = result.map(|pulled| pulled.image.to_string()).unwrap_or_else(|error| error.to_string());
        text.replace(&self.address, "registry:5000")
    }
}

fn answer(stream: impl Read + Write, said: &Mutex<Said>) {
    let mut stream = BufReader::new(stream);
    let mut lines = stream.by_ref().lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let path = first.split(' ').nth(1).unwrap().to_owned();
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let authorization = headers.iter().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("authorization").then(|| value.to_owned())
    });
    let mut said = said.lock().unwrap();
    said.asked.push(format!("{path} {}", authorization.as_deref().unwrap_or("-")));
    let not_found = || (404, Vec::new(), br#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#.to_vec());
    let (status, headers, body) = match &said.guard {
        Some((wanted, challenge)) if authorization.as_ref() != Some(wanted) && path.starts_with("/v2/") => (
            401,
            vec![("WWW-Authenticate".to_owned(), challenge.clone())],
            br#"{"errors":[{"code":"UNAUTHORIZED"}]}"#.to_vec(),
        ),
        _ => said.answers.get(&path).cloned().unwrap_or_else(not_found),
    };
    let mut head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n");
    // What is said to be longer than it is breaks off.
    if !headers.iter().any(|(name, _)| name == "Content-Length") {
        let _ = write!(head, "Content-Length: {}\r\n", body.len());
    }
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    let stream = stream.get_mut();
    // The client may have heard enough.
    let _ = stream.write_all(format!("{head}\r\n").as_bytes()).and_then(|()| stream.write_all(&body));
}

pub fn layers(layers: Value) -> Value {
    json!({"schemaVersion": 2, "mediaType": OCI_IMAGE_MEDIA_TYPE, "config": {"mediaType": "application/vnd.wasm.config.v0+json",
        "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", "size": 2}, "layers": layers})
}
