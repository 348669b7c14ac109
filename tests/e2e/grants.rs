//! What the operator allows a plugin, with real workloads: a bound that is reached fails the resource beyond it, and
//! that one can still be deleted.

use crate::arm::quickstart;
use crate::gateway::{Gateway, Runtime};

on_each_runtime! { a_workload_beyond_the_count_is_refused_until_another_is_gone }

fn a_workload_beyond_the_count_is_refused_until_another_is_gone(runtime: Runtime) {
    let gateway = Gateway::with(runtime, &[("FLOCI_AZ_SERVICES_REDIS_GRANTS_COUNT", "1")]);
    let (first, second) = (gateway.arm().cache("first"), gateway.arm().cache("second"));
    first.create();
    second.put(&quickstart()).expect(201);
    second.settled("Failed");
    assert_eq!(gateway.workloads().len(), 1, "{:?}", gateway.workloads());
    second.remove();

    first.remove();
    gateway.arm().cache("third").create();
}

#[test]
fn what_is_refused_says_which_setting_would_allow_it() {
    for (key, value, code) in [
        ("GRANTS_WORKLOADS", "false", "services.redis.grants.workloads"),
        ("GRANTS_PORTS", "false", "services.redis.grants.ports"),
        ("GRANTS_IMAGES", "contoso/*", "services.redis.grants.images"),
        ("GRANTS_PROGRAMS", "memcached", "services.redis.grants.programs"),
        ("GRANTS_PORT_RANGES", "1-2", "services.redis.grants.port-ranges"),
        ("GRANTS_MEMORY", "1mb", "services.redis.grants.memory"),
    ] {
        // Refused before any runtime is asked.
        let gateway = Gateway::with(Runtime::None, &[(&format!("FLOCI_AZ_SERVICES_REDIS_{key}"), value)]);
        let cache = gateway.arm().cache("my-cache");
        let operation = cache.put(&quickstart()).expect(201);
        cache.settled("Failed");
        let url = operation.header("azure-asyncoperation").unwrap().to_owned();
        let ended = gateway.arm().get(&url).expect(200);
        assert_eq!(ended.body["error"]["code"], "NotGranted", "{key}: {}", ended.body);
        assert!(ended.body["error"]["message"].as_str().unwrap().contains(code), "{key}: {}", ended.body);
        cache.remove();
    }
}
