//! Older api-versions: which members came with which.
//!
//! Source: the members that Azure's Python library (azure-mgmt-redis 4.1 to 14.5) has in the version of each release. Of
//! what came between two releases the older version is said that clients are known to use it with.

use floci_az_sdk::Value;

/// Newest first.
pub const ALL: [&str; 21] = [
    "2025-08-01-preview",
    "2024-11-01",
    "2024-04-01-preview",
    "2024-03-01",
    "2023-08-01",
    "2023-05-01-preview",
    "2023-04-01",
    "2022-06-01",
    "2022-05-01",
    "2021-06-01",
    "2020-12-01",
    "2020-06-01",
    "2019-07-01",
    "2018-03-01",
    "2017-10-01",
    "2017-02-01",
    "2016-04-01",
    "2015-08-01",
    "2015-03-01",
    "2014-04-01",
    "2014-04-01-preview",
];

/// From here on a document is shown as it is stored.
pub const CURRENT: &str = "2024-11-01";
pub const LINK_CURRENT: &str = "2022-06-01";

/// Where child types came.
pub const SCHEDULES_AND_RULES: &str = "2016-04-01";
pub const LINKS: &str = "2017-10-01";
pub const PRIVATE_ENDPOINTS: &str = "2020-06-01";
pub const POLICIES: &str = "2023-05-01-preview";

/// Members of a cache, and since when they are shown.
const CACHE: [(&str, &str); 13] = [
    ("properties.linkedServers", "2017-10-01"),
    ("zones", "2017-10-01"),
    ("properties.minimumTlsVersion", "2018-03-01"),
    ("properties.instances", "2019-07-01"),
    ("properties.replicasPerMaster", "2019-07-01"),
    ("properties.publicNetworkAccess", "2020-06-01"),
    ("properties.privateEndpointConnections", "2020-06-01"),
    ("properties.replicasPerPrimary", "2020-12-01"),
    ("properties.instances.isPrimary", "2020-12-01"),
    ("identity", "2021-06-01"),
    ("properties.updateChannel", "2023-08-01"),
    ("properties.disableAccessKeyAuthentication", "2024-03-01"),
    ("properties.zonalAllocationPolicy", CURRENT),
];

/// Members of a linked server.
const LINK: [(&str, &str); 2] =
    [("properties.geoReplicatedPrimaryHostName", LINK_CURRENT), ("properties.primaryHostName", LINK_CURRENT)];

/// Those that are not older than `first`.
pub fn since(first: &str) -> impl Iterator<Item = &'static str> {
    ALL.into_iter().filter(move |version| rank(version) >= rank(first))
}

/// A cache's document as this version shows it.
pub fn cache_as_of(document: Value, version: &str) -> Value {
    as_of(document, version, &CACHE)
}

/// A linked server's.
pub fn link_as_of(document: Value, version: &str) -> Value {
    as_of(document, version, &LINK)
}

fn as_of(mut document: Value, version: &str, members: &[(&str, &str)]) -> Value {
    for (path, _) in members.iter().filter(|(_, since)| rank(version) < rank(since)) {
        remove(&mut document, path);
    }
    document
}

/// Of a path through an array, in each of its elements.
fn remove(value: &mut Value, path: &str) {
    match (value, path.split_once('.')) {
        (Value::Array(values), _) => values.iter_mut().for_each(|value| remove(value, path)),
        (Value::Object(members), None) => {
            members.shift_remove(path);
        }
        (Value::Object(members), Some((first, rest))) => {
            if let Some(member) = members.get_mut(first) {
                remove(member, rest);
            }
        }
        _ => {}
    }
}

/// By date; a preview comes before the version of its day.
fn rank(version: &str) -> (&str, bool) {
    version.strip_suffix("-preview").map_or((version, true), |date| (date, false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use floci_az_sdk::json;

    #[test]
    fn versions_are_sorted() {
        assert!(ALL.is_sorted_by(|newer, older| rank(newer) > rank(older)));
        for first in [CURRENT, LINK_CURRENT, SCHEDULES_AND_RULES, LINKS, PRIVATE_ENDPOINTS, POLICIES] {
            assert!(ALL.contains(&first), "{first}");
        }
    }

    #[test]
    fn older_versions_show_less() {
        let document = json!({
            "properties": {
                "redisVersion": "6.0", "linkedServers": [], "minimumTlsVersion": "1.2", "replicasPerMaster": 1,
                "instances": [{ "isMaster": true, "isPrimary": true }, { "isMaster": false, "isPrimary": false }],
                "publicNetworkAccess": "Enabled", "privateEndpointConnections": [], "replicasPerPrimary": 1,
                "updateChannel": "Stable", "disableAccessKeyAuthentication": false, "zonalAllocationPolicy": "NoZones"
            },
            "zones": ["1"], "identity": { "type": "None" }
        });
        let mut before = document.clone();
        let line = |version: &str| {
            let shown = cache_as_of(document.clone(), version);
            let gone: Vec<&str> =
                CACHE.iter().map(|(path, _)| *path).filter(|path| has(&before, path) && !has(&shown, path)).collect();
            before = shown;
            format!("{version}: without {}", gone.join(", "))
        };
        expect![[r#"
            2025-08-01-preview: without 
            2024-11-01: without 
            2024-04-01-preview: without properties.zonalAllocationPolicy
            2024-03-01: without 
            2023-08-01: without properties.disableAccessKeyAuthentication
            2023-05-01-preview: without properties.updateChannel
            2023-04-01: without 
            2022-06-01: without 
            2022-05-01: without 
            2021-06-01: without 
            2020-12-01: without identity
            2020-06-01: without properties.replicasPerPrimary, properties.instances.isPrimary
            2019-07-01: without properties.publicNetworkAccess, properties.privateEndpointConnections
            2018-03-01: without properties.instances, properties.replicasPerMaster
            2017-10-01: without properties.minimumTlsVersion
            2017-02-01: without properties.linkedServers, zones
            2016-04-01: without 
            2015-08-01: without 
            2015-03-01: without 
            2014-04-01: without 
            2014-04-01-preview: without "#]]
        .assert_eq(&ALL.map(line).join("\n"));
        assert_eq!(before, json!({ "properties": { "redisVersion": "6.0" } }));
    }

    fn has(document: &Value, path: &str) -> bool {
        document.pointer(&format!("/{}", path.replace("instances.", "instances.0.").replace('.', "/"))).is_some()
    }
}
