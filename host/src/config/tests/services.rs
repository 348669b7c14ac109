//! Settings of services: whose plugin is there, is not there yet, and comes while the gateway runs.

use std::fmt::Write;

use expect_test::expect;

use super::{Settings, Sources, check, environment, services, sources};

#[test]
fn a_service_that_no_plugin_serves_is_kept_aside_unless_its_name_is_nearly_one_that_is_served() {
    let file = "floci-az:\n  services:\n    postgres:\n      port: 1\n      user: x\n    kafka:\n    vault: {}\n";
    let variables = [
        ("FLOCI_AZ_SERVICES_POSTGRES_PORT", "1"),
        ("FLOCI_AZ_SERVICES_KAFKA_ENABLED", "1"),
        ("FLOCI_AZ_SERVICES_", ""),
    ];
    let settings = sources(file, &variables).resolve(&services()).unwrap();
    expect![[r#"
        FLOCI_AZ_SERVICES_
        FLOCI_AZ_SERVICES_KAFKA_ENABLED
        FLOCI_AZ_SERVICES_POSTGRES_PORT
        services.kafka
        services.postgres"#]]
    .assert_eq(&settings.aside().join("\n"));
    assert_eq!(sources("", &[]).resolve(&services()).unwrap().aside(), Vec::<String>::new());
    check(
        "floci-az:\n  services:\n    postgres:\n      port: 1\n    cachee.enabled: true\n",
        &[("FLOCI_AZ_SERVICES_KAFKA_ENABLED", "1"), ("FLOCI_AZ_SERVICES_CACHEE_ENABLED", "1")],
        expect![[r#"
            the settings have 2 problems:
              floci-az.yml:5: no plugin serves services.cachee. The nearest is services.cache
              environment variable FLOCI_AZ_SERVICES_CACHEE_ENABLED: no plugin serves this service. The nearest is FLOCI_AZ_SERVICES_CACHE_ENABLED
            `floci-az settings` prints every setting with its effect and an example
        "#]],
    );
}

#[test]
fn one_service_is_read_from_the_file_as_it_is_now_and_nothing_else_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("floci-az.yml");
    let (_, declared) = services().remove(0);
    let variables = environment(&[("FLOCI_AZ_SERVICES_CACHE_MAX_PORT", "7000"), ("FLOCI_AZ_PROT", "1")]);
    std::fs::write(&path, "floci-az.port: 1\n").unwrap();
    let sources = Sources::read(Some(&path), variables);
    let mut told = String::new();
    for text in [
        "floci-az.services.cache.base-port: 6900\n",
        "floci-az:\n  prot: 1\n  services:\n    cache.enabled: false\n    cachee.enabled: 7\n    cache-2.x: 1\nother: 1\n",
        "floci-az.services.cache:\n  enabled: maybe\n  max-prot: 1\n",
        "floci-az.services.cache: 1\n",
        "floci-az.services.cache.enabled: \"\n",
    ] {
        std::fs::write(&path, text).unwrap();
        match sources.resolve_service("cache", &declared) {
            Ok(values) => _ = writeln!(told, "{values:?}"),
            Err(error) => _ = writeln!(told, "{}", error.to_string().replace(&path.display().to_string(), "FILE")),
        }
    }
    std::fs::remove_file(&path).unwrap();
    assert!(sources.resolve_service("cache", &declared).unwrap_err().to_string().contains("there is no such file"));
    expect![[r#"
        {"base-port": "6900", "default-image": "image:1", "enabled": "true", "max-memory": "256mb", "max-port": "7000"}
        {"base-port": "6379", "default-image": "image:1", "enabled": "false", "max-memory": "256mb", "max-port": "7000"}
        the settings have 2 problems:
          FILE:2: services.cache.enabled is "maybe". Supported: true or false. The default is true
          FILE:3: there is no setting services.cache.max-prot. The nearest is services.cache.max-port
        `floci-az settings` prints every setting with its effect and an example
        the settings have a problem:
          FILE:1: services.cache is "1", but it is a group of settings. Supported in it: enabled, default-image, base-port, max-port, max-memory
        `floci-az settings` prints every setting with its effect and an example
        the settings have a problem:
          FILE:1:34: not readable as settings in YAML: while scanning a quoted scalar, found unexpected end of stream. Correct it there or in the lines above
        `floci-az settings` prints every setting with its effect and an example
    "#]].assert_eq(&told);
}

#[test]
fn a_plugin_is_given_its_own_settings() {
    let settings = sources("floci-az.services.cache.max-port: 7000\n", &[]).resolve(&services()).unwrap();
    expect![[r#"
        {
            "base-port": "6379",
            "default-image": "image:1",
            "enabled": "true",
            "max-memory": "256mb",
            "max-port": "7000",
        }
    "#]]
    .assert_debug_eq(&settings.service("cache"));
    assert!(settings.service("vault").is_empty());
    assert_eq!(settings.get("services.cache.max-port"), Some("7000"));
    assert_eq!(settings.get("services.cache"), None);
    assert_eq!(Settings::defaults(&services()), sources("", &[]).resolve(&services()).unwrap());
}
