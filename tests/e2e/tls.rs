//! Caches over TLS, on the one port that they share: the redis crate with the certificate verified, and by hand what it
//! cannot be made to do.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use redis::{Connection, ConnectionInfo, IntoConnectionInfo, RedisResult, TlsCertificates};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::json;

use crate::gateway::{Gateway, Runtime, wait_for};

on_each_runtime!(
    clients_connect_over_tls,
    the_first_login_tells_which_cache_is_meant,
    a_rotated_key_is_the_way_in_at_once,
    a_server_that_died_is_found_again,
);

const BIG: usize = 100_000_000;
/// Fewer than a machine bears: a CI's machine is small. `make bench-data` opens more.
const IDLE: usize = 1_000;
const OK: &str = "+OK\r\n";

fn certificate(gateway: &Gateway) -> String {
    let config = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(30))).build();
    let url = format!("http://localhost:{}/_floci/tls-cert", gateway.port);
    ureq::Agent::from(config).get(url).call().unwrap().body_mut().read_to_string().unwrap()
}

/// A connection of the redis crate, which verifies the certificate for `localhost`.
fn connect(gateway: &Gateway, key: &str, version: u8) -> RedisResult<Connection> {
    let url = format!("rediss://localhost:{}/?protocol=resp{version}", gateway.tls_port());
    let info: ConnectionInfo = url.into_connection_info()?;
    let login = info.redis_settings().clone().set_password(key);
    let trusted = TlsCertificates { client_tls: None, root_cert: Some(certificate(gateway).into_bytes()) };
    redis::Client::build_with_tls(info.set_redis_settings(login), trusted)?
        .get_connection_with_timeout(Duration::from_secs(60))
}

type Client = StreamOwned<ClientConnection, TcpStream>;

/// A client that asks for a name, whatever it connects to.
fn by_name(gateway: &Gateway, name: &str) -> Client {
    with_config(gateway, &Arc::new(trusting(gateway)), name)
}

fn trusting(gateway: &Gateway) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate(gateway).as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    builder.with_root_certificates(roots).with_no_client_auth()
}

fn with_config(gateway: &Gateway, config: &Arc<ClientConfig>, name: &str) -> Client {
    let session = ClientConnection::new(config.clone(), ServerName::try_from(name.to_owned()).unwrap()).unwrap();
    let stream = TcpStream::connect(("localhost", gateway.tls_port())).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    StreamOwned::new(session, stream)
}

fn say(client: &mut Client, said: &str, expected: &str) {
    client.write_all(said.as_bytes()).unwrap();
    let mut got = vec![0; expected.len()];
    client.read_exact(&mut got).unwrap();
    assert_eq!(String::from_utf8_lossy(&got), expected, "{said}");
}

fn clients_connect_over_tls(runtime: Runtime) {
    let gateway = Gateway::start(runtime);
    let cache = gateway.arm().cache("my-cache");
    cache.create();
    let [primary, secondary] = cache.keys();
    for (key, version) in [(&primary, 2), (&secondary, 3)] {
        let mut connection = connect(&gateway, key, version).unwrap();
        redis::cmd("SET").arg("greeting").arg("hello").exec(&mut connection).unwrap();
        assert_eq!(redis::cmd("GET").arg("greeting").query::<String>(&mut connection).unwrap(), "hello");
    }
    let refused = connect(&gateway, "wrong", 2).map(drop).unwrap_err();
    assert!(refused.to_string().contains("WRONGPASS") || refused.to_string().contains("Password"), "{refused}");

    let trusted = gateway.folder.path().join("trusted.pem");
    std::fs::write(&trusted, certificate(&gateway)).unwrap();
    let (port, trusted) = (gateway.tls_port().to_string(), trusted.display().to_string());
    crate::clients::python("redis_py.py", &["localhost", &port, &primary, &secondary, &trusted]);

    // Messages to who listens, and a value to who waits for it.
    let mut talker = connect(&gateway, &primary, 2).unwrap();
    let mut listener = connect(&gateway, &primary, 2).unwrap();
    let mut listener = listener.as_pubsub();
    listener.subscribe("news").unwrap();
    assert_eq!(redis::cmd("PUBLISH").arg("news").arg("now").query::<i64>(&mut talker).unwrap(), 1);
    assert_eq!(listener.get_message().unwrap().get_payload::<String>().unwrap(), "now");
    let mut waiter = connect(&gateway, &primary, 2).unwrap();
    let waiting =
        std::thread::spawn(move || redis::cmd("BLPOP").arg("queue").arg(60).query::<[String; 2]>(&mut waiter));
    wait_for("a client that waits", || {
        redis::cmd("INFO").arg("clients").query::<String>(&mut talker).unwrap().contains("blocked_clients:1")
    });
    redis::cmd("RPUSH").arg("queue").arg("job").exec(&mut talker).unwrap();
    assert_eq!(waiting.join().unwrap().unwrap(), ["queue", "job"]);

    // What is large.
    let big: Vec<u8> = (0..BIG).map(|index| (index >> 8) as u8 ^ index as u8).collect();
    redis::cmd("SET").arg("big").arg(&big).exec(&mut talker).unwrap();
    let got: Vec<u8> = redis::cmd("GET").arg("big").query(&mut talker).unwrap();
    assert!(got == big, "{} bytes of {BIG}", got.len());

    cache.remove();
    assert!(redis::cmd("PING").exec(&mut talker).is_err(), "its connections end with it");
}

fn the_first_login_tells_which_cache_is_meant(runtime: Runtime) {
    let gateway = Gateway::start(runtime);
    let caches = ["first", "second"].map(|name| gateway.arm().cache(name));
    let keys = caches.each_ref().map(|cache| {
        cache.create();
        cache.keys()
    });
    for (name, keys) in ["first", "second"].iter().zip(&keys) {
        for (key, version) in keys.iter().zip([2, 3]) {
            let mut connection = connect(&gateway, key, version).unwrap();
            redis::cmd("SET").arg("name").arg(name).exec(&mut connection).unwrap();
        }
    }
    let [[first, _], [second, other]] = &keys;
    let value = |name: &str| format!("${}\r\n{name}\r\n", name.len());
    // Pipelined, inline, RESP3, byte by byte.
    let auth = format!("*2\r\n$4\r\nAUTH\r\n${}\r\n{second}\r\n*2\r\n$3\r\nGET\r\n$4\r\nname\r\n", second.len());
    say(&mut by_name(&gateway, "localhost"), &auth, &format!("{OK}{}", value("second")));
    say(
        &mut by_name(&gateway, "localhost"),
        &format!("AUTH default {first}\r\nGET name\r\n"),
        &format!("{OK}{}", value("first")),
    );
    let mut client = by_name(&gateway, "localhost");
    say(&mut client, &format!("HELLO 3 AUTH default {other} SETNAME me\r\n"), "%");
    let mut client = by_name(&gateway, "localhost");
    say(&mut client, "PING\r\nAUTH wrong\r\n", "-NOAUTH Authentication required.\r\n-WRONGPASS");
    let mut client = by_name(&gateway, "localhost");
    for byte in auth.chars() {
        client.write_all(byte.to_string().as_bytes()).unwrap();
        client.flush().unwrap();
    }
    say(&mut client, "", &format!("{OK}{}", value("second")));
    // By name, the key says nothing more.
    for host in ["second.localhost", "SECOND.redis.cache.windows.net"] {
        let mut client = by_name(&gateway, host);
        say(
            &mut client,
            &format!("AUTH {first}\r\n"),
            "-WRONGPASS invalid username-password pair or user is disabled.\r\n",
        );
        say(&mut client, &format!("AUTH {second}\r\nGET name\r\n"), &format!("{OK}{}", value("second")));
    }
    let mut stranger = by_name(&gateway, "third.localhost");
    let error = stranger.write_all(b"PING\r\n").and_then(|()| stranger.flush()).unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}

fn a_rotated_key_is_the_way_in_at_once(runtime: Runtime) {
    let gateway = Gateway::start(runtime);
    for name in ["first", "second"] {
        gateway.arm().cache(name).create();
    }
    let cache = gateway.arm().cache("second");
    let [old, _] = cache.keys();
    let mut before = connect(&gateway, &old, 2).unwrap();
    let new = cache.regenerate("Primary").expect(200).body["primaryKey"].as_str().unwrap().to_owned();
    redis::cmd("PING").exec(&mut connect(&gateway, &new, 2).unwrap()).unwrap();
    assert!(connect(&gateway, &old, 2).is_err(), "the old key still works");
    redis::cmd("PING").exec(&mut before).unwrap();

    // Without keys nobody gets in by one.
    cache.patch(&json!({ "properties": { "disableAccessKeyAuthentication": true } })).expect(200);
    cache.settled("Succeeded");
    assert!(connect(&gateway, &new, 2).is_err(), "keys are disabled");
}

fn a_server_that_died_is_found_again(runtime: Runtime) {
    let mut gateway = Gateway::start(runtime);
    let cache = gateway.arm().cache("my-cache");
    cache.create();
    let [key, _] = cache.keys();
    connect(&gateway, &key, 2).unwrap();
    gateway.kill_server();
    wait_for("the server to be back", || connect(&gateway, &key, 2).is_ok());
    // So is the route, after a restart of the gateway.
    gateway.kill();
    gateway.spawn();
    wait_for("the route to be back", || connect(&gateway, &key, 2).is_ok());
    gateway.terminate();
    TcpStream::connect(("localhost", gateway.tls_port())).unwrap_err();
}

/// Twice as many files as clients, and some more.
#[test]
fn many_clients_may_be_idle() {
    let gateway = Gateway::start(Runtime::Process);
    let cache = gateway.arm().cache("my-cache");
    let premium =
        json!({ "location": "eastus", "properties": { "sku": { "name": "Standard", "family": "C", "capacity": 2 } } });
    cache.put(&premium).expect(201);
    cache.settled("Succeeded");
    let [key, _] = cache.keys();
    let config = Arc::new(trusting(&gateway));
    let mut clients: Vec<Client> = (0..IDLE)
        .map(|_| {
            let mut client = with_config(&gateway, &config, "my-cache.localhost");
            say(&mut client, &format!("AUTH {key}\r\n"), OK);
            client
        })
        .collect();
    for client in &mut clients {
        say(client, "PING\r\n", "+PONG\r\n");
    }
}

#[test]
fn a_tls_port_that_another_program_has_is_told() {
    let other = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = other.local_addr().unwrap().port().to_string();
    let gateway = Gateway::with(Runtime::Process, &[("FLOCI_AZ_SERVICES_REDIS_SSL_PORT", &port)]);
    let cache = gateway.arm().cache("my-cache");
    cache.create();
    let [key, _] = cache.keys();
    cache.connect(&key).unwrap();
    let log = gateway.log_text();
    assert!(
        log.contains(&format!("port {port} (services.redis.ssl-port) of 127.0.0.1 cannot be listened on")),
        "{log}"
    );
    drop(other);
    // It is tried again at every look.
    cache.patch(&json!({ "properties": { "redisConfiguration": { "maxmemory-policy": "allkeys-lru" } } })).expect(200);
    cache.settled("Succeeded");
    connect(&gateway, &key, 2).unwrap();
}
