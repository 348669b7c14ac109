//! A resource as the gateway hands it over, and the part of it that belongs to the plugin.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Fault, ResourceId};

/// One ARM resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// Names in the casing last given by the user.
    pub id: ResourceId,
    /// Namespace and type in the manifest's casing: `Microsoft.Cache/Redis`.
    pub resource_type: String,
    /// Display name: `East US`.
    pub location: String,
    pub tags: BTreeMap<String, String>,
    pub state: State,
    pub provisioning_state: ProvisioningState,
    /// The schema version that `state` was written in.
    pub schema_version: u32,
    /// Grows by one with every accepted change.
    pub generation: u64,
}

impl Resource {
    /// The last name of the id.
    pub fn name(&self) -> &str {
        self.id.name()
    }
}

/// What the plugin owns of a resource. Stored together, in one atomic step.
#[derive(Clone, PartialEq, Default)]
pub struct State {
    /// The public document: the ARM body without `id`, `name`, `type`, `location`, `tags` and
    /// `properties.provisioningState`, all of which are the gateway's. A GET shows it as it is.
    pub document: Value,
    /// Bytes that only the plugin reads and no client ever sees. See [`State::private`].
    pub private: Vec<u8>,
}

impl State {
    /// A document without private state.
    pub fn new(document: Value) -> State {
        State { document, private: Vec::new() }
    }

    /// The private state, as written by [`State::set_private`]; none if nothing was written yet.
    ///
    /// Fails with `PrivateStateUnreadable` if the bytes are no `T`.
    pub fn private<T: DeserializeOwned>(&self) -> Result<Option<T>, Fault> {
        if self.private.is_empty() {
            return Ok(None);
        }
        serde_json::from_slice(&self.private).map(Some).map_err(|error| {
            let message = format!("the private state is not one that this version of the plugin reads: {error}");
            Fault::new("PrivateStateUnreadable", message)
        })
    }

    /// Replaces the private state. Fails with `PrivateStateUnwritable` if `T` has no JSON form (a map whose keys are
    /// no texts, say).
    pub fn set_private<T: Serialize>(&mut self, private: &T) -> Result<(), Fault> {
        self.private = serde_json::to_vec(private).map_err(|error| {
            Fault::new("PrivateStateUnwritable", format!("the private state has no JSON form: {error}"))
        })?;
        Ok(())
    }
}

/// Private state holds secrets, and what is printed ends in a log: only its size is shown.
impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let private = format_args!("{} bytes", self.private.len());
        f.debug_struct("State").field("document", &self.document).field("private", &private).finish()
    }
}

/// Where a resource is in its life. The gateway's: a plugin reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProvisioningState {
    Creating,
    Updating,
    Deleting,
    Succeeded,
    Failed,
}

impl ProvisioningState {
    /// The word that the contract and ARM use for it.
    pub fn as_str(self) -> &'static str {
        match self {
            ProvisioningState::Creating => "Creating",
            ProvisioningState::Updating => "Updating",
            ProvisioningState::Deleting => "Deleting",
            ProvisioningState::Succeeded => "Succeeded",
            ProvisioningState::Failed => "Failed",
        }
    }

    /// None for a word that the contract does not have.
    pub fn parse(word: &str) -> Option<ProvisioningState> {
        use ProvisioningState::{Creating, Deleting, Failed, Succeeded, Updating};
        [Creating, Updating, Deleting, Succeeded, Failed].into_iter().find(|state| state.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_state_survives_a_round_trip_and_is_not_printed() {
        let mut state = State::new(Value::Null);
        assert_eq!(state.private::<Vec<String>>(), Ok(None));
        state.set_private(&["secret"]).unwrap();
        assert_eq!(state.private::<Vec<String>>(), Ok(Some(vec!["secret".to_owned()])));
        assert_eq!(state.private::<u8>().unwrap_err().code, "PrivateStateUnreadable");
        assert_eq!(format!("{state:?}"), "State { document: Null, private: 10 bytes }");
    }
}
