//! What a web page could make its visitor's browser send here, and what of it is refused.
//!
//! Whoever runs the gateway also browses. A page of any site can have the browser send simple requests to localhost (a
//! form, a `fetch` without CORS), or have its own name resolve to 127.0.0.1 (DNS rebinding) and then read the answers,
//! too. So nothing is changed in the name of another origin, and a gateway that listens on this machine only answers to
//! the names of this machine only. Clients that are no browsers send neither of the headers that are looked at.

use std::net::{IpAddr, Ipv6Addr};

use hyper::{Method, Uri};

use crate::arm::{ArmError, Request};

/// Which names the gateway answers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    /// It listens on other addresses than loopback: its names are its operator's to know.
    AnyName,
    /// Those of this machine, and these.
    Names { names: Vec<String>, suffixes: Vec<String> },
}

impl Guard {
    pub fn new(bind: IpAddr, hostname: Option<&str>, suffixes: &[&str]) -> Guard {
        if !bind.is_loopback() {
            return Guard::AnyName;
        }
        let names = ["localhost", "host.docker.internal"].into_iter().chain(hostname);
        let suffixes = ["localhost"].iter().chain(suffixes).map(|suffix| format!(".{suffix}"));
        Guard::Names { names: names.map(str::to_owned).collect(), suffixes: suffixes.collect() }
    }

    pub fn check(&self, request: &Request) -> Result<(), ArmError> {
        let host = host(request);
        if !self.knows(&host) {
            return Err(ArmError::unknown_host(&host));
        }
        // What only reads is no harm, and not readable for the page; of the gateway itself not even that is tried.
        if matches!(request.method, Method::GET | Method::HEAD) && !is_own(&request.path) {
            return Ok(());
        }
        match foreign(request) {
            Some(from) => Err(ArmError::foreign_origin(&from)),
            None => Ok(()),
        }
    }

    fn knows(&self, host: &str) -> bool {
        match self {
            Guard::AnyName => true,
            Guard::Names { names, suffixes } => {
                let literal = host.trim_start_matches('[').trim_end_matches(']');
                names.iter().any(|name| name.eq_ignore_ascii_case(host))
                    || suffixes.iter().any(|suffix| host.ends_with(suffix.as_str()))
                    || literal.parse::<Ipv6Addr>().is_ok()
                    || literal.parse::<IpAddr>().is_ok()
            }
        }
    }
}

/// The name that a client has for the gateway, in lower case.
fn host(request: &Request) -> String {
    let base = request.base.parse::<Uri>().ok();
    base.and_then(|base| base.host().map(str::to_lowercase)).unwrap_or_default()
}

/// Whether a client calls the gateway by a name that nobody else can have resolve to this machine. Behind any other,
/// there may be a page of that name.
pub fn means_this_machine(request: &Request) -> bool {
    let host = host(request);
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.ends_with(".localhost") || literal.parse::<IpAddr>().is_ok()
}

/// What the gateway says of itself to operators, and what they tell it.
fn is_own(path: &str) -> bool {
    ["/_floci/plugins", "/_floci/events", "/metrics"].into_iter().any(|own| {
        let rest = path.strip_prefix(own);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// Where a request comes from, if a page of another origin makes it.
fn foreign(request: &Request) -> Option<String> {
    let values = |name| request.headers.get_all(name).into_iter().map(|value| value.as_bytes());
    let origin = values("origin").find(|origin| !origin.eq_ignore_ascii_case(request.base.as_bytes()));
    let site = || values("sec-fetch-site").find(|site| !matches!(*site, b"same-origin" | b"none"));
    Some(String::from_utf8_lossy(origin.or_else(site)?).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use hyper::HeaderMap;
    use hyper::header::HeaderValue;

    fn check(guard: &Guard, method: Method, base: &str, headers: &[(&'static str, &'static str)]) -> bool {
        check_at("/", guard, method, base, headers)
    }

    fn check_at(
        path: &str,
        guard: &Guard,
        method: Method,
        base: &str,
        headers: &[(&'static str, &'static str)],
    ) -> bool {
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect();
        guard.check(&Request::new(method, path, None, headers, base.to_owned(), Bytes::new())).is_ok()
    }

    fn local() -> Guard {
        Guard::new("127.0.0.1".parse().unwrap(), Some("gateway.test"), &["redis.cache.windows.net"])
    }

    #[test]
    fn a_gateway_of_this_machine_answers_to_its_names() {
        for (base, known) in [
            ("http://localhost:4577", true),
            ("https://LOCALHOST:4577", true),
            ("http://a.localhost", true),
            ("http://127.0.0.1:4577", true),
            ("http://[::1]:4577", true),
            ("http://192.168.1.7:4577", true),
            ("http://host.docker.internal:4577", true),
            ("https://gateway.test:4577", true),
            ("https://my-cache.redis.cache.windows.net:4577", true),
            ("http://evil.example:4577", false),
            ("http://localhost.evil.example", false),
            ("http://evillocalhost", false),
            ("http://evil-gateway.test", false),
        ] {
            assert_eq!(check(&local(), Method::GET, base, &[]), known, "{base}");
            let open = Guard::new("0.0.0.0".parse().unwrap(), None, &[]);
            assert!(check(&open, Method::GET, base, &[]), "{base}");
        }
    }

    #[test]
    fn nothing_is_changed_in_the_name_of_another_origin() {
        let base = "http://localhost:4577";
        for (method, headers, allowed) in [
            (Method::POST, &[][..], true),
            (Method::POST, &[("origin", "http://localhost:4577")], true),
            (Method::POST, &[("sec-fetch-site", "same-origin")], true),
            (Method::POST, &[("sec-fetch-site", "none")], true),
            (Method::POST, &[("origin", "https://evil.example")], false),
            (Method::POST, &[("origin", "http://localhost:3000")], false),
            (Method::POST, &[("origin", "null")], false),
            (Method::DELETE, &[("sec-fetch-site", "cross-site")], false),
            (Method::PUT, &[("sec-fetch-site", "same-site")], false),
            // It changes nothing, and its answer is not readable for the page.
            (Method::GET, &[("sec-fetch-site", "cross-site")], true),
        ] {
            assert_eq!(check(&local(), method.clone(), base, headers), allowed, "{method} {headers:?}");
        }
    }
    #[test]
    fn of_the_gateway_itself_other_origins_do_not_even_read() {
        for path in ["/_floci/plugins", "/_floci/plugins/Contoso.Widgets", "/_floci/events", "/metrics"] {
            for (headers, allowed) in [
                (&[][..], true),
                (&[("origin", "http://localhost:4577")], true),
                (&[("sec-fetch-site", "none")], true),
                (&[("origin", "https://evil.example")], false),
                (&[("origin", "null")], false),
                (&[("sec-fetch-site", "same-site")], false),
                (&[("origin", "http://localhost:4577"), ("sec-fetch-site", "cross-site")], false),
            ] {
                for guard in [local(), Guard::AnyName] {
                    for method in [Method::GET, Method::HEAD, Method::PUT] {
                        let found = check_at(path, &guard, method, "http://localhost:4577", headers);
                        assert_eq!(found, allowed, "{path} {headers:?}");
                    }
                }
            }
        }
        for path in ["/_floci/pluginsx", "/metricsx", "/health"] {
            assert!(check_at(path, &local(), Method::GET, "http://localhost", &[("origin", "null")]), "{path}");
        }
    }

    #[test]
    fn a_name_of_this_machine_is_nobody_elses() {
        for (base, own) in [
            ("http://localhost:4577", true),
            ("https://LOCALHOST", true),
            ("http://a.localhost", true),
            ("http://127.0.0.1:4577", true),
            ("http://[::1]:4577", true),
            ("http://evil.example:4577", false),
            ("http://localhost.evil.example", false),
            ("http://evillocalhost", false),
            ("http://gateway.test", false),
            ("nonsense", false),
            ("", false),
        ] {
            let request = Request::new(Method::GET, "/", None, HeaderMap::new(), base.to_owned(), Bytes::new());
            assert_eq!(means_this_machine(&request), own, "{base}");
        }
    }
}
