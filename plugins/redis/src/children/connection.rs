//! `privateEndpointConnections`: approved or rejected, stored and shown. There are no private networks here.

use floci_az_sdk::prelude::*;

use super::{parent, properties};
use crate::member::Members;

/// As it is shown below its cache, and inside of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    pub id: ResourceId,
    /// The public document.
    document: Value,
}

const STATES: [&str; 3] = ["Pending", "Approved", "Rejected"];

impl Connection {
    pub fn of(resource: &Resource) -> Result<Connection, Rejection> {
        Ok(Connection { id: resource.id.clone(), document: resource.state.document.clone() })
    }

    /// As the cache shows it.
    pub fn to_json(&self) -> Value {
        let properties = self.document.get("properties");
        json!({ "id": self.id.to_string(), "properties": properties })
    }
}

pub fn validate(change: &Change) -> Result<Accepted, Rejection> {
    let properties = properties(&change.desired.state.document)?;
    let path = "properties.privateLinkServiceConnectionState";
    let needed =
        || properties.invalid("privateLinkServiceConnectionState", r#"It is needed, such as {"status": "Approved"}."#);
    let sent = properties.get("privateLinkServiceConnectionState").ok_or_else(needed)?;
    let state = Members::of(sent, path)?.ok_or_else(needed)?;
    let status = state
        .one_of("status", &STATES)?
        .ok_or_else(|| state.invalid("status", &format!("It has to be {}.", STATES.join(" or "))))?;
    let description = state.text("description")?.unwrap_or_default();
    let actions = state.text("actionsRequired")?.unwrap_or("None");
    let endpoint = endpoint(&parent(&change.desired.id)?, change.desired.name());
    Ok(Accepted::reconcile(State::new(json!({
        "properties": {
            "privateEndpoint": { "id": endpoint },
            "privateLinkServiceConnectionState": { "status": status, "description": description, "actionsRequired": actions }
        }
    }))))
}

/// Azure's network service would have made the connection, and said whose endpoint it is.
fn endpoint(cache: &ResourceId, name: &str) -> String {
    let (subscription, group) = (cache.subscription(), cache.group());
    format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Network/privateEndpoints/{name}")
}
