//! A resource's life: the requests that the gateway would hand to a provider, and what it would do with the answers.
//!
//! The calls panic on what the gateway would have refused before asking the provider: an id that is none, a resource
//! that does not exist, a type that the manifest does not have, a child whose parent is not there or not settled.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::{FakeHost, Phase};
use crate::{
    ActionCall, Answer, Change, Intent, Life, Next, Provider, ProvisioningState, Purpose, Rejection, Resource,
    ResourceId, State, Target, Tracking, View, Work,
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

    /// One step of `reconcile`, and what it means for the children whose life is the resource's: they are ready or gone
    /// when it is done, and failed when it has.
    ///
    /// # Panics
    /// If the resource is such a child itself: it is its parent that is reconciled.
    pub fn reconcile<P: Provider>(&self, id: &str) -> Next {
        let resource = self.existing_resource(&parse(id));
        assert!(!self.is_part(&resource.id), "the life of {id} is its parent's: reconcile that one");
        let pending: Vec<Resource> = self.parts(&resource.id).into_iter().filter(is_pending).collect();
        let step = P::reconcile(resource.clone(), self);
        let provisioning_state = match (&step.next, resource.provisioning_state) {
            // A repair changes no state.
            (_, state) if state != ProvisioningState::Creating && state != ProvisioningState::Updating => state,
            (Next::Done | Next::Refused(_), _) => ProvisioningState::Succeeded,
            (Next::Wait { .. }, state) => state,
            (Next::Failed(_), _) => ProvisioningState::Failed,
        };
        self.store(Resource { state: step.state, provisioning_state, ..resource });
        for child in pending {
            self.conclude(child, &step.next);
        }
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

    /// One step of `finalize`; the resource is gone when it is done. Children whose life is the resource's go first,
    /// without a call. Such a child itself becomes `Deleting`, and waits for its parent's `reconcile`.
    pub fn delete<P: Provider>(&self, id: &str) -> Next {
        let id = parse(id);
        let resource = Resource { provisioning_state: ProvisioningState::Deleting, ..self.existing_resource(&id) };
        if self.is_part(&id) {
            self.store(Resource { generation: resource.generation + 1, ..resource });
            return Next::wait(Duration::ZERO, "its parent");
        }
        for child in self.parts(&id) {
            self.remove(&child.id);
        }
        let step = P::finalize(resource.clone(), self);
        match step.next {
            Next::Done => self.remove(&id),
            Next::Wait { .. } | Next::Failed(_) | Next::Refused(_) => {
                self.store(Resource { state: step.state, ..resource })
            }
        }
        step.next
    }

    /// An action of a resource: a POST or, with the parameters of its URL as the body, a GET.
    pub fn post<P: Provider>(&self, id: &str, action: &str, body: Value) -> Result<Answer, Rejection> {
        let resource = self.existing_resource(&parse(id));
        let call = ActionCall {
            action: action.to_owned(),
            api_version: self.api_version(&resource.id),
            target: Target::Resource(resource.clone()),
            body,
        };
        let answer = P::invoke(call, self)?;
        let state = answer.state().cloned().unwrap_or_else(|| resource.state.clone());
        let provisioning_state = match (answer.work(), resource.provisioning_state) {
            (Work::Settled, state) => state,
            // Until it is reconciled.
            (Work::Reconcile, _) => ProvisioningState::Updating,
        };
        self.store(Resource { state, provisioning_state, ..resource });
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

    /// The document that a client of the newest version sees: presented if the manifest says so, else as it is stored.
    pub fn show<P: Provider>(&self, id: &str, purpose: Purpose) -> Value {
        self.show_in::<P>(id, purpose, &self.api_version(&parse(id)))
    }

    /// The document that a client of this api-version sees.
    pub fn show_in<P: Provider>(&self, id: &str, purpose: Purpose, api_version: &str) -> Value {
        let resource = self.existing_resource(&parse(id));
        if !self.resource_type(&resource.id).is_presented(purpose, api_version) {
            return resource.state.document;
        }
        self.purely(|| P::present(View { purpose, api_version: api_version.to_owned(), resource }, self))
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
        self.check_parent(&desired.id);
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

    /// What a step of its parent makes of a pending child.
    fn conclude(&self, child: Resource, next: &Next) {
        let is_leaving = child.provisioning_state == ProvisioningState::Deleting;
        match next {
            Next::Done | Next::Refused(_) if is_leaving => self.remove(&child.id),
            Next::Done | Next::Refused(_) => {
                self.store(Resource { provisioning_state: ProvisioningState::Succeeded, ..child })
            }
            Next::Failed(_) if !is_leaving => {
                self.store(Resource { provisioning_state: ProvisioningState::Failed, ..child })
            }
            // A deletion goes on.
            Next::Failed(_) | Next::Wait { .. } => {}
        }
    }

    /// The children whose life is this resource's.
    fn parts(&self, parent: &ResourceId) -> Vec<Resource> {
        let resources = self.resources.borrow();
        let of = |child: &&Resource| child.id.parent().as_ref() == Some(parent) && self.is_part(&child.id);
        resources.iter().filter(of).cloned().collect()
    }

    fn is_part(&self, id: &ResourceId) -> bool {
        self.resource_type(id).life == Life::Parents
    }

    fn remove(&self, id: &ResourceId) {
        self.resources.borrow_mut().retain(|resource| resource.id != *id);
    }

    fn check_parent(&self, id: &ResourceId) {
        let Some(parent) = id.parent() else { return };
        let state = self.existing_resource(&parent).provisioning_state;
        let is_settled = matches!(state, ProvisioningState::Succeeded | ProvisioningState::Failed);
        assert!(is_settled || !self.is_part(id), "{id} cannot be changed while {parent} is {}", state.as_str());
    }

    fn purely<T>(&self, call: impl FnOnce() -> T) -> T {
        self.phase.set(Phase::Pure);
        let outcome = call();
        self.phase.set(Phase::Effects);
        outcome
    }

    fn fresh(&self, id: ResourceId, mut body: Value) -> Resource {
        let declared = self.resource_type(&id);
        if declared.tracking != Tracking::Tracked
            && let Some(members) = body.as_object_mut()
        {
            // The gateway ignores them, and hands over its parent's location.
            members.remove("tags");
            members.remove("location");
            if let Some(parent) = id.parent().and_then(|parent| self.find(&parent)) {
                members.insert("location".to_owned(), parent.location.into());
            }
        }
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

fn is_pending(resource: &Resource) -> bool {
    !matches!(resource.provisioning_state, ProvisioningState::Succeeded | ProvisioningState::Failed)
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
