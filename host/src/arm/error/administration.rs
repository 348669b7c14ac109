//! What the gateway refuses of its own administration: of those who may not, and of what is none.

use std::net::IpAddr;

use hyper::StatusCode;

use super::{ArmError, short};

/// How a client is to prove its right (RFC 6750, 3).
const CHALLENGE: &str = "Bearer realm=\"floci-az administration\"";

impl ArmError {
    /// `found` is what the client proved itself with.
    pub fn admin_token_required(peer: Option<IpAddr>, found: &str) -> ArmError {
        let message = format!(
            "Plugins cannot be changed {}, found {found}. Supported: a request of this machine to localhost, or the header 'Authorization: Bearer TOKEN' with the token that is in the file admin-token of the gateway's state folder. `floci-az plugin` sends it when it is in FLOCI_AZ_ADMIN_TOKEN, or when it is run with the gateway's settings.",
            by(peer)
        );
        ArmError {
            challenge: Some(CHALLENGE.to_owned()),
            ..ArmError::new(StatusCode::UNAUTHORIZED, "AdminTokenRequired", message)
        }
    }

    /// Where no token can help, because there is none.
    pub fn admin_is_local(peer: Option<IpAddr>) -> ArmError {
        let message = format!(
            "Plugins cannot be changed {}. Supported: a request of this machine to localhost; a gateway that keeps nothing (storage.mode is memory) has no token for others. Run `floci-az plugin` where the gateway runs, or set storage.mode to persistent.",
            by(peer)
        );
        ArmError::new(StatusCode::FORBIDDEN, "AdministrationIsLocal", message)
    }

    pub fn unknown_admin_path(path: &str) -> ArmError {
        let message = format!(
            "No such path: '{}'. Plugins are at /_floci/plugins, /_floci/plugins/{{namespace}}, /_floci/plugins/{{namespace}}/swap, /_floci/plugins/{{namespace}}/rollback and /_floci/plugins/{{namespace}}/revisions/{{digest}}.",
            short(path)
        );
        ArmError::new(StatusCode::NOT_FOUND, "NotFound", message)
    }

    /// A part of a request to `/_floci/plugins` that has no meaning there.
    pub fn invalid_administration(what: &str, found: &str, supported: &str) -> ArmError {
        let message = format!("{what} '{}' is invalid. Supported: {supported}.", short(found));
        ArmError::new(StatusCode::BAD_REQUEST, "InvalidRequest", message).at(what.to_lowercase())
    }

    pub fn unsupported_media_type(found: Option<&str>) -> ArmError {
        let found = found.map_or("none was sent".to_owned(), |found| format!("found '{}'", short(found)));
        let message = format!(
            "The request's content type is not supported: {found}. Supported: application/wasm for the bytes of a component (`curl -T plugin.wasm -H 'Content-Type: application/wasm'`), application/json for {{\"source\": \"oci://registry/repository:tag\"}}."
        );
        ArmError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
    }

    pub fn unknown_plugin(namespace: &str, known: &[String]) -> ArmError {
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let message = format!(
            "There is no plugin for the provider namespace '{}'. This gateway has plugins for: {known}. PUT /_floci/plugins installs one.",
            short(namespace)
        );
        ArmError::new(StatusCode::NOT_FOUND, "PluginNotFound", message)
    }

    /// What is sent does not make a plugin, or not one of this gateway.
    pub fn plugin_invalid(code: &str, message: String) -> ArmError {
        ArmError::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub fn plugin_not_found(code: &str, message: String) -> ArmError {
        ArmError::new(StatusCode::NOT_FOUND, code, message)
    }

    /// It does not go together with what is there.
    pub fn plugin_conflict(code: &str, message: String) -> ArmError {
        ArmError::new(StatusCode::CONFLICT, code, message)
    }

    /// Of another server than this one.
    pub fn plugin_unreachable(code: &str, message: String) -> ArmError {
        ArmError::new(StatusCode::BAD_GATEWAY, code, message)
    }

    pub fn plugin_failure(code: &str, message: String) -> ArmError {
        ArmError::new(StatusCode::INTERNAL_SERVER_ERROR, code, message)
    }
}

fn by(peer: Option<IpAddr>) -> String {
    peer.map_or("by this request".to_owned(), |peer| format!("by this request from {}", peer.to_canonical()))
}
