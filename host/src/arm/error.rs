//! ARM's errors: `{"error":{"code","message","target"}}`. The only place with status codes of failures.
//!
//! One constructor per rule, so that a rule has one wording. Texts that Azure is known to use are used as they are,
//! with what to do appended where Azure's leaves the user alone.

use std::time::Duration;

use floci_az_contract::ResourceType;
use hyper::StatusCode;
use serde_json::{Value, json};

use super::id::ResourceId;
use super::location;
use crate::plugin::CallError;
use crate::plugin::contract::Rejection;

/// Who a request failed at, as the header `x-ms-failure-cause` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The front door.
    Gateway,
    /// The resource provider behind it, which is a plugin.
    Service,
}

/// A request that is refused, as the client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArmError {
    pub status: StatusCode,
    pub code: String,
    pub message: String,
    pub target: Option<String>,
    pub cause: Cause,
    /// The methods that would have been allowed; with a 405 only.
    pub allow: Option<&'static str>,
    /// How a caller is to prove itself; with a 401 only.
    pub challenge: Option<String>,
}

impl ArmError {
    pub(crate) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> ArmError {
        let (code, message) = (code.to_owned(), message.into());
        ArmError { status, code, message, target: None, cause: Cause::Gateway, allow: None, challenge: None }
    }

    pub(crate) fn at(mut self, target: impl Into<String>) -> ArmError {
        self.target = Some(target.into());
        self
    }

    /// The envelope.
    pub fn body(&self) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let (Some(target), Some(members)) = (&self.target, error.as_object_mut()) {
            members.insert("target".to_owned(), json!(target));
        }
        json!({ "error": error })
    }

    pub fn missing_api_version() -> ArmError {
        let message = "The api-version query parameter (?api-version=) is required for all requests.";
        ArmError::new(StatusCode::BAD_REQUEST, "MissingApiVersionParameter", message)
    }

    pub fn invalid_api_version(found: &str) -> ArmError {
        let message = format!(
            "The api-version '{found}' is invalid. It has to be a date such as 2024-11-01, with an optional suffix such as -preview."
        );
        ArmError::new(StatusCode::BAD_REQUEST, "InvalidApiVersionParameter", message)
    }

    pub fn no_registered_provider(namespace: &str, kind: &ResourceType, location: &str, found: &str) -> ArmError {
        let message = format!(
            "No registered resource provider found for location '{}' and API version '{found}' for type '{}'. The supported api-versions are '{}'. The supported locations are '{}'.",
            short(location),
            kind.name,
            kind.api_versions.join(", "),
            location::of_type(kind).iter().map(|region| location::normalised(region)).collect::<Vec<_>>().join(", "),
        );
        ArmError::new(StatusCode::BAD_REQUEST, "NoRegisteredProviderFound", message).at(namespace)
    }

    pub fn unknown_namespace(namespace: &str, served: &[&str]) -> ArmError {
        let message =
            format!("The resource namespace '{namespace}' is invalid. This gateway serves: {}.", served.join(", "));
        ArmError::new(StatusCode::NOT_FOUND, "InvalidResourceNamespace", message)
    }

    pub fn disabled_namespace(namespace: &str, service: &str) -> ArmError {
        let message = format!(
            "The resource namespace '{namespace}' is invalid: its service is disabled in this gateway. Start it with services.{service}.enabled set to true."
        );
        ArmError::new(StatusCode::NOT_FOUND, "InvalidResourceNamespace", message)
    }

    pub fn unknown_type(namespace: &str, version: Option<&str>) -> ArmError {
        let version = version.unwrap_or_default();
        let message =
            format!("The resource type could not be found in the namespace '{namespace}' for api version '{version}'.");
        ArmError::new(StatusCode::NOT_FOUND, "InvalidResourceType", message)
    }

    pub fn missing_subscription() -> ArmError {
        let message = "The request did not have a subscription or a valid tenant level resource provider.";
        ArmError::new(StatusCode::NOT_FOUND, "MissingSubscription", message)
    }

    pub fn invalid_subscription(found: &str) -> ArmError {
        let message = format!("The provided subscription identifier '{found}' is malformed or invalid.");
        ArmError::new(StatusCode::BAD_REQUEST, "InvalidSubscriptionId", message)
    }

    pub fn subscription_not_found(found: &str, known: &[String]) -> ArmError {
        let message = format!(
            "The subscription '{found}' could not be found. This gateway has: {}. Others are accepted once arm.strict-subscriptions is false.",
            known.join(", ")
        );
        ArmError::new(StatusCode::NOT_FOUND, "SubscriptionNotFound", message)
    }

    pub fn missing_registration(namespace: &str) -> ArmError {
        let message = format!(
            "The subscription is not registered to use namespace '{namespace}'. See https://aka.ms/rps-not-found for how to register subscriptions."
        );
        ArmError::new(StatusCode::CONFLICT, "MissingSubscriptionRegistration", message)
    }

    pub fn registration_free(namespace: &str) -> ArmError {
        let message = format!("The resource provider '{namespace}' is always registered and cannot be unregistered.");
        ArmError::new(StatusCode::CONFLICT, "Conflict", message)
    }

    pub fn provider_in_use(namespace: &str, resources: usize) -> ArmError {
        let message = format!(
            "The resource provider '{namespace}' cannot be unregistered: the subscription has {resources} of its resources. Delete them first."
        );
        ArmError::new(StatusCode::CONFLICT, "Conflict", message)
    }

    pub fn invalid_group_name(found: &str) -> ArmError {
        let message = format!(
            "The resource group name '{found}' is invalid. It has 1 to 90 letters, digits, '-', '_', '(', ')' and '.', and does not end with '.'."
        );
        ArmError::new(StatusCode::BAD_REQUEST, "InvalidResourceGroupName", message)
    }

    pub fn group_not_found(group: &str) -> ArmError {
        ArmError::new(
            StatusCode::NOT_FOUND,
            "ResourceGroupNotFound",
            format!("Resource group '{group}' could not be found."),
        )
    }

    pub fn group_being_deleted(group: &str) -> ArmError {
        let message =
            format!("The resource group '{group}' is in deprovisioning state and cannot perform this operation.");
        ArmError::new(StatusCode::CONFLICT, "ResourceGroupBeingDeleted", message)
    }

    pub fn group_action_not_supported(action: &str) -> ArmError {
        let message = format!(
            "The action '{action}' of resource groups is not supported by this gateway. Supported are GET, HEAD, PUT, PATCH and DELETE of a group, and GET of its resources."
        );
        ArmError::new(StatusCode::BAD_REQUEST, "ResourceGroupActionNotSupported", message)
    }

    pub fn invalid_filter(filter: &str, why: &str) -> ArmError {
        let filter = short(filter);
        let message = format!("Invalid $filter '{filter}' specified in the query string: {why}.");
        ArmError::new(StatusCode::BAD_REQUEST, "InvalidFilterInQueryString", message).at("$filter")
    }

    pub fn invalid_top(found: &str, most: usize) -> ArmError {
        let found = short(found);
        let message = format!("Invalid $top '{found}' specified in the query string: it is a number from 1 to {most}.");
        ArmError::new(StatusCode::BAD_REQUEST, "InvalidTopInQueryString", message).at("$top")
    }

    pub fn invalid_skip_token(found: &str) -> ArmError {
        let found = short(found);
        let message = format!(
            "Invalid $skiptoken '{found}' specified in the query string: it is taken from a nextLink as it stands there."
        );
        ArmError::new(StatusCode::BAD_REQUEST, "InvalidSkipToken", message).at("$skiptoken")
    }

    pub fn resource_not_found(id: &ResourceId) -> ArmError {
        let message = format!(
            "The Resource '{}/{}' under resource group '{}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
            id.full_type(),
            id.name(),
            id.group
        );
        ArmError::new(StatusCode::NOT_FOUND, "ResourceNotFound", message)
    }

    pub fn parent_not_found(id: &ResourceId) -> ArmError {
        let message =
            format!("Can not perform requested operation on nested resource. Parent resource of '{id}' not found.");
        ArmError::new(StatusCode::NOT_FOUND, "ParentResourceNotFound", message)
    }

    pub fn operation_not_found(id: &str) -> ArmError {
        let message = format!("The operation '{id}' was not found. An operation is kept for a day after it has ended.");
        ArmError::new(StatusCode::NOT_FOUND, "OperationNotFound", message)
    }

    pub fn action_not_found(name: &str, id: &ResourceId, known: &[&str]) -> ArmError {
        let message = format!(
            "The action '{name}' is not one of type '{}'. Its actions are: {}.",
            id.full_type(),
            known.join(", ")
        );
        ArmError::new(StatusCode::NOT_FOUND, "ResourceTypeActionNotFound", message)
    }

    pub fn location_required() -> ArmError {
        ArmError::new(
            StatusCode::BAD_REQUEST,
            "LocationRequired",
            "The location property is required for this definition.",
        )
        .at("location")
    }

    pub fn location_not_available(found: &str, full_type: &str, offered: &[&str]) -> ArmError {
        let found = short(found);
        let offered: Vec<String> = offered.iter().map(|region| location::normalised(region)).collect();
        let message = format!(
            "The provided location '{found}' is not available for resource type '{full_type}'. List of available regions for the resource type is '{}'.",
            offered.join(",")
        );
        ArmError::new(StatusCode::BAD_REQUEST, "LocationNotAvailableForResourceType", message).at("location")
    }

    pub fn location_immutable(id: &ResourceId, actual: &str, asked: &str) -> ArmError {
        let asked = &short(asked);
        let message = format!(
            "The resource '{}' already exists in location '{}' in resource group '{}'. A resource with the same name cannot be created in location '{}'. Please select a new resource name.",
            id.name(),
            location::normalised(actual),
            id.group,
            location::normalised(asked)
        );
        ArmError::new(StatusCode::CONFLICT, "InvalidResourceLocation", message).at("location")
    }

    pub fn group_location_immutable(group: &str, actual: &str, asked: &str) -> ArmError {
        let message = format!(
            "Invalid resource group location '{asked}'. The resource group '{group}' already exists in location '{actual}'."
        );
        ArmError::new(StatusCode::CONFLICT, "InvalidResourceGroupLocation", message).at("location")
    }

    pub fn unknown_member(name: &str) -> ArmError {
        let name = short(name);
        let found = format!("Could not find member '{name}' on object of type 'ResourceDefinition'");
        ArmError::invalid_request_content(found, &name)
    }

    pub fn invalid_request_content(found: impl std::fmt::Display, target: &str) -> ArmError {
        let message = format!("The request content was invalid and could not be deserialized: '{found}'.");
        let error = ArmError::new(StatusCode::BAD_REQUEST, "InvalidRequestContent", message);
        if target.is_empty() { error } else { error.at(target) }
    }

    pub fn invalid_tags(message: String) -> ArmError {
        ArmError::new(StatusCode::BAD_REQUEST, "InvalidTags", message).at("tags")
    }

    pub fn provisioning_state_mismatch(asked: &str, actual: &str) -> ArmError {
        let asked = short(asked);
        let message = format!(
            "The provisioningState '{asked}' of the request is not the resource's, which is '{actual}'. It is read-only: leave it out."
        );
        ArmError::new(StatusCode::BAD_REQUEST, "InvalidRequestContent", message).at("properties.provisioningState")
    }

    /// The wording is Azure's, double spaces included.
    pub fn busy(id: &ResourceId) -> ArmError {
        let message = format!(
            "The resource '{id}' is busy processing a previous update request or is undergoing system maintenance.  As such, it is currently unable to accept the update request.  Please try again later."
        );
        ArmError::new(StatusCode::CONFLICT, "Conflict", message)
    }

    pub fn being_deleted(id: &ResourceId) -> ArmError {
        let message =
            format!("The resource '{id}' is being deleted. Wait until a GET of it answers 404, then try again.");
        ArmError::new(StatusCode::CONFLICT, "Conflict", message)
    }

    pub fn precondition_failed(header: &str, id: &ResourceId) -> ArmError {
        let message = format!("The condition of the request header '{header}' does not hold for the resource '{id}'.");
        ArmError::new(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", message)
    }

    pub fn method_not_allowed(method: &str, allow: &'static str) -> ArmError {
        let message = format!("The HTTP method '{method}' is not supported at this URL. Supported: {allow}.");
        ArmError {
            allow: Some(allow),
            ..ArmError::new(StatusCode::METHOD_NOT_ALLOWED, "HttpMethodNotAllowed", message)
        }
    }

    pub fn unknown_path(path: &str) -> ArmError {
        let message = format!(
            "No such path: '{path}'. Resources are at /subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{{namespace}}/{{type}}/{{name}}; the gateway's own state at /health and /ready."
        );
        ArmError::new(StatusCode::NOT_FOUND, "NotFound", message)
    }

    pub fn malformed_path(path: &str) -> ArmError {
        let message = format!(
            "The path '{path}' is malformed: a segment is empty or not valid percent-encoded UTF-8, or holds a '/' or a control character."
        );
        ArmError::new(StatusCode::BAD_REQUEST, "InvalidRequestUri", message)
    }

    pub fn too_large(most: usize) -> ArmError {
        let message = format!("The request's body is larger than {most} bytes, which is the most that is accepted.");
        ArmError::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message)
    }

    pub fn unreadable_body(reason: impl std::fmt::Display) -> ArmError {
        ArmError::new(
            StatusCode::BAD_REQUEST,
            "InvalidRequestContent",
            format!("The request's body could not be read to its end: {reason}."),
        )
    }

    pub fn tls_is_off() -> ArmError {
        let message = "There is no certificate: this gateway answers plain HTTP only. Start it with tls.enabled set to true (FLOCI_AZ_TLS_ENABLED=true).";
        ArmError::new(StatusCode::NOT_FOUND, "TlsDisabled", message)
    }

    pub fn body_too_late(limit: Duration) -> ArmError {
        let message = format!("The request's body did not arrive within {} s.", limit.as_secs());
        ArmError::new(StatusCode::REQUEST_TIMEOUT, "RequestTimeout", message)
    }

    pub fn answer_too_late(limit: Duration) -> ArmError {
        let message = format!(
            "The request was not answered within {} s. If it changes something, it goes on: a GET of the resource shows what became of it.",
            limit.as_secs()
        );
        ArmError::new(StatusCode::GATEWAY_TIMEOUT, "GatewayTimeout", message)
    }

    pub fn invalid_host(found: &[u8], reason: impl std::fmt::Display) -> ArmError {
        let found = short(&String::from_utf8_lossy(found));
        let message = format!(
            "The request's host '{found}' is invalid: {reason}. It has to be a host name or an IP address, with an optional port, such as localhost:4577."
        );
        ArmError::new(StatusCode::BAD_REQUEST, "InvalidHostHeader", message)
    }

    /// What a client sent is not HTTP, or more of it than is read (`headers`, and `bytes` in them and the request line).
    /// The protocol's own code has found the status.
    pub fn no_request(status: StatusCode, headers: usize, bytes: u32) -> ArmError {
        let (code, found) = match status {
            StatusCode::URI_TOO_LONG => ("RequestUriTooLong", "The request's URI is longer than is accepted"),
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
                ("RequestHeaderFieldsTooLarge", "The request's headers are more, or larger, than is accepted")
            }
            _ => ("BadRequest", "The bytes that were sent are not a request in HTTP/1.1 or HTTP/2"),
        };
        let message = format!(
            "{found}. Supported: a request line, at most {headers} headers, {bytes} bytes in all of these, and one length of the body."
        );
        ArmError::new(status, code, message)
    }

    /// A name that is not this machine's leads here: a page of that name would be able to read the answers.
    pub fn unknown_host(host: &str) -> ArmError {
        let message = format!(
            "This gateway does not answer to the name '{}'. It answers to localhost, the addresses of this machine and host.docker.internal; set `hostname` (FLOCI_AZ_HOSTNAME) to the name that clients reach it by.",
            short(host)
        );
        ArmError::new(StatusCode::FORBIDDEN, "HostNotServed", message)
    }

    pub fn foreign_origin(from: &str) -> ArmError {
        let message = format!(
            "A web page of another origin ('{}') cannot change anything here. Send the request from a program, without the headers Origin and Sec-Fetch-Site.",
            short(from)
        );
        ArmError::new(StatusCode::FORBIDDEN, "CrossOriginRequestRefused", message)
    }

    pub fn shutting_down() -> ArmError {
        let message =
            "The gateway is shutting down and accepts no more changes. Try again when it has been started again.";
        ArmError::new(StatusCode::SERVICE_UNAVAILABLE, "ServerShuttingDown", message)
    }

    /// `authority` is the URL at which tokens are issued, `summary` goes into a header and has no quotes in it.
    pub fn unauthenticated(message: impl Into<String>, authority: &str, summary: &str) -> ArmError {
        let challenge = format!(
            "Bearer authorization_uri=\"{authority}\", error=\"invalid_token\", error_description=\"{summary}\""
        );
        ArmError {
            challenge: Some(challenge),
            ..ArmError::new(StatusCode::UNAUTHORIZED, "AuthenticationFailed", message)
        }
    }

    /// The gateway itself failed; nothing was stored.
    pub fn internal(what: impl std::fmt::Display) -> ArmError {
        ArmError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalServerError",
            format!("The gateway could not carry out the request: {what}."),
        )
    }

    pub fn plugin_failed(what: &str) -> ArmError {
        ArmError { cause: Cause::Service, ..ArmError::new(StatusCode::INTERNAL_SERVER_ERROR, "PluginFailed", what) }
    }
}

impl From<crate::state::StoreError> for ArmError {
    fn from(error: crate::state::StoreError) -> ArmError {
        ArmError::internal(error)
    }
}

impl From<CallError> for ArmError {
    fn from(error: CallError) -> ArmError {
        let error = match error {
            CallError::TimedOut { .. } => {
                ArmError::new(StatusCode::GATEWAY_TIMEOUT, "PluginTimedOut", error.to_string())
            }
            CallError::Saturated { .. } => {
                ArmError::new(StatusCode::SERVICE_UNAVAILABLE, "ServerBusy", error.to_string())
            }
            CallError::Failed { .. } => ArmError::plugin_failed(&error.to_string()),
        };
        ArmError { cause: Cause::Service, ..error }
    }
}

/// What a plugin refuses. A status outside of 400 to 499 is not a refusal; it is answered as 400.
impl From<Rejection> for ArmError {
    fn from(rejection: Rejection) -> ArmError {
        let status = StatusCode::from_u16(rejection.status).ok().filter(StatusCode::is_client_error);
        let error = ArmError::new(status.unwrap_or(StatusCode::BAD_REQUEST), &rejection.code, rejection.message);
        ArmError { target: rejection.target, cause: Cause::Service, ..error }
    }
}

/// A value that is refused, as far as it helps to see it.
pub(super) fn shown(value: &Value) -> String {
    short(&value.to_string())
}

/// As much of a text as a message has room for.
pub(crate) fn short(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_can_refuse_but_not_fail_the_gateway() {
        for (given, answered) in
            [(400, 400), (404, 404), (409, 409), (499, 499), (200, 400), (302, 400), (500, 400), (503, 400), (0, 400)]
        {
            let rejection = Rejection { status: given, code: "X".to_owned(), message: "x".to_owned(), target: None };
            assert_eq!(ArmError::from(rejection).status.as_u16(), answered, "{given}");
        }
    }
}
