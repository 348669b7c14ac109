//! What a registry asks for: the header `WWW-Authenticate` of RFC 9110, of which two schemes are of use.

#[derive(Debug, PartialEq, Eq)]
pub enum Challenge {
    /// A user and a password.
    Basic,
    /// A token, which `realm` has.
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

impl Challenge {
    /// The one that can be met best, of all that a header offers.
    pub fn of(header: &str) -> Option<Challenge> {
        let offers = offers(header);
        let bearer = offers.iter().find_map(|(scheme, parameters)| {
            let value = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
            let realm = value("realm").filter(|_| scheme == "bearer")?;
            Some(Challenge::Bearer { realm, service: value("service"), scope: value("scope") })
        });
        bearer.or_else(|| offers.iter().any(|(scheme, _)| scheme == "basic").then_some(Challenge::Basic))
    }
}

type Parameters = Vec<(String, String)>;

/// Schemes and names are in lower case.
fn offers(header: &str) -> Vec<(String, Parameters)> {
    let mut offers: Vec<(String, Parameters)> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if let Some(value) = after.strip_prefix('=').filter(|_| !word.is_empty()) {
            let (value, after) = read_value(value);
            if let Some((_, parameters)) = offers.last_mut() {
                parameters.push((word.to_ascii_lowercase(), value));
            }
            rest = after;
        } else if word.is_empty() {
            return offers;
        } else {
            offers.push((word.to_ascii_lowercase(), Vec::new()));
            rest = after;
        }
    }
}

/// A word or a quoted text, and what comes after it.
fn read_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (word, rest) = text.split_at(text.find([' ', '\t', ',']).unwrap_or(text.len()));
        return (word.to_owned(), rest);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, quoted.get(at + 1..).unwrap_or_default()),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            _ => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_is_preferred_and_what_is_not_known_is_passed_over() {
        let bearer = |realm: &str, service: Option<&str>, scope: Option<&str>| {
            let own = |text: Option<&str>| text.map(str::to_owned);
            Some(Challenge::Bearer { realm: realm.to_owned(), service: own(service), scope: own(scope) })
        };
        for (header, expected) in [
            ("", None),
            ("Negotiate", None),
            ("Basic realm=\"x\"", Some(Challenge::Basic)),
            ("basic", Some(Challenge::Basic)),
            ("Bearer", None),
            ("Bearer realm=\"https://a/t\"", bearer("https://a/t", None, None)),
            (
                "Bearer realm=\"https://a/t\",service=\"a b\",scope=\"repository:a/b:pull,push\"",
                bearer("https://a/t", Some("a b"), Some("repository:a/b:pull,push")),
            ),
            ("BEARER Realm=https://a/t , service=s", bearer("https://a/t", Some("s"), None)),
            ("Basic realm=\"b\", Bearer realm=\"https://a\\\"/t\"", bearer("https://a\"/t", None, None)),
            ("Digest nonce=1, realm=x, Basic realm=\"not closed", Some(Challenge::Basic)),
        ] {
            assert_eq!(Challenge::of(header), expected, "{header}");
        }
    }

    proptest! {
        #[test]
        fn every_header_comes_to_an_end(header in "(Basic|Bearer|realm|[ ,=\"\\\\a]|\\PC){0,40}") {
            let _ = Challenge::of(&header);
        }
    }
}
