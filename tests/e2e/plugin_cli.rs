//! `floci-az plugin` and `/_floci/plugins` against a gateway that runs, with a second revision of its own plugin.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::arm::quickstart;
use crate::gateway::{Gateway, Runtime};

const NAMESPACE: &str = "Microsoft.Cache";

/// The plugin of the gateway with a section in it that has no meaning: the same plugin, of another digest.
fn revision(folder: &Path, mark: &str) -> (PathBuf, String) {
    let mut bytes = floci_az::plugin::bundled()[0].to_vec();
    let name = "floci-az-test";
    let section = [&[u8::try_from(name.len()).unwrap()], name.as_bytes(), mark.as_bytes()].concat();
    // A custom section: 0, its size in LEB128 (one byte up to 127), its name and whatever follows.
    assert!(section.len() < 128);
    bytes.extend([0, u8::try_from(section.len()).unwrap()]);
    bytes.extend(section);
    let path = folder.join(format!("{mark}.wasm"));
    fs::write(&path, &bytes).unwrap();
    (path, floci_az::plugin::Digest::of(&bytes).to_string())
}

struct Ran {
    success: bool,
    out: String,
    err: String,
}

impl Ran {
    #[track_caller]
    fn well(self) -> String {
        assert!(self.success, "{}{}", self.out, self.err);
        self.out
    }

    #[track_caller]
    fn refused(self, code: &str) -> String {
        assert!(!self.success && self.err.contains(&format!("({code})")), "no {code}: {}{}", self.out, self.err);
        self.err
    }

    fn json(self) -> Value {
        serde_json::from_str(&self.well()).unwrap()
    }
}

fn plugin(gateway: &Gateway, arguments: &[&str]) -> Ran {
    let Output { status, stdout, stderr } = gateway.command().arg("plugin").args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { success: status.success(), out: text(stdout), err: text(stderr) }
}

fn active(gateway: &Gateway) -> String {
    let plugins = gateway.arm().get("/_floci/plugins").expect(200).body;
    let plugin = plugins["value"].as_array().unwrap().iter().find(|plugin| plugin["namespace"] == NAMESPACE).unwrap();
    plugin["active"].as_str().unwrap().to_owned()
}

#[test]
fn a_revision_is_brought_swapped_in_rolled_back_and_removed() {
    let gateway = Gateway::with(Runtime::None, &[("FLOCI_AZ_SERVICES_REDIS_MOCKED", "true")]);
    let cache = gateway.arm().cache("my-cache");
    cache.put(&quickstart()).expect(201);
    let bundled = active(&gateway);
    let listed = plugin(&gateway, &["list"]).well();
    for expected in [NAMESPACE, "Active", &bundled[..12], "bundled"] {
        assert!(listed.contains(expected), "no {expected} in\n{listed}");
    }

    let (file, digest) = revision(gateway.folder.path(), "second");
    let file = file.to_str().unwrap();
    let checked = plugin(&gateway, &["check", file]).well();
    assert!(checked.contains(&digest) && checked.contains("Nothing was changed"), "{checked}");
    assert_eq!(gateway.arm().get("/_floci/plugins").body["value"][0]["revisions"].as_array().unwrap().len(), 1);

    let installed = plugin(&gateway, &["install", file, "--digest", &digest]).well();
    let next = format!("plugin swap {NAMESPACE} {}", &digest[..12]);
    assert!(installed.contains(&next), "{installed}");
    assert_eq!(active(&gateway), bundled, "it is only ready");

    plugin(&gateway, &["swap", "microsoft.CACHE", &digest[..8]]).well();
    assert_eq!(active(&gateway), digest);
    assert_eq!(gateway.arm().get("/health").body["plugins"][0]["revision"], digest.as_str());
    cache.get().expect(200);
    plugin(&gateway, &["remove", NAMESPACE, "--revision", &digest]).refused("RevisionInUse");

    plugin(&gateway, &["rollback", NAMESPACE]).well();
    assert_eq!(active(&gateway), bundled);
    let outcome = plugin(&gateway, &["--json", "rollback", NAMESPACE, "--to", &digest]).json();
    assert_eq!(
        (outcome["revision"]["digest"].as_str(), outcome["replaced"].as_str()),
        (Some(&*digest), Some(&*bundled))
    );
    plugin(&gateway, &["swap", NAMESPACE, &bundled]).well();
    plugin(&gateway, &["remove", NAMESPACE, "--revision", &digest[..12]]).well();
    let listed = plugin(&gateway, &["list", "--json"]).json();
    assert_eq!(listed[0]["revisions"].as_array().unwrap().len(), 1, "{listed}");

    let events = plugin(&gateway, &["events"]).well();
    assert!(events.contains(&digest[..12]), "{events}");
    let events = plugin(&gateway, &["events", "--json"]).well();
    assert!(events.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{events}");
    cache.get().expect(200);
}

#[test]
fn what_cannot_serve_is_refused_and_the_active_revision_serves_on() {
    let gateway = Gateway::with(Runtime::None, &[("FLOCI_AZ_SERVICES_REDIS_MOCKED", "true")]);
    let before = gateway.arm().get("/_floci/plugins").expect(200).body;
    let (file, digest) = revision(gateway.folder.path(), "second");
    let (file, none) = (file.to_str().unwrap(), gateway.folder.path().join("none.wasm"));
    fs::write(&none, "no component").unwrap();
    let none = none.to_str().unwrap();
    let told = plugin(&gateway, &["install", none, "--swap"]).refused("NotWebAssembly");
    assert!(told.contains("WebAssembly component"), "{told}");
    let refused = plugin(&gateway, &["check", none, "--json"]);
    let told_to_programs: Value = serde_json::from_str(&refused.out).unwrap();
    assert_eq!(told_to_programs["error"]["code"], "NotWebAssembly");
    refused.refused("NotWebAssembly");
    plugin(&gateway, &["install", file, "--digest", &"0".repeat(64)]).refused("DigestMismatch");
    plugin(&gateway, &["swap", NAMESPACE, &digest]).refused("RevisionNotFound");
    plugin(&gateway, &["rollback", NAMESPACE]).refused("NoEarlierRevision");
    plugin(&gateway, &["swap", "Contoso.Nothing", &digest]).refused("PluginNotFound");
    plugin(&gateway, &["remove", NAMESPACE]).refused("PluginIsBundled");
    assert_eq!(gateway.arm().get("/_floci/plugins").expect(200).body, before);
}

#[test]
fn without_a_gateway_a_component_is_looked_at_and_nothing_else_works() {
    let gateway = Gateway::prepare(Runtime::None, &[]);
    let (file, digest) = revision(gateway.folder.path(), "second");
    let ran = plugin(&gateway, &["check", file.to_str().unwrap()]);
    assert!(ran.err.contains("No gateway answers"), "{}", ran.err);
    let text = ran.well();
    assert!(text.contains(&digest[..12]) && text.contains("Not looked at"), "{text}");
    for arguments in [&["list"][..], &["install", file.to_str().unwrap()], &["rollback", NAMESPACE], &["events"]] {
        let ran = plugin(&gateway, arguments);
        assert!(!ran.success && ran.err.contains("no floci-az gateway answers"), "{arguments:?}: {}", ran.err);
    }
}

/// An address of this machine that is not loopback's; none if it has no network.
fn outer_address() -> Option<Ipv4Addr> {
    // Nothing is sent: the system only says by which address it would be.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(address) if !address.is_loopback() => Some(address),
        _ => None,
    }
}

/// The status of an answer, over a connection of its own.
fn status(address: (Ipv4Addr, u16), request: &str) -> u16 {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_client_from_elsewhere_needs_the_token_of_the_state_folder() {
    let mut gateway = Gateway::prepare(Runtime::None, &[("FLOCI_AZ_BIND_ADDRESS", "0.0.0.0")]);
    gateway.spawn();
    let file = gateway.data().join("admin-token");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let token = fs::read_to_string(&file).unwrap().trim().to_owned();
    let ask = |address: Ipv4Addr, headers: &str| {
        let request = format!(
            "POST /_floci/plugins/{NAMESPACE}/rollback HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n"
        );
        status((address, gateway.port), &request)
    };
    // A rollback is understood, and refused only because there is nothing to go back to.
    const MAY: u16 = 409;
    let bearer = format!("Authorization: Bearer {token}\r\n");
    assert_eq!(ask(Ipv4Addr::LOCALHOST, ""), MAY);
    assert_eq!(ask(Ipv4Addr::LOCALHOST, "Origin: https://evil.example\r\n"), 403);
    assert_eq!(ask(Ipv4Addr::LOCALHOST, &format!("Sec-Fetch-Site: cross-site\r\n{bearer}")), 403);
    let Some(outer) = outer_address() else {
        eprintln!("left out: this machine has no address but loopback's");
        return;
    };
    assert_eq!(ask(outer, ""), 401);
    assert_eq!(ask(outer, "X-Forwarded-For: 127.0.0.1\r\nForwarded: for=127.0.0.1\r\n"), 401);
    assert_eq!(ask(outer, "Authorization: Bearer another\r\n"), 401);
    assert_eq!(ask(outer, &bearer), MAY);

    // As the commands have it: by the state folder, by a variable, or not at all.
    gateway.set("FLOCI_AZ_BIND_ADDRESS", &outer.to_string());
    plugin(&gateway, &["rollback", NAMESPACE]).refused("NoEarlierRevision");
    gateway.set("FLOCI_AZ_STORAGE_PERSISTENT_PATH", "./elsewhere");
    let told = plugin(&gateway, &["rollback", NAMESPACE]).refused("AdminTokenRequired");
    assert!(told.contains("FLOCI_AZ_ADMIN_TOKEN") && !told.contains(&token), "{told}");
    gateway.set("FLOCI_AZ_ADMIN_TOKEN", &token);
    plugin(&gateway, &["rollback", NAMESPACE]).refused("NoEarlierRevision");
    gateway.set("FLOCI_AZ_STORAGE_PERSISTENT_PATH", file.parent().unwrap().to_str().unwrap());
    assert!(!gateway.log_text().contains(&token), "the token is in the log");
}
