//! From a reply to bytes, with the headers that every answer of ARM's carries.

use std::fmt;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, PRAGMA};
use hyper::{Response, StatusCode};
use uuid::Uuid;

use crate::arm::{Body, Reply};

const REQUEST: HeaderName = HeaderName::from_static("x-ms-request-id");
const CORRELATION: HeaderName = HeaderName::from_static("x-ms-correlation-request-id");
const CLIENT_REQUEST: HeaderName = HeaderName::from_static("x-ms-client-request-id");
const RETURN_CLIENT_REQUEST: &str = "x-ms-return-client-request-id";
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// The ids by which a request is found in a log.
#[derive(Debug)]
pub(super) struct Ids {
    request: Uuid,
    /// The client's, if it sent one.
    correlation: Option<HeaderValue>,
    /// The client's, if it asked to have it back.
    client: Option<HeaderValue>,
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
    pub(super) fn of(headers: &HeaderMap) -> Ids {
        let echo =
            headers.get(RETURN_CLIENT_REQUEST).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
        Ids {
            request: Uuid::new_v4(),
            correlation: headers.get(CORRELATION).cloned(),
            client: headers.get(CLIENT_REQUEST).filter(|_| echo).cloned(),
        }
    }
}

pub(super) fn response(reply: Reply, ids: &Ids) -> Response<Full<Bytes>> {
    let (media_type, text) = match reply.body {
        Body::Nothing => (None, String::new()),
        Body::Json(body) => (Some(JSON), body.to_string()),
        Body::Text { media_type, text } => (Some(HeaderValue::from_static(media_type)), text),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    if let Some(media_type) = media_type {
        headers.insert(CONTENT_TYPE, media_type);
    }
    headers.insert(CACHE_CONTROL, NO_CACHE);
    headers.insert(PRAGMA, NO_CACHE);
    let request = HeaderValue::from_str(&ids.request.to_string()).unwrap_or(NO_CACHE);
    headers.insert(CORRELATION, ids.correlation.clone().unwrap_or_else(|| request.clone()));
    headers.insert(REQUEST, request);
    if let Some(client) = &ids.client {
        headers.insert(CLIENT_REQUEST, client.clone());
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
    response
}
