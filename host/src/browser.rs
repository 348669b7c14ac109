//! What a web page could make its visitor's browser send here, and what of it is refused.
//!
//! Whoever runs the gateway also browses. A page of any site can have the browser send simple requests to localhost (a
//! form, a `fetch` without CORS), or have its own name resolve to 127.0.0.1 (DNS rebinding) and then read the answers,
//! too. So nothing is changed in the name of another origin, and a gateway that listens on this machine only answers to
//! the names of this machine only. Clients that are no browsers send neither of the headers that are looked at.

use std::net::{IpAddr, Ipv6Addr};

use hyper::{Method, Uri};

use crate::arm::{ArmError, Request};

/// What tells of the work of its operator, who is the only one to read it.
const INSIGHTS: [&str; 2] = ["/metrics", "/_floci/events"];

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
        let host = request.base.parse::<Uri>().ok().and_then(|base| base.host().map(str::to_lowercase));
        let host = host.unwrap_or_default();
        if !self.knows(&host) {
            return Err(ArmError::unknown_host(&host));
        }
        let is_read = matches!(request.method, Method::GET | Method::HEAD);
        if is_read && !INSIGHTS.contains(&request.path.as_str()) {
            return Ok(());
        }
        let foreign_origin = request.header("origin").filter(|origin| !origin.eq_ignore_ascii_case(&request.base));
        let foreign_site = request.header("sec-fetch-site").filter(|site| !matches!(*site, "same-origin" | "none"));
        match foreign_origin.or(foreign_site) {
            Some(from) => Err(ArmError::foreign_origin(from)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use hyper::HeaderMap;
    use hyper::header::HeaderValue;

    fn check(guard: &Guard, method: Method, base: &str, headers: &[(&'static str, &'static str)]) -> bool {
        check_path(guard, method, base, "/", headers)
    }

    fn check_path(
        guard: &Guard,
        method: Method,
        base: &str,
        path: &str,
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
    fn what_the_operator_reads_no_page_asks_for() {
        let base = "http://localhost:4577";
        for path in INSIGHTS {
            for (headers, allowed) in [
                (&[][..], true),
                (&[("origin", "http://localhost:4577")], true),
                (&[("sec-fetch-site", "none")], true),
                (&[("sec-fetch-site", "cross-site")], false),
                (&[("sec-fetch-site", "same-site")], false),
                (&[("origin", "http://localhost:3000")], false),
            ] {
                for method in [Method::GET, Method::HEAD] {
                    assert_eq!(check_path(&local(), method, base, path, headers), allowed, "{path} {headers:?}");
                }
            }
        }
    }
}
