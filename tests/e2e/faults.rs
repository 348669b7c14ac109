//! Crashes, races and the hands of unlucky operators: nothing that was acknowledged is lost, nothing is orphaned.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;

use serde_json::json;

use crate::arm::{Cache, quickstart};
use crate::gateway::{Gateway, Runtime, send, wait_for};

on_each_runtime! {
    a_restart_keeps_port_keys_and_data,
    two_rotations_at_once_leave_keys_that_work,
    a_delete_during_creating_leaves_nothing,
    a_put_during_deleting_is_refused_and_works_afterwards,
    a_killed_server_comes_back_with_its_keys_and_data,
    a_server_without_a_place_for_another_client_is_left_alone,
    acknowledged_is_durable,
    what_a_killed_gateway_without_state_left_is_removed_by_the_next,
    ports_that_others_have_are_left_alone_and_an_exhausted_range_fails_with_the_reason,
}

fn write(cache: &Cache) {
    let mut connection = cache.connect(&cache.keys()[0]).unwrap();
    redis::cmd("SET").arg("greeting").arg("hello").exec(&mut connection).unwrap();
}

/// What was written can be read with the key, as soon as the server answers again.
fn read(cache: &Cache, key: &str) {
    wait_for("the data to be read", || {
        cache
            .connect(key)
            .and_then(|mut connection| redis::cmd("GET").arg("greeting").query::<Option<String>>(&mut connection))
            .is_ok_and(|greeting| greeting.as_deref() == Some("hello"))
    });
}

fn a_restart_keeps_port_keys_and_data(runtime: Runtime) {
    let mut gateway = Gateway::start(runtime);
    let cache = gateway.arm().cache("my-cache");
    cache.create();
    write(&cache);
    cache.regenerate("Primary").expect(200);
    let (port, keys) = (cache.port(), cache.keys());

    let check = |how: &str| {
        assert_eq!(cache.get().expect(200).state(), "Succeeded", "{how}");
        assert_eq!((cache.port(), cache.keys()), (port, keys.clone()), "{how}");
        read(&cache, &keys[0]);
        read(&cache, &keys[1]);
    };
    gateway.terminate();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err(), "a server outlives its gateway");
    gateway.spawn();
    check("after SIGTERM");

    let server = gateway.server_pid();
    gateway.kill();
    assert!(cache.arm.try_get("/health").is_none());
    gateway.spawn();
    check("after kill -9");
    assert_eq!(gateway.server_pid(), server, "a running server is adopted, not started again");
    cache.remove();
    assert_eq!(gateway.leftovers(), Vec::<String>::new());
}

fn two_rotations_at_once_leave_keys_that_work(runtime: Runtime) {
    let gateway = Gateway::start(runtime);
    let cache = gateway.arm().cache("my-cache");
    cache.create();
    for key_types in [["Primary", "Primary"], ["Primary", "Secondary"]] {
        thread::scope(|scope| {
            for key_type in key_types {
                scope.spawn(|| cache.regenerate(key_type).expect(200));
            }
        });
        for key in cache.keys() {
            cache.connect(&key).unwrap();
        }
    }
}

fn a_delete_during_creating_leaves_nothing(runtime: Runtime) {
    let gateway = Gateway::start(runtime);
    // At whatever moment of the creation the request arrives.
    for n in 0..8 {
        let cache = gateway.arm().cache(&format!("cache-{n}"));
        let created = cache.put(&quickstart()).expect(201);
        thread::sleep(std::time::Duration::from_millis(n * 15));
        cache.delete().expect(202);
        wait_for("the cache to be gone", || cache.get().status == 404);
        let operation = gateway.arm().get(created.header("azure-asyncoperation").unwrap()).expect(200);
        assert_ne!(operation.body["status"], "InProgress", "the creation's operation has to end, too");
    }
    assert_eq!(gateway.leftovers(), Vec::<String>::new());
}

fn a_put_during_deleting_is_refused_and_works_afterwards(runtime: Runtime) {
    let gateway = Gateway::start(runtime);
    let cache = gateway.arm().cache("my-cache");
    cache.create();
    write(&cache);
    cache.delete().expect(202);
    // Either it is still being deleted, or it is gone: never something in between.
    let answer = cache.put(&quickstart());
    match answer.status {
        409 => {
            assert_eq!(answer.code(), "Conflict");
            wait_for("the cache to be gone", || cache.get().status == 404);
            cache.put(&quickstart()).expect(201);
        }
        201 => {}
        other => panic!("{other}: {:#}", answer.body),
    }
    cache.settled("Succeeded");
    let mut connection = cache.connect(&cache.keys()[0]).unwrap();
    assert_eq!(
        redis::cmd("GET").arg("greeting").query::<Option<String>>(&mut connection).unwrap(),
        None,
        "a new cache is empty"
    );
}

fn a_killed_server_comes_back_with_its_keys_and_data(runtime: Runtime) {
    let gateway = Gateway::start(runtime);
    let cache = gateway.arm().cache("my-cache");
    cache.create();
    write(&cache);
    cache.regenerate("Secondary").expect(200);
    let (port, keys) = (cache.port(), cache.keys());
    for _ in 0..2 {
        gateway.kill_server();
        read(&cache, &keys[0]);
        read(&cache, &keys[1]);
    }
    assert_eq!(cache.port(), port);
    assert_eq!(cache.get().state(), "Succeeded");
}

/// A client that has taken every connection of its cache is not thrown out by the gateway's own looks at it.
fn a_server_without_a_place_for_another_client_is_left_alone(runtime: Runtime) {
    let gateway = Gateway::start(runtime);
    let cache = gateway.arm().cache("my-cache");
    cache.create();
    let [key, _] = cache.keys();
    let server = gateway.server_pid();
    let mut clients: Vec<redis::Connection> = Vec::new();
    while let Ok(client) = cache.connect(&key) {
        clients.push(client);
        assert!(clients.len() < 2_000, "maxclients is not in force");
    }
    // Makes the gateway look.
    assert_eq!(cache.regenerate("Secondary").expect(409).code(), "Conflict");
    cache.patch(&json!({ "properties": { "redisConfiguration": { "maxmemory-policy": "noeviction" } } })).expect(200);
    drop(clients.split_off(clients.len() / 2));
    cache.settled("Succeeded");
    for client in &mut clients {
        redis::cmd("PING").exec(client).unwrap();
    }
    assert_eq!(gateway.server_pid(), server, "the server was started again");
}

/// kill -9 at any point: what was answered 2xx is there and converges, nothing is orphaned, no port leaks.
fn acknowledged_is_durable(runtime: Runtime) {
    let mut gateway = Gateway::start(runtime);
    let arm = gateway.arm();
    let mut survivors = Vec::new();
    for round in 0..6 {
        let cache = arm.cache(&format!("cache-{round}"));
        let created = cache.put(&quickstart()).expect(201).body;
        let key = created["properties"]["accessKeys"]["primaryKey"].as_str().unwrap().to_owned();
        thread::sleep(std::time::Duration::from_millis(round * 40));
        if round % 3 == 2 {
            cache.delete().expect(202);
            gateway.kill();
            gateway.spawn();
            wait_for("the cache to be gone", || cache.get().status == 404);
        } else {
            gateway.kill();
            gateway.spawn();
            survivors.push((cache, key));
        }
    }
    for (cache, key) in &survivors {
        cache.settled("Succeeded");
        assert_eq!(&cache.keys()[0], key);
        cache.connect(key).unwrap();
    }
    assert_eq!(gateway.workloads().len(), survivors.len());
    let ports: std::collections::BTreeSet<u16> = survivors.iter().map(|(cache, _)| cache.port()).collect();
    assert_eq!(ports.len(), survivors.len(), "{ports:?}");
    for (cache, _) in &survivors {
        cache.remove();
    }
    assert_eq!(gateway.leftovers(), Vec::<String>::new());
    let last = arm.cache("last");
    last.create();
    assert!(last.port() < gateway.range().start() + 3, "ports were given back: {}", last.port());
}

fn what_a_killed_gateway_without_state_left_is_removed_by_the_next(runtime: Runtime) {
    let mut gateway = Gateway::with(runtime, &[("FLOCI_AZ_STORAGE_MODE", "memory")]);
    let cache = gateway.arm().cache("my-cache");
    cache.create();
    let port = cache.port();
    gateway.kill();
    std::net::TcpStream::connect(("127.0.0.1", port)).expect("the server outlives a killed gateway");
    gateway.spawn();
    cache.get().expect(404);
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err(), "an orphan listens still");
    cache.create();
    gateway.terminate();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err(), "without state, nothing outlives the gateway");
    let ending = format!("-127.0.0.1-{}", gateway.port);
    let left = fs::read_dir(std::env::temp_dir()).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().ends_with(&ending)).collect();
    assert!(left.is_empty(), "{left:?}");
}

fn ports_that_others_have_are_left_alone_and_an_exhausted_range_fails_with_the_reason(runtime: Runtime) {
    let mut gateway = Gateway::prepare(runtime, &[]);
    let first = *gateway.range().start();
    gateway.set("FLOCI_AZ_SERVICES_REDIS_MAX_PORT", &(first + 2).to_string());
    gateway.set("FLOCI_AZ_SERVICES_REDIS_SSL_PORT", &(first + 1).to_string());
    gateway.spawn();
    let foreign = std::net::TcpListener::bind(("127.0.0.1", first)).unwrap();
    let arm = gateway.arm();
    let (one, two) = (arm.cache("one"), arm.cache("two"));
    one.create();
    assert_eq!(one.port(), first + 2, "the first is somebody else's, the second is kept for TLS");

    let created = two.put(&quickstart()).expect(201);
    two.settled("Failed");
    let operation = arm.get(created.header("azure-asyncoperation").unwrap()).body;
    assert_eq!(operation["status"], "Failed");
    assert_eq!(operation["error"]["code"], "PortRangeExhausted");
    assert!(gateway.log_text().contains("PortRangeExhausted"), "the log says why");

    // A later PUT tries again.
    drop(foreign);
    two.put(&quickstart()).expect(200);
    two.settled("Succeeded");
    assert_eq!(two.port(), first);
}

mod process_only {
    use super::*;

    #[test]
    fn a_start_with_another_runtime_is_refused_while_there_is_data() {
        let mut gateway = Gateway::start(Runtime::Process);
        let cache = gateway.arm().cache("my-cache");
        cache.create();
        write(&cache);
        let [key, _] = cache.keys();
        gateway.terminate();
        gateway.set("FLOCI_AZ_RUNTIME", "none");
        let output = gateway.command().output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains("the runtime 'process'"), "{text}");

        gateway.set("FLOCI_AZ_RUNTIME", "process");
        gateway.spawn();
        read(&cache, &key);
        cache.remove();
        gateway.terminate();
        gateway.set("FLOCI_AZ_RUNTIME", "none");
        gateway.spawn();
    }

    /// A server that never answers.
    fn stuck(gateway: &mut Gateway) {
        let folder = gateway.folder.path().join("bin");
        fs::create_dir(&folder).unwrap();
        for name in ["valkey-server", "redis-server"] {
            fs::write(folder.join(name), "#!/bin/sh\nexec sleep 600\n").unwrap();
            fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        gateway.set("PATH", &format!("{}:/usr/local/bin:/usr/bin:/bin", folder.display()));
    }

    #[test]
    fn while_a_cache_is_being_created_changes_are_refused_and_a_delete_is_not() {
        let mut gateway = Gateway::prepare(Runtime::Process, &[]);
        stuck(&mut gateway);
        gateway.spawn();
        let cache = gateway.arm().cache("my-cache");
        let created = cache.put(&quickstart()).expect(201);
        wait_for("the server to be started", || !gateway.workloads().is_empty());
        for refused in [cache.put(&quickstart()), cache.patch(&json!({ "tags": {} })), cache.regenerate("Primary")] {
            assert_eq!((refused.status, refused.code()), (409, "Conflict"));
            assert!(refused.message().contains("is busy processing a previous update request"));
        }
        cache.post("listKeys", &json!(null)).expect(200);
        cache.remove();
        let operation = gateway.arm().get(created.header("azure-asyncoperation").unwrap()).body;
        assert_eq!(
            (operation["status"].as_str(), operation["error"]["code"].as_str()),
            (Some("Failed"), Some("OperationPreempted"))
        );
        assert_eq!(gateway.leftovers(), Vec::<String>::new());
    }

    #[test]
    fn a_gateway_that_is_told_to_end_ends_while_a_cache_is_being_created() {
        let mut gateway = Gateway::prepare(Runtime::Process, &[]);
        stuck(&mut gateway);
        gateway.spawn();
        let cache = gateway.arm().cache("my-cache");
        cache.put(&quickstart()).expect(201);
        wait_for("the server to be started", || !gateway.workloads().is_empty());
        gateway.terminate();
    }

    #[test]
    fn a_server_that_cannot_start_fails_the_creation_with_its_last_words() {
        let mut gateway = Gateway::prepare(Runtime::Process, &[]);
        let folder = gateway.folder.path().join("bin");
        fs::create_dir(&folder).unwrap();
        for name in ["valkey-server", "redis-server"] {
            fs::write(folder.join(name), "#!/bin/sh\necho no bits left >&2\nexit 7\n").unwrap();
            fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        gateway.set("PATH", &format!("{}:/usr/local/bin:/usr/bin:/bin", folder.display()));
        gateway.spawn();
        let cache = gateway.arm().cache("my-cache");
        let created = cache.put(&quickstart()).expect(201);
        cache.settled("Failed");
        let operation = gateway.arm().get(created.header("azure-asyncoperation").unwrap()).body;
        assert!(operation["error"]["message"].as_str().unwrap().contains("no bits left"), "{operation:#}");
        cache.remove();
        assert_eq!(gateway.leftovers(), Vec::<String>::new());
    }

    #[test]
    fn a_server_that_is_stopped_does_not_stop_the_gateway() {
        let gateway = Gateway::start(Runtime::Process);
        let cache = gateway.arm().cache("my-cache");
        cache.create();
        send(gateway.server_pid(), "STOP");
        let refused = cache.regenerate("Primary");
        send(gateway.server_pid(), "CONT");
        assert_eq!(refused.status, 409, "{:#}", refused.body);
        for key in cache.keys() {
            cache.connect(&key).unwrap();
        }
    }
}

mod docker_only {
    use super::*;

    /// The engine as the gateway sees it: a socket that can be taken away.
    fn removable_engine(gateway: &mut Gateway) -> impl Fn(bool) + use<> {
        let socket = gateway.folder.path().join("docker.sock");
        gateway.set("DOCKER_HOST", &format!("unix://{}", socket.display()));
        move |there| match there {
            true => std::os::unix::fs::symlink("/var/run/docker.sock", &socket).unwrap(),
            false => fs::remove_file(&socket).unwrap(),
        }
    }

    mod docker {
        use super::*;

        #[test]
        fn an_engine_that_is_gone_fails_the_creation_and_a_later_put_tries_again() {
            let mut gateway = Gateway::prepare(Runtime::Docker, &[]);
            let engine = removable_engine(&mut gateway);
            engine(true);
            gateway.spawn();
            let cache = gateway.arm().cache("my-cache");
            engine(false);
            let created = cache.put(&quickstart()).expect(201);
            cache.settled("Failed");
            let operation = gateway.arm().get(created.header("azure-asyncoperation").unwrap()).body;
            assert_eq!(operation["error"]["code"], "RuntimeUnavailable", "{operation:#}");
            assert!(gateway.log_text().contains("RuntimeUnavailable"), "the log says why");
            engine(true);
            cache.put(&quickstart()).expect(200);
            cache.settled("Succeeded");
            cache.connect(&cache.keys()[0]).unwrap();
        }

        #[test]
        fn a_start_that_asks_for_an_engine_which_is_not_there_says_so() {
            let mut gateway = Gateway::prepare(Runtime::Docker, &[]);
            let _absent = removable_engine(&mut gateway);
            let output = gateway.command().output().unwrap();
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                !output.status.success() && text.contains("docker.sock") && text.contains("FLOCI_AZ_RUNTIME"),
                "{text}"
            );
        }

        #[test]
        fn an_image_that_cannot_be_had_fails_the_creation_with_the_reason() {
            // Nothing listens on port 1.
            let image = "localhost:1/no/such-image:1";
            let gateway = Gateway::with(Runtime::Docker, &[("FLOCI_AZ_SERVICES_REDIS_DEFAULT_IMAGE", image)]);
            let cache = gateway.arm().cache("my-cache");
            let created = cache.put(&quickstart()).expect(201);
            cache.settled("Failed");
            let operation = gateway.arm().get(created.header("azure-asyncoperation").unwrap()).body;
            assert_eq!(operation["error"]["code"], "ImageNotAvailable", "{operation:#}");
            assert!(operation["error"]["message"].as_str().unwrap().contains(image), "{operation:#}");
            cache.remove();
            assert_eq!(gateway.leftovers(), Vec::<String>::new());
        }

        #[test]
        fn a_container_that_is_removed_by_hand_comes_back_with_its_data() {
            let gateway = Gateway::start(Runtime::Docker);
            let cache = gateway.arm().cache("my-cache");
            cache.create();
            write(&cache);
            let [key, _] = cache.keys();
            crate::gateway::run("docker", &["rm", "-f", &gateway.workloads()[0]]);
            read(&cache, &key);
        }
    }
}
