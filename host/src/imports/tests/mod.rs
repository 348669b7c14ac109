//! What a plugin may not, at each import: what is another plugin's, what is another resource's, what is not granted.

mod components;

use std::fmt::Write;
use std::sync::Arc;

use expect_test::{Expect, expect};
use floci_az_contract::{Manifest, Wants};
use serde_json::json;

use super::*;
use crate::plugin::Values;
use crate::plugin::imported::{ingress, ports, resources, resp, settings, transfers, workloads};

const OVEN: &str = "/subscriptions/s/resourceGroups/g/providers/Contoso.Bakery/ovens/first";
const WIDGET: &str = "/subscriptions/s/resourceGroups/g/providers/Contoso.Widgets/widgets/first";
/// Where no port of this machine is looked for: the lowest that is free is taken.
const PORTS: (u16, u16) = (20_000, 59_999);

/// All that there is to grant, to a service.
fn everything(service: &str) -> Grants {
    let wants: Wants = serde_json::from_value(json!({
        "workloads": { "images": ["*"] }, "ports": ["1-65535"], "resp": true, "ingress": true, "transfers": true,
    }))
    .unwrap();
    let programs = vec!["*".to_owned()];
    let manifest = Manifest { service: service.to_owned(), programs, wants, ..Manifest::default() };
    Grants::asked(&manifest, &Values::new())
}

/// A call about a resource of the plugin whose namespace it has.
fn call_about(lender: &Arc<Lender>, subject: &str, grants: Grants) -> Imports {
    call_with(lender, subject, grants, Values::new())
}

/// The same, of a plugin with settings.
fn call_with(lender: &Arc<Lender>, subject: &str, grants: Grants, settings: Values) -> Imports {
    let namespace = ResourceId::parse(subject).unwrap().namespace;
    let service = namespace.rsplit('.').next().unwrap().to_lowercase();
    let plugin = Arc::new(Plugin::new(&Manifest { namespace, service, ..Manifest::default() }));
    plugin.configure(settings, grants);
    let (lender, grants, owner) = (lender.clone(), plugin.grants(), subject.to_lowercase());
    let lent = Lent { lender, plugin, grants, revision: None, phase: Phase::Effects, owner };
    Imports::new(Some(lent), "", subject.to_owned())
}

fn spec(port: Option<u16>) -> String {
    let ports = port.map(|port| json!({ "till": { "inside": 1, "outside": port } })).unwrap_or(json!({}));
    json!({ "name": "server", "image": "contoso/oven:1", "programs": ["oven"], "ports": ports }).to_string()
}

fn route(port: Option<u16>) -> String {
    let entry =
        json!({ "protocol": "tcp", "tls": false, "plain": true, "to": { "workload": "server", "port": "till" } });
    let entries = port.map(|port| json!({ port.to_string(): entry })).unwrap_or(json!({}));
    json!({ "entries": entries }).to_string()
}

/// Every function that is about a resource, and the code of its fault. `file:///` reaches no folder here, and the
/// runtime runs nothing.
async fn codes(imports: &mut Imports, owner: &str) -> Vec<(&'static str, String)> {
    let id = || owner.to_owned();
    let name = || "server".to_owned();
    let endpoint = resp::Endpoint { owner: id(), workload: name(), port: "till".to_owned() };
    let file = || ("dump".to_owned(), "file:///dump".to_owned());
    let kind = owner.split("/providers/").last().unwrap().rsplit_once('/').unwrap().0.to_owned();
    let outcomes = [
        ("resources.get", resources::Host::get(imports, id()).await.err()),
        ("resources.children", resources::Host::children(imports, id(), "loaves".to_owned()).await.err()),
        ("resources.named", resources::Host::named(imports, kind, name()).await.err()),
        ("resources.wake", resources::Host::wake(imports, id()).await.err()),
        ("workloads.ensure", workloads::Host::ensure(imports, id(), spec(None)).await.err()),
        ("workloads.inspect", workloads::Host::inspect(imports, id(), name()).await.err()),
        ("workloads.restart", workloads::Host::restart(imports, id(), name()).await.err()),
        ("workloads.remove", workloads::Host::remove(imports, id(), name()).await.err()),
        ("workloads.logs", workloads::Host::logs(imports, id(), name(), 1).await.err()),
        ("ports.allocate", ports::Host::allocate(imports, id(), name(), PORTS.0, PORTS.1, vec![]).await.err()),
        ("ports.release", ports::Host::release(imports, id(), name()).await.err()),
        ("resp.execute", resp::Host::execute(imports, endpoint, None, vec![]).await.err()),
        ("ingress.publish", ingress::Host::publish(imports, id(), route(None)).await.err()),
        ("ingress.withdraw", ingress::Host::withdraw(imports, id()).await.err()),
        ("transfers.send", transfers::Host::send(imports, id(), name(), file().0, file().1).await.err()),
        ("transfers.fetch", transfers::Host::fetch(imports, id(), name(), file().0, file().1).await.err()),
    ];
    outcomes.map(|(call, fault)| (call, fault.map_or_else(|| "ok".to_owned(), |fault| fault.code))).into()
}

async fn check(subject: &str, owner: &str, grants: Grants, expected: Expect) {
    let (lender, _woken) = Lender::of_nothing().await;
    let mut imports = call_about(&Arc::new(lender), subject, grants);
    let told = codes(&mut imports, owner).await.iter().fold(String::new(), |mut told, (call, code)| {
        let _ = writeln!(told, "{call}: {code}");
        told
    });
    expected.assert_eq(&told);
}

#[tokio::test]
async fn its_own_resource_is_a_plugins_to_act_on() {
    check(
        OVEN,
        OVEN,
        everything("bakery"),
        expect![[r#"
        resources.get: ok
        resources.children: ok
        resources.named: ok
        resources.wake: ok
        workloads.ensure: RuntimeUnavailable
        workloads.inspect: ok
        workloads.restart: RuntimeUnavailable
        workloads.remove: ok
        workloads.logs: RuntimeUnavailable
        ports.allocate: ok
        ports.release: ok
        resp.execute: WorkloadNotFound
        ingress.publish: ok
        ingress.withdraw: ok
        transfers.send: TransferRefused
        transfers.fetch: TransferRefused
    "#]],
    )
    .await;
}

#[tokio::test]
async fn another_plugins_resources_are_not_even_looked_at() {
    let (lender, _woken) = Lender::of_nothing().await;
    let lender = Arc::new(lender);
    for casing in [OVEN.to_owned(), OVEN.to_uppercase(), OVEN.to_lowercase()] {
        let mut widgets = call_about(&lender, WIDGET, everything("widgets"));
        for (call, code) in codes(&mut widgets, &casing).await {
            assert_eq!(code, "NotGranted", "{call} of {casing}");
        }
    }
}

#[tokio::test]
async fn other_resources_of_its_own_can_be_looked_at_and_not_changed() {
    check(
        OVEN,
        &OVEN.replace("first", "second"),
        everything("bakery"),
        expect![[r#"
        resources.get: ok
        resources.children: ok
        resources.named: ok
        resources.wake: ok
        workloads.ensure: NotGranted
        workloads.inspect: ok
        workloads.restart: NotGranted
        workloads.remove: NotGranted
        workloads.logs: NotGranted
        ports.allocate: NotGranted
        ports.release: NotGranted
        resp.execute: WorkloadNotFound
        ingress.publish: NotGranted
        ingress.withdraw: NotGranted
        transfers.send: NotGranted
        transfers.fetch: NotGranted
    "#]],
    )
    .await;
}

#[tokio::test]
async fn without_a_grant_there_is_nothing_but_to_look_at_resources_and_to_take_away() {
    check(
        OVEN,
        OVEN,
        Grants::none("bakery"),
        expect![[r#"
        resources.get: ok
        resources.children: ok
        resources.named: ok
        resources.wake: ok
        workloads.ensure: NotGranted
        workloads.inspect: NotGranted
        workloads.restart: NotGranted
        workloads.remove: ok
        workloads.logs: NotGranted
        ports.allocate: NotGranted
        ports.release: ok
        resp.execute: NotGranted
        ingress.publish: NotGranted
        ingress.withdraw: ok
        transfers.send: NotGranted
        transfers.fetch: NotGranted
    "#]],
    )
    .await;
}

#[tokio::test]
async fn ports_of_another_plugin_lead_nowhere() {
    let (lender, _woken) = Lender::of_nothing().await;
    let lender = Arc::new(lender);
    let mut bakery = call_about(&lender, OVEN, everything("bakery"));
    let till = "till".to_owned();
    let port =
        ports::Host::allocate(&mut bakery, OVEN.to_owned(), till.clone(), PORTS.0, PORTS.1, vec![]).await.unwrap();

    let mut widgets = call_about(&lender, WIDGET, everything("widgets"));
    let owner = || WIDGET.to_owned();
    let fault = workloads::Host::ensure(&mut widgets, owner(), spec(Some(port))).await.unwrap_err();
    assert_eq!(fault.code, "InvalidWorkloadSpec", "{fault:?}");
    let fault = ingress::Host::publish(&mut widgets, owner(), route(Some(port))).await.unwrap_err();
    assert_eq!(fault.code, "InvalidRoute", "{fault:?}");
    let other = ports::Host::allocate(&mut widgets, owner(), till.clone(), port, PORTS.1, vec![]).await.unwrap();
    assert_ne!(other, port);
    ports::Host::release(&mut widgets, owner(), till).await.unwrap();
    assert!(lender.ports.is_held(&OVEN.to_lowercase(), port).await, "it is the oven's still");
}

#[tokio::test]
async fn settings_are_a_plugins_own_without_those_that_are_the_gateways() {
    let (lender, _woken) = Lender::of_nothing().await;
    let of = |key: &str| (key.to_owned(), "value".to_owned());
    let values = [of("heat"), of("grants.ports"), of("limits.memory")].into();
    let mut bakery = call_with(&Arc::new(lender), OVEN, everything("bakery"), values);
    for (key, expected) in [("heat", Some("value")), ("grants.ports", None), ("limits.memory", None), ("colour", None)]
    {
        assert_eq!(settings::Host::get(&mut bakery, key.to_owned()).await.as_deref(), expected, "{key}");
    }
}
