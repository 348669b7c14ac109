//! A request as the front door sees it, and its answer: after the transport, before and after the rules.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;
use hyper::header::HeaderMap;
use hyper::{Method, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::error::{ArmError, Cause};
use super::operation::Operation;
use crate::telemetry::Route;

/// What has a meaning of its own in a URL, or none at all.
const NOT_IN_PATHS: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'<').add(b'>').add(b'?').add(b'`').add(b'{').add(b'}');

pub struct Request {
    pub method: Method,
    /// As the client sent it, percent-encoded.
    pub path: String,
    /// As the client sent it.
    raw_query: String,
    /// Parameters by lower-case name.
    query: HashMap<String, String>,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// What the client calls this gateway: `https://localhost:4577`.
    pub base: String,
    /// Whose connection it came over; none if it came over none.
    pub peer: Option<IpAddr>,
}

impl fmt::Debug for Request {
    /// Without the body, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("method", &self.method).field("path", &self.path).finish_non_exhaustive()
    }
}

impl Request {
    pub fn new(
        method: Method,
        path: &str,
        query: Option<&str>,
        headers: HeaderMap,
        base: String,
        body: Bytes,
    ) -> Request {
        let raw_query = query.unwrap_or_default().to_owned();
        let pairs = form_urlencoded::parse(raw_query.as_bytes());
        let query = pairs.map(|(name, value)| (name.to_lowercase(), value.into_owned())).collect();
        Request { method, path: path.to_owned(), raw_query, query, headers, body, base, peer: None }
    }

    pub fn of_peer(self, peer: IpAddr) -> Request {
        Request { peer: Some(peer), ..self }
    }

    /// The URL of this request with one parameter set to another value.
    pub fn with_query(&self, name: &str, value: &str) -> String {
        let pairs = form_urlencoded::parse(self.raw_query.as_bytes());
        let kept = pairs.filter(|(other, _)| !other.eq_ignore_ascii_case(name));
        let query =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).append_pair(name, value).finish();
        format!("{}{}?{query}", self.base, self.path)
    }

    pub fn api_version(&self) -> Option<&str> {
        self.query("api-version").filter(|version| !version.is_empty())
    }

    /// Refuses any other method than those of a list, such as `GET, HEAD`.
    pub fn only(&self, allowed: &'static str) -> Result<(), ArmError> {
        match allowed.split(", ").any(|method| method == self.method.as_str()) {
            true => Ok(()),
            false => Err(ArmError::method_not_allowed(self.method.as_str(), allowed)),
        }
    }

    /// A parameter of the URL by its lower-case name. Of several, the last one counts.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// The names of the URL's parameters, in lower case.
    pub fn query_names(&self) -> impl Iterator<Item = &str> {
        self.query.keys().map(String::as_str)
    }

    /// None if the header is not there or is no text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body, which has to be a JSON object.
    pub fn object(&self) -> Result<Map<String, Value>, ArmError> {
        if self.body.is_empty() {
            return Err(ArmError::invalid_request_content("a JSON object is required, the body is empty", ""));
        }
        match self.json()? {
            Value::Object(object) => Ok(object),
            other => {
                let found = format!("a JSON object is required, found {}", kind(&other));
                Err(ArmError::invalid_request_content(found, ""))
            }
        }
    }

    /// The body as JSON text, for an action; `null` if there is none.
    pub fn action_body(&self) -> Result<String, ArmError> {
        if self.body.is_empty() {
            return Ok("null".to_owned());
        }
        Ok(self.json()?.to_string())
    }

    /// The parameters of the URL as JSON text, for an action that is asked for by GET; `null` if there are none.
    pub fn parameters(&self) -> String {
        let own = self.query.iter().filter(|(name, _)| *name != "api-version");
        let parameters: BTreeMap<&String, &String> = own.collect();
        match parameters.is_empty() {
            true => "null".to_owned(),
            false => json!(parameters).to_string(),
        }
    }

    fn json(&self) -> Result<Value, ArmError> {
        let body = serde_json::from_slice(&self.body).map_err(|error| ArmError::invalid_request_content(error, ""))?;
        check_size(&body)?;
        Ok(body)
    }
}

/// Levels of a document. What is deeper than any resource is not for a plugin's stack.
const DEEPEST: usize = 32;
/// Values in a document, so that a plugin's memory holds the current and the desired state at once.
const MOST_VALUES: usize = 20_000;

/// Of a body, and of what a patch makes of a stored document: many small patches are a large one, too.
pub(super) fn check_size(document: &Value) -> Result<(), ArmError> {
    let mut level: Vec<&Value> = vec![document];
    let (mut depth, mut values) = (0, 1);
    while !level.is_empty() {
        depth += 1;
        let inner = level.iter().flat_map(|value| match value {
            Value::Array(items) => items.iter().collect::<Vec<_>>(),
            Value::Object(members) => members.values().collect(),
            _ => Vec::new(),
        });
        level = inner.collect();
        values += level.len();
        if depth > DEEPEST || values > MOST_VALUES {
            let found = format!("it is nested deeper than {DEEPEST} levels or has more than {MOST_VALUES} values");
            return Err(ArmError::invalid_request_content(found, ""));
        }
    }
    Ok(())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// What an answer carries.
#[expect(missing_debug_implementations, reason = "it may hold secrets")]
pub enum Body {
    Nothing,
    Json(Value),
    Text {
        media_type: &'static str,
        text: String,
    },
    /// Text that comes bit by bit, as long as the client reads and the gateway runs.
    Stream {
        media_type: &'static str,
        text: Pin<Box<dyn Stream<Item = Bytes> + Send>>,
    },
}

/// An answer.
pub struct Reply {
    pub status: StatusCode,
    pub headers: Vec<(&'static str, String)>,
    pub body: Body,
    /// What the request's path meant, if that is known.
    pub route: Route,
}

impl fmt::Debug for Reply {
    /// Without the body, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Reply {
    fn new(status: StatusCode, body: Body) -> Reply {
        Reply { status, headers: Vec::new(), body, route: Route::Unknown }
    }

    /// Ends with the stream.
    pub fn stream(media_type: &'static str, text: impl Stream<Item = Bytes> + Send + 'static) -> Reply {
        Reply::new(StatusCode::OK, Body::Stream { media_type, text: Box::pin(text) })
    }

    pub fn on(self, route: Route) -> Reply {
        Reply { route, ..self }
    }

    pub fn json(status: StatusCode, body: Value) -> Reply {
        Reply::new(status, Body::Json(body))
    }

    pub fn text(status: StatusCode, media_type: &'static str, text: String) -> Reply {
        Reply::new(status, Body::Text { media_type, text })
    }

    pub fn empty(status: StatusCode) -> Reply {
        Reply::new(status, Body::Nothing)
    }

    /// Tells the client where to poll. `location` is where it finds the result.
    pub fn polled(mut self, status_url: String, location: String) -> Reply {
        self.headers.push(("azure-asyncoperation", status_url));
        self.headers.push(("location", location));
        self.not_yet()
    }

    /// Tells the client where the result will be, as Azure does of what has no status document.
    pub fn at(mut self, location: String) -> Reply {
        self.headers.push(("location", location));
        self.not_yet()
    }

    /// Asks the client to come again soon: 1 is the least that every SDK heeds (azure-core reads 0 as 30 s), and the
    /// second header spares Terraform's SDK its first 10 s.
    pub fn not_yet(mut self) -> Reply {
        self.headers.push(("retry-after", "1".to_owned()));
        self.headers.push(("x-go-azure-sdk-skip-polling-delay", "true".to_owned()));
        self
    }
}

impl From<ArmError> for Reply {
    fn from(error: ArmError) -> Reply {
        let mut reply = Reply::json(error.status, error.body());
        if error.cause == Cause::Service {
            reply.headers.push(("x-ms-failure-cause", "service".to_owned()));
        }
        if let Some(allow) = error.allow {
            reply.headers.push(("allow", allow.to_owned()));
        }
        if let Some(challenge) = error.challenge {
            reply.headers.push(("www-authenticate", challenge));
        }
        if error.status == StatusCode::SERVICE_UNAVAILABLE {
            reply.headers.push(("retry-after", "1".to_owned()));
        }
        reply
    }
}

/// An absolute URL of an operation, on the host that the client used.
pub fn operation_url(request: &Request, version: &str, operation: &Operation, collection: &str) -> String {
    url(request, &operation.path(collection), version)
}

/// An absolute URL of a path of this gateway; names in it may hold what a URL cannot.
pub fn url(request: &Request, path: &str, version: &str) -> String {
    format!(
        "{}{}?api-version={}",
        request.base,
        utf8_percent_encode(path, NOT_IN_PATHS),
        utf8_percent_encode(version, NOT_IN_PATHS)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_of_a_url_are_an_object_without_its_version() {
        for (query, parameters) in [
            (None, "null"),
            (Some("api-version=2024-11-01"), "null"),
            (Some("API-Version=2024-11-01&History=5&a=%22x%22"), r#"{"a":"\"x\"","history":"5"}"#),
            (Some("a=1&a=2"), r#"{"a":"2"}"#),
        ] {
            let (headers, base) = (HeaderMap::new(), "http://localhost".to_owned());
            let request = Request::new(Method::GET, "/", query, headers, base, Bytes::new());
            assert_eq!(request.parameters(), parameters, "{query:?}");
        }
    }
}
