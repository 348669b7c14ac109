//! What is the front door's own: everything in ARM that is of no provider.

use super::error::ArmError;
use super::id::Scope;
use super::provider::Registration;
use super::request::{Reply, Request};
use super::tagged::Tagged;
use super::{FrontDoor, group, poll, provider, resources, subscription, tagged, version};

/// What of an operation is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Polled {
    /// The status document, always 200.
    Status,
    /// 202 until it has ended.
    Result,
}

#[derive(Debug, Clone)]
pub enum Own {
    Tenants,
    Subscriptions,
    Subscription {
        id: String,
    },
    Locations {
        subscription: String,
    },
    TagNames {
        subscription: String,
    },
    /// Resources of any provider.
    Resources {
        scope: Scope,
    },
    Groups {
        subscription: String,
    },
    Group {
        scope: Scope,
    },
    /// What Azure can do with a group, and this gateway cannot.
    GroupAction {
        scope: Scope,
        name: String,
    },
    /// Without a subscription, at the tenant's scope.
    Providers {
        subscription: Option<String>,
    },
    Provider {
        subscription: Option<String>,
        namespace: String,
    },
    Registration {
        subscription: String,
        namespace: String,
        registration: Registration,
    },
    ProviderOperations {
        namespace: String,
    },
    Tags {
        tagged: Tagged,
    },
    Operation {
        polled: Polled,
        subscription: String,
        /// None for an operation of a group.
        namespace: Option<String>,
        id: String,
    },
}

impl Own {
    /// The subscription or group that it is in; none at the tenant's scope.
    fn scope(&self) -> Option<Scope> {
        let subscription = match self {
            Own::Tenants | Own::Subscriptions | Own::ProviderOperations { .. } => None,
            Own::Providers { subscription } | Own::Provider { subscription, .. } => subscription.as_ref(),
            Own::Subscription { id: subscription }
            | Own::Locations { subscription }
            | Own::TagNames { subscription }
            | Own::Groups { subscription }
            | Own::Registration { subscription, .. }
            | Own::Operation { subscription, .. } => Some(subscription),
            Own::Resources { scope } | Own::Group { scope } | Own::GroupAction { scope, .. } => {
                return Some(scope.clone());
            }
            Own::Tags { tagged } => return Some(tagged.scope()),
        };
        subscription.map(|id| Scope { subscription: id.clone(), group: None })
    }
}

pub(super) async fn answer(door: &FrontDoor, own: Own, request: &Request) -> Result<Reply, ArmError> {
    version::of_arm(request.api_version(), door.strictness)?;
    if let Some(scope) = own.scope() {
        door.check_scope(&scope)?;
    }
    match own {
        Own::Tenants => subscription::tenants(request),
        Own::Subscriptions => subscription::list(door, request),
        Own::Subscription { id } => subscription::get(door, &id, request),
        Own::Locations { subscription } => subscription::locations(&subscription, request),
        Own::TagNames { subscription } => resources::tag_names(door, &subscription, request),
        Own::Resources { scope } => resources::list(door, &scope, request),
        Own::Groups { subscription } => group::list(door, &subscription, request),
        Own::Group { scope } => group::answer(door, &scope, request).await,
        Own::GroupAction { name, .. } => Err(ArmError::group_action_not_supported(&name)),
        Own::Providers { subscription } => provider::list(door, subscription.as_deref(), request),
        Own::Provider { subscription, namespace } => provider::get(door, subscription.as_deref(), &namespace, request),
        Own::Registration { subscription, namespace, registration } => {
            provider::register(door, &subscription, &namespace, registration, request).await
        }
        Own::ProviderOperations { namespace } => provider::operations(door, &namespace, request),
        Own::Tags { tagged } => tagged::answer(door, &tagged, request).await,
        Own::Operation { polled, subscription, namespace, id } => {
            poll::poll(door, polled, &subscription, namespace.as_deref(), &id, request).await
        }
    }
}
