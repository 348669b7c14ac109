//! A resource as the host keeps it, and as each side is shown it: a client sees [`Record::body`], a plugin sees
//! [`Record::to_contract`].

use base64::engine::general_purpose::STANDARD as BASE64;
use floci_az_contract::{ResourceType, ShownName, Tracking};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::id::ResourceId;
use super::schema::Twin;
use crate::plugin::contract;

/// Where a resource is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Provisioning {
    /// Accepted, and never been there yet.
    Creating,
    /// It was there, and is being changed.
    Updating,
    Deleting,
    Succeeded,
    Failed,
}

impl Provisioning {
    pub fn as_str(self) -> &'static str {
        match self {
            Provisioning::Creating => "Creating",
            Provisioning::Updating => "Updating",
            Provisioning::Deleting => "Deleting",
            Provisioning::Succeeded => "Succeeded",
            Provisioning::Failed => "Failed",
        }
    }

    /// Nothing is under way.
    pub fn is_terminal(self) -> bool {
        matches!(self, Provisioning::Succeeded | Provisioning::Failed)
    }
}

/// Whether a resource has been ready since it was created: what a failed one goes back to when it is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Past {
    NeverReady,
    BeenReady,
}

impl Past {
    /// The state of a resource while an operation brings it to where it should be.
    pub fn under_way(self) -> Provisioning {
        match self {
            Past::NeverReady => Provisioning::Creating,
            Past::BeenReady => Provisioning::Updating,
        }
    }
}

/// What a plugin owns of a resource.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The public document, an object.
    pub document: Map<String, Value>,
    #[serde(with = "base64_text")]
    pub private: Vec<u8>,
}

impl std::fmt::Debug for State {
    /// Without the private state, which holds secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("document", &self.document).finish_non_exhaustive()
    }
}

impl State {
    pub fn to_contract(&self) -> contract::State {
        contract::State { document: text(&self.document), private: self.private.clone() }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub id: ResourceId,
    /// Display name. Of what has none of its own it is the parent's, and part of the URLs of its operations.
    pub location: String,
    pub tags: Map<String, Value>,
    pub state: State,
    pub provisioning: Provisioning,
    pub past: Past,
    pub schema_version: u32,
    /// The same state in another schema, from when it was converted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twin: Option<Twin>,
    pub generation: u64,
    /// The operation under way, or the last one.
    pub operation: Option<Uuid>,
    /// When it was accepted, and when it was last changed.
    pub created: Timestamp,
    pub modified: Timestamp,
}

impl Record {
    /// What a client sees, with the stored document.
    pub fn body(&self, kind: &ResourceType) -> Value {
        self.body_with(kind, self.state.document.clone())
    }

    /// What a client sees, with a document that the plugin presents instead.
    pub fn body_with(&self, kind: &ResourceType, mut document: Map<String, Value>) -> Value {
        let mut properties = Map::new();
        properties.insert("provisioningState".to_owned(), self.provisioning.as_str().into());
        if let Some(Value::Object(own)) = document.shift_remove("properties") {
            properties.extend(own.into_iter().filter(|(member, _)| member != "provisioningState"));
        }
        let mut body = head(kind, &self.id, &self.location);
        if kind.tracking == Tracking::Tracked {
            body.insert("tags".to_owned(), Value::Object(self.tags.clone()));
        }
        body.extend(document);
        body.insert("properties".to_owned(), Value::Object(properties));
        Value::Object(body)
    }

    /// What the plugin sees.
    pub fn to_contract(&self) -> contract::Resource {
        contract::Resource {
            id: self.id.to_string(),
            name: self.id.name().to_owned(),
            type_: self.id.full_type(),
            location: self.location.clone(),
            tags: text(&self.tags),
            state: self.state.to_contract(),
            provisioning_state: self.provisioning.as_str().to_owned(),
            schema_version: self.schema_version,
            generation: self.generation,
        }
    }

    /// With another state, in the same schema. What it was in another schema goes, unless it still is that.
    pub fn with_state(self, state: State) -> Record {
        let twin = self.twin.filter(|twin| twin.is_of(&state));
        Record { state, twin, ..self }
    }

    /// The next generation of this resource.
    pub fn changed(&self) -> Record {
        Record { generation: self.generation + 1, modified: Timestamp::now(), ..self.clone() }
    }
}

/// What a client sees of any resource before the plugin's document.
pub(super) fn head(kind: &ResourceType, id: &ResourceId, location: &str) -> Map<String, Value> {
    let name = match kind.shown_name {
        ShownName::Last => id.name().to_owned(),
        ShownName::Path => id.names(),
    };
    let mut head = Map::new();
    head.insert("id".to_owned(), id.to_string().into());
    head.insert("name".to_owned(), name.into());
    head.insert("type".to_owned(), id.full_type().into());
    if kind.tracking != Tracking::Proxy {
        head.insert("location".to_owned(), location.into());
    }
    head
}

/// An object as JSON text.
fn text(object: &Map<String, Value>) -> String {
    serde_json::to_string(object).unwrap_or_else(|_| "{}".to_owned())
}

mod base64_text {
    use base64::Engine as _;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::BASE64;

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64.decode(text).map_err(D::Error::custom)
    }
}
