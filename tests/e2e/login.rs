//! Tokens from the outside: a gateway that asks for them, and the program's commands that need a gateway.

use serde_json::Value;

use crate::gateway::{Gateway, Runtime};

const GROUPS: &str = "/subscriptions/my-sub/resourceGroups?api-version=2024-11-01";

/// A token for this gateway, for a client that has made up its credentials.
fn token(gateway: &Gateway) -> String {
    let scope = format!("http://localhost:{}/.default", gateway.port);
    let form = format!("grant_type=client_credentials&client_id=made-up&client_secret=x&scope={scope}");
    let answer = gateway.arm().send("POST", "//common/oauth2/v2.0/token", Some(form.as_bytes())).expect(200);
    answer.body["access_token"].as_str().unwrap().to_owned()
}

fn groups_with(gateway: &Gateway, token: &str) -> u16 {
    let url = format!("http://localhost:{}{GROUPS}", gateway.port);
    let config = ureq::Agent::config_builder().http_status_as_error(false).max_idle_connections(0).build();
    let request = ureq::Agent::from(config).get(url).header("authorization", format!("Bearer {token}"));
    request.call().unwrap().status().as_u16()
}

#[test]
fn a_strict_gateway_takes_its_tokens_even_those_of_before_a_restart() {
    let mut gateway = Gateway::with(Runtime::None, &[("FLOCI_AZ_AUTH_MODE", "strict")]);
    let refused = gateway.arm().get(GROUPS).expect(401);
    assert_eq!(refused.code(), "AuthenticationFailed");
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("Bearer authorization_uri=\"http://localhost:"), "{challenge}");
    for open in ["/health", "/ready", "/metadata/endpoints", "/common/discovery/v2.0/keys"] {
        gateway.arm().get(open).expect(200);
    }

    let token = token(&gateway);
    assert_eq!(groups_with(&gateway, &token), 200);
    gateway.kill();
    gateway.spawn();
    assert_eq!(groups_with(&gateway, &token), 200, "the key is kept");
    assert_eq!(groups_with(&gateway, &token[1..]), 401);

    let other = Gateway::with(Runtime::None, &[("FLOCI_AZ_AUTH_MODE", "strict")]);
    assert_eq!(groups_with(&other, &token), 401, "another gateway has another key");
    assert!(!gateway.log_text().contains(&token), "a token is in the log");
}

#[test]
fn a_gateway_asks_for_no_token_unless_it_is_told_to() {
    let gateway = Gateway::start(Runtime::None);
    assert_eq!(gateway.arm().get(GROUPS).status, 200);
    assert_eq!(groups_with(&gateway, "made-up"), 200);
    let metadata = gateway.arm().get("/metadata/endpoints?api-version=2022-09-01").expect(200).body;
    assert_eq!(metadata["resourceManager"], Value::from(format!("http://localhost:{}", gateway.port)));
}

#[test]
fn commands_without_a_gateway_say_what_to_do() {
    let gateway = Gateway::prepare(Runtime::None, &[("FLOCI_AZ_AZ", "/bin/true")]);
    for arguments in [&["ca"][..], &["env", "--shell", "fish"], &["az", "--", "group", "list"], &["az", "--help"]] {
        let output = gateway.command().args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let expected = format!("no floci-az gateway answers at http://localhost:{}", gateway.port);
        assert!(!output.status.success() && text.contains(&expected), "{arguments:?}: {text}");
    }
}

#[test]
fn a_gateway_without_tls_has_no_certificate_to_trust_while_it_runs_and_after() {
    let mut gateway = Gateway::start(Runtime::None);
    gateway.kill();
    let made = gateway.command().arg("ca").output().unwrap();
    assert!(made.status.success() && made.stdout.starts_with(b"-----BEGIN CERTIFICATE-----"), "{made:?}");
    gateway.set("FLOCI_AZ_TLS_ENABLED", "false");
    let refused = |gateway: &Gateway| {
        let output = gateway.command().arg("ca").output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains("does not speak TLS"), "{text}");
    };
    refused(&gateway);
    gateway.spawn();
    refused(&gateway);
}
