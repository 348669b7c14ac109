//! The login as clients drive it: requests in, documents out; tokens of every kind, good and bad.

mod anything;
mod documents;
mod managed;
mod strict;
mod tokens;

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use expect_test::Expect;
use hyper::Method;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::*;
use crate::arm::Body;
use crate::config::AuthMode;

const BASE: &str = "https://localhost:4577";
const PORT: u16 = 4577;

/// Making a key takes long in a debug build: one gateway for all tests, and one beside it with another key.
static DEV: LazyLock<Identity> = LazyLock::new(|| Identity::new(AuthMode::Dev, None, PORT));
static STRICT: LazyLock<Identity> = LazyLock::new(|| Identity::new(AuthMode::Strict, None, PORT));
static OTHER: LazyLock<Identity> = LazyLock::new(|| Identity::new(AuthMode::Strict, None, PORT));

static RUNTIME: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().build().unwrap());

fn request(method: Method, url: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Request {
    let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        map.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    Request::new(method, path, query, map, BASE.to_owned(), body.into())
}

fn answer(identity: &Identity, request: &Request) -> (u16, Value) {
    let reply = RUNTIME.block_on(identity.answer(request)).expect("a path of the login");
    match reply.body {
        Body::Json(body) => (reply.status.as_u16(), body),
        _ => panic!("no JSON"),
    }
}

fn get(url: &str) -> (u16, Value) {
    answer(&DEV, &request(Method::GET, url, &[], ""))
}

fn post(url: &str, form: &str) -> (u16, Value) {
    answer(&DEV, &request(Method::POST, url, &[], form.to_owned()))
}

/// The claims of a token.
fn claims(token: &Value) -> Value {
    let part = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// A document without what differs from one run to the next.
fn steady(mut document: Value) -> Value {
    if let Value::Object(members) = &mut document {
        for (name, value) in members {
            match name.as_str() {
                "access_token" | "id_token" | "refresh_token" => *value = steady(claims(value)),
                "iat" | "nbf" | "exp" | "uti" | "expires_on" | "not_before" => *value = json!("..."),
                _ => {}
            }
        }
    }
    document
}

fn check_document((status, document): (u16, Value), expected: Expect) {
    expected.assert_eq(&format!("{status} {:#}\n", steady(document)));
}
