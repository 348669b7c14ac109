//! Caches of several servers on a fake gateway: replicas, clusters, links; and what actions do with their data.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that is set up wrongly has to fail")]

mod farm;

use std::collections::BTreeSet;

use expect_test::expect;
use farm::{ID, SLOTS, gateway, key};
use floci_az_redis::Redis;
use floci_az_sdk::testing::FakeHost;
use floci_az_sdk::{Fault, Next, ProvisioningState, Resource, Value, json};

fn premium(more: Value) -> Value {
    let mut properties = json!({ "sku": { "name": "Premium", "family": "P", "capacity": 1 } });
    properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "location": "eastus", "properties": properties })
}

fn ready(host: &FakeHost, more: Value) {
    host.put::<Redis>(ID, premium(more)).unwrap();
    assert_eq!(host.settle::<Redis>(ID), Next::Done);
}

/// An action that is done by `reconcile`, as the gateway runs it.
fn run(host: &FakeHost, action: &str, body: Value) -> Next {
    let answer = host.post::<Redis>(ID, action, body).unwrap();
    assert_eq!(answer.status(), 202);
    let stored = host.stored(ID).unwrap();
    host.store(Resource { provisioning_state: ProvisioningState::Updating, ..stored });
    host.settle::<Redis>(ID)
}

#[test]
fn replicas_follow_their_primary_and_go_when_they_are_too_many() {
    let (host, farm) = gateway();
    ready(&host, json!({ "replicasPerPrimary": 2 }));
    assert_eq!(farm.borrow().names(ID), ["replica-1", "replica-2", "server"]);
    let ports = host.held_ports(ID);
    expect![[r#"[("redis", 6379), ("replica-1-inner", 13000), ("replica-2-inner", 13001)]"#]]
        .assert_eq(&format!("{ports:?}"));
    for replica in ["replica-1", "replica-2"] {
        assert_eq!(farm.borrow_mut().server(ID, replica).primary, Some(("127.0.0.1".to_owned(), 6379)));
        let conf = host.spec(ID, replica).unwrap().files["server.conf"].clone();
        assert!(conf.contains("\nmasteruser \"floci-az-replica\"\n") && conf.ends_with("replicaof 127.0.0.1 6379\n"));
    }
    // One that follows somebody else is pointed to its primary again.
    farm.borrow_mut().server(ID, "replica-1").primary = Some(("10.0.0.9".to_owned(), 1));
    assert_eq!(host.settle::<Redis>(ID), Next::Done);
    assert_eq!(farm.borrow_mut().server(ID, "replica-1").primary, Some(("127.0.0.1".to_owned(), 6379)));

    host.patch::<Redis>(ID, json!({ "properties": { "replicasPerPrimary": 1, "replicasPerMaster": 1 } })).unwrap();
    assert_eq!(host.settle::<Redis>(ID), Next::Done);
    assert_eq!(farm.borrow().names(ID), ["replica-1", "server"]);
    expect![[r#"[("redis", 6379), ("replica-1-inner", 13000)]"#]].assert_eq(&format!("{:?}", host.held_ports(ID)));
    assert_eq!(host.delete::<Redis>(ID), Next::Done);
    assert_eq!(host.held_ports(ID), []);
    assert_eq!(farm.borrow().names(ID), Vec::<String>::new());
}

fn shards(host: &FakeHost, farm: &std::cell::RefCell<farm::Farm>) -> Vec<(String, usize)> {
    let _ = host;
    let names = farm.borrow().names(ID);
    names.into_iter().map(|name| (name.clone(), farm.borrow_mut().server(ID, &name).slots.len())).collect()
}

#[test]
fn a_cluster_has_all_slots_and_replicas_of_its_own() {
    let (host, farm) = gateway();
    ready(&host, json!({ "shardCount": 2, "replicasPerPrimary": 1 }));
    expect![[r#"[("replica-1", 0), ("server", 8192), ("shard-1", 8192), ("shard-1-replica-1", 0)]"#]]
        .assert_eq(&format!("{:?}", shards(&host, &farm)));
    let instances = host.stored(ID).unwrap().state.document["properties"]["instances"].clone();
    let shown: Vec<String> = instances
        .as_array()
        .unwrap()
        .iter()
        .map(|instance| format!("{} {} {}", instance["sslPort"], instance["shardId"], instance["isPrimary"]))
        .collect();
    expect![[r#"["13000 0 true", "13003 0 false", "13006 1 true", "13009 1 false"]"#]].assert_eq(&format!("{shown:?}"));
    let route = host.route(ID).unwrap();
    let entries: Vec<String> =
        route.entries.iter().map(|(port, entry)| format!("{port} {}", entry.to.workload)).collect();
    expect![[r#"["6379 server", "6380 server", "13000 server", "13003 replica-1", "13006 shard-1", "13009 shard-1-replica-1"]"#]]
        .assert_eq(&format!("{entries:?}"));
    // Inside a container a node listens where it is announced.
    let spec = host.spec(ID, "shard-1").unwrap();
    assert_eq!(spec.ports["redis"].inside, 13006);
    // Again, nothing is done.
    host.journal();
    assert_eq!(host.settle::<Redis>(ID), Next::Done);
    let again = host.journal();
    assert!(
        !again.iter().any(|line| ["MEET", "SETSLOT", "ADDSLOTS", "REPLICATE"].iter().any(|word| line.contains(word)))
    );
}

#[test]
fn more_servers_than_one_step_starts_become_a_cluster() {
    let (host, farm) = gateway();
    ready(&host, json!({ "shardCount": 10, "replicasPerPrimary": 1 }));
    let shards = shards(&host, &farm);
    assert_eq!(shards.len(), 20);
    assert_eq!(shards.iter().map(|(_, slots)| slots).sum::<usize>(), usize::from(SLOTS));
}

#[test]
fn slots_move_with_their_keys_when_shards_come_and_go() {
    let (host, farm) = gateway();
    ready(&host, json!({ "shardCount": 2 }));
    let mut all = BTreeSet::new();
    for slot in (0..SLOTS).step_by(97) {
        for rest in [0, 13, 255] {
            let name = if slot < 8192 { "server" } else { "shard-1" };
            farm.borrow_mut().server(ID, name).keys.entry(0).or_default().insert(key(slot, rest));
            all.insert(key(slot, rest));
        }
    }
    // As a move that ran out of time leaves it.
    farm.borrow_mut().server(ID, "shard-2").keys.entry(0).or_default().insert(key(8148, 13));
    for count in [3, 1, 2] {
        host.patch::<Redis>(ID, json!({ "properties": { "shardCount": count } })).unwrap();
        // Many more steps than a creation has.
        let last = (0..20).map(|_| host.settle::<Redis>(ID)).find(|next| !matches!(next, Next::Wait { .. }));
        assert_eq!(last, Some(Next::Done));
        let shards = shards(&host, &farm);
        assert_eq!(shards.len(), count);
        assert_eq!(shards.iter().map(|(_, slots)| slots).sum::<usize>(), usize::from(SLOTS));
        let mut found = BTreeSet::new();
        for (name, _) in shards {
            let mut farm = farm.borrow_mut();
            let server = farm.server(ID, &name);
            for key in server.keys.values().flatten() {
                assert!(
                    server.slots.contains(&(u16::from_be_bytes([key[0], key[1]]) % SLOTS)),
                    "a key is where its slot is"
                );
                found.insert(key.clone());
            }
        }
        assert_eq!(found, all);
    }
    let held: Vec<String> = host.held_ports(ID).into_iter().map(|(name, _)| name).collect();
    expect![[
        r#"["redis", "server-bus", "server-inner", "server-public", "shard-1-bus", "shard-1-inner", "shard-1-public"]"#
    ]]
    .assert_eq(&format!("{held:?}"));
    // One shard again, and a cluster still: the gateway goes on serving its port.
    host.patch::<Redis>(ID, json!({ "properties": { "shardCount": null } })).unwrap();
    let last = (0..20).map(|_| host.settle::<Redis>(ID)).find(|next| !matches!(next, Next::Wait { .. }));
    assert_eq!((last, shards(&host, &farm).len()), (Some(Next::Done), 1));
    let ports: Vec<u16> = host.route(ID).unwrap().entries.into_keys().collect();
    assert_eq!(ports[..2], [6379, 6380]);
}

#[test]
fn a_cache_with_keys_in_other_databases_gets_no_shards() {
    let (host, farm) = gateway();
    ready(&host, json!({}));
    farm.borrow_mut().server(ID, "server").keys.entry(4).or_default().insert(key(1, 1));
    host.patch::<Redis>(ID, json!({ "properties": { "shardCount": 2 } })).unwrap();
    // Nor before it has said which it has keys in.
    farm.borrow_mut().server(ID, "server").is_silent = true;
    for _ in 0..3 {
        assert!(matches!(host.reconcile::<Redis>(ID), Next::Wait { .. }));
    }
    assert!(!host.spec(ID, "server").unwrap().files["server.conf"].contains("cluster-enabled"));
    farm.borrow_mut().server(ID, "server").is_silent = false;
    let Next::Failed(fault) = host.settle::<Redis>(ID) else { panic!("it was not refused") };
    expect!["DatabasesNotEmpty: the cache cannot get shards, because a cluster has database 0 only and this one has keys in database 4. Move or delete them, or send shardCount as null"]
        .assert_eq(&format!("{}: {}", fault.code, fault.message));
    assert!(!host.spec(ID, "server").unwrap().files["server.conf"].contains("cluster-enabled"));
}

#[test]
fn jobs_are_done_once_and_a_job_that_fails_leaves_the_cache_ready() {
    let (host, farm) = gateway();
    ready(&host, json!({ "shardCount": 2 }));
    farm.borrow_mut().server(ID, "server").keys.entry(0).or_default().insert(key(1, 1));
    assert_eq!(run(&host, "flush", Value::Null), Next::Done);
    assert!(farm.borrow_mut().server(ID, "server").keys.is_empty());

    host.journal();
    let to = json!({ "prefix": "daily", "container": "https://a.blob.core.windows.net/c?sig=x" });
    assert_eq!(run(&host, "export", to), Next::Done);
    let sent: Vec<String> = host.journal().into_iter().filter(|line| line.starts_with("send")).collect();
    expect![[r#"["send server/dump.rdb to https://a.blob.core.windows.net/c/daily-shard0.rdb?sig=x", "send shard-1/dump.rdb to https://a.blob.core.windows.net/c/daily-shard1.rdb?sig=x"]"#]]
        .assert_eq(&format!("{sent:?}"));

    farm.borrow_mut().server(ID, "import").keys.entry(0).or_default().extend([key(1, 1), key(16_000, 2)]);
    let from =
        json!({ "files": ["https://a.blob.core.windows.net/c/a.rdb", "https://a.blob.core.windows.net/c/b.rdb"] });
    for server in ["server", "shard-1"] {
        farm.borrow_mut().server(ID, server).refuses_keys = Some("OOM command not allowed".to_owned());
    }
    let Next::Refused(fault) = run(&host, "import", from.clone()) else { panic!("it was not refused") };
    assert!(fault.message.contains("OOM command not allowed"), "{}", fault.message);
    assert_eq!(host.stored(ID).unwrap().provisioning_state, ProvisioningState::Succeeded);
    assert!(host.spec(ID, "import").is_none(), "what the import needed is gone");
    assert_eq!(host.settle::<Redis>(ID), Next::Done, "it is not tried again");

    // One that does not answer is asked again.
    for server in ["server", "shard-1"] {
        let why = "IOERR error or timeout reading to target instance";
        farm.borrow_mut().server(ID, server).refuses_keys = Some(why.to_owned());
    }
    let Next::Wait { reason, .. } = run(&host, "import", from.clone()) else { panic!("it was given up") };
    assert!(reason.contains("IOERR"), "{reason}");
    for server in ["server", "shard-1"] {
        farm.borrow_mut().server(ID, server).refuses_keys = None;
    }
    assert_eq!(host.settle::<Redis>(ID), Next::Done);

    // What makes the cache fail ends the job.
    host.post::<Redis>(ID, "import", from.clone()).unwrap();
    let stored = host.stored(ID).unwrap();
    host.store(Resource { provisioning_state: ProvisioningState::Updating, ..stored });
    while host.spec(ID, "import").is_none() {
        host.reconcile::<Redis>(ID);
    }
    host.script([Err(Fault::new("RuntimeFailed", "no such image"))]);
    let Next::Failed(fault) = host.reconcile::<Redis>(ID) else { panic!("it did not fail") };
    assert_eq!(fault.code, "RuntimeFailed");
    assert!(host.spec(ID, "import").is_none());
    assert!(!host.held_ports(ID).iter().any(|(name, _)| name == "import"));
    host.journal();
    assert_eq!(run(&host, "import", from), Next::Done);
    let journal = host.journal();
    assert_eq!(journal.iter().filter(|line| line.starts_with("fetch import/")).count(), 2);
    assert!(!journal.iter().any(|line| line.contains("AUTH2") && !line.contains("MIGRATE")));
    assert!(host.spec(ID, "import").is_none());
}

#[test]
fn a_job_whose_operation_has_ended_is_given_up() {
    let (host, farm) = gateway();
    ready(&host, json!({}));
    host.post::<Redis>(ID, "flush", Value::Null).unwrap();
    let stored = host.stored(ID).unwrap();
    host.store(Resource { provisioning_state: ProvisioningState::Succeeded, ..stored });
    farm.borrow_mut().server(ID, "server").keys.entry(0).or_default().insert(key(1, 1));
    assert_eq!(host.settle::<Redis>(ID), Next::Done);
    assert!(!farm.borrow_mut().server(ID, "server").keys.is_empty());
}

#[test]
fn a_reboot_restarts_the_servers_that_are_meant() {
    let (host, _) = gateway();
    ready(&host, json!({ "shardCount": 2, "replicasPerPrimary": 1 }));
    let rebooted = |body: Value| {
        host.journal();
        let answer = host.post::<Redis>(ID, "forceReboot", body).unwrap();
        assert_eq!(answer.body(), Some(&json!({ "message": "reboot operation enqueued" })));
        host.journal()
            .into_iter()
            .filter_map(|line| line.strip_prefix("restart ").map(str::to_owned))
            .collect::<Vec<_>>()
    };
    assert_eq!(rebooted(json!({ "rebootType": "AllNodes" })), ["server", "replica-1", "shard-1", "shard-1-replica-1"]);
    assert_eq!(rebooted(json!({ "rebootType": "PrimaryNode", "shardId": 1 })), ["shard-1"]);
    assert_eq!(rebooted(json!({ "rebootType": "SecondaryNode" })), ["replica-1", "shard-1-replica-1"]);
    assert_eq!(rebooted(json!({ "ports": [13003] })), ["replica-1"]);
}

const OTHER: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/other";

#[test]
fn a_linked_cache_replicates_until_the_link_or_the_primary_goes() {
    let (host, farm) = gateway();
    ready(&host, json!({}));
    host.put::<Redis>(OTHER, premium(json!({}))).unwrap();
    assert_eq!(host.settle::<Redis>(OTHER), Next::Done);
    let link = format!("{ID}/linkedServers/other");
    let body = json!({ "properties": {
        "linkedRedisCacheId": OTHER, "linkedRedisCacheLocation": "eastus", "serverRole": "Secondary"
    } });
    let linked = || {
        host.put::<Redis>(&link, body.clone()).unwrap();
        let first = host.reconcile::<Redis>(ID);
        expect![[r#"Wait { after: 50ms, reason: "the linked cache 'other' does not replicate this one yet" }"#]]
            .assert_eq(&format!("{first:?}"));
        assert!(host.journal().contains(&format!("wake {OTHER}")));
        assert_eq!(host.settle::<Redis>(OTHER), Next::Done);
        assert_eq!(host.settle::<Redis>(ID), Next::Done);
        assert_eq!(farm.borrow_mut().server(OTHER, "server").primary, Some(("127.0.0.1".to_owned(), 6379)));
    };
    linked();
    let secret = |conf: &str| conf.lines().find(|line| line.starts_with("masterauth")).unwrap().to_owned();
    let [own, others] = [ID, OTHER].map(|id| secret(&host.spec(id, "server").unwrap().files["server.conf"]));
    assert_eq!(own, others, "the secondary logs in to the primary");
    // A link that is settled waits for nobody.
    farm.borrow_mut().server(OTHER, "server").primary = None;
    host.journal();
    assert_eq!(host.reconcile::<Redis>(ID), Next::Done);
    assert!(!host.journal().iter().any(|line| line.starts_with("wake")));
    assert_eq!(host.settle::<Redis>(OTHER), Next::Done);

    let going = Resource { provisioning_state: ProvisioningState::Deleting, ..host.stored(&link).unwrap() };
    host.store(going);
    expect![[r#"Wait { after: 50ms, reason: "the linked cache 'other' still replicates this one" }"#]]
        .assert_eq(&format!("{:?}", host.reconcile::<Redis>(ID)));
    assert_eq!(host.settle::<Redis>(OTHER), Next::Done);
    assert_eq!(host.settle::<Redis>(ID), Next::Done);
    assert_eq!(farm.borrow_mut().server(OTHER, "server").primary, None);

    linked();
    host.journal();
    host.delete::<Redis>(ID);
    assert!(host.journal().contains(&format!("wake {OTHER}")));
}

#[test]
fn the_owner_of_a_link_is_a_cache_of_its_own_when_its_primary_is_gone() {
    let (host, farm) = gateway();
    ready(&host, json!({}));
    host.put::<Redis>(OTHER, premium(json!({}))).unwrap();
    assert_eq!(host.settle::<Redis>(OTHER), Next::Done);
    let body = json!({ "properties": {
        "linkedRedisCacheId": OTHER, "linkedRedisCacheLocation": "eastus", "serverRole": "Primary"
    } });
    host.put::<Redis>(&format!("{ID}/linkedServers/other"), body).unwrap();
    assert_eq!(host.settle::<Redis>(ID), Next::Done);
    let other = host.spec(OTHER, "server").unwrap().ports["redis"].outside;
    assert_eq!(farm.borrow_mut().server(ID, "server").primary, Some(("127.0.0.1".to_owned(), other)));
    host.journal();
    assert_eq!(host.delete::<Redis>(OTHER), Next::Done);
    assert!(host.journal().iter().any(|line| line.eq_ignore_ascii_case(&format!("wake {ID}"))));
    assert_eq!(host.settle::<Redis>(ID), Next::Done);
    assert_eq!(farm.borrow_mut().server(ID, "server").primary, None);
    assert!(!host.spec(ID, "server").unwrap().files["server.conf"].contains("replicaof"));
}
