//! A registry of the test's own, and what is pushed to it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use floci_az::plugin::Digest;
use serde_json::{Value, json};
use tempfile::TempDir;

pub const WASM: &str = "application/wasm";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.wasm.config.v0+json";
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const PROGRAMS: [&str; 2] = ["docker-registry", "registry"];
/// tester:secret, as `htpasswd -B` writes it.
const USERS: &str = "tester:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n";
const USER: &str = "tester:secret";
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Access {
    Open,
    Login,
}

#[derive(Debug)]
pub struct Registry {
    pub address: String,
    access: Access,
    program: Child,
    _folder: TempDir,
}

impl Registry {
    pub fn start(access: Access) -> Registry {
        let folder = tempfile::tempdir().unwrap();
        let users = folder.path().join("users");
        fs::write(&users, USERS).unwrap();
        let auth = match access {
            Access::Open => String::new(),
            Access::Login => format!("auth: {{htpasswd: {{realm: tests, path: {}}}}}\n", users.display()),
        };
        let config = folder.path().join("config.yml");
        // The system picks the port, and the log says which.
        let text = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '127.0.0.1:0'}}\n{auth}",
            folder.path().join("images").display()
        );
        fs::write(&config, text).unwrap();
        let start = |program: &str| {
            let mut command = Command::new(program);
            command.arg("serve").arg(&config).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()
        };
        let started = PROGRAMS.iter().find_map(|program| start(program).ok());
        let mut program = started.expect("there is no docker-registry on PATH; scripts/registry.sh brings it");
        let log = BufReader::new(program.stderr.take().unwrap());
        let (say, said) = mpsc::channel();
        thread::spawn(move || {
            // To its end: a program whose log is not read stops.
            for line in log.lines().map_while(Result::ok) {
                let _ = say.send(line);
            }
        });
        let mut registry = Registry { address: String::new(), access, program, _folder: folder };
        let mut lines = String::new();
        while registry.address.is_empty() {
            let line = said.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("the registry does not listen:\n{lines}"));
            if let Some((_, after)) = line.split_once("listening on ") {
                registry.address = after.split(['"', ' ', ',']).next().unwrap().to_owned();
            }
            lines += &format!("{line}\n");
        }
        registry
    }

    /// The digest of the manifest.
    pub fn push(&self, repository: &str, tag: &str, media_type: &str, bytes: &[u8]) -> String {
        let config =
            serde_json::to_vec(&json!({"created": "2026-01-01T00:00:00Z", "architecture": "wasm", "os": "wasip2",
            "layerDigests": [format!("sha256:{}", Digest::of(bytes))]}));
        let layer = self.blob(repository, media_type, bytes);
        self.manifest(repository, tag, &self.blob(repository, CONFIG, &config.unwrap()), &layer)
    }

    pub fn push_signature(&self, repository: &str, tag: &str, payload: &[u8], signature: &str) {
        let mut layer = self.blob(repository, SIMPLE_SIGNING, payload);
        layer["annotations"] = json!({"dev.cosignproject.cosign/signature": signature});
        let config = self.blob(repository, "application/vnd.oci.image.config.v1+json", b"{}");
        self.manifest(repository, tag, &config, &layer);
    }

    fn manifest(&self, repository: &str, tag: &str, config: &Value, layer: &Value) -> String {
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
        let bytes = serde_json::to_vec(&manifest).unwrap();
        let url = format!("http://{}/v2/{repository}/manifests/{tag}", self.address);
        self.put(&url, MANIFEST, &bytes);
        Digest::of(&bytes).to_string()
    }

    /// Its descriptor.
    fn blob(&self, repository: &str, media_type: &str, bytes: &[u8]) -> Value {
        let digest = format!("sha256:{}", Digest::of(bytes));
        let begin = ureq::post(format!("http://{}/v2/{repository}/blobs/uploads/", self.address));
        let begun = begin.header("authorization", self.authorization()).send_empty().unwrap();
        assert_eq!(begun.status(), 202);
        let location = begun.headers()["location"].to_str().unwrap();
        let joint = if location.contains('?') { '&' } else { '?' };
        self.put(&format!("{location}{joint}digest={digest}"), "application/octet-stream", bytes);
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    fn put(&self, url: &str, media_type: &str, bytes: &[u8]) {
        let request = ureq::put(url).content_type(media_type).header("authorization", self.authorization());
        assert_eq!(request.send(bytes).unwrap().status(), 201, "{url}");
    }

    /// Of no effect where anybody may push.
    fn authorization(&self) -> String {
        match self.access {
            Access::Open => "Basic Og==".to_owned(),
            Access::Login => format!("Basic {}", STANDARD.encode(USER)),
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
