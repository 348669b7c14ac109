//! What is printed once the gateway serves: where, by what means, and the next command to paste.

use std::fmt::Write;

use floci_az_contract::ResourceType;

use crate::config::Storage;
use crate::gateway::Gateway;

pub async fn banner(gateway: &Gateway) -> String {
    let host = match gateway.address() {
        address if address.ip().is_loopback() || address.ip().is_unspecified() => {
            format!("localhost:{}", address.port())
        }
        address => address.to_string(),
    };
    let address = format!("http://{host}");
    let (runtime, reason) = gateway.runtime();
    let storage = match gateway.storage() {
        Storage::Persistent(folder) => format!("persistent, in {}", folder.display()),
        Storage::Memory => "memory: nothing is kept when the gateway ends".to_owned(),
    };
    let mut text = format!("floci-az {}\n", env!("CARGO_PKG_VERSION"));
    let mut line = |name: &str, value: &str| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "  {name:<8} {value}");
    };
    line("address", &address);
    if gateway.certificates().is_some() {
        line("", &format!("https://{host} (GET /_floci/tls-cert answers the certificate to trust)"));
    }
    for shared in gateway.shared_ports().await {
        // `services.web.tls-port` is the service `web`'s.
        let service = shared.setting.split('.').nth(1).unwrap_or_default();
        line("", &format!("{service} over TLS on port {}", shared.port));
    }
    line("runtime", &format!("{runtime}: {reason}"));
    line("storage", &storage);
    let mut example = None;
    for entry in gateway.plugins().now().iter() {
        let revision = &entry.revision;
        let manifest = revision.manifest();
        let types: Vec<&str> = manifest.types.iter().map(|kind| kind.name.as_str()).collect();
        line(
            "plugin",
            &format!(
                "{} {} ({}), revision {}",
                manifest.namespace,
                manifest.version,
                types.join(", "),
                revision.digest().short()
            ),
        );
        let subscription = gateway.subscription();
        let command = |kind| command(&address, subscription, &manifest.namespace, kind);
        example = example.or_else(|| manifest.types.first().map(command));
    }
    match example {
        Some(_) if gateway.is_strict() => {
            let program = std::env::args().next().unwrap_or_else(|| env!("CARGO_PKG_NAME").to_owned());
            let _ = write!(
                text,
                "\nAs strict as it is set, it wants a login or a group first. Next, in another terminal:\n\n{program} az -- group create -n my-rg -l eastus\n"
            );
        }
        Some(command) => {
            let _ = write!(text, "\nNext, in another terminal:\n\n{command}\n");
        }
        None => {}
    }
    text
}

/// A PUT of the type's example.
fn command(address: &str, subscription: &str, namespace: &str, kind: &ResourceType) -> String {
    let name = kind.example.get("name").and_then(|name| name.as_str()).unwrap_or("my-resource");
    let version = kind.newest_version().unwrap_or_default();
    let mut body = kind.example.clone();
    if let Some(members) = body.as_object_mut() {
        members.shift_remove("name");
    }
    let kind = &kind.name;
    format!(
        "curl -s -X PUT \"{address}/subscriptions/{subscription}/resourceGroups/my-rg/providers/{namespace}/{kind}/{name}?api-version={version}\" \\\n  -H \"Content-Type: application/json\" -d '{body}'"
    )
}
