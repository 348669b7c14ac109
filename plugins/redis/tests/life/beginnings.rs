//! From nothing to a running cache and back.

use expect_test::expect;
use floci_az_redis::Redis;
use floci_az_sdk::testing::Moment;
use floci_az_sdk::{Fault, Next, json};

use super::valkey::{ID, gateway};
use super::{basic, check, connection};

#[test]
fn a_cache_is_created_in_one_step_and_one_connection() {
    let (host, _) = gateway();
    host.put::<Redis>(ID, basic()).unwrap();
    assert_eq!(connection(&host), r#""localhost" null 6380 primary false"#);
    check(
        host.reconcile::<Redis>(ID),
        &host,
        expect![[r#"
            allocate redis: 6379
            ensure server: running
            resp as floci-az: (look)
            publish [6380]
            resp as floci-az: INFO replication
            Done
            "localhost" 6379 6380 primary true
        "#]],
    );
    // Again, nothing changes.
    check(
        host.reconcile::<Redis>(ID),
        &host,
        expect![[r#"
            ensure server: running
            resp as floci-az: (look)
            resp as floci-az: INFO replication
            Done
            "localhost" 6379 6380 primary true
        "#]],
    );
}

#[test]
fn an_image_is_waited_for() {
    let (host, valkey) = gateway();
    host.script([Ok(Moment::preparing("pulling 40 %")), Ok(Moment::running(3))]);
    host.put::<Redis>(ID, basic()).unwrap();
    check(
        host.reconcile::<Redis>(ID),
        &host,
        expect![[r#"
        allocate redis: 6379
        ensure server: preparing
        Wait { after: 250ms, reason: "the server is being prepared: pulling 40 %" }
        "localhost" null 6380 primary false
    "#]],
    );
    valkey.borrow_mut().fault = Some(Fault::new("ConnectionFailed", "connection refused"));
    check(
        host.reconcile::<Redis>(ID),
        &host,
        expect![[r#"
            ensure server: running
            resp as floci-az: (look)
            Wait { after: 20ms, reason: "the server is not ready yet: connection refused" }
            "localhost" null 6380 primary false
        "#]],
    );
    valkey.borrow_mut().fault = None;
    valkey.borrow_mut().loading = Some("LOADING Valkey is loading the dataset in memory".to_owned());
    check(
        host.reconcile::<Redis>(ID),
        &host,
        expect![[r#"
            ensure server: running
            resp as floci-az: (look)
            Wait { after: 50ms, reason: "the server reads its data" }
            "localhost" null 6380 primary false
        "#]],
    );
    valkey.borrow_mut().loading = None;
    check(
        host.reconcile::<Redis>(ID),
        &host,
        expect![[r#"
            ensure server: running
            resp as floci-az: (look)
            publish [6380]
            resp as floci-az: INFO replication
            Done
            "localhost" 6379 6380 primary true
        "#]],
    );
}

#[test]
fn a_server_that_never_answers_fails_with_its_output() {
    let (host, valkey) = gateway();
    valkey.borrow_mut().fault = Some(Fault::new("ConnectionFailed", "localhost:6379: timed out"));
    host.script([Ok(Moment::running(60_001))]);
    host.put::<Redis>(ID, basic()).unwrap();
    check(
        host.reconcile::<Redis>(ID),
        &host,
        expect![[r#"
            allocate redis: 6379
            ensure server: running
            resp as floci-az: (look)
            Failed(Fault { code: "CacheNotResponding", message: "the cache's server runs since 60 s and does not answer: localhost:6379: timed out. Its last output:\n(the last 20 lines of server)" })
            "localhost" null 6380 primary false
        "#]],
    );
}

#[test]
fn a_server_that_keeps_ending_fails_and_is_tried_again_after_a_change() {
    let (host, _) = gateway();
    host.script([
        Ok(Moment::exited("code 1", 1)),
        Ok(Moment::exited("code 1", 2)),
        Ok(Moment::exited("code 1: out of memory", 3)),
    ]);
    host.put::<Redis>(ID, basic()).unwrap();
    check(
        host.settle::<Redis>(ID),
        &host,
        expect![[r#"
        allocate redis: 6379
        ensure server: exited
        ensure server: exited
        ensure server: exited
        Failed(Fault { code: "CacheServerExited", message: "the cache's server was started 3 times and ended each time: code 1: out of memory" })
        "localhost" null 6380 primary false
    "#]],
    );
    host.script([Ok(Moment::exited("code 1", 4))]);
    host.put::<Redis>(ID, basic()).unwrap();
    check(
        host.settle::<Redis>(ID),
        &host,
        expect![[r#"
            ensure server: exited
            ensure server: running
            resp as floci-az: (look)
            publish [6380]
            resp as floci-az: INFO replication
            Done
            "localhost" 6379 6380 primary true
        "#]],
    );
}

#[test]
fn a_server_that_ends_while_nobody_looks_fails_too() {
    let (host, valkey) = gateway();
    valkey.borrow_mut().fault = Some(Fault::new("ConnectionFailed", "connection refused"));
    host.script((0..=3).map(|exits| Ok(Moment::restarted(2, exits))));
    host.put::<Redis>(ID, basic()).unwrap();
    check(
        host.settle::<Redis>(ID),
        &host,
        expect![[r#"
            allocate redis: 6379
            ensure server: running
            resp as floci-az: (look)
            ensure server: running
            resp as floci-az: (look)
            ensure server: running
            resp as floci-az: (look)
            ensure server: running
            resp as floci-az: (look)
            Failed(Fault { code: "CacheServerExited", message: "the cache's server was started 3 times and ended each time: connection refused. Its last output:\n(the last 20 lines of server)" })
            "localhost" null 6380 primary false
        "#]],
    );
}

#[test]
fn a_port_that_another_program_has_is_passed_over() {
    let (host, _) = gateway();
    let in_use = || Err(Fault::new("PortInUse", "the port is in use"));
    host.script([in_use(), Ok(Moment::exited("bind: Address already in use", 1)), Ok(Moment::running(5))]);
    host.put::<Redis>(ID, basic()).unwrap();
    check(
        host.settle::<Redis>(ID),
        &host,
        expect![[r#"
            allocate redis: 6379
            ensure server: PortInUse
            remove server
            release server-inner
            release server-public
            release server-bus
            release redis
            allocate redis: 6381
            ensure server: exited
            remove server
            release server-inner
            release server-public
            release server-bus
            release redis
            allocate redis: 6382
            ensure server: running
            resp as floci-az: (look)
            publish [6380]
            resp as floci-az: INFO replication
            Done
            "localhost" 6382 6380 primary true
        "#]],
    );
}

#[test]
fn when_every_port_is_taken_the_failure_names_them() {
    let (host, _) = gateway();
    host.set("max-port", "6381");
    let in_use = || Err(Fault::new("PortInUse", "the port is in use"));
    host.script([in_use(), in_use()]);
    host.put::<Redis>(ID, basic()).unwrap();
    check(
        host.settle::<Redis>(ID),
        &host,
        expect![[r#"
            allocate redis: 6379
            ensure server: PortInUse
            remove server
            release server-inner
            release server-public
            release server-bus
            release redis
            allocate redis: 6381
            ensure server: PortInUse
            remove server
            release server-inner
            release server-public
            release server-bus
            release redis
            Failed(Fault { code: "PortRangeExhausted", message: "no port is free between 6379 and 6381; other programs listen on 6379, 6381" })
            "localhost" null 6380 primary false
        "#]],
    );
}

#[test]
fn a_cache_that_has_served_keeps_its_port() {
    let (host, _) = gateway();
    host.put::<Redis>(ID, basic()).unwrap();
    host.settle::<Redis>(ID);
    host.journal();
    host.script([Err(Fault::new("PortInUse", "the port 6379 is in use"))]);
    check(
        host.settle::<Redis>(ID),
        &host,
        expect![[r#"
        ensure server: PortInUse
        Failed(Fault { code: "PortInUse", message: "the port 6379 is in use" })
        "localhost" 6379 6380 primary true
    "#]],
    );
}

#[test]
fn the_ssl_port_is_no_caches_port() {
    let (host, _) = gateway();
    host.occupy(6379);
    host.put::<Redis>(ID, basic()).unwrap();
    host.settle::<Redis>(ID);
    assert_eq!(host.held_ports(ID), [("redis".to_owned(), 6381)]);
}

#[test]
fn a_server_that_has_lost_its_administrator_is_restarted_once() {
    let (host, valkey) = gateway();
    host.put::<Redis>(ID, basic()).unwrap();
    host.settle::<Redis>(ID);
    host.journal();
    valkey.borrow_mut().users.insert("floci-az".to_owned(), None);
    check(
        host.reconcile::<Redis>(ID),
        &host,
        expect![[r#"
            ensure server: running
            resp as floci-az: (look)
            restart server
            Wait { after: 20ms, reason: "the server was restarted to read its users again" }
            "localhost" 6379 6380 primary true
        "#]],
    );
    // As the restart does.
    valkey.borrow_mut().users.clear();
    check(
        host.reconcile::<Redis>(ID),
        &host,
        expect![[r#"
            ensure server: running
            resp as floci-az: (look)
            resp as floci-az: INFO replication
            Done
            "localhost" 6379 6380 primary true
        "#]],
    );

    valkey.borrow_mut().users.insert("floci-az".to_owned(), None);
    check(
        host.settle::<Redis>(ID),
        &host,
        expect![[r#"
            ensure server: running
            resp as floci-az: (look)
            restart server
            ensure server: running
            resp as floci-az: (look)
            Failed(Fault { code: "CacheServerRefused", message: "the cache's server does not know its administrator, not even after a restart: WRONGPASS invalid username-password pair or user is disabled." })
            "localhost" 6379 6380 primary true
        "#]],
    );
}

#[test]
fn a_change_is_applied_to_the_running_server() {
    let (host, valkey) = gateway();
    host.put::<Redis>(ID, basic()).unwrap();
    host.settle::<Redis>(ID);
    host.journal();
    let patch = json!({ "properties": {
        "sku": { "capacity": 1 },
        "redisConfiguration": { "maxmemory-policy": "allkeys-lru", "notify-keyspace-events": "KEA" }
    }});
    host.patch::<Redis>(ID, patch).unwrap();
    check(
        host.reconcile::<Redis>(ID),
        &host,
        expect![[r#"
            ensure server: running
            resp as floci-az: (look)
            resp as floci-az: CONFIG SET maxmemory 268435456, CONFIG GET maxmemory
            resp as floci-az: CONFIG SET maxmemory-policy allkeys-lru, CONFIG GET maxmemory-policy
            resp as floci-az: CONFIG SET notify-keyspace-events KEA, CONFIG GET notify-keyspace-events
            resp as floci-az: CONFIG SET maxclients 1000, CONFIG GET maxclients
            resp as floci-az: INFO replication
            Done
            "localhost" 6379 6380 primary true
        "#]],
    );
    // A server shows the flags in its own order.
    valkey.borrow_mut().parameters.insert("notify-keyspace-events".to_owned(), "AKE".to_owned());
    check(
        host.reconcile::<Redis>(ID),
        &host,
        expect![[r#"
            ensure server: running
            resp as floci-az: (look)
            resp as floci-az: INFO replication
            Done
            "localhost" 6379 6380 primary true
        "#]],
    );
    let logged: Vec<String> = host.lines().into_iter().map(|(_, line)| line).collect();
    assert_eq!(logged, Vec::<String>::new(), "C0 fits, and a cache says once that it gets less");
}

#[test]
fn a_value_that_the_server_refuses_fails_the_operation() {
    let (host, valkey) = gateway();
    host.put::<Redis>(ID, basic()).unwrap();
    host.settle::<Redis>(ID);
    host.journal();
    valkey.borrow_mut().immutable.extend(["maxmemory-policy".to_owned(), "maxclients".to_owned()]);
    let patch = json!({ "properties": {
        "sku": { "capacity": 1 },
        "redisConfiguration": { "maxmemory-policy": "allkeys-lru" }
    }});
    host.patch::<Redis>(ID, patch).unwrap();
    check(
        host.settle::<Redis>(ID),
        &host,
        expect![[r#"
            ensure server: running
            resp as floci-az: (look)
            resp as floci-az: CONFIG SET maxmemory 268435456, CONFIG GET maxmemory
            resp as floci-az: CONFIG SET maxmemory-policy allkeys-lru, CONFIG GET maxmemory-policy
            Failed(Fault { code: "CacheServerRefused", message: "the cache's server did not take 'CONFIG SET maxmemory-policy allkeys-lru': ERR CONFIG SET failed - can't set 'maxmemory-policy'" })
            "localhost" 6379 6380 primary true
        "#]],
    );
    // The number of clients is up to the machine.
    valkey.borrow_mut().immutable.remove("maxmemory-policy");
    assert_eq!(host.settle::<Redis>(ID), Next::Done);
}

#[test]
fn less_memory_than_sold_is_said_once() {
    let (host, _) = gateway();
    let premium = json!({ "properties": { "sku": { "name": "Premium", "family": "P", "capacity": 1 } } });
    host.put::<Redis>(ID, premium).unwrap();
    host.settle::<Redis>(ID);
    host.settle::<Redis>(ID);
    expect![[r#"
        [
            (
                Info,
                "maxmemory is 256 MiB and not the 6144 MiB of size P1: 'services.redis.max-memory' allows no more",
            ),
        ]
    "#]]
    .assert_debug_eq(&host.lines());
}
