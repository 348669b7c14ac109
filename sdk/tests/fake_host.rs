//! The fake gateway keeps the promises of the real one.

use std::time::Duration;

use floci_az_sdk::testing::FakeHost;
use floci_az_sdk::{Kind, Level, ProvisioningState, Purpose, ResourceType, prelude::*, writes};

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
