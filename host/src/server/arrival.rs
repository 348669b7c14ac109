//! A request's way in: its body, within bounds, and what the client calls this gateway.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::HOST;
use hyper::http::request::Parts;
use hyper::http::uri::{Authority, Scheme};
use hyper::{Method, Request, Version};

use super::Limits;
use crate::arm::{self, ArmError};

/// Where a connection came in.
#[derive(Debug, Clone)]
pub(super) struct Entrance {
    pub scheme: Scheme,
    /// This side's address.
    pub local: SocketAddr,
    /// Whose connection it is. No header has a say in it.
    pub peer: SocketAddr,
}

/// The whole request, or why there is none. After an error, what is left of the body is not worth waiting for. `admit`
/// is asked for the most bytes of the body once the head is understood, before any of it is read.
pub(super) async fn arrive(
    request: Request<Incoming>,
    entrance: &Entrance,
    limits: &Limits,
    admit: impl Fn(&arm::Request) -> Result<usize, ArmError>,
) -> Result<arm::Request, ArmError> {
    let (head, mut body) = request.into_parts();
    let version = head.version;
    match take(head, &mut body, entrance, limits, admit).await {
        Ok(request) => Ok(request),
        Err(refusal) => {
            // An answer before the body's end is followed by a reset of the stream, to which some clients (curl before 8)
            // lose it. With HTTP/1 the connection is closed, and lingers.
            if version == Version::HTTP_2 {
                let rest = async { while let Some(Ok(_)) = body.frame().await {} };
                let _ = tokio::time::timeout(limits.linger, rest).await;
            }
            Err(refusal)
        }
    }
}

async fn take(
    head: Parts,
    body: &mut Incoming,
    entrance: &Entrance,
    limits: &Limits,
    admit: impl Fn(&arm::Request) -> Result<usize, ArmError>,
) -> Result<arm::Request, ArmError> {
    if head.method == Method::CONNECT {
        return Err(ArmError::method_not_allowed("CONNECT", "GET, HEAD, PUT, PATCH, POST, DELETE"));
    }
    // `OPTIONS *` has no path; neither has the authority that a proxy is asked for.
    if !head.uri.path().starts_with('/') {
        return Err(ArmError::malformed_path(head.uri.path()));
    }
    let base = format!("{}://{}", entrance.scheme, authority(&head, entrance.local)?);
    let (path, query) = (head.uri.path(), head.uri.query());
    let request = arm::Request::new(head.method, path, query, head.headers, base, Bytes::new());
    let mut request = request.of_peer(entrance.peer.ip());
    let most = admit(&request)?;
    // Said before it is sent: a client that asks first (Expect: 100-continue) then spares itself the sending.
    if body.size_hint().lower() > most as u64 {
        return Err(ArmError::too_large(most));
    }
    match tokio::time::timeout(limits.body_arrival, Limited::new(body, most).collect()).await {
        Ok(Ok(body)) => {
            request.body = body.to_bytes();
            Ok(request)
        }
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ArmError::too_large(most)),
        Ok(Err(error)) => Err(ArmError::unreadable_body(error)),
        Err(_) => Err(ArmError::body_too_late(limits.body_arrival)),
    }
}

/// What the client calls this gateway, so that the URLs it is given lead back here. The request's own target comes
/// before the Host header (RFC 9112, 3.2.2); a client of HTTP/1.0 may send neither.
fn authority(head: &Parts, local: SocketAddr) -> Result<Authority, ArmError> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let given = match (head.uri.authority(), hosts.next(), hosts.next()) {
        (Some(authority), ..) => authority.as_str().as_bytes(),
        (None, Some(host), None) if !host.is_empty() => host.as_bytes(),
        (None, Some(first), Some(_)) => return Err(ArmError::invalid_host(first.as_bytes(), "it is sent twice")),
        _ => return authority_of(local.to_string().as_bytes()),
    };
    authority_of(given)
}

fn authority_of(given: &[u8]) -> Result<Authority, ArmError> {
    let authority = Authority::try_from(given).map_err(|error| ArmError::invalid_host(given, error))?;
    let port = authority.as_str().strip_prefix(authority.host());
    match port {
        Some("") => Ok(authority),
        Some(port) if port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok()) => Ok(authority),
        // Somebody's name before it, or something that is no port behind it.
        _ => Err(ArmError::invalid_host(given, "it is more than a host and a port")),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_gateway_is_called_what_the_client_calls_it() {
        let told = |target: &str, hosts: &[&str]| {
            let mut request = Request::builder().uri(target);
            for host in hosts {
                request = request.header(HOST, *host);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            match authority(&head, "[::1]:4577".parse().unwrap()) {
                Ok(authority) => format!("{target} {hosts:?} -> {authority}"),
                Err(error) => format!("{target} {hosts:?} -> {} {}", error.status.as_u16(), error.message),
            }
        };
        let table = [
            told("/", &["localhost:4577"]),
            told("/", &["Gateway.test"]),
            told("/", &["[::1]:80"]),
            told("http://other.test/", &["localhost"]),
            told("/", &[]),
            told("/", &[""]),
            told("/", &["a.test", "b.test"]),
            told("/", &["user@host"]),
            told("/", &["host:port"]),
            told("/", &["host:"]),
            told("/", &["host:99999"]),
            told("/", &["host/path"]),
            told("/", &["a b"]),
            told("/", &["\"><script>"]),
            told("/", &["[::1"]),
            told("/", &["höst"]),
        ];
        expect![[r#"
            / ["localhost:4577"] -> localhost:4577
            / ["Gateway.test"] -> Gateway.test
            / ["[::1]:80"] -> [::1]:80
            http://other.test/ ["localhost"] -> other.test
            / [] -> [::1]:4577
            / [""] -> [::1]:4577
            / ["a.test", "b.test"] -> 400 The request's host 'a.test' is invalid: it is sent twice. It has to be a host name or an IP address, with an optional port, such as localhost:4577.
            / ["user@host"] -> 400 The request's host 'user@host' is invalid: it is more than a host and a port. It has to be a host name or an IP address, with an optional port, such as localhost:4577.
            / ["host:port"] -> 400 The request's host 'host:port' is invalid: it is more than a host and a port. It has to be a host name or an IP address, with an optional port, such as localhost:4577.
            / ["host:"] -> 400 The request's host 'host:' is invalid: it is more than a host and a port. It has to be a host name or an IP address, with an optional port, such as localhost:4577.
            / ["host:99999"] -> 400 The request's host 'host:99999' is invalid: it is more than a host and a port. It has to be a host name or an IP address, with an optional port, such as localhost:4577.
            / ["host/path"] -> 400 The request's host 'host/path' is invalid: invalid uri character. It has to be a host name or an IP address, with an optional port, such as localhost:4577.
            / ["a b"] -> 400 The request's host 'a b' is invalid: invalid uri character. It has to be a host name or an IP address, with an optional port, such as localhost:4577.
            / ["\"><script>"] -> 400 The request's host '"><script>' is invalid: invalid uri character. It has to be a host name or an IP address, with an optional port, such as localhost:4577.
            / ["[::1"] -> 400 The request's host '[::1' is invalid: invalid authority. It has to be a host name or an IP address, with an optional port, such as localhost:4577.
            / ["höst"] -> 400 The request's host 'höst' is invalid: invalid uri character. It has to be a host name or an IP address, with an optional port, such as localhost:4577."#]].assert_eq(&table.join("\n"));
    }
}
