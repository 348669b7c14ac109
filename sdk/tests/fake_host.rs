//! The fake gateway keeps the promises of the real one.

use std::time::Duration;

use floci_az_sdk::testing::FakeHost;
use floci_az_sdk::{Kind, Level, ProvisioningState, Purpose, ResourceType, child_type, prelude::*, writes};

/// A provider whose every function does something that can be seen.
struct Bakery;

const OVEN: &str = "/subscriptions/s/resourceGroups/g/providers/Contoso.Bakery/ovens/first";

impl Provider for Bakery {
    fn manifest() -> Manifest {
        let ovens = ResourceType {
            actions: vec![writes("clean")],
            present_on: vec![Purpose::List],
            ..resource_type("ovens", ["2026-01-01"], json!({}))
        };
        let heat =
            setting("heat", Kind::OneOf(vec!["low".into(), "high".into()]), "low", ["Heats.", "Burns.", "heat: high"]);
        Manifest {
            settings: vec![heat],
            ..manifest("Contoso.Bakery", "bakery", [ovens, resource_type("ovens/loaves", ["2026-01-01"], json!({}))])
        }
    }

    fn validate(change: Change, host: &dyn Host) -> Result<Accepted, Rejection> {
        if let Err(fault) = host.ports().allocate(&change.desired.id, "door", 1..=2, &[]) {
            host.log().write(Level::Info, &fault.code);
        }
        let mut state = change.desired.state;
        state.set_private(&host.settings().text("heat")?)?;
        Ok(Accepted::reconcile(state))
    }

    fn reconcile(resource: Resource, host: &dyn Host) -> Step {
        match host.ports().allocate(&resource.id, "door", 1..=2, &[1]) {
            Ok(_) if resource.provisioning_state == ProvisioningState::Creating => {
                Step::wait(resource.state, Duration::from_secs(1), "heating")
            }
            Ok(_) => Step::done(resource.state),
            Err(fault) => Step::failed(resource.state, fault),
        }
    }

    fn invoke(call: ActionCall, _: &dyn Host) -> Result<Answer, Rejection> {
        Ok(Answer::no_content().storing(State::new(json!({ "clean": call.resource()?.name() }))))
    }

    fn present(view: View, _: &dyn Host) -> Value {
        json!({ "shown": view.resource.name() })
    }
}

#[test]
fn a_resource_lives_as_the_provider_says() {
    let host = FakeHost::of::<Bakery>();
    host.set("heat", "HIGH");
    let oven = host
        .put::<Bakery>(OVEN, json!({ "tags": { "a": "b" }, "properties": { "loaves": 1, "size": { "x": 1, "y": 2 } } }))
        .unwrap();
    assert_eq!(oven.tags["a"], "b");
    assert_eq!(oven.state.private::<String>(), Ok(Some("high".to_owned())));
    assert_eq!(
        (oven.resource_type.as_str(), oven.provisioning_state),
        ("Contoso.Bakery/ovens", ProvisioningState::Creating)
    );
    assert_eq!(host.lines(), [(Level::Info, "NotGranted".to_owned())], "validate has no side effects");

    let next = host.reconcile::<Bakery>(OVEN);
    assert_eq!(next, Next::Wait { after: Duration::from_secs(1), reason: "heating".to_owned() });
    assert_eq!(host.held_ports(OVEN), [("door".to_owned(), 2)]);

    host.patch::<Bakery>(OVEN, json!({ "properties": { "loaves": null, "size": { "y": 3 } } })).unwrap();
    assert_eq!(host.settle::<Bakery>(OVEN), Next::Done);
    let stored = host.stored(OVEN).unwrap();
    assert_eq!(stored.state.document, json!({ "properties": { "size": { "x": 1, "y": 3 } } }));
    assert_eq!((stored.provisioning_state, stored.generation), (ProvisioningState::Succeeded, 2));

    assert_eq!(host.show::<Bakery>(OVEN, Purpose::List), json!({ "shown": "first" }));
    assert_eq!(host.show::<Bakery>(OVEN, Purpose::Get), stored.state.document);
    assert_eq!(host.post::<Bakery>(OVEN, "clean", Value::Null).unwrap().status(), 204);
    assert_eq!(host.stored(OVEN).unwrap().state.document, json!({ "clean": "first" }));
    assert_eq!(host.delete::<Bakery>(OVEN), Next::Done);
    assert_eq!(host.stored(OVEN), None);
}

#[test]
fn resources_are_found_without_regard_to_case() {
    let host = FakeHost::of::<Bakery>();
    host.put::<Bakery>(OVEN, json!({})).unwrap();
    let loaf = format!("{OVEN}/loaves/rye");
    host.put::<Bakery>(&loaf, json!({})).unwrap();
    let id: ResourceId = OVEN.to_uppercase().parse().unwrap();
    assert_eq!(host.resources().get(&id).unwrap().unwrap().name(), "first");
    assert_eq!(host.resources().children(&id, "LOAVES").unwrap().len(), 1);
    assert_eq!(host.resources().named("contoso.bakery/OVENS", "FIRST").unwrap().len(), 1);
    assert_eq!(host.resources().named("Contoso.Bakery/ovens", "second").unwrap().len(), 0);
}

#[test]
#[should_panic(expected = "takes low or high, not 'none'")]
fn a_value_that_the_gateway_would_refuse_fails_the_test() {
    FakeHost::of::<Bakery>().set("heat", "none");
}

#[test]
fn the_defaults_make_a_provider_of_documents() {
    struct Documents;
    impl Provider for Documents {
        fn manifest() -> Manifest {
            manifest("Contoso.Bakery", "bakery", [resource_type("ovens", ["2026-01-01"], json!({}))])
        }
    }
    let host = FakeHost::of::<Documents>();
    let body = json!({ "properties": { "loaves": 1 } });
    let oven = host.put::<Documents>(OVEN, body.clone()).unwrap();
    assert_eq!((oven.state, oven.provisioning_state), (State::new(body), ProvisioningState::Succeeded));
    assert_eq!(host.reconcile::<Documents>(OVEN), Next::Done);
    assert_eq!(host.post::<Documents>(OVEN, "clean", Value::Null).unwrap_err().code(), "ActionNotSupported");
    assert_eq!(host.delete::<Documents>(OVEN), Next::Done);
}

/// Racks are what they are when their oven is hot.
struct Racks;

impl Provider for Racks {
    fn manifest() -> Manifest {
        let racks = ResourceType {
            present_before: Some("2026-01-01".to_owned()),
            ..child_type("ovens/racks", ["2026-01-01", "2025-01-01"], json!({}))
        };
        manifest("Contoso.Bakery", "bakery", [resource_type("ovens", ["2026-01-01"], json!({})), racks])
    }

    fn validate(change: Change, _: &dyn Host) -> Result<Accepted, Rejection> {
        Ok(Accepted::reconcile(change.desired.state))
    }

    fn reconcile(resource: Resource, host: &dyn Host) -> Step {
        let racks = host.resources().children(&resource.id, "racks").unwrap_or_default();
        let seen: Vec<String> =
            racks.iter().map(|rack| format!("{} {}", rack.name(), rack.provisioning_state.as_str())).collect();
        host.log().write(Level::Info, &seen.join(", "));
        match host.workloads().inspect(&resource.id, "fire") {
            Ok(Some(_)) => Step::failed(resource.state, Fault::new("Fire", "it burns")),
            _ => Step::done(resource.state),
        }
    }

    fn present(_: View, _: &dyn Host) -> Value {
        json!("as it was")
    }
}

#[test]
fn children_are_brought_to_their_end_by_their_parent() {
    let host = FakeHost::of::<Racks>();
    let rack = |name: &str| format!("{OVEN}/racks/{name}");
    let state = |id: &str| host.stored(id).map(|resource| resource.provisioning_state);
    host.put::<Racks>(OVEN, json!({ "location": "East US" })).unwrap();
    host.settle::<Racks>(OVEN);

    let upper = host.put::<Racks>(&rack("upper"), json!({ "location": "nowhere", "tags": { "a": "b" } })).unwrap();
    assert_eq!((upper.location.as_str(), upper.tags.len()), ("East US", 0));
    host.put::<Racks>(&rack("lower"), json!({})).unwrap();
    assert_eq!(state(&rack("upper")), Some(ProvisioningState::Creating));
    assert_eq!(host.settle::<Racks>(OVEN), Next::Done);
    assert_eq!(state(&rack("upper")), Some(ProvisioningState::Succeeded));
    assert_eq!(host.show::<Racks>(&rack("upper"), Purpose::Get), json!({}));
    assert_eq!(host.show_in::<Racks>(&rack("upper"), Purpose::Get, "2025-01-01"), json!("as it was"));

    assert!(matches!(host.delete::<Racks>(&rack("upper")), Next::Wait { .. }));
    host.put::<Racks>(&rack("lower"), json!({ "properties": {} })).unwrap();
    host.lines();
    let oven: ResourceId = OVEN.parse().unwrap();
    let fire = floci_az_sdk::WorkloadSpec {
        name: "fire".to_owned(),
        image: String::new(),
        programs: Vec::new(),
        args: Vec::new(),
        env: Default::default(),
        ports: Default::default(),
        files: Default::default(),
        memory: None,
    };
    host.workloads().ensure(&oven, &fire).unwrap();
    assert!(matches!(host.settle::<Racks>(OVEN), Next::Failed(_)));
    assert_eq!(host.lines(), [(Level::Info, "upper Deleting, lower Updating".to_owned())]);
    assert_eq!(state(OVEN), Some(ProvisioningState::Succeeded), "a repair changes no state");
    assert_eq!(
        (state(&rack("upper")), state(&rack("lower"))),
        (Some(ProvisioningState::Deleting), Some(ProvisioningState::Failed))
    );

    host.workloads().remove(&oven, "fire").unwrap();
    host.settle::<Racks>(OVEN);
    assert_eq!((state(&rack("upper")), state(&rack("lower"))), (None, Some(ProvisioningState::Failed)));
    assert_eq!(host.delete::<Racks>(OVEN), Next::Done);
    assert_eq!(state(&rack("lower")), None);
}

#[test]
#[should_panic(expected = "cannot be changed while")]
fn a_child_is_not_changed_while_its_parent_is() {
    let host = FakeHost::of::<Racks>();
    host.put::<Racks>(OVEN, json!({})).unwrap();
    let _ = host.put::<Racks>(&format!("{OVEN}/racks/upper"), json!({}));
}
