//! Long-running operations: what a client polls while a resource is on its way.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::id::ResourceId;
use super::location;

/// How an operation stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    InProgress,
    Succeeded,
    Failed { code: String, message: String },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    pub id: Uuid,
    pub resource: ResourceId,
    /// Display name of the resource's location, which is part of the operation's URL.
    pub location: String,
    pub status: Status,
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
}

impl Operation {
    pub fn start(resource: &ResourceId, location: &str) -> Operation {
        Operation {
            id: Uuid::new_v4(),
            resource: resource.clone(),
            location: location.to_owned(),
            status: Status::InProgress,
            started: Timestamp::now(),
            ended: None,
        }
    }

    pub fn end(&self, status: Status) -> Operation {
        Operation { status, ended: Some(Timestamp::now()), ..self.clone() }
    }

    /// The path of the operation's status, `asyncOperations`, or of its result, `operationresults`.
    pub fn path(&self, collection: &str) -> String {
        format!(
            "/subscriptions/{}/providers/{}/locations/{}/{collection}/{}",
            self.resource.subscription,
            self.resource.namespace,
            location::normalised(&self.location),
            self.id
        )
    }

    /// The status document.
    pub fn body(&self) -> Value {
        let (status, error) = match &self.status {
            Status::InProgress => ("InProgress", Value::Null),
            Status::Succeeded => ("Succeeded", Value::Null),
            Status::Failed { code, message } => ("Failed", json!({ "code": code, "message": message })),
        };
        json!({
            "id": self.path("asyncOperations"),
            "name": self.id.to_string(),
            "status": status,
            "startTime": self.started.to_string(),
            "endTime": self.ended.map(|time| time.to_string()),
            "percentComplete": if self.ended.is_some() { json!(100.0) } else { Value::Null },
            "properties": Value::Null,
            "error": error,
        })
    }
}
