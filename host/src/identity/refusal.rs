//! What the token endpoints refuse, in OAuth's envelope as Entra writes it: `error` for programs, `error_description`
//! with a number beginning in `AADSTS` for people, and ids to find it by.
//!
//! The counterpart of ARM's errors for these endpoints, and the only place with their status codes of failures. One
//! constructor per rule; numbers and texts that Entra is known to use are used as they are, with what to do appended.

use std::fmt::Display;

use hyper::StatusCode;
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use crate::arm::Reply;

/// A request for a token, or of what leads to one, that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    /// RFC 6749, section 5.2.
    error: &'static str,
    /// The number after `AADSTS`.
    code: u32,
    description: String,
}

impl Refusal {
    fn new(error: &'static str, code: u32, description: impl Into<String>) -> Refusal {
        Refusal { status: StatusCode::BAD_REQUEST, error, code, description: description.into() }
    }

    pub(super) fn tenant() -> Refusal {
        let text = "Specified tenant identifier is neither a valid DNS name, nor a valid external domain. Use a GUID, a name of letters, digits, '.', '-' and '_', or 'common'.";
        Refusal::new("invalid_request", 900_023, text)
    }

    pub(super) fn missing(name: &str) -> Refusal {
        let text = format!(
            "The request body must contain the following parameter: '{name}'. The body is a form (application/x-www-form-urlencoded)."
        );
        Refusal::new("invalid_request", 900_144, text)
    }

    pub(super) fn duplicate(name: &str) -> Refusal {
        let text = format!("The request is not properly formatted. The parameter '{name}' is duplicated.");
        Refusal::new("invalid_request", 9_000_411, text)
    }

    pub(super) fn too_long(name: &str, most: usize) -> Refusal {
        let text = format!(
            "Invalid input received from the user. The parameter '{name}' is longer than {most} characters, which is the most that is accepted."
        );
        Refusal::new("invalid_request", 90_013, text)
    }

    pub(super) fn two_clients() -> Refusal {
        let text = "The request is not properly formatted. The Authorization header names another client than the parameter 'client_id'. Keep one of the two.";
        Refusal::new("invalid_request", 90_013, text)
    }

    pub(super) fn unsupported_grant(found: &str) -> Refusal {
        let text = format!(
            "The app requested an unsupported grant type '{found}'. Supported: client_credentials, password, refresh_token."
        );
        Refusal::new("unsupported_grant_type", 70_003, text)
    }

    pub(super) fn interactive() -> Refusal {
        let text = "Logins in a browser and with a device code are not supported. Log in with any client id and secret: az login --service-principal -u <id> -p <secret> --tenant <tenant>, or grant_type=client_credentials at the token endpoint.";
        Refusal::new("unsupported_response_type", 70_003, text)
    }

    pub(super) fn no_credential() -> Refusal {
        let text = "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type. Any value is accepted.";
        Refusal { status: StatusCode::UNAUTHORIZED, ..Refusal::new("invalid_client", 7_000_216, text) }
    }

    pub(super) fn basic() -> Refusal {
        let text = "The Authorization header cannot be read. Supported: 'Basic ' and the base64 of '<client id>:<secret>', each URL-encoded.";
        Refusal { status: StatusCode::UNAUTHORIZED, ..Refusal::new("invalid_client", 7_000_215, text) }
    }

    pub(super) fn not_a_default_scope(scope: &str) -> Refusal {
        let text = format!(
            "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."
        );
        Refusal::new("invalid_scope", 1_002_012, text)
    }

    pub(super) fn several_resources(scope: &str) -> Refusal {
        let text = format!(
            "Provided value for the input parameter scope is not valid because it contains more than one resource. Scope {scope} is not valid."
        );
        Refusal::new("invalid_scope", 28_000, text)
    }

    pub(super) fn refresh_token() -> Refusal {
        let text = "The provided refresh token is malformed, expired, or was issued by another gateway or to another client. Log in again.";
        Refusal::new("invalid_grant", 70_000, text)
    }

    /// The gateway itself failed.
    pub(super) fn failed(what: impl Display) -> Refusal {
        let text = format!("The gateway could not issue a token: {what}.");
        Refusal { status: StatusCode::INTERNAL_SERVER_ERROR, ..Refusal::new("server_error", 90_033, text) }
    }

    /// `correlation` is the client's own id, which is taken if it is a GUID.
    pub(super) fn reply(self, now: Timestamp, correlation: Option<&str>) -> Reply {
        let trace = Uuid::new_v4();
        let correlation = correlation.and_then(|id| id.parse().ok()).unwrap_or(trace);
        let time = now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let Refusal { status, error, code, description } = self;
        let body = json!({
            "error": error,
            "error_description": format!(
                "AADSTS{code}: {description} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {time}"
            ),
            "error_codes": [code],
            "timestamp": time,
            "trace_id": trace,
            "correlation_id": correlation,
        });
        Reply::json(status, body)
    }
}
