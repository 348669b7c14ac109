//! Settings from the outside: what stops a start, and what the commands print.

use std::fs;
use std::process::Output;

use crate::fixture;
use crate::gateway::{Gateway, Runtime, wait_for};

fn start_of(gateway: &Gateway, arguments: &[&str]) -> (bool, String) {
    let Output { status, stdout, stderr } = gateway.command().args(arguments).output().unwrap();
    (status.success(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

#[test]
fn what_is_not_understood_stops_the_start() {
    for (name, value, said) in [
        ("FLOCI_AZ_SERVICES_REDIS_MAXPORT", "6400", "FLOCI_AZ_SERVICES_REDIS_MAX_PORT"),
        ("FLOCI_AZ_PROT", "4577", "FLOCI_AZ_PORT"),
        ("FLOCI_AZ_RUNTIME", "podman", "auto or docker or process or none"),
        ("FLOCI_AZ_SERVICES_REDIS_BASE_PORT", "0", "a port from 1 to 65535"),
        ("FLOCI_AZ_SERVICES_REDSI_ENABLED", "true", "FLOCI_AZ_SERVICES_REDIS_ENABLED"),
        ("FLOCI_AZ_SERVICES_REDIS_GRANTS_PORT_RANGES", "9-7", "ports and ranges of ports"),
    ] {
        let gateway = Gateway::prepare(Runtime::None, &[(name, value)]);
        let (success, text) = start_of(&gateway, &[]);
        assert!(!success, "{name}={value} was accepted");
        assert!(text.contains(name) && text.contains(said), "{name}={value}:\n{text}");
    }
}

#[test]
fn what_is_for_a_plugin_that_is_not_there_yet_is_told_once_and_stops_nothing() {
    let mut gateway = Gateway::prepare(Runtime::None, &[("FLOCI_AZ_SERVICES_KAFKA_GRANTS_WORKLOADS", "true")]);
    fs::write(gateway.folder.path().join("floci-az.yml"), "floci-az.services.widgets.grants.ports: true\n").unwrap();
    gateway.spawn();
    let told = "FLOCI_AZ_SERVICES_KAFKA_GRANTS_WORKLOADS, services.widgets";
    assert_eq!(gateway.log_text().matches(told).count(), 1, "{}", gateway.log_text());
    let (success, text) = start_of(&gateway, &["settings"]);
    assert!(success && text.contains(told) && text.contains("services.redis.grants.port-ranges = not set"), "{text}");
}

#[test]
fn the_file_is_read_and_variables_win() {
    let mut gateway = Gateway::prepare(Runtime::None, &[]);
    let file = gateway.folder.path().join("floci-az.yml");
    fs::write(&file, "floci-az:\n  storage:\n    mode: memory\n  services:\n    redis:\n      mocked: false\n")
        .unwrap();
    gateway.set("FLOCI_AZ_SERVICES_REDIS_MOCKED", "true");
    gateway.spawn();
    assert_eq!(gateway.arm().get("/health").body["storage"], "memory", "from the file");
    let created = gateway.arm().cache("my-cache").put(&crate::arm::quickstart()).expect(201);
    assert_eq!(created.state(), "Succeeded", "mocked, from the variable");
    let (success, text) = start_of(&gateway, &["settings"]);
    assert!(success && text.contains("services.redis.max-memory") && text.contains("256mb"), "{text}");

    fs::write(&file, "floci-az:\n  services:\n    redis:\n      max-prot: 7000\n").unwrap();
    let (success, text) = start_of(&gateway, &["settings"]);
    assert!(!success && text.contains("floci-az.yml:4") && text.contains("max-port"), "{text}");
    let (success, text) = start_of(&gateway, &["--config", "missing.yml"]);
    assert!(!success && text.contains("missing.yml"), "{text}");
}

#[test]
fn those_of_installed_plugins_are_known_by_the_gateway_that_runs() {
    let mut gateway = fixture::prepared();
    gateway.set("FLOCI_AZ_SERVICES_WIDGETS_LIMITS_CONCURRENCY", "7");
    let (_, text) = start_of(&gateway, &["settings"]);
    assert!(text.contains("Those of installed plugins are not known: no floci-az gateway answers"), "{text}");
    assert!(!text.contains("services.widgets.limits.concurrency = 7"), "{text}");
    gateway.spawn();
    let installed = gateway.arm().install("", &fixture::revision(serde_json::json!({}))).expect(200).body;
    let (success, text) = start_of(&gateway, &["settings"]);
    assert!(success && text.contains("services.widgets.limits.concurrency = 7"), "{text}");
    assert_eq!(text.matches("services.redis.max-memory = ").count(), 1);
    // Of one that is known and cannot be served they are kept aside.
    gateway.kill();
    let digest = installed["revision"]["digest"].as_str().unwrap();
    fs::remove_file(gateway.data().join("plugins").join(format!("{digest}.wasm"))).unwrap();
    gateway.spawn();
    let (success, text) = start_of(&gateway, &["settings"]);
    assert!(success && text.contains("Kept for when a plugin serves them: FLOCI_AZ_SERVICES_"), "{text}");
}

#[test]
fn a_second_gateway_on_the_same_port_or_folder_says_what_is_in_the_way() {
    let gateway = Gateway::start(Runtime::None);
    let (success, text) = start_of(&gateway, &[]);
    assert!(!success && text.contains(&format!("port {}", gateway.port)) && text.contains("FLOCI_AZ_PORT"), "{text}");

    let mut other = Gateway::prepare(Runtime::None, &[]);
    other.set("FLOCI_AZ_STORAGE_PERSISTENT_PATH", &gateway.data().display().to_string());
    let (success, text) = start_of(&other, &[]);
    assert!(!success && text.contains("in use by another floci-az"), "{text}");
}

#[test]
fn the_start_prints_address_runtime_plugin_and_the_next_command() {
    let gateway = Gateway::start(Runtime::None);
    wait_for("the banner", || gateway.log_text().contains("curl"));
    let text = gateway.log_text();
    for expected in
        [&format!("http://localhost:{}", gateway.port), "runtime  none", "Microsoft.Cache", "curl -s -X PUT"]
    {
        assert!(text.contains(expected), "no {expected:?} in:\n{text}");
    }
    for path in ["/health", "/_floci/health"] {
        let health = gateway.arm().get(path).expect(200).body;
        assert_eq!(
            (health["status"].as_str(), health["plugins"][0]["namespace"].as_str()),
            (Some("UP"), Some("Microsoft.Cache"))
        );
    }
    gateway.arm().get("/ready").expect(200);
}

/// State holds access keys.
#[test]
fn a_state_folder_that_others_can_read_is_closed_to_them() {
    use std::os::unix::fs::PermissionsExt;
    let mut gateway = Gateway::prepare(Runtime::None, &[]);
    fs::create_dir(gateway.data()).unwrap();
    fs::set_permissions(gateway.data(), fs::Permissions::from_mode(0o755)).unwrap();
    gateway.spawn();
    assert_eq!(fs::metadata(gateway.data()).unwrap().permissions().mode() & 0o777, 0o700);
}
