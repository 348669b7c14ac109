//! Who may do what with a real server: access policies with tokens of the gateway's own, and firewall rules.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use redis::{Connection, RedisResult};
use serde_json::{Value, json};

use crate::arm::{Answer, Cache, VERSION};
use crate::gateway::{Gateway, Runtime, wait_for};
use crate::nodes::{connected, gateway};

on_each_runtime! {
    a_policy_is_what_a_token_may_do,
    a_firewall_rule_is_in_force_when_it_is_answered,
}

/// A child of the cache, once nothing is under way.
fn put(cache: &Cache, path: &str, properties: Value) -> Answer {
    let url = format!("{}/{path}?api-version={VERSION}", cache.path);
    let body = json!({ "properties": properties }).to_string();
    let answer = cache.arm.send("PUT", &url, Some(body.as_bytes()));
    assert!(matches!(answer.status, 200 | 201), "{:#}", answer.body);
    wait_for("the child", || !matches!(cache.arm.get(&url).state(), "Creating" | "Updating"));
    let settled = cache.arm.get(&url).expect(200);
    assert_eq!(settled.state(), "Succeeded", "{:#}", settled.body);
    answer
}

fn delete(cache: &Cache, path: &str) -> Answer {
    let url = format!("{}/{path}?api-version={VERSION}", cache.path);
    let answer = cache.arm.send("DELETE", &url, None);
    wait_for("the child to be gone", || cache.arm.get(&url).status == 404);
    answer
}

fn created(gateway: &Gateway, more: Value) -> Cache {
    let mut properties = json!({ "sku": { "name": "Basic", "family": "C", "capacity": 0 }, "enableNonSslPort": true });
    properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let cache = gateway.arm().cache("my-cache");
    cache.put(&json!({ "location": "eastus", "properties": properties })).expect(201);
    cache.settled("Succeeded");
    cache
}

/// Of a client that has made up its credentials: its object id, and a token for caches.
fn token(gateway: &Gateway) -> (String, String) {
    let form = "grant_type=client_credentials&client_id=my-app&client_secret=x&scope=https://redis.azure.com/.default";
    let answer = gateway.arm().send("POST", "//common/oauth2/v2.0/token", Some(form.as_bytes())).expect(200);
    let token = answer.body["access_token"].as_str().unwrap().to_owned();
    let claims: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap();
    (claims["oid"].as_str().unwrap().to_owned(), token)
}

fn login(cache: &Cache, user: &str, password: &str) -> RedisResult<Connection> {
    let client = redis::Client::open(format!("redis://{user}:{password}@localhost:{}", cache.port()))?;
    client.get_connection_with_timeout(Duration::from_secs(10))
}

fn may(connection: &mut Connection, command: &[&str]) -> bool {
    let mut words = command.iter();
    let mut request = redis::cmd(words.next().unwrap());
    match request.arg(words.collect::<Vec<_>>()).exec(connection) {
        Ok(()) => true,
        Err(error) if error.code() == Some("NOPERM") => false,
        Err(error) => panic!("{command:?}: {error}"),
    }
}

const HERE: [&str; 2] = ["127.0.0.1", "127.0.0.1"];

fn range([first, last]: [&str; 2]) -> Value {
    json!({ "startIP": first, "endIP": last })
}

fn a_policy_is_what_a_token_may_do(runtime: Runtime) {
    let gateway = gateway(runtime);
    let cache = created(&gateway, json!({ "redisConfiguration": { "aad-enabled": "true" } }));
    // With a rule the gateway stands before the port, and takes tokens there.
    put(&cache, "firewallRules/here", range(HERE));
    let mut owner = connected(&cache);
    redis::cmd("MSET").arg(&["cache:a", "1", "other", "2"]).exec(&mut owner).unwrap();

    let (user, token) = token(&gateway);
    assert!(login(&cache, &user, &token).is_err(), "without an assignment");
    put(&cache, "accessPolicies/readers", json!({ "permissions": "+get +@connection ~cache:*" }));
    let assignment = json!({ "objectId": user, "objectIdAlias": "my-app", "accessPolicyName": "readers" });
    put(&cache, "accessPolicyAssignments/app", assignment.clone());
    let mut app = login(&cache, &user, &token).unwrap();
    let commands = [&["GET", "cache:a"][..], &["GET", "other"], &["SET", "cache:a", "3"]];
    assert_eq!(commands.map(|command| may(&mut app, command)), [true, false, false]);
    assert!(login(&cache, &user, &cache.keys()[0]).is_err(), "a key is no token");

    put(&cache, "accessPolicies/readers", json!({ "permissions": "+get +set +@connection ~cache:*" }));
    assert_eq!(commands.map(|command| may(&mut app, command)), [true, false, true], "on the same connection");
    cache.post("forceReboot", &json!({ "rebootType": "AllNodes" })).expect(200);
    let mut again = None;
    wait_for("the server", || {
        again = login(&cache, &user, &token).ok();
        again.is_some()
    });
    assert_eq!(commands.map(|command| may(again.as_mut().unwrap(), command)), [true, false, true], "after a reboot");

    delete(&cache, "accessPolicyAssignments/app");
    assert!(login(&cache, &user, &token).is_err(), "without an assignment again");
    put(&cache, "accessPolicyAssignments/app", assignment);
    login(&cache, &user, &token).unwrap();
    delete(&cache, "accessPolicies/readers");
    assert!(login(&cache, &user, &token).is_err(), "without its policy");
    cache.remove();
    assert_eq!(gateway.leftovers(), Vec::<String>::new());
}

fn a_firewall_rule_is_in_force_when_it_is_answered(runtime: Runtime) {
    let gateway = gateway(runtime);
    let cache = created(&gateway, json!({}));
    let mut client = connected(&cache);
    redis::cmd("SET").arg("greeting").arg("hello").exec(&mut client).unwrap();
    let port = cache.port();
    let refused = || {
        assert!(cache.connect(&cache.keys()[0]).is_err(), "let in from anywhere");
        let mut stream = TcpStream::connect(("localhost", cache.port())).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(format!("AUTH {}\r\n", cache.keys()[0]).as_bytes()).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        assert!(said.starts_with("-ERR ") && said.contains("firewall rules"), "{said}");
    };

    put(&cache, "firewallRules/far", range(["10.0.0.1", "10.0.0.9"]));
    refused();
    put(&cache, "firewallRules/here", range(HERE));
    let mut client = connected(&cache);
    assert_eq!(redis::cmd("GET").arg("greeting").query(&mut client), Ok("hello".to_owned()));
    assert_eq!(cache.port(), port, "it has the port that clients know");
    assert_eq!(delete(&cache, "firewallRules/here").status, 200);
    refused();
    assert_eq!(delete(&cache, "firewallRules/far").status, 200);
    let mut client = connected(&cache);
    assert_eq!(redis::cmd("GET").arg("greeting").query(&mut client), Ok("hello".to_owned()));
    cache.remove();
    assert_eq!(gateway.leftovers(), Vec::<String>::new());
}
