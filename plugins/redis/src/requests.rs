//! What the bodies of actions say: checked against the cache, without doing anything.

use floci_az_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Map;

use crate::cache::Cache;
use crate::member::{Members, invalid, shown};
use crate::sku::{Tier, not_allowed};

/// One node of a cache, as the document counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instance {
    pub shard: u8,
    /// 0 for the primary.
    pub position: u8,
}

/// Files to load, all of them into one cache, whose data they replace.
#[derive(Clone, PartialEq, Eq)]
pub struct Import {
    /// URLs, which may hold a signature.
    pub files: Vec<String>,
}

/// Where to save the data.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// URL of a folder, which may hold a signature.
    container: String,
    prefix: String,
}

/// What a URL of a file begins with.
const SCHEMES: [&str; 3] = ["https://", "http://", "file:///"];
const KINDS: [&str; 3] = ["PrimaryNode", "SecondaryNode", "AllNodes"];
const METHODS: [&str; 2] = ["SAS", "ManagedIdentity"];
/// Azure exports one file for each shard, and has 30 at most; what it exported can be imported at once.
const MOST_FILES: usize = 100;
/// Characters.
const LONGEST_PREFIX: usize = 256;

/// An absent body says as much as an empty one.
fn members<'a>(body: &'a Value, empty: &'a Value) -> Result<Members<'a>, Rejection> {
    let body = if body.is_null() { empty } else { body };
    let whole = Some(body).filter(|body| body.is_object());
    let whole = whole.ok_or_else(|| invalid("body", &format!("It has to be an object, and is {}.", shown(body))))?;
    Members::of(whole, "")?.ok_or_else(|| invalid("body", "It has to be an object."))
}

/// `{"rebootType": "AllNodes", "shardId": 0, "ports": [13000, 15001]}`: the nodes that all of its members name. `document`
/// is the cache's public one, which shows the ports of its nodes.
pub fn reboot(body: &Value, cache: &Cache, document: &Value) -> Result<Vec<Instance>, Rejection> {
    let empty = Value::Object(Map::new());
    let body = members(body, &empty)?;
    let kind = body.one_of("rebootType", &KINDS)?;
    let shard = body.integer("shardId", 0..=u8::MAX)?;
    if let Some(shard) = shard.filter(|shard| *shard >= cache.shards()) {
        let why = format!("The cache has {} shards, numbered from 0; there is no {shard}.", cache.shards());
        return Err(body.invalid("shardId", &why));
    }
    let instances = document.pointer("/properties/instances").and_then(Value::as_array);
    let instances: &[Value] = instances.map_or(&[], Vec::as_slice);
    let ports = ports(&body, instances)?;
    let nodes = u16::from(cache.nodes_per_shard());
    let meant = |(number, instance): (u16, &Value)| {
        let node = Instance { shard: u8::try_from(number / nodes).ok()?, position: u8::try_from(number % nodes).ok()? };
        let of_kind = match kind {
            Some("PrimaryNode") => node.position == 0,
            Some("SecondaryNode") => node.position > 0,
            _ => true,
        };
        let of_shard = shard.is_none_or(|shard| shard == node.shard);
        let of_ports = ports.as_ref().is_none_or(|ports| ports.iter().any(|port| has_port(instance, *port)));
        (of_kind && of_shard && of_ports).then_some(node)
    };
    Ok((0..).zip(instances).filter_map(meant).collect())
}

/// Azure's numbers of ports are known even where `nonSslPort` is not shown.
fn has_port(instance: &Value, port: u64) -> bool {
    let of = |name: &str| instance.get(name).and_then(Value::as_u64);
    let hidden = || of("sslPort").filter(|tls| (15_000..16_000).contains(tls)).map(|tls| tls - 2_000);
    of("sslPort") == Some(port) || of("nonSslPort").or_else(hidden) == Some(port)
}

/// None for all.
fn ports(body: &Members<'_>, instances: &[Value]) -> Result<Option<Vec<u64>>, Rejection> {
    let Some(value) = body.get("ports") else { return Ok(None) };
    let numbers = value.as_array().and_then(|ports| ports.iter().map(Value::as_u64).collect::<Option<Vec<u64>>>());
    let Some(numbers) = numbers else {
        return Err(body.invalid("ports", &format!("It has to be an array of ports, and is {}.", shown(value))));
    };
    let unknown = numbers.iter().find(|port| !instances.iter().any(|instance| has_port(instance, **port)));
    match unknown {
        Some(port) => Err(body.invalid("ports", &format!("No node of the cache has the port {port}."))),
        None if numbers.is_empty() => Ok(None),
        None => Ok(Some(numbers)),
    }
}

pub fn import(body: &Value, cache: &Cache) -> Result<Import, Rejection> {
    needs_premium("import", cache)?;
    let empty = Value::Object(Map::new());
    let body = members(body, &empty)?;
    archive(&body)?;
    let sent = body.get("files").and_then(Value::as_array).filter(|files| (1..=MOST_FILES).contains(&files.len()));
    let texts = |files: &Vec<Value>| files.iter().map(|file| file.as_str().map(str::to_owned)).collect();
    let files: Option<Vec<String>> = sent.and_then(texts);
    let files = files.ok_or_else(|| {
        body.invalid("files", &format!("It has to be an array of 1 to {MOST_FILES} URLs, such as [\"https://...\"]."))
    })?;
    files.iter().try_for_each(|file| url(&body, "files", file))?;
    Ok(Import { files })
}

pub fn export(body: &Value, cache: &Cache) -> Result<Export, Rejection> {
    needs_premium("export", cache)?;
    let empty = Value::Object(Map::new());
    let body = members(body, &empty)?;
    archive(&body)?;
    let prefix = body.text("prefix")?.unwrap_or_default();
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.~/".contains(c);
    let inside = prefix.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if prefix.len() > LONGEST_PREFIX || !prefix.chars().all(allowed) || !inside {
        let why = "It has to be the beginning of a file's name, of letters, digits and -_.~/, such as \"nightly\".";
        return Err(body.invalid("prefix", why));
    }
    let container = body.text("container")?.unwrap_or_default();
    url(&body, "container", container)?;
    Ok(Export { container: container.to_owned(), prefix: prefix.to_owned() })
}

impl Export {
    /// One URL for each shard; `None` for a cache that is no cluster.
    pub fn url(&self, shard: Option<u8>) -> String {
        let (folder, signature) = self.container.split_once('?').unwrap_or((&self.container, ""));
        let number = shard.map(|shard| format!("-shard{shard}")).unwrap_or_default();
        let file = format!("{}/{}{number}.rdb", folder.trim_end_matches('/'), self.prefix);
        if signature.is_empty() { file } else { format!("{file}?{signature}") }
    }
}

fn needs_premium(action: &str, cache: &Cache) -> Result<(), Rejection> {
    match cache.sku.tier {
        Tier::Premium => Ok(()),
        tier @ (Tier::Basic | Tier::Standard) => Err(not_allowed(action, tier, "It needs a Premium cache.")),
    }
}

/// What import and export have in common. With a managed identity Azure needs no signature in the URL; here nobody asks.
fn archive(body: &Members<'_>) -> Result<(), Rejection> {
    body.one_of("format", &["RDB"])?;
    body.one_of("preferred-data-archive-auth-method", &METHODS)?;
    body.text("storage-subscription-id")?;
    Ok(())
}

/// Not repeated in the refusal: it may hold a signature.
fn url(body: &Members<'_>, name: &str, text: &str) -> Result<(), Rejection> {
    let rest = SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme));
    let stranger = |c: char| c.is_control() || c == ' ' || c == '#';
    // Up to the path: a password does not belong into a URL that logs may show.
    let with_password = |rest: &str| rest.split(['/', '?']).next().is_some_and(|host| host.contains('@'));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.contains(stranger) && !with_password(rest) => Ok(()),
        _ => {
            let why = format!(
                "It has to be a URL that begins with {}, without a user, a password and a fragment ('#').",
                SCHEMES.join(" or ")
            );
            Err(body.invalid(name, &why))
        }
    }
}

/// `listUpgradeNotifications`: nothing is upgraded here, so there is nothing to notify of. `history` (milliseconds) is a
/// member of the body, from the request's query.
pub fn upgrade_notifications(body: &Value) -> Result<Answer, Rejection> {
    let history = body.get("history").filter(|history| !history.is_null());
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok()).filter(|n| *n >= 0.0);
    match history {
        Some(value) if number(value).is_none() => {
            Err(invalid("history", &format!("It has to be a number of milliseconds, and is {}.", shown(value))))
        }
        _ => Ok(Answer::ok(json!({ "value": [] }))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::children::Children;
    use crate::private::Private;
    use crate::settings::{Backing, Settings};
    use expect_test::{Expect, expect};

    fn cache(properties: Value) -> Cache {
        Cache::read(&json!({ "properties": properties }), None).unwrap()
    }

    fn premium() -> Cache {
        let sku = json!({ "name": "Premium", "family": "P", "capacity": 1 });
        cache(json!({ "sku": sku, "shardCount": 2, "replicasPerPrimary": 1 }))
    }

    fn basic() -> Cache {
        cache(json!({ "sku": { "name": "Basic", "family": "C", "capacity": 0 } }))
    }

    fn document(cache: &Cache, node_ports: &[u16]) -> Value {
        let settings = Settings { backing: Backing::Nothing, ..Settings::usual() };
        let private =
            Private { node_ports: node_ports.iter().copied().map(Some).collect(), ..Private::generate().unwrap() };
        crate::document::document(cache, &private, &settings, &Children::default())
    }

    fn table<T>(bodies: &[Value], read: impl Fn(&Value) -> Result<T, Rejection>, show: impl Fn(T) -> String) -> String {
        let line = |body: &Value| match read(body) {
            Ok(read) => format!("{body} -> {}", show(read)),
            Err(rejection) => format!("{body}: {rejection}"),
        };
        bodies.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    fn check_reboot(cache: &Cache, node_ports: &[u16], bodies: &[Value], expected: Expect) {
        let document = document(cache, node_ports);
        let show = |nodes: Vec<Instance>| {
            nodes.iter().map(|node| format!("{}.{}", node.shard, node.position)).collect::<Vec<_>>().join(" ")
        };
        expected.assert_eq(&table(bodies, |body| reboot(body, cache, &document), show));
    }

    #[test]
    fn a_reboot_names_nodes() {
        check_reboot(
            &premium(),
            &[],
            &[
                Value::Null,
                json!({}),
                json!({ "rebootType": "allnodes", "shardId": 0, "ports": [13_000, 15_001] }),
                json!({ "rebootType": "PrimaryNode" }),
                json!({ "rebootType": "SecondaryNode", "shardId": 1 }),
                json!({ "ports": [15_002] }),
                json!({ "ports": [] }),
                json!({ "rebootType": "Everything" }),
                json!({ "shardId": 2 }),
                json!({ "shardId": -1 }),
                json!({ "ports": [6379] }),
                json!({ "ports": ["15000"] }),
                json!([]),
            ],
            expect![[r#"
                null -> 0.0 0.1 1.0 1.1
                {} -> 0.0 0.1 1.0 1.1
                {"rebootType":"allnodes","shardId":0,"ports":[13000,15001]} -> 0.0 0.1
                {"rebootType":"PrimaryNode"} -> 0.0 1.0
                {"rebootType":"SecondaryNode","shardId":1} -> 1.1
                {"ports":[15002]} -> 1.0
                {"ports":[]} -> 0.0 0.1 1.0 1.1
                {"rebootType":"Everything"}: 400 InvalidRequestBody: The value of the parameter 'rebootType' is invalid. It has to be PrimaryNode or SecondaryNode or AllNodes, and is "Everything". (rebootType)
                {"shardId":2}: 400 InvalidRequestBody: The value of the parameter 'shardId' is invalid. The cache has 2 shards, numbered from 0; there is no 2. (shardId)
                {"shardId":-1}: 400 InvalidRequestBody: The value of the parameter 'shardId' is invalid. It has to be a whole number from 0 to 255, and is -1. (shardId)
                {"ports":[6379]}: 400 InvalidRequestBody: The value of the parameter 'ports' is invalid. No node of the cache has the port 6379. (ports)
                {"ports":["15000"]}: 400 InvalidRequestBody: The value of the parameter 'ports' is invalid. It has to be an array of ports, and is ["15000"]. (ports)
                []: 400 InvalidRequestBody: The value of the parameter 'body' is invalid. It has to be an object, and is []. (body)"#]],
        );
        // Where the gateway serves the nodes, they have its ports.
        check_reboot(
            &premium(),
            &[23_000, 23_001, 23_002, 23_003],
            &[json!({ "ports": [23_001, 23_002] }), json!({ "ports": [15_000] })],
            expect![[r#"
                {"ports":[23001,23002]} -> 0.1 1.0
                {"ports":[15000]}: 400 InvalidRequestBody: The value of the parameter 'ports' is invalid. No node of the cache has the port 15000. (ports)"#]],
        );
        check_reboot(
            &basic(),
            &[],
            &[json!({ "shardId": 0 }), json!({ "rebootType": "SecondaryNode" })],
            expect![[r#"
                {"shardId":0} -> 0.0
                {"rebootType":"SecondaryNode"} -> "#]],
        );
    }

    #[test]
    fn an_import_names_files() {
        let bodies = [
            json!({ "files": ["https://a.blob.core.windows.net/c/one.rdb?sig=x", "file:///tmp/two.rdb"] }),
            json!({ "format": "rdb", "files": ["http://a/b"], "storage-subscription-id": "s", "preferred-data-archive-auth-method": "sas" }),
            Value::Null,
            json!({ "files": [] }),
            json!({ "files": "https://a/b" }),
            json!({ "files": ["ftp://a/b?sig=secret"] }),
            json!({ "files": ["https://"] }),
            json!({ "files": ["https://user:secret@a/b"] }),
            json!({ "files": ["https://a/b@c#d"] }),
            json!({ "files": ["https://a/b@c"] }),
            json!({ "files": ["https://a/b"], "format": "AOF" }),
            json!({ "files": ["https://a/b"], "preferred-data-archive-auth-method": "Key" }),
        ];
        expect![[r#"
            {"files":["https://a.blob.core.windows.net/c/one.rdb?sig=x","file:///tmp/two.rdb"]} -> https://a.blob.core.windows.net/c/one.rdb?sig=x file:///tmp/two.rdb
            {"format":"rdb","files":["http://a/b"],"storage-subscription-id":"s","preferred-data-archive-auth-method":"sas"} -> http://a/b
            null: 400 InvalidRequestBody: The value of the parameter 'files' is invalid. It has to be an array of 1 to 100 URLs, such as ["https://..."]. (files)
            {"files":[]}: 400 InvalidRequestBody: The value of the parameter 'files' is invalid. It has to be an array of 1 to 100 URLs, such as ["https://..."]. (files)
            {"files":"https://a/b"}: 400 InvalidRequestBody: The value of the parameter 'files' is invalid. It has to be an array of 1 to 100 URLs, such as ["https://..."]. (files)
            {"files":["ftp://a/b?sig=secret"]}: 400 InvalidRequestBody: The value of the parameter 'files' is invalid. It has to be a URL that begins with https:// or http:// or file:///, without a user, a password and a fragment ('#'). (files)
            {"files":["https://"]}: 400 InvalidRequestBody: The value of the parameter 'files' is invalid. It has to be a URL that begins with https:// or http:// or file:///, without a user, a password and a fragment ('#'). (files)
            {"files":["https://user:secret@a/b"]}: 400 InvalidRequestBody: The value of the parameter 'files' is invalid. It has to be a URL that begins with https:// or http:// or file:///, without a user, a password and a fragment ('#'). (files)
            {"files":["https://a/b@c#d"]}: 400 InvalidRequestBody: The value of the parameter 'files' is invalid. It has to be a URL that begins with https:// or http:// or file:///, without a user, a password and a fragment ('#'). (files)
            {"files":["https://a/b@c"]} -> https://a/b@c
            {"files":["https://a/b"],"format":"AOF"}: 400 InvalidRequestBody: The value of the parameter 'format' is invalid. It has to be RDB, and is "AOF". (format)
            {"files":["https://a/b"],"preferred-data-archive-auth-method":"Key"}: 400 InvalidRequestBody: The value of the parameter 'preferred-data-archive-auth-method' is invalid. It has to be SAS or ManagedIdentity, and is "Key". (preferred-data-archive-auth-method)"#]].assert_eq(&table(&bodies, |body| import(body, &premium()), |import| import.files.join(" ")));
        expect![[r#"{"files":["https://a.blob.core.windows.net/c/one.rdb?sig=x","file:///tmp/two.rdb"]}: 400 InvalidRequestBody: The setting 'import' is not allowed on 'Basic' cache instances. It needs a Premium cache."#]].assert_eq(&table(
            &bodies[..1],
            |body| import(body, &basic()),
            |import| import.files.join(" "),
        ));
    }

    #[test]
    fn an_export_names_a_place() {
        let container = "https://a.blob.core.windows.net/c?sv=1&sig=x";
        let bodies = [
            json!({ "prefix": "nightly", "container": container }),
            json!({ "prefix": "a/b.c", "container": "file:///tmp/dumps/", "format": "RDB" }),
            Value::Null,
            json!({ "prefix": "../up", "container": container }),
            json!({ "prefix": "a//b", "container": container }),
            json!({ "prefix": "a?b", "container": container }),
            json!({ "prefix": "a" }),
            json!({ "prefix": "a", "container": "my-container?sig=secret" }),
        ];
        let show = |export: Export| format!("{} {}", export.url(None), export.url(Some(1)));
        expect![[r#"
            {"prefix":"nightly","container":"https://a.blob.core.windows.net/c?sv=1&sig=x"} -> https://a.blob.core.windows.net/c/nightly.rdb?sv=1&sig=x https://a.blob.core.windows.net/c/nightly-shard1.rdb?sv=1&sig=x
            {"prefix":"a/b.c","container":"file:///tmp/dumps/","format":"RDB"} -> file:///tmp/dumps/a/b.c.rdb file:///tmp/dumps/a/b.c-shard1.rdb
            null: 400 InvalidRequestBody: The value of the parameter 'prefix' is invalid. It has to be the beginning of a file's name, of letters, digits and -_.~/, such as "nightly". (prefix)
            {"prefix":"../up","container":"https://a.blob.core.windows.net/c?sv=1&sig=x"}: 400 InvalidRequestBody: The value of the parameter 'prefix' is invalid. It has to be the beginning of a file's name, of letters, digits and -_.~/, such as "nightly". (prefix)
            {"prefix":"a//b","container":"https://a.blob.core.windows.net/c?sv=1&sig=x"}: 400 InvalidRequestBody: The value of the parameter 'prefix' is invalid. It has to be the beginning of a file's name, of letters, digits and -_.~/, such as "nightly". (prefix)
            {"prefix":"a?b","container":"https://a.blob.core.windows.net/c?sv=1&sig=x"}: 400 InvalidRequestBody: The value of the parameter 'prefix' is invalid. It has to be the beginning of a file's name, of letters, digits and -_.~/, such as "nightly". (prefix)
            {"prefix":"a"}: 400 InvalidRequestBody: The value of the parameter 'container' is invalid. It has to be a URL that begins with https:// or http:// or file:///, without a user, a password and a fragment ('#'). (container)
            {"prefix":"a","container":"my-container?sig=secret"}: 400 InvalidRequestBody: The value of the parameter 'container' is invalid. It has to be a URL that begins with https:// or http:// or file:///, without a user, a password and a fragment ('#'). (container)"#]].assert_eq(&table(&bodies, |body| export(body, &premium()), show));
    }

    #[test]
    fn nothing_is_upgraded() {
        let bodies =
            [Value::Null, json!({ "history": "5000" }), json!({ "history": "long" }), json!({ "history": -1 })];
        let show = |answer: Answer| answer.body().map(Value::to_string).unwrap_or_default();
        expect![[r#"
            null -> {"value":[]}
            {"history":"5000"} -> {"value":[]}
            {"history":"long"}: 400 InvalidRequestBody: The value of the parameter 'history' is invalid. It has to be a number of milliseconds, and is "long". (history)
            {"history":-1}: 400 InvalidRequestBody: The value of the parameter 'history' is invalid. It has to be a number of milliseconds, and is -1. (history)"#]].assert_eq(&table(&bodies, upgrade_notifications, show));
    }
}
