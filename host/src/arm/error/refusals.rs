//! What is refused before it means anything to ARM, and what the gateway itself fails at.

use std::time::Duration;

use hyper::StatusCode;

use super::{ArmError, Cause, short};

const SUPERSEDED: &str = "RevisionSuperseded";

impl ArmError {
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
            "A web page of another origin ('{}') cannot change anything here, nor read what is the operator's. Send the request from a program, without the headers Origin and Sec-Fetch-Site.",
            short(from)
        );
        ArmError::new(StatusCode::FORBIDDEN, "CrossOriginRequestRefused", message)
    }

    /// The revision that the request was to run on is not the one any more that reads what is stored.
    pub fn superseded(message: String) -> ArmError {
        ArmError::new(StatusCode::SERVICE_UNAVAILABLE, SUPERSEDED, message)
    }

    pub fn is_superseded(&self) -> bool {
        self.code == SUPERSEDED
    }

    pub fn shutting_down() -> ArmError {
        let message =
            "The gateway is shutting down and accepts no more changes. Try again when it has been started again.";
        ArmError::new(StatusCode::SERVICE_UNAVAILABLE, "ServerShuttingDown", message)
    }

    pub fn invalid_event_id(found: &str) -> ArmError {
        let message = format!(
            "'{}' is no id of an event. Give the id of the last event that was read, or leave 'after' and 'Last-Event-ID' out.",
            short(found)
        );
        ArmError::new(StatusCode::BAD_REQUEST, "InvalidEventId", message)
    }

    pub fn too_many_listeners(most: usize) -> ArmError {
        let message = format!(
            "{most} clients follow the events already, and no more can. Try again when one of them has ended, or read the last events with '?follow=false'."
        );
        ArmError::new(StatusCode::SERVICE_UNAVAILABLE, "TooManyListeners", message)
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

    /// It did answer, and what it answered is nothing that can be understood.
    pub fn plugin_answer_invalid(what: &str) -> ArmError {
        ArmError { code: "PluginAnswerInvalid".to_owned(), ..ArmError::plugin_failed(what) }
    }
}
