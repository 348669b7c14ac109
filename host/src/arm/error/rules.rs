//! What ARM refuses. Texts that Azure is known to use are used as they are, with what to do appended where Azure's leaves
//! the user alone.

use std::time::Duration;

use floci_az_contract::ResourceType;
use hyper::StatusCode;

use super::{ArmError, Cause, short};
use crate::arm::{ResourceId, location};

impl ArmError {
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

    pub fn no_parent_to_list(kind: &str, parent: &ResourceId) -> ArmError {
        let message = format!(
            "Failed to perform 'read' on resource(s) of type '{kind}', because the parent resource '{parent}' could not be found."
        );
        ArmError::new(StatusCode::NOT_FOUND, "ParentResourceNotFound", message)
    }

    pub fn parent_failed(parent: &ResourceId) -> ArmError {
        let message = format!(
            "The resource '{parent}' could not be created, and so nothing below it can be changed. Repeat its PUT, or delete it."
        );
        ArmError::new(StatusCode::CONFLICT, "Conflict", message)
    }

    pub fn built_in(id: &ResourceId) -> ArmError {
        let message = format!(
            "The resource '{id}' is built in: it is there with every parent, and cannot be created, changed or deleted. Use another name."
        );
        ArmError::new(StatusCode::CONFLICT, "OperationNotAllowed", message)
    }

    pub fn no_tags(id: &ResourceId) -> ArmError {
        let message =
            format!("Resources of type '{}' have no tags; those of their parents can be changed.", id.full_type());
        ArmError::new(StatusCode::BAD_REQUEST, "ResourceTypeNotTaggable", message).at("tags")
    }

    /// An operation that its request has waited for.
    pub fn operation_failed(code: &str, message: &str) -> ArmError {
        ArmError { cause: Cause::Service, ..ArmError::new(StatusCode::CONFLICT, code, message) }
    }

    pub fn not_done_in_time(id: &ResourceId, limit: Duration) -> ArmError {
        let message = format!(
            "The change of '{id}' was accepted, but has not ended, and is waited for at most {} s. It goes on: a GET of the resource shows its provisioningState.",
            limit.as_secs()
        );
        ArmError::new(StatusCode::GATEWAY_TIMEOUT, "OperationNotDoneInTime", message)
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
}
