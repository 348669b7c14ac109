//! A resource's life: the requests that the gateway would hand to a provider, and what it would do with the answers.
//!
//! The calls panic on what the gateway would have refused before asking the provider: an id that is none, a resource
//! that does not exist, a type that the manifest does not have.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{FakeHost, Phase};
use crate::{
    ActionCall, Answer, Change, Intent, Next, Provider, ProvisioningState, Purpose, Rejection, Resource, ResourceId,
    State, Target, View, Work,
};

/// Steps after which [`FakeHost::settle`] gives up: no provider needs as many.
const STEPS: usize = 100;
/// Members of a body that are the gateway's.
const GATEWAYS: [&str; 5] = ["id", "name", "type", "location", "tags"];

impl FakeHost {
    /// A PUT: creates the resource or replaces it.
    pub fn put<P: Provider>(&self, id: &str, body: Value) -> Result<Resource, Rejection> {
        let id = parse(id);
        match self.find(&id) {
            None => self.change::<P>(self.fresh(id, body), Intent::Create),
            Some(current) => {
                let fresh = self.fresh(id, body);
                let state = State { private: current.state.private.clone(), ..fresh.state };
                self.change::<P>(Resource { state, ..fresh }, Intent::Replace { current })
            }
        }
    }

    /// A PATCH: merges as RFC 7396 says.
    pub fn patch<P: Provider>(&self, id: &str, patch: Value) -> Result<Resource, Rejection> {
        let current = self.existing_resource(&parse(id));
        let mut desired = current.clone();
        merge(&mut desired.state.document, patch);
        self.change::<P>(desired, Intent::Patch { current })
    }

    /// One step of `reconcile`.
    pub fn reconcile<P: Provider>(&self, id: &str) -> Next {
        let resource = self.existing_resource(&parse(id));
        let step = P::reconcile(resource.clone(), self);
        let provisioning_state = match &step.next {
            Next::Done | Next::Refused(_) => ProvisioningState::Succeeded,
            Next::Wait { .. } => resource.provisioning_state,
            Next::Failed(_) => ProvisioningState::Failed,
        };
        self.store(Resource { state: step.state, provisioning_state, ..resource });
        step.next
    }

    /// Steps of `reconcile` until it is done or has failed; no time passes between them. The last answer.
    pub fn settle<P: Provider>(&self, id: &str) -> Next {
        let mut next = self.reconcile::<P>(id);
        for _ in 1..STEPS {
            match next {
                Next::Wait { .. } => next = self.reconcile::<P>(id),
                Next::Done | Next::Failed(_) | Next::Refused(_) => break,
            }
        }
        next
    }

    /// One step of `finalize`; the resource is gone when it is done.
    pub fn delete<P: Provider>(&self, id: &str) -> Next {
        let id = parse(id);
        let resource = Resource { provisioning_state: ProvisioningState::Deleting, ..self.existing_resource(&id) };
        let step = P::finalize(resource.clone(), self);
        match step.next {
            Next::Done => self.resources.borrow_mut().retain(|resource| resource.id != id),
            Next::Wait { .. } | Next::Failed(_) | Next::Refused(_) => {
                self.store(Resource { state: step.state, ..resource })
            }
        }
        step.next
    }

    /// A POST to an action of a resource.
    pub fn post<P: Provider>(&self, id: &str, action: &str, body: Value) -> Result<Answer, Rejection> {
        let resource = self.existing_resource(&parse(id));
        let call = ActionCall {
            action: action.to_owned(),
            api_version: self.api_version(&resource.id),
            target: Target::Resource(resource.clone()),
            body,
        };
        let answer = P::invoke(call, self)?;
        if let Some(state) = answer.state() {
            self.store(Resource { state: state.clone(), ..resource });
        }
        Ok(answer)
    }

    /// A POST to an action of the provider in a subscription.
    pub fn post_to_provider<P: Provider>(&self, action: &str, body: Value) -> Result<Answer, Rejection> {
        let manifest = &self.manifest;
        let scope = format!("/subscriptions/00000000-0000-0000-0000-000000000001/providers/{}", manifest.namespace);
        let newest = manifest.types.iter().find_map(|kind| kind.newest_version()).unwrap_or_default();
        let target = Target::Provider { scope };
        let call = ActionCall { action: action.to_owned(), api_version: newest.to_owned(), target, body };
        self.purely(|| P::invoke(call, self))
    }

    /// The document that a client sees: presented if the manifest says so, else as it is stored.
    pub fn show<P: Provider>(&self, id: &str, purpose: Purpose) -> Value {
        let resource = self.existing_resource(&parse(id));
        if !self.resource_type(&resource.id).present_on.contains(&purpose) {
            return resource.state.document;
        }
        let api_version = self.api_version(&resource.id);
        self.purely(|| P::present(View { purpose, api_version, resource }, self))
    }

    /// The resource as it is stored.
    pub fn stored(&self, id: &str) -> Option<Resource> {
        self.find(&parse(id))
    }

    /// Stores a resource as it is: one that another version of the plugin left behind, say.
    pub fn store(&self, resource: Resource) {
        let mut resources = self.resources.borrow_mut();
        resources.retain(|other| other.id != resource.id);
        resources.push(resource);
    }

    fn change<P: Provider>(&self, desired: Resource, intent: Intent) -> Result<Resource, Rejection> {
        let progress = match intent {
            Intent::Create => ProvisioningState::Creating,
            Intent::Replace { .. } | Intent::Patch { .. } => ProvisioningState::Updating,
        };
        let change = Change { api_version: self.api_version(&desired.id), desired: desired.clone(), intent };
        let accepted = self.purely(|| P::validate(change, self))?;
        let provisioning_state = match accepted.work {
            Work::Settled => ProvisioningState::Succeeded,
            Work::Reconcile => progress,
        };
        let generation = desired.generation + 1;
        let resource = Resource { state: accepted.state, provisioning_state, generation, ..desired };
        self.store(resource.clone());
        Ok(resource)
    }

    fn purely<T>(&self, call: impl FnOnce() -> T) -> T {
        self.phase.set(Phase::Pure);
        let outcome = call();
        self.phase.set(Phase::Effects);
        outcome
    }

    fn fresh(&self, id: ResourceId, mut body: Value) -> Resource {
        let location = body.get("location").and_then(Value::as_str).unwrap_or("West US").to_owned();
        let text = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
        let tags: BTreeMap<String, String> = body
            .get("tags")
            .and_then(Value::as_object)
            .map(|tags| tags.iter().filter_map(text).collect())
            .unwrap_or_default();
        if let Some(members) = body.as_object_mut() {
            members.retain(|name, _| !GATEWAYS.contains(&name.as_str()));
        }
        if let Some(properties) = body.get_mut("properties").and_then(Value::as_object_mut) {
            properties.remove("provisioningState");
        }
        let declared = self.resource_type(&id);
        Resource {
            resource_type: format!("{}/{}", self.manifest.namespace, declared.name),
            id,
            location,
            tags,
            state: State::new(body),
            provisioning_state: ProvisioningState::Creating,
            schema_version: declared.schema_version,
            generation: 0,
        }
    }

    fn find(&self, id: &ResourceId) -> Option<Resource> {
        self.resources.borrow().iter().find(|resource| resource.id == *id).cloned()
    }

    fn existing_resource(&self, id: &ResourceId) -> Resource {
        self.find(id).unwrap_or_else(|| panic!("there is no {id}"))
    }

    fn resource_type(&self, id: &ResourceId) -> &crate::ResourceType {
        let full = id.resource_type();
        let named = |name: &str| format!("{}/{name}", self.manifest.namespace).eq_ignore_ascii_case(&full);
        let declared = self.manifest.types.iter().find(|declared| named(&declared.name));
        declared.unwrap_or_else(|| panic!("the manifest declares no type '{full}'"))
    }

    fn api_version(&self, id: &ResourceId) -> String {
        self.resource_type(id).api_versions.first().cloned().unwrap_or_default()
    }
}

fn parse(id: &str) -> ResourceId {
    id.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// RFC 7396.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(members) = target.as_object_mut() else { return };
    for (name, value) in patch {
        if value.is_null() {
            members.remove(&name);
        } else {
            merge(members.entry(name).or_insert(Value::Null), value);
        }
    }
}
