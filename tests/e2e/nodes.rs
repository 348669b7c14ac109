//! Caches of several servers, and what moves data: replicas, clusters, links, flush, export, import, reboots.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use redis::Connection;
use serde_json::{Value, json};

use crate::arm::{Answer, Cache};
use crate::gateway::{Gateway, Runtime, free_ports, wait_for};

on_each_runtime! {
    replicas_really_replicate_and_a_reboot_keeps_the_data,
    a_flush_is_an_operation,
    an_export_can_be_imported,
    backups_travel_over_http,
    what_cannot_be_imported_leaves_the_cache_as_it_was,
    a_linked_cache_has_the_data_and_keeps_it_when_the_link_goes,
    a_cluster_answers_redirections_that_clients_can_follow,
    shards_come_and_go_without_losing_a_key,
}

/// With a range of ports of its own for servers behind it, and a folder for backups.
pub fn gateway(runtime: Runtime) -> Gateway {
    let mut gateway = Gateway::prepare(runtime, &[]);
    let first = free_ports(40);
    gateway.set("FLOCI_AZ_SERVICES_REDIS_NODE_BASE_PORT", &first.to_string());
    gateway.set("FLOCI_AZ_SERVICES_REDIS_NODE_MAX_PORT", &(first + 39).to_string());
    let backups = gateway.folder.path().join("backups");
    std::fs::create_dir(&backups).unwrap();
    gateway.set("FLOCI_AZ_TRANSFERS_FOLDER", &backups.display().to_string());
    gateway.spawn();
    gateway
}

fn premium(more: Value) -> Value {
    let mut properties =
        json!({ "sku": { "name": "Premium", "family": "P", "capacity": 1 }, "enableNonSslPort": true });
    properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "location": "eastus", "properties": properties })
}

fn created(gateway: &Gateway, name: &str, more: Value) -> Cache {
    let cache = gateway.arm().cache(name);
    cache.put(&premium(more)).expect(201);
    cache.settled("Succeeded");
    cache
}

pub fn connected(cache: &Cache) -> Connection {
    let mut found = None;
    wait_for("a connection", || {
        found = cache.connect(&cache.keys()[0]).ok();
        found.is_some()
    });
    found.unwrap()
}

/// An action that is a long-running operation; the result of that.
fn ran(cache: &Cache, action: &str, body: &Value) -> Answer {
    let accepted = cache.post(action, body).expect(202);
    let url = accepted.header("azure-asyncoperation").unwrap().to_owned();
    let mut last = None;
    wait_for("the operation's end", || {
        let answer = cache.arm.get(&url);
        let going = answer.status == 202 || answer.body["status"] == "InProgress";
        last = Some(answer);
        !going
    });
    last.unwrap()
}

fn filled(connection: &mut Connection) {
    for database in [0, 3] {
        redis::cmd("SELECT").arg(database).exec(connection).unwrap();
        for n in 0..300 {
            redis::cmd("SET").arg(format!("key-{n}")).arg(format!("{database}-{n}")).exec(connection).unwrap();
        }
        redis::cmd("SET").arg(&[0_u8, 255, b'\r', b'\n'][..]).arg("any bytes").exec(connection).unwrap();
        redis::cmd("RPUSH").arg("list").arg(&["a", "b", "c"]).exec(connection).unwrap();
    }
    redis::cmd("SELECT").arg(0).exec(connection).unwrap();
}

fn is_filled(connection: &mut Connection) -> bool {
    let found = [0, 3].map(|database| {
        redis::cmd("SELECT").arg(database).exec(connection).unwrap();
        let values: Vec<Option<String>> =
            (0..300).map(|n| redis::cmd("GET").arg(format!("key-{n}")).query(connection).unwrap()).collect();
        let whole = (0..300).all(|n| values[n] == Some(format!("{database}-{n}")));
        let bytes: Option<String> = redis::cmd("GET").arg(&[0_u8, 255, b'\r', b'\n'][..]).query(connection).unwrap();
        let list: Vec<String> = redis::cmd("LRANGE").arg("list").arg(0).arg(-1).query(connection).unwrap();
        whole && bytes.as_deref() == Some("any bytes") && list == ["a", "b", "c"]
    });
    redis::cmd("SELECT").arg(0).exec(connection).unwrap();
    found == [true, true]
}

fn size(connection: &mut Connection) -> u64 {
    redis::cmd("DBSIZE").query(connection).unwrap()
}

fn replicas_really_replicate_and_a_reboot_keeps_the_data(runtime: Runtime) {
    let gateway = gateway(runtime);
    let cache = created(&gateway, "my-cache", json!({ "replicasPerPrimary": 2 }));
    assert_eq!(gateway.workloads().len(), 3);
    let mut primary = connected(&cache);
    redis::cmd("SET").arg("greeting").arg("hello").exec(&mut primary).unwrap();
    let acknowledged: u32 = redis::cmd("WAIT").arg(2).arg(10_000).query(&mut primary).unwrap();
    assert_eq!(acknowledged, 2);

    let rebooted = cache.post("forceReboot", &json!({ "rebootType": "AllNodes" })).expect(200).body;
    assert!(rebooted["message"].is_string());
    assert!(redis::cmd("PING").exec(&mut primary).is_err(), "the server was not restarted");
    let mut primary = connected(&cache);
    assert_eq!(redis::cmd("GET").arg("greeting").query::<String>(&mut primary).unwrap(), "hello");
    wait_for("the replicas after the reboot", || {
        redis::cmd("SET").arg("n").arg(1).exec(&mut primary).unwrap();
        redis::cmd("WAIT").arg(2).arg(100).query::<u32>(&mut primary).unwrap() == 2
    });
    // Of the replicas only.
    cache.post("forceReboot", &json!({ "rebootType": "SecondaryNode" })).expect(200);
    redis::cmd("PING").exec(&mut primary).unwrap();
    cache.post("forceReboot", &json!({ "shardId": 1 })).expect(400);

    cache.patch(&json!({ "properties": { "replicasPerPrimary": 1, "replicasPerMaster": 1 } }));
    cache.settled("Succeeded");
    assert_eq!(gateway.workloads().len(), 2);
    cache.remove();
    assert_eq!(gateway.leftovers(), Vec::<String>::new());
}

fn a_flush_is_an_operation(runtime: Runtime) {
    let gateway = gateway(runtime);
    let cache = gateway.arm().cache("my-cache");
    cache.create();
    let mut connection = connected(&cache);
    filled(&mut connection);
    let ended = ran(&cache, "flush", &Value::Null).expect(200);
    assert_eq!(ended.body["status"], "Succeeded");
    assert_eq!(size(&mut connection), 0);
    redis::cmd("SELECT").arg(3).exec(&mut connection).unwrap();
    assert_eq!(size(&mut connection), 0);
    assert_eq!(cache.get().state(), "Succeeded");
}

fn an_export_can_be_imported(runtime: Runtime) {
    let gateway = gateway(runtime);
    let cache = created(&gateway, "my-cache", json!({}));
    let mut connection = connected(&cache);
    filled(&mut connection);
    let folder = format!("file://{}", gateway.folder.path().join("backups").display());
    let to = json!({ "format": "RDB", "prefix": "daily", "container": format!("{folder}/container") });
    assert_eq!(ran(&cache, "export", &to).expect(200).body["status"], "Succeeded");
    let file = std::fs::read(gateway.folder.path().join("backups/container/daily.rdb")).unwrap();
    assert!(file.starts_with(b"REDIS") || file.starts_with(b"VALKEY"));

    // Another cache has what the first one had, and nothing of its own.
    let other = created(&gateway, "other-cache", json!({}));
    let mut second = connected(&other);
    redis::cmd("SET").arg("its-own").arg("x").exec(&mut second).unwrap();
    let from = json!({ "format": "RDB", "files": [format!("{folder}/container/daily.rdb")] });
    assert_eq!(ran(&other, "import", &from).expect(200).body["status"], "Succeeded");
    assert!(is_filled(&mut second));
    assert_eq!(size(&mut second), 302);

    // Several files are merged.
    ran(&cache, "flush", &Value::Null).expect(200);
    redis::cmd("SET").arg("more").arg("x").exec(&mut connection).unwrap();
    let to = json!({ "prefix": "more", "container": format!("{folder}/container") });
    ran(&cache, "export", &to).expect(200);
    let from = json!({ "files": [format!("{folder}/container/more.rdb"), format!("{folder}/container/daily.rdb")] });
    ran(&cache, "import", &from).expect(200);
    assert!(is_filled(&mut connection));
    assert_eq!(size(&mut connection), 303);
    assert_eq!(gateway.workloads().len(), 2, "what an import needs goes with it");
}

fn backups_travel_over_http(runtime: Runtime) {
    let gateway = gateway(runtime);
    let cache = created(&gateway, "my-cache", json!({}));
    let mut connection = connected(&cache);
    filled(&mut connection);
    let storage = Storage::start();
    let to = json!({ "prefix": "daily", "container": format!("{}/container?sig=secret", storage.url) });
    assert_eq!(ran(&cache, "export", &to).expect(200).body["status"], "Succeeded");
    assert!(storage.blobs.lock().unwrap().contains_key("/container/daily.rdb?sig=secret"));
    ran(&cache, "flush", &Value::Null).expect(200);
    let from = json!({ "files": [format!("{}/container/daily.rdb?sig=secret", storage.url)] });
    assert_eq!(ran(&cache, "import", &from).expect(200).body["status"], "Succeeded");
    assert!(is_filled(&mut connection));

    let from = json!({ "files": [format!("{}/container/none.rdb?sig=secret", storage.url)] });
    let failed = ran(&cache, "import", &from);
    assert!(failed.body.to_string().contains("404"), "{failed:?}");
    assert!(!failed.body.to_string().contains("secret") && !gateway.log_text().contains("sig=secret"));
}

fn what_cannot_be_imported_leaves_the_cache_as_it_was(runtime: Runtime) {
    let gateway = gateway(runtime);
    let cache = created(&gateway, "my-cache", json!({}));
    let mut connection = connected(&cache);
    filled(&mut connection);
    let backups = gateway.folder.path().join("backups");
    std::fs::write(backups.join("garbage.rdb"), b"no snapshot").unwrap();
    let inside = format!("file://{}/garbage.rdb", backups.display());
    for (url, code) in [
        (inside.as_str(), "ImportFileNotUsable"),
        ("file:///etc/passwd", "TransferRefused"),
        ("http://localhost:1/none.rdb", "TransferFailed"),
    ] {
        let ended = ran(&cache, "import", &json!({ "files": [url] }));
        assert!(ended.body.to_string().contains(code), "{code}: {ended:?}");
        assert_eq!(cache.get().state(), "Succeeded");
        assert!(is_filled(&mut connection));
    }
    let basic = gateway.arm().cache("basic-cache");
    basic.create();
    basic.post("export", &json!({ "prefix": "a", "container": inside })).expect(400);
}

fn a_linked_cache_has_the_data_and_keeps_it_when_the_link_goes(runtime: Runtime) {
    let gateway = gateway(runtime);
    let primary = created(&gateway, "first", json!({}));
    let secondary = created(&gateway, "second", json!({}));
    let (mut first, mut second) = (connected(&primary), connected(&secondary));
    redis::cmd("SET").arg("greeting").arg("hello").exec(&mut first).unwrap();
    redis::cmd("SET").arg("its-own").arg("x").exec(&mut second).unwrap();

    let link = gateway.arm().cache_at(&format!("{}/linkedServers/second", primary.path));
    let id = secondary.get().body["id"].as_str().unwrap().to_owned();
    let body = json!({ "properties": {
        "linkedRedisCacheId": id, "linkedRedisCacheLocation": "East US", "serverRole": "Secondary"
    } });
    let put = link.put(&body);
    assert!(matches!(put.status, 200 | 201), "{put:?}");
    link.settled("Succeeded");
    // What the link is for is there when it is ready.
    assert_eq!(
        redis::cmd("GET").arg("greeting").query::<Option<String>>(&mut second).unwrap().as_deref(),
        Some("hello")
    );
    assert_eq!(redis::cmd("GET").arg("its-own").query::<Option<String>>(&mut second).unwrap(), None);
    let refused = redis::cmd("SET").arg("n").arg(1).exec(&mut second).unwrap_err();
    assert_eq!(refused.code(), Some("READONLY"));
    // Its primary may move.
    primary.post("forceReboot", &json!({ "rebootType": "AllNodes" })).expect(200);
    let mut first = connected(&primary);
    // It answers before it has its data again, as any server that is started.
    wait_for("the primary to have loaded", || redis::cmd("SET").arg("after").arg("reboot").exec(&mut first).is_ok());
    wait_for("the secondary to follow", || {
        redis::cmd("GET").arg("after").query::<Option<String>>(&mut second).ok().flatten().is_some()
    });

    link.delete();
    wait_for("the link to be gone", || link.get().status == 404);
    redis::cmd("SET").arg("n").arg(1).exec(&mut second).unwrap();
    assert_eq!(redis::cmd("GET").arg("greeting").query::<String>(&mut second).unwrap(), "hello");
    redis::cmd("SET").arg("later").arg("x").exec(&mut first).unwrap();
    assert_eq!(redis::cmd("GET").arg("later").query::<Option<String>>(&mut second).unwrap(), None);
}

/// A client that is told of the other nodes by the first.
fn clustered(cache: &Cache) -> redis::cluster::ClusterConnection {
    let [key, _] = cache.keys();
    let first = redis::ConnectionAddr::Tcp("localhost".to_owned(), cache.port());
    let mut found = None;
    wait_for("a connection to the cluster", || {
        let info = redis::RedisConnectionInfo::default().set_password(&key);
        let info = redis::IntoConnectionInfo::into_connection_info(first.clone()).unwrap().set_redis_settings(info);
        let client = redis::cluster::ClusterClient::new(vec![info]).unwrap();
        found = client.get_connection().ok();
        found.is_some()
    });
    found.unwrap()
}

fn a_cluster_answers_redirections_that_clients_can_follow(runtime: Runtime) {
    let gateway = gateway(runtime);
    let cache = created(&gateway, "my-cache", json!({ "shardCount": 3, "replicasPerPrimary": 1 }));
    assert_eq!(gateway.workloads().len(), 6);
    let mut client = clustered(&cache);
    for n in 0..300 {
        redis::cmd("SET").arg(format!("key-{n}")).arg(n).exec(&mut client).unwrap();
    }
    for n in 0..300 {
        assert_eq!(redis::cmd("GET").arg(format!("key-{n}")).query::<u32>(&mut client).unwrap(), n);
    }
    // A client that does not follow is told where to.
    let mut first = connected(&cache);
    let moved: Vec<String> = (0..300)
        .filter_map(|n| redis::cmd("GET").arg(format!("key-{n}")).exec(&mut first).err())
        .map(|error| error.detail().unwrap_or_default().to_owned())
        .collect();
    assert!(moved.len() > 100);
    let instances = cache.get().body["properties"]["instances"].clone();
    let ports: Vec<u64> =
        instances.as_array().unwrap().iter().map(|instance| instance["sslPort"].as_u64().unwrap()).collect();
    assert_eq!(ports.len(), 6);
    for place in moved {
        let port: u64 = place.rsplit(':').next().unwrap().parse().unwrap();
        assert!(place.contains("localhost:") && ports.contains(&port), "{place} is none of {ports:?}");
    }
    assert_eq!(redis::cmd("WAIT").arg(1).arg(10_000).query::<u32>(&mut first).unwrap(), 1);

    // Addresses of containers may be others after a reboot.
    cache.post("forceReboot", &json!({ "rebootType": "AllNodes" })).expect(200);
    let whole = |client: &mut redis::cluster::ClusterConnection| {
        (0..300).all(|n| redis::cmd("GET").arg(format!("key-{n}")).query::<u32>(client).ok() == Some(n))
    };
    wait_for("the cluster after the reboot", || whole(&mut clustered(&cache)));
    ran(&cache, "flush", &Value::Null).expect(200);
    assert!(!whole(&mut clustered(&cache)));
    cache.remove();
    assert_eq!(gateway.leftovers(), Vec::<String>::new());
}

fn shards_come_and_go_without_losing_a_key(runtime: Runtime) {
    let gateway = gateway(runtime);
    let cache = created(&gateway, "my-cache", json!({}));
    let mut connection = connected(&cache);
    for n in 0..500 {
        redis::cmd("SET").arg(format!("key-{n}")).arg(n).exec(&mut connection).unwrap();
    }
    redis::cmd("SET").arg(&[0_u8, 255, b'\r', b'\n'][..]).arg("any bytes").exec(&mut connection).unwrap();
    for count in [2, 3, 1] {
        cache.patch(&json!({ "properties": { "shardCount": count } }));
        cache.settled("Succeeded");
        assert_eq!(gateway.workloads().len(), count);
        let mut client = clustered(&cache);
        for n in 0..500 {
            assert_eq!(redis::cmd("GET").arg(format!("key-{n}")).query::<Option<u32>>(&mut client).unwrap(), Some(n));
        }
        let bytes: String = redis::cmd("GET").arg(&[0_u8, 255, b'\r', b'\n'][..]).query(&mut client).unwrap();
        assert_eq!(bytes, "any bytes");
    }
}

/// Keeps what is PUT, by path and query, and gives it back: as much of a storage account as backups need.
struct Storage {
    url: String,
    blobs: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
}

impl Storage {
    fn start() -> Storage {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let blobs: Arc<Mutex<BTreeMap<String, Vec<u8>>>> = Arc::default();
        let kept = blobs.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut head = Vec::new();
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    if line.trim().is_empty() {
                        break;
                    }
                    head.push(line.trim().to_lowercase());
                }
                let Some(first) = head.first() else { continue };
                let mut words = first.split(' ');
                let (method, path) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
                let length = head.iter().find_map(|line| line.strip_prefix("content-length:"));
                let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
                reader.read_exact(&mut body).unwrap();
                let mut blobs = kept.lock().unwrap();
                let (status, content) = match method.as_str() {
                    "put" if head.contains(&"x-ms-blob-type: blockblob".to_owned()) => {
                        blobs.insert(path, body);
                        ("201 Created", Vec::new())
                    }
                    "get" => blobs.get(&path).map_or(("404 Not Found", Vec::new()), |blob| ("200 OK", blob.clone())),
                    _ => ("400 Bad Request", Vec::new()),
                };
                let head =
                    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", content.len());
                stream.write_all(&[head.into_bytes(), content].concat()).unwrap();
            }
        });
        Storage { url, blobs }
    }
}
