//! What an operator gives, and what is answered: tables over the whole of it.

mod services;

use std::ffi::OsString;
use std::fmt::Write;
use std::path::Path;

use expect_test::{Expect, expect};
use floci_az_contract::{Kind, Setting};
use proptest::prelude::*;

use super::*;

fn setting(key: &str, kind: Kind, default: &str) -> Setting {
    Setting {
        key: key.into(),
        kind,
        default: default.into(),
        effect: "The effect.".into(),
        trade_off: "The trade-off.".into(),
        example: format!("{key}: {default}"),
    }
}

fn services() -> Vec<(String, Vec<Setting>)> {
    let cache = vec![
        setting("enabled", Kind::Boolean, "true"),
        setting("default-image", Kind::Text, "image:1"),
        setting("base-port", Kind::Port, "6379"),
        setting("max-port", Kind::Port, "6399"),
        setting("max-memory", Kind::Size, "256mb"),
    ];
    vec![("cache".into(), cache), ("vault".into(), Vec::new())]
}

fn environment(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    variables.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn sources(file: &str, variables: &[(&str, &str)]) -> Sources {
    Sources::new(Path::new("floci-az.yml"), Ok(file.to_owned()), environment(variables))
}

/// What is not at its default, or why there are no settings.
fn check(file: &str, variables: &[(&str, &str)], expected: Expect) {
    let told = match sources(file, variables).resolve(&services()) {
        Ok(settings) => {
            settings.iter().filter(|it| it.origin != Origin::Default).fold(String::new(), |mut text, it| {
                let _ = writeln!(text, "{} = {} ({})", it.setting.key, it.value, it.origin);
                text
            })
        }
        Err(error) => format!("{error}\n"),
    };
    expected.assert_eq(&told);
}

#[test]
fn variables_win_over_the_file_and_the_file_over_defaults() {
    check("", &[], expect![""]);
    check(
        "floci-az:\n  port: 5000\n  services:\n    cache:\n      max-port: 6400\n      enabled: False\n",
        &[("FLOCI_AZ_PORT", "6000"), ("FLOCI_AZ_SERVICES_CACHE_MAX_MEMORY", "1GB"), ("PATH", "/bin"), ("FLOCI", "x")],
        expect![[r#"
            port = 6000 (environment variable FLOCI_AZ_PORT)
            services.cache.enabled = false (floci-az.yml:6)
            services.cache.max-port = 6400 (floci-az.yml:5)
            services.cache.max-memory = 1gb (environment variable FLOCI_AZ_SERVICES_CACHE_MAX_MEMORY)
        "#]],
    );
}

#[test]
fn nested_and_dotted_keys_mean_the_same() {
    check(
        "floci-az:\n  services.cache:\n    max-port: 6400\n  storage.mode: memory\n",
        &[],
        expect![[r#"
            storage.mode = memory (floci-az.yml:4)
            services.cache.max-port = 6400 (floci-az.yml:3)
        "#]],
    );
    check(
        "floci-az.services.cache.max-port: 6400\nfloci-az: {storage: {mode: memory}}\n",
        &[],
        expect![[r#"
            storage.mode = memory (floci-az.yml:2)
            services.cache.max-port = 6400 (floci-az.yml:1)
        "#]],
    );
}

#[test]
fn groups_may_be_empty() {
    check("floci-az:\n", &[], expect![""]);
    check("floci-az:\n  storage:\n  services:\n    cache: {}\n    vault:\n", &[], expect![""]);
}

#[test]
fn unknown_keys_are_told_with_the_nearest_one_or_all_of_their_level() {
    check(
        "floci-az:\n  services:\n    cache:\n      max-prot: 6400\n      max_port: 6400\n      colour: red\n    vault:\n      x: 1\n",
        &[],
        expect![[r#"
            the settings have 4 problems:
              floci-az.yml:4: there is no setting services.cache.max-prot. The nearest is services.cache.max-port
              floci-az.yml:5: there is no setting services.cache.max_port. The nearest is services.cache.max-port
              floci-az.yml:6: there is no setting services.cache.colour. Supported in its place: enabled, default-image, base-port, max-port, max-memory
              floci-az.yml:8: there is no setting services.vault.x. Supported in its place: none
            `floci-az settings` prints every setting with its effect and an example
        "#]],
    );
    check(
        "floci-az:\n  stroage:\n    mode: memory\n    persistent-path: /x\n  foo:\n    bar: {baz: 1, qux: 2}\n",
        &[],
        expect![[r#"
            the settings have 2 problems:
              floci-az.yml:3: there is no setting stroage. The nearest is storage
              floci-az.yml:6: there is no setting foo. Supported in its place: port, bind-address, hostname, tls, runtime, storage, arm, auth, transfers, plugins, services
            `floci-az settings` prints every setting with its effect and an example
        "#]],
    );
    check(
        "floci-az:\n  max-port: 6400\n  cache:\n    base-port: 6400\n",
        &[],
        expect![[r#"
            the settings have 2 problems:
              floci-az.yml:2: there is no setting max-port. The nearest is services.cache.max-port
              floci-az.yml:4: there is no setting cache. The nearest is services.cache.base-port
            `floci-az settings` prints every setting with its effect and an example
        "#]],
    );
    check(
        "floci-az:\n  Port: 1\n  \"\": 1\n  \"a b\": 1\n  port.: 1\n  .port: 1\n",
        &[],
        expect![[r#"
            the settings have 5 problems:
              floci-az.yml:2: there is no setting Port. The nearest is port
              floci-az.yml:3: floci-az is "1", but it is a group of settings. Supported in it: port, bind-address, hostname, tls, runtime, storage, arm, auth, transfers, plugins, services
              floci-az.yml:4: there is no setting a b. Supported in its place: port, bind-address, hostname, tls, runtime, storage, arm, auth, transfers, plugins, services
              floci-az.yml:5: port is a mapping. Supported: a port from 1 to 65535. The default is 4577
              floci-az.yml:6: there is no setting . Supported in its place: port, bind-address, hostname, tls, runtime, storage, arm, auth, transfers, plugins, services
            `floci-az settings` prints every setting with its effect and an example
        "#]],
    );
}

#[test]
fn unknown_variables_are_told_with_the_nearest_one_or_all_of_their_group() {
    check(
        "",
        &[
            ("FLOCI_AZ_SERVICES_CACHE_MAX_PROT", "1"),
            ("FLOCI_AZ_SERVICES_CACHE_COLOUR", "1"),
            ("FLOCI_AZ_STORAGE", "1"),
            ("FLOCI_AZ_STROAGE_MODE", "1"),
            ("FLOCI_AZ_STORAGE_FOLDER", "1"),
            ("FLOCI_AZ_", "1"),
        ],
        expect![[r#"
            the settings have 6 problems:
              environment variable FLOCI_AZ_: there is no such setting. Supported in its place: FLOCI_AZ_PORT, FLOCI_AZ_BIND_ADDRESS, FLOCI_AZ_HOSTNAME, FLOCI_AZ_TLS_ENABLED, FLOCI_AZ_TLS_CERT_PATH, FLOCI_AZ_TLS_KEY_PATH, FLOCI_AZ_RUNTIME, FLOCI_AZ_STORAGE_MODE, FLOCI_AZ_STORAGE_PERSISTENT_PATH, FLOCI_AZ_ARM_STRICT, FLOCI_AZ_ARM_STRICT_GROUPS, FLOCI_AZ_ARM_SUBSCRIPTIONS, FLOCI_AZ_ARM_STRICT_SUBSCRIPTIONS, FLOCI_AZ_AUTH_MODE, FLOCI_AZ_TRANSFERS_FOLDER, FLOCI_AZ_PLUGINS_FOLDER, FLOCI_AZ_PLUGINS_SIGNATURE_KEY, FLOCI_AZ_SERVICES_CACHE_ENABLED, FLOCI_AZ_SERVICES_CACHE_DEFAULT_IMAGE, FLOCI_AZ_SERVICES_CACHE_BASE_PORT, FLOCI_AZ_SERVICES_CACHE_MAX_PORT, FLOCI_AZ_SERVICES_CACHE_MAX_MEMORY
              environment variable FLOCI_AZ_SERVICES_CACHE_COLOUR: there is no such setting. Supported in its place: FLOCI_AZ_SERVICES_CACHE_ENABLED, FLOCI_AZ_SERVICES_CACHE_DEFAULT_IMAGE, FLOCI_AZ_SERVICES_CACHE_BASE_PORT, FLOCI_AZ_SERVICES_CACHE_MAX_PORT, FLOCI_AZ_SERVICES_CACHE_MAX_MEMORY
              environment variable FLOCI_AZ_SERVICES_CACHE_MAX_PROT: there is no such setting. The nearest is FLOCI_AZ_SERVICES_CACHE_MAX_PORT
              environment variable FLOCI_AZ_STORAGE: there is no such setting. Supported in its place: FLOCI_AZ_STORAGE_MODE, FLOCI_AZ_STORAGE_PERSISTENT_PATH
              environment variable FLOCI_AZ_STORAGE_FOLDER: there is no such setting. Supported in its place: FLOCI_AZ_STORAGE_MODE, FLOCI_AZ_STORAGE_PERSISTENT_PATH
              environment variable FLOCI_AZ_STROAGE_MODE: there is no such setting. The nearest is FLOCI_AZ_STORAGE_MODE
            `floci-az settings` prints every setting with its effect and an example
        "#]],
    );
}

#[test]
fn bad_values_are_told_with_what_is_supported() {
    check(
        "floci-az:\n  port: http\n  runtime: podman\n  storage:\n    mode:\n    persistent-path: \"\"\n  services.cache:\n    enabled: yes\n    max-memory: lots\n",
        &[("FLOCI_AZ_ARM_STRICT", ""), ("FLOCI_AZ_PORT", "65536")],
        expect![[r#"
            the settings have 8 problems:
              floci-az.yml:2: port is "http". Supported: a port from 1 to 65535. The default is 4577
              floci-az.yml:3: runtime is "podman". Supported: auto or docker or process or none. The default is auto
              floci-az.yml:5: storage.mode is empty. Supported: persistent or memory. The default is persistent
              floci-az.yml:6: storage.persistent-path is "". Supported: a path, without quotes, backslashes and control characters. The default is ./data
              floci-az.yml:8: services.cache.enabled is "yes". Supported: true or false. The default is true
              floci-az.yml:9: services.cache.max-memory is "lots". Supported: a size such as 268435456, 512kb, 256mb or 1gb. The default is 256mb
              environment variable FLOCI_AZ_ARM_STRICT: arm.strict is "". Supported: true or false. The default is true
              environment variable FLOCI_AZ_PORT: port is "65536". Supported: a port from 1 to 65535. The default is 4577
            `floci-az settings` prints every setting with its effect and an example
        "#]],
    );
}

#[test]
fn lists_and_mappings_are_no_values_and_groups_take_none() {
    check(
        "floci-az:\n  port: [1, 2]\n  runtime: {a: 1, b: {c: 2}}\n  storage: memory\n  services: [cache]\n",
        &[],
        expect![[r#"
            the settings have 4 problems:
              floci-az.yml:2: port is a list. Supported: a port from 1 to 65535. The default is 4577
              floci-az.yml:3: runtime is a mapping. Supported: auto or docker or process or none. The default is auto
              floci-az.yml:4: storage is "memory", but it is a group of settings. Supported in it: mode, persistent-path
              floci-az.yml:5: services is a list, but it is a group of settings. Supported in it: cache, vault
            `floci-az settings` prints every setting with its effect and an example
        "#]],
    );
    check(
        "port: 1\nfloci-az.port.a: 1\n",
        &[],
        expect![[r#"
        the settings have 2 problems:
          floci-az.yml:1: port stands outside of floci-az. Write it below that key: floci-az.port
          floci-az.yml:2: port is a mapping. Supported: a port from 1 to 65535. The default is 4577
        `floci-az settings` prints every setting with its effect and an example
    "#]],
    );
    check(
        "floci-az: 4577\n",
        &[],
        expect![[r#"
            the settings have a problem:
              floci-az.yml:1: floci-az is "4577", but it is a group of settings. Supported in it: port, bind-address, hostname, tls, runtime, storage, arm, auth, transfers, plugins, services
            `floci-az settings` prints every setting with its effect and an example
        "#]],
    );
}

#[test]
fn a_key_that_is_set_twice_is_told_with_both_lines() {
    check(
        "floci-az:\n  port: 1\n  arm:\n    strict: true\n  arm.strict: true\n  port: 1\n",
        &[],
        expect![[r#"
            the settings have 2 problems:
              floci-az.yml:5: arm.strict is set a second time, after line 4. Keep one of the two
              floci-az.yml:6: port is set a second time, after line 2. Keep one of the two
            `floci-az settings` prints every setting with its effect and an example
        "#]],
    );
}

#[test]
fn what_stands_outside_the_root_is_told() {
    check(
        "services:\n  cache:\n    enabled: true\n    max-port: 1\nport: 1\nfloci-az.port: 2\n",
        &[],
        expect![[r#"
            the settings have 2 problems:
              floci-az.yml:3: services stands outside of floci-az. Write it below that key: floci-az.services
              floci-az.yml:5: port stands outside of floci-az. Write it below that key: floci-az.port
            `floci-az settings` prints every setting with its effect and an example
        "#]],
    );
}

#[test]
fn bad_yaml_is_told_with_its_place_and_beside_the_variables() {
    check(
        "floci-az:\n  port: \"4577\n",
        &[("FLOCI_AZ_RUNTIME", "podman")],
        expect![[r#"
            the settings have 2 problems:
              floci-az.yml:2:9: not readable as settings in YAML: while scanning a quoted scalar, found unexpected end of stream. Correct it there or in the lines above
              environment variable FLOCI_AZ_RUNTIME: runtime is "podman". Supported: auto or docker or process or none. The default is auto
            `floci-az settings` prints every setting with its effect and an example
        "#]],
    );
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    let told = |path: &Path| {
        let error = Sources::read(Some(path), []).resolve(&services()).unwrap_err().to_string();
        error.lines().nth(1).unwrap().replace(&format!("{}", path.display()), "FILE")
    };
    let folder = tempfile::tempdir().unwrap();
    expect!["  FILE: there is no such file. Give --config one that exists; without --config, ./floci-az.yml is read if it is there"].assert_eq(&told(&folder.path().join("missing.yml")));
    expect![
        "  FILE: it cannot be read: Is a directory (os error 21). Let floci-az read it, or give --config another file"
    ]
    .assert_eq(&told(folder.path()));

    let file = folder.path().join("file.yml");
    std::fs::write(&file, b"floci-az.port: \xff").unwrap();
    expect!["  FILE: it is not UTF-8 text. Save it as UTF-8"].assert_eq(&told(&file));
    std::fs::write(&file, "#".repeat(2 << 20)).unwrap();
    expect!["  FILE: it cannot be read: it is larger than 1048576 bytes. Let floci-az read it, or give --config another file"].assert_eq(&told(&file));
    std::fs::write(&file, "floci-az.port: 5000").unwrap();
    assert_eq!(Sources::read(Some(&file), []).gateway().unwrap().port, 5000);
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_told() {
    use std::os::unix::ffi::OsStringExt;
    let not_text = OsString::from_vec(vec![0xff]);
    let variables =
        [("FLOCI_AZ_PORT".into(), not_text.clone()), (not_text.clone(), "x".into()), ("OTHER".into(), not_text)];
    let error = Sources::new(Path::new("floci-az.yml"), Ok(String::new()), variables).gateway().unwrap_err();
    expect![[r#"
        the settings have a problem:
          environment variable FLOCI_AZ_PORT: its value is not UTF-8 text. Supported: UTF-8
        `floci-az settings` prints every setting with its effect and an example"#]]
    .assert_eq(&error.to_string());
}

#[test]
fn the_tests_own_variables_are_nobodys_settings() {
    check("", &[("FLOCI_AZ_TEST_DOCKER", "required")], expect![""]);
}

#[test]
fn the_gateways_settings_are_known_before_any_plugin() {
    let gateway =
        sources("floci-az:\n  services.nobody.knows: 1\n", &[("FLOCI_AZ_SERVICES_X", "1")]).gateway().unwrap();
    expect![[r#"
        Gateway {
            port: 4577,
            bind_address: 127.0.0.1,
            hostname: None,
            tls: Made,
            runtime: Auto,
            storage: Persistent(
                "./data",
            ),
            arm: Arm {
                api_version: Required,
                resource_group: Optional,
                subscriptions: [
                    "00000000-0000-0000-0000-000000000001",
                ],
                other_subscriptions: Optional,
            },
            auth: Dev,
            transfers: None,
            plugins: PluginFiles {
                folder: None,
                signature_key: None,
            },
        }
    "#]]
    .assert_debug_eq(&gateway);
    let gateway =
        sources("floci-az: {runtime: None, storage.mode: memory, arm.strict: false, arm.strict-groups: true}\n", &[]);
    expect![[r#"
        Gateway {
            port: 4577,
            bind_address: 127.0.0.1,
            hostname: None,
            tls: Made,
            runtime: None,
            storage: Memory,
            arm: Arm {
                api_version: Optional,
                resource_group: Required,
                subscriptions: [
                    "00000000-0000-0000-0000-000000000001",
                ],
                other_subscriptions: Optional,
            },
            auth: Dev,
            transfers: None,
            plugins: PluginFiles {
                folder: None,
                signature_key: None,
            },
        }
    "#]]
    .assert_debug_eq(&gateway.gateway().unwrap());
    assert!(sources("floci-az.prot: 1\n", &[]).gateway().is_err());
}

#[test]
fn every_declared_value_of_the_gateway_has_a_type() {
    for setting in gateway::declarations() {
        let values = match &setting.kind {
            Kind::OneOf(words) => words.clone(),
            Kind::Boolean => vec!["true".into(), "false".into()],
            Kind::Port => vec!["1".into(), "65535".into()],
            Kind::Address => vec!["0.0.0.0".into(), "::1".into()],
            Kind::Host => vec!["gateway.test".into(), "::1".into()],
            Kind::Words => vec!["a,b".into()],
            Kind::Number { least, most } => vec![least.to_string(), most.to_string()],
            Kind::Size | Kind::Text | Kind::Path | Kind::Patterns | Kind::Ports | Kind::Count => Vec::new(),
        };
        for value in values.iter().chain([&setting.default]) {
            sources(&format!("floci-az.{}: {value}\n", setting.key), &[]).gateway().unwrap();
        }
        // Half of a pair is refused; its other half is another example.
        let other = match setting.key.as_str() {
            "tls.cert-path" => "floci-az.tls.key-path: /key\n",
            "tls.key-path" => "floci-az.tls.cert-path: /certificate\n",
            _ => "",
        };
        let example = sources(&format!("floci-az.{}\n{other}", setting.example), &[]).resolve(&[]).unwrap();
        assert_ne!(example, Settings::defaults(&[]), "{}", setting.example);
    }
}

#[test]
fn tls_has_a_certificate_of_the_gateway_or_both_files_of_the_operator() {
    let told = |variables: &[(&str, &str)]| match sources("", variables).gateway() {
        Ok(gateway) => format!("{:?}", gateway.tls),
        Err(error) => error.to_string().lines().nth(1).unwrap().to_owned(),
    };
    let (certificate, key) = (("FLOCI_AZ_TLS_CERT_PATH", "/c.pem"), ("FLOCI_AZ_TLS_KEY_PATH", "/c.key"));
    let off = ("FLOCI_AZ_TLS_ENABLED", "false");
    let unset = ("FLOCI_AZ_TLS_KEY_PATH", "");
    let table =
        [&[][..], &[certificate, key], &[off], &[off, certificate, key], &[certificate], &[key], &[certificate, unset]];
    expect![[r#"
        Made
        Given { certificate: "/c.pem", key: "/c.key" }
        Off
        Off
          environment variable FLOCI_AZ_TLS_CERT_PATH: tls.cert-path is set, and tls.key-path is not. Set both, or neither
          environment variable FLOCI_AZ_TLS_KEY_PATH: tls.key-path is set, and tls.cert-path is not. Set both, or neither
          environment variable FLOCI_AZ_TLS_CERT_PATH: tls.cert-path is set, and tls.key-path is not. Set both, or neither"#]].assert_eq(&table.map(told).join("\n"));
}

proptest! {
    #[test]
    fn no_file_and_no_variable_panics(
        file in "(floci-az|services|cache|port|storage|mode|[-.: {}\\[\\],\n\"'#~]|\\PC)*",
        name in "(FLOCI_AZ_|SERVICES_|CACHE|_|PORT|STORAGE|\\PC)*",
        value in "\\PC*",
    ) {
        let _ = sources(&file, &[(name.as_str(), value.as_str())]).resolve(&services());
    }
}
