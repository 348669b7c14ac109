//! ARM's errors: `{"error":{"code","message","target"}}`. The only folder with status codes of failures.
//!
//! One constructor per rule, so that a rule has one wording: those of ARM in `rules`, those of HTTP and of the gateway
//! itself in `refusals`, those of its plugins' administration in `administration`.

mod administration;
mod refusals;
mod rules;

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::plugin::contract::{Fault, Rejection};
use crate::plugin::{CallError, Contained};

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
}

impl From<crate::state::StoreError> for ArmError {
    fn from(error: crate::state::StoreError) -> ArmError {
        ArmError::internal(error)
    }
}

/// A plugin that did not answer.
impl From<CallError> for ArmError {
    fn from(error: CallError) -> ArmError {
        let status = match error.how {
            Contained::TimedOut { .. } => StatusCode::GATEWAY_TIMEOUT,
            Contained::Saturated { .. } => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        ArmError { cause: Cause::Service, ..ArmError::new(status, error.code(), format!("{error}.")) }
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

/// Of an operation, which has no status and no target.
impl From<ArmError> for Fault {
    fn from(error: ArmError) -> Fault {
        Fault { code: error.code, message: error.message }
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
