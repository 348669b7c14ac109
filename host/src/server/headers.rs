//! From a reply to an answer, with the headers that every answer of ARM's carries.
//!
//! No Strict-Transport-Security, which Azure's has: on localhost it would bind every other program of the machine to
//! HTTPS, on every port.

use std::fmt;

use hyper::header::{
    CACHE_CONTROL, CONTENT_TYPE, EXPIRES, HeaderMap, HeaderName, HeaderValue, PRAGMA, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Response, StatusCode};
use jiff::Timestamp;
use uuid::Uuid;

use super::payload::Payload;
use crate::arm::{Body, Reply};

pub(super) const REQUEST: HeaderName = HeaderName::from_static("x-ms-request-id");
const CORRELATION: HeaderName = HeaderName::from_static("x-ms-correlation-request-id");
const CLIENT_REQUEST: HeaderName = HeaderName::from_static("x-ms-client-request-id");
const ROUTING: HeaderName = HeaderName::from_static("x-ms-routing-request-id");
const FAILURE_CAUSE: HeaderName = HeaderName::from_static("x-ms-failure-cause");
const RETURN_CLIENT_REQUEST: &str = "x-ms-return-client-request-id";
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// Characters of a client's id that are given back and logged. A GUID has 36.
const LONGEST_ID: usize = 128;

/// What is left of a subscription's requests in this hour. Clients slow down when it runs out; here it never does, and
/// so it is always what Azure begins with, less one.
const READS: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-ms-ratelimit-remaining-subscription-reads"), HeaderValue::from_static("11999"));
const WRITES: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-ms-ratelimit-remaining-subscription-writes"), HeaderValue::from_static("1199"));
const DELETES: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-ms-ratelimit-remaining-subscription-deletes"), HeaderValue::from_static("14999"));

/// What an answer says of its request: the ids by which it is found in a log, and what it was counted as.
#[derive(Debug)]
pub(super) struct Ids {
    request: Uuid,
    /// The client's, if it sent one.
    correlation: Option<HeaderValue>,
    /// The client's, if it asked to have it back.
    client: Option<HeaderValue>,
    remaining: Option<(HeaderName, HeaderValue)>,
}

impl fmt::Display for Ids {
    /// The client's own id if it sent one, else ours.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.correlation.as_ref().and_then(|id| id.to_str().ok()) {
            Some(correlation) => f.write_str(correlation),
            None => self.request.fmt(f),
        }
    }
}

impl Ids {
    pub(super) fn of(method: &Method, path: &str, headers: &HeaderMap) -> Ids {
        let echo =
            headers.get(RETURN_CLIENT_REQUEST).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
        Ids {
            correlation: headers.get(CORRELATION).filter(|id| is_id(id)).cloned(),
            client: headers.get(CLIENT_REQUEST).filter(|id| echo && is_id(id)).cloned(),
            remaining: remaining(method, path),
            ..Ids::unasked()
        }
    }

    /// Our id, if the client sent one of its own, by which the request is known otherwise.
    pub(super) fn own_beside_correlation(&self) -> Option<String> {
        self.correlation.is_some().then(|| self.request.to_string())
    }

    /// Of what could not be read as a request.
    pub(super) fn unasked() -> Ids {
        Ids { request: Uuid::new_v4(), correlation: None, client: None, remaining: None }
    }
}

/// Whatever else a client sends as its id has no place in an answer or a log.
fn is_id(value: &HeaderValue) -> bool {
    (1..=LONGEST_ID).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic)
}

fn remaining(method: &Method, path: &str) -> Option<(HeaderName, HeaderValue)> {
    const SUBSCRIPTIONS: &str = "/subscriptions/";
    if !path.get(..SUBSCRIPTIONS.len()).is_some_and(|start| start.eq_ignore_ascii_case(SUBSCRIPTIONS)) {
        return None;
    }
    match *method {
        Method::GET | Method::HEAD => Some(READS),
        Method::PUT | Method::PATCH | Method::POST => Some(WRITES),
        Method::DELETE => Some(DELETES),
        _ => None,
    }
}

pub(super) fn response(reply: Reply, ids: &Ids) -> Response<Payload> {
    let (media_type, payload) = match reply.body {
        Body::Nothing => (None, Payload::whole("")),
        Body::Json(body) => (Some(JSON), Payload::whole(body.to_string())),
        Body::Text { media_type, text } => (Some(HeaderValue::from_static(media_type)), Payload::whole(text)),
        Body::Stream { media_type, text } => (Some(HeaderValue::from_static(media_type)), Payload::Stream(text)),
    };
    let mut response = Response::new(payload);
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    if let Some(media_type) = media_type {
        headers.insert(CONTENT_TYPE, media_type);
    }
    headers.insert(CACHE_CONTROL, NO_CACHE);
    headers.insert(PRAGMA, NO_CACHE);
    headers.insert(EXPIRES, HeaderValue::from_static("-1"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let request = text_value(&ids.request.to_string());
    headers.insert(CORRELATION, ids.correlation.clone().unwrap_or_else(|| request.clone()));
    let now = Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    headers.insert(ROUTING, text_value(&format!("LOCAL:{now}:{}", ids.request)));
    if let Some(client) = &ids.client {
        headers.insert(CLIENT_REQUEST, client.clone());
    }
    if let Some((name, value)) = &ids.remaining {
        headers.insert(name, value.clone());
    }
    if reply.status.is_client_error() || reply.status.is_server_error() {
        // Unless the reply's own headers say otherwise.
        headers.insert(FAILURE_CAUSE, HeaderValue::from_static("gateway"));
    }
    for (name, value) in reply.headers {
        match HeaderValue::try_from(value) {
            Ok(value) => drop(headers.insert(HeaderName::from_static(name), value)),
            // A name in a URL that no header can carry: the client finds its way by the others.
            Err(error) => tracing::debug!(name, %error, "header left out"),
        }
    }
    if reply.status == StatusCode::NO_CONTENT {
        headers.remove(CONTENT_TYPE);
    }
    // The last one: after whatever a client has a say in, it tells our heads from hyper's own (see `envelope`).
    headers.insert(REQUEST, request);
    response
}

#[expect(clippy::expect_used, reason = "of digits, letters, hyphens and colons, which every header can carry")]
fn text_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("visible ASCII is a header's value")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::ArmError;
    use crate::plugin::CallError;
    use crate::plugin::contract::Rejection;

    #[test]
    fn a_failure_is_the_services_if_its_plugin_refused_or_failed() {
        let rejection = Rejection { status: 400, code: "X".to_owned(), message: "x".to_owned(), target: None };
        let plugin = || "redis@1".to_owned();
        let limit = std::time::Duration::from_secs(1);
        let unauthorized = ArmError::unauthenticated("x", "http://localhost/t", "x");
        for (reply, cause) in [
            (ArmError::from(rejection).into(), Some("service")),
            (ArmError::from(CallError::TimedOut { plugin: plugin(), function: "f", limit }).into(), Some("service")),
            (ArmError::from(CallError::Saturated { plugin: plugin(), limit }).into(), Some("service")),
            (ArmError::plugin_failed("x").into(), Some("service")),
            (ArmError::shutting_down().into(), Some("gateway")),
            (ArmError::internal("x").into(), Some("gateway")),
            (unauthorized.into(), Some("gateway")),
            (Reply::empty(StatusCode::NOT_FOUND), Some("gateway")),
            (Reply::empty(StatusCode::NO_CONTENT), None),
        ] {
            let response = response(reply, &Ids::unasked());
            let found = response.headers().get(FAILURE_CAUSE).map(|cause| cause.to_str().unwrap());
            assert_eq!(found, cause, "{response:?}");
        }
    }
}
