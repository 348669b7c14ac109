//! A POST to an action of the manifest, and its answer.

use serde_json::Value;

use crate::{Rejection, Resource, State, Work};

/// What a client asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionCall {
    /// In the manifest's casing: `listKeys`.
    pub action: String,
    pub api_version: String,
    pub target: Target,
    /// `Null` if the request has none.
    pub body: Value,
}

/// What an action is of.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    not(target_arch = "wasm32"), // where pointers are small, the variants are near enough
    expect(clippy::large_enum_variant, reason = "there is one per call, and it is moved once")
)]
pub enum Target {
    Resource(Resource),
    /// The provider, in this subscription (its id as in the path).
    Provider {
        scope: String,
    },
}

impl ActionCall {
    /// The resource, for an action that only resources have.
    pub fn resource(&self) -> Result<&Resource, Rejection> {
        match &self.target {
            Target::Resource(resource) => Ok(resource),
            Target::Provider { scope } => {
                let message = format!("'{}' is an action of a resource, and '{scope}' is none", self.action);
                Err(Rejection::bad_request("InvalidResourceType", message))
            }
        }
    }
}

/// What is answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Option<Value>,
    pub(crate) state: Option<State>,
    pub(crate) work: Work,
}

impl Answer {
    /// 200 with a body.
    pub fn ok(body: Value) -> Answer {
        Answer { status: 200, body: Some(body), state: None, work: Work::Settled }
    }

    /// 200 without a body.
    pub fn empty() -> Answer {
        Answer { status: 200, body: None, state: None, work: Work::Settled }
    }

    /// 204.
    pub fn no_content() -> Answer {
        Answer { status: 204, ..Answer::empty() }
    }

    /// 202: the rest is `reconcile`'s, and the client asks for the operation until it ends.
    pub fn accepted() -> Answer {
        Answer { status: 202, work: Work::Reconcile, ..Answer::empty() }
    }

    /// Stores this state, in one step with the answer.
    #[must_use]
    pub fn storing(self, state: State) -> Answer {
        Answer { state: Some(state), ..self }
    }

    /// Says what remains to be done.
    #[must_use]
    pub fn then(self, work: Work) -> Answer {
        Answer { work, ..self }
    }

    /// HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    pub fn body(&self) -> Option<&Value> {
        self.body.as_ref()
    }

    /// The state to store, if the action changed it.
    pub fn state(&self) -> Option<&State> {
        self.state.as_ref()
    }

    pub fn work(&self) -> Work {
        self.work
    }
}
