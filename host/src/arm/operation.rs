//! Long-running operations: what a client polls while a resource is on its way.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::id::{ResourceId, Scope};
use super::location;
use crate::telemetry::Event;

/// How an operation stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    InProgress,
    Succeeded,
    Failed { code: String, message: String },
}

/// What is on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Subject {
    Resource {
        resource: ResourceId,
        /// Display name of the resource's location, which is part of the operation's URL.
        location: String,
    },
    /// A resource group.
    Group { group: Scope },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    pub id: Uuid,
    #[serde(flatten)]
    pub subject: Subject,
    pub status: Status,
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
}

impl Operation {
    pub fn of_resource(resource: &ResourceId, location: &str) -> Operation {
        Operation::start(Subject::Resource { resource: resource.clone(), location: location.to_owned() })
    }

    pub fn of_group(group: Scope) -> Operation {
        Operation::start(Subject::Group { group })
    }

    fn start(subject: Subject) -> Operation {
        let (started, status) = (Timestamp::now(), Status::InProgress);
        Operation { id: Uuid::new_v4(), subject, status, started, ended: None }
    }

    pub fn end(&self, status: Status) -> Operation {
        Operation { status, ended: Some(Timestamp::now()), ..self.clone() }
    }

    /// The end of an operation whose resource was deleted meanwhile.
    pub fn preempted(&self) -> Operation {
        let message = "The operation was preempted by the deletion of its resource.".to_owned();
        self.end(Status::Failed { code: "OperationPreempted".to_owned(), message })
    }

    /// What is told of it. A failure's message is not: it is for whoever started the operation.
    pub fn event(&self) -> Event {
        let operation = self.id.to_string();
        let subject = match &self.subject {
            Subject::Resource { resource, .. } => resource.to_string(),
            Subject::Group { group } => group.to_string(),
        };
        let taken = self.ended.map(|ended| ended.duration_since(self.started).as_millis());
        let milliseconds = taken.and_then(|taken| u64::try_from(taken).ok()).unwrap_or_default();
        match &self.status {
            Status::InProgress => Event::OperationStarted { operation, subject },
            Status::Succeeded => Event::OperationSucceeded { operation, subject, milliseconds },
            Status::Failed { code, .. } => {
                Event::OperationFailed { operation, subject, milliseconds, code: code.clone() }
            }
        }
    }

    pub fn subscription(&self) -> &str {
        match &self.subject {
            Subject::Resource { resource, .. } => &resource.subscription,
            Subject::Group { group } => &group.subscription,
        }
    }

    /// The namespace that an operation of a resource is below; none for a group's.
    pub fn namespace(&self) -> Option<&str> {
        match &self.subject {
            Subject::Resource { resource, .. } => Some(&resource.namespace),
            Subject::Group { .. } => None,
        }
    }

    /// The path of the operation's status, `asyncOperations`, or of its result, `operationresults`.
    pub fn path(&self, collection: &str) -> String {
        let subscription = self.subscription();
        match &self.subject {
            Subject::Resource { resource, location } => format!(
                "/subscriptions/{subscription}/providers/{}/locations/{}/{collection}/{}",
                resource.namespace,
                location::normalised(location),
                self.id
            ),
            Subject::Group { .. } => format!("/subscriptions/{subscription}/{collection}/{}", self.id),
        }
    }

    /// The status document, as it is shown in a collection (see [`Operation::path`]).
    pub fn body(&self, collection: &str) -> Value {
        let (status, error) = match &self.status {
            Status::InProgress => ("InProgress", Value::Null),
            Status::Succeeded => ("Succeeded", Value::Null),
            Status::Failed { code, message } => ("Failed", json!({ "code": code, "message": message })),
        };
        json!({
            "id": self.path(collection),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_read_as_they_were_written() {
        let resource = ResourceId::parse("/subscriptions/s/resourceGroups/g/providers/A.B/things/x").unwrap();
        let group = Scope { subscription: "s".to_owned(), group: Some("g".to_owned()) };
        for operation in [Operation::of_resource(&resource, "East US"), Operation::of_group(group)] {
            let text = serde_json::to_string(&operation).unwrap();
            assert_eq!(serde_json::from_str::<Operation>(&text).unwrap(), operation, "{text}");
        }
    }
}
