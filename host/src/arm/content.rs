//! The body of a PUT or PATCH, taken apart: what is the host's (location, tags, provisioningState), and the document
//! that is the plugin's.

use floci_az_contract::Tracking;
use serde_json::{Map, Value};

use super::error::{ArmError, shown};
use super::record::Record;

/// Members of an ARM resource. Those that are read-only may be sent back by a client and are not looked at.
const READ_ONLY: &[&str] = &["id", "name", "type", "systemData", "etag"];
/// Those that only tracked resources have; others are often sent them nevertheless.
const TRACKED: &[&str] = &["location", "tags"];
const PLUGINS: &[&str] = &["properties", "sku", "kind", "identity", "zones", "plan", "managedBy", "extendedLocation"];

#[derive(Debug)]
pub struct Content {
    pub location: Option<String>,
    /// None if the member is absent.
    pub tags: Option<Value>,
    pub document: Map<String, Value>,
}

impl Content {
    pub fn parse(
        mut members: Map<String, Value>,
        tracking: Tracking,
        current: Option<&Record>,
    ) -> Result<Content, ArmError> {
        let ignored: &[&str] = match tracking {
            Tracking::Tracked => &[],
            Tracking::Proxy | Tracking::ProxyWithLocation => TRACKED,
        };
        for name in READ_ONLY.iter().chain(ignored) {
            members.shift_remove(*name);
        }
        let location = match members.shift_remove("location") {
            None | Some(Value::Null) => None,
            Some(Value::String(location)) => Some(location),
            Some(other) => {
                return Err(ArmError::invalid_request_content(
                    format!("'location' has to be a string, found {}", shown(&other)),
                    "location",
                ));
            }
        };
        let tags = members.shift_remove("tags");
        if let Some(unknown) = members.keys().find(|name| !PLUGINS.contains(&name.as_str())) {
            return Err(ArmError::unknown_member(unknown));
        }
        match members.get_mut("properties") {
            None => {}
            Some(Value::Object(properties)) => {
                check_provisioning_state(properties.shift_remove("provisioningState"), current)?
            }
            Some(other) => {
                return Err(ArmError::invalid_request_content(
                    format!("'properties' has to be an object, found {}", shown(other)),
                    "properties",
                ));
            }
        }
        Ok(Content { location, tags, document: members })
    }
}

/// A client may send back what it has read, and nothing else.
fn check_provisioning_state(sent: Option<Value>, current: Option<&Record>) -> Result<(), ArmError> {
    let (Some(sent), Some(current)) = (sent.filter(|sent| !sent.is_null()), current) else { return Ok(()) };
    let actual = current.provisioning.as_str();
    match sent.as_str() {
        Some(sent) if sent.eq_ignore_ascii_case(actual) => Ok(()),
        Some(sent) => Err(ArmError::provisioning_state_mismatch(sent, actual)),
        None => Err(ArmError::provisioning_state_mismatch(&sent.to_string(), actual)),
    }
}
