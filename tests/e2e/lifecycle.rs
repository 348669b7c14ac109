//! The main job: a cache created over ARM, a real server behind it, a real client reading back what it wrote.

use serde_json::{Value, json};

use crate::arm::{VERSION, quickstart};
use crate::gateway::{Gateway, Runtime, wait_for};

on_each_runtime! {
    a_cache_is_created_used_rotated_and_deleted,
    tags_and_configuration_can_be_patched,
    both_lists_show_what_is_in_them,
    caches_beyond_the_number_of_ports_can_be_created_one_after_the_other,
    a_long_running_operation_can_be_followed,
    redis_py_reads_back_what_it_wrote,
}

fn a_cache_is_created_used_rotated_and_deleted(runtime: Runtime) {
    let gateway = Gateway::start(runtime);
    let cache = gateway.arm().cache("my-cache");

    let created = cache.put(&quickstart()).expect(201);
    assert_eq!(created.state(), "Creating");
    assert_eq!(created.body["type"], "Microsoft.Cache/Redis");
    assert_eq!(
        created.body["id"],
        "/subscriptions/my-sub/resourceGroups/my-rg/providers/Microsoft.Cache/Redis/my-cache"
    );
    let keys = cache.keys();
    assert_eq!(created.body["properties"]["accessKeys"], json!({ "primaryKey": keys[0], "secondaryKey": keys[1] }));

    let ready = cache.settled("Succeeded").body;
    assert_eq!(ready["properties"]["hostName"], "localhost");
    assert_eq!(ready["properties"]["sslPort"], gateway.tls_port());
    assert_eq!(ready["properties"]["accessKeys"], Value::Null);
    assert!(gateway.range().contains(&cache.port()));

    // Both keys are the default user's, nothing else is.
    let mut primary = cache.connect(&keys[0]).unwrap();
    redis::cmd("SET").arg("greeting").arg("hello").exec(&mut primary).unwrap();
    let mut secondary = cache.connect(&keys[1]).unwrap();
    assert_eq!(redis::cmd("GET").arg("greeting").query::<String>(&mut secondary).unwrap(), "hello");
    assert_eq!(redis::cmd("ACL").arg("WHOAMI").query::<String>(&mut secondary).unwrap(), "default");
    assert!(cache.connect("wrong").is_err());
    let no_password = redis::Client::open(format!("redis://localhost:{}", cache.port())).unwrap().get_connection();
    assert!(no_password.and_then(|mut connection| redis::cmd("PING").exec(&mut connection)).is_err());

    // A rotated key is in force when the answer arrives; the other one, and the data, stay.
    let rotated = cache.regenerate("Primary").expect(200).body;
    assert_ne!(rotated["primaryKey"], json!(keys[0]));
    assert_eq!(rotated["secondaryKey"], json!(keys[1]));
    let mut renewed = cache.connect(rotated["primaryKey"].as_str().unwrap()).unwrap();
    assert_eq!(redis::cmd("GET").arg("greeting").query::<String>(&mut renewed).unwrap(), "hello");
    assert!(cache.connect(&keys[0]).is_err(), "the old key still works");
    cache.connect(&keys[1]).unwrap();
    assert_eq!(cache.regenerate("secondary").expect(200).body["primaryKey"], rotated["primaryKey"]);
    assert!(cache.connect(&keys[1]).is_err(), "the old key still works");

    let port = cache.port();
    cache.remove();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err(), "something listens still");
    assert_eq!(gateway.leftovers(), Vec::<String>::new());
    cache.delete().expect(204);
}

fn tags_and_configuration_can_be_patched(runtime: Runtime) {
    let gateway = Gateway::start(runtime);
    let cache = gateway.arm().cache("my-cache");
    cache.create();

    let tagged = cache.patch(&json!({ "tags": { "team": "a", "stage": "ci" } })).expect(200);
    assert_eq!(tagged.state(), "Succeeded", "tags have no side effects");
    let replaced = cache.patch(&json!({ "tags": { "team": "b" } })).expect(200);
    assert_eq!(replaced.body["tags"], json!({ "team": "b" }), "tags are replaced as a whole");

    let policy = json!({ "properties": { "redisConfiguration": { "maxmemory-policy": "allkeys-lru", "notify-keyspace-events": "KEA" } } });
    cache.patch(&policy).expect(200);
    let settled = cache.settled("Succeeded").body;
    assert_eq!(settled["properties"]["redisConfiguration"]["maxmemory-policy"], "allkeys-lru");
    assert_eq!(settled["tags"], json!({ "team": "b" }), "what the patch does not name stays");
    let mut connection = cache.connect(&cache.keys()[0]).unwrap();
    let memory: String = redis::cmd("INFO").arg("memory").query(&mut connection).unwrap();
    assert!(memory.contains("maxmemory_policy:allkeys-lru"), "the running server has it: {memory}");
    let refused = redis::cmd("CONFIG").arg("GET").arg("maxmemory-policy").query::<redis::Value>(&mut connection);
    assert_eq!(refused.unwrap_err().code(), Some("NOPERM"), "the server's administration is not its clients'");
}

fn both_lists_show_what_is_in_them(runtime: Runtime) {
    let gateway = Gateway::with(runtime, &[("FLOCI_AZ_SERVICES_REDIS_MOCKED", "true")]);
    let arm = gateway.arm();
    let in_group = |group: &str, name: &str| {
        let mut cache = arm.cache(name);
        cache.path = cache.path.replace("my-rg", group);
        let created = cache.put(&quickstart()).expect(201);
        assert_eq!(created.state(), "Succeeded", "a mocked cache is there at once");
        assert_eq!(created.body["properties"]["hostName"], "localhost");
        cache
    };
    in_group("one", "a");
    in_group("one", "b");
    in_group("two", "c");

    let names = |scope: &str| {
        let listed = arm
            .get(&format!("/subscriptions/my-sub{scope}/providers/Microsoft.Cache/redis?api-version={VERSION}"))
            .expect(200);
        let caches = listed.body["value"].as_array().unwrap().clone();
        assert!(caches.iter().all(|cache| cache["properties"]["accessKeys"].is_null()), "no keys in lists");
        caches.iter().map(|cache| cache["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(""), ["a", "b", "c"]);
    assert_eq!(names("/resourceGroups/one"), ["a", "b"]);
    assert_eq!(names("/RESOURCEGROUPS/TWO"), ["c"]);
    assert_eq!(names("/resourceGroups/none"), Vec::<String>::new());
    assert_eq!(gateway.leftovers(), Vec::<String>::new(), "a mocked cache has no workload");
}

fn caches_beyond_the_number_of_ports_can_be_created_one_after_the_other(runtime: Runtime) {
    let mut gateway = Gateway::prepare(runtime, &[]);
    let first = crate::gateway::free_ports(21);
    gateway.set("FLOCI_AZ_SERVICES_REDIS_BASE_PORT", &first.to_string());
    gateway.set("FLOCI_AZ_SERVICES_REDIS_MAX_PORT", &(first + 20).to_string());
    gateway.spawn();
    for n in 0..25 {
        let cache = gateway.arm().cache(&format!("cache-{n}"));
        cache.create();
        let mut connection = cache.connect(&cache.keys()[0]).unwrap();
        redis::cmd("SET").arg("n").arg(n).exec(&mut connection).unwrap();
        cache.remove();
    }
    assert_eq!(gateway.leftovers(), Vec::<String>::new());
}

fn a_long_running_operation_can_be_followed(runtime: Runtime) {
    let gateway = Gateway::start(runtime);
    let (arm, cache) = (gateway.arm(), gateway.arm().cache("my-cache"));

    let created = cache.put(&quickstart()).expect(201);
    let status = created.header("azure-asyncoperation").unwrap().to_owned();
    assert!(status.starts_with(&format!(
        "http://localhost:{}/subscriptions/my-sub/providers/Microsoft.Cache/locations/eastus/asyncOperations/",
        gateway.port
    )));
    assert!(created.header("location").unwrap().contains("/Redis/my-cache?api-version="));
    assert!(created.header("retry-after").unwrap().parse::<u32>().unwrap() >= 1);
    let mut seen = Vec::new();
    wait_for("the operation's end", || {
        let answer = arm.get(&status).expect(200);
        seen.push(answer.body["status"].as_str().unwrap().to_owned());
        answer.body["status"] != "InProgress"
    });
    assert_eq!(seen.last().map(String::as_str), Some("Succeeded"));
    assert_eq!(cache.get().state(), "Succeeded", "the resource is ready when its operation has ended");

    let deleted = cache.delete().expect(202);
    assert_eq!(deleted.body, Value::Null);
    let result = deleted.header("location").unwrap().to_owned();
    wait_for("the deletion's end", || arm.get(&result).status == 200);
    assert_eq!(arm.get(&result).body["status"], "Succeeded");
    cache.get().expect(404);
}

fn redis_py_reads_back_what_it_wrote(runtime: Runtime) {
    let gateway = Gateway::start(runtime);
    let cache = gateway.arm().cache("my-cache");
    cache.create();
    let [primary, secondary] = cache.keys();
    crate::clients::python("redis_py.py", &["localhost", &cache.port().to_string(), &primary, &secondary]);
}
