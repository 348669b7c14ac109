//! The life of a cache of one server, on a fake gateway.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that is set up wrongly has to fail"
)]

mod beginnings;
mod ends;
#[path = "../valkey/mod.rs"]
mod valkey;

use expect_test::Expect;
use floci_az_sdk::testing::FakeHost;
use floci_az_sdk::{Next, Value, json};
use valkey::ID;

fn basic() -> Value {
    json!({ "location": "eastus", "properties": { "sku": { "name": "Basic", "family": "C", "capacity": 0 } } })
}

fn connection(host: &FakeHost) -> String {
    let document = host.stored(ID).unwrap().state.document;
    let properties = &document["properties"];
    format!(
        "{} {} {} primary {}",
        properties["hostName"], properties["port"], properties["sslPort"], properties["instances"][0]["isPrimary"]
    )
}

/// What every step asks a running server.
const LOOK: &str = "PING, ACL SETUSER floci-az ..., ACL SETUSER default ..., ACL SETUSER floci-az-replica ..., ACL USERS, \
    CONFIG GET maxmemory, CONFIG GET maxmemory-policy, CONFIG GET notify-keyspace-events, CONFIG GET timeout, \
    CONFIG GET maxclients, CONFIG GET masteruser, CONFIG GET masterauth";

fn check(next: Next, host: &FakeHost, expected: Expect) {
    let journal = host.journal().join("\n").replace(LOOK, "(look)");
    expected.assert_eq(&format!("{journal}\n{next:?}\n{}\n", connection(host)));
}
