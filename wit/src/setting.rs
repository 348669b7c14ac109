//! One setting, declared in one form wherever it belongs: the gateway declares its own, a plugin's manifest those of
//! its service. Values are text; a [`Kind`] says which texts are valid.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::PortRange;

/// A setting's declaration, which is also its documentation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Setting {
    /// Dotted path below `floci-az` (the gateway's) or below `services.<service>` (a plugin's): `max-port`.
    pub key: String,
    pub kind: Kind,
    /// The empty one makes the setting optional: nothing is set, whatever its kind.
    pub default: String,
    /// What it does, in a sentence.
    pub effect: String,
    /// What is lost by changing it, in a sentence.
    pub trade_off: String,
    pub example: String,
}

/// Which texts are valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Kind {
    Boolean,
    /// A TCP port, 1 to 65535.
    Port,
    /// An IPv4 or IPv6 address.
    Address,
    /// A DNS name or an IP address, without a port.
    Host,
    /// Bytes: a number with an optional `b`, `kb`, `mb` or `gb` (powers of 1024), as Redis writes them.
    Size,
    /// A whole number from `least` to `most`, both included.
    Number {
        least: u32,
        most: u32,
    },
    /// Any text but the empty one.
    Text,
    /// Words of letters, digits, `-`, `_` and `.`, with commas between them.
    Words,
    /// The same, but of any visible characters; each may end in `*`, which stands for anything.
    Patterns,
    /// Ports and ranges of them, with commas between them: `6379-6399,7000`.
    Ports,
    /// A whole number from 1 to 4294967295.
    Count,
    /// A path of the file system. It may become part of a program's own settings file, so it has no quotes, backslashes
    /// or control characters.
    Path,
    OneOf(Vec<String>),
}

/// Why a text is not a valid value. `Display` says what is supported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidValue {
    supported: String,
}

impl fmt::Display for InvalidValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.supported)
    }
}

impl std::error::Error for InvalidValue {}

impl Kind {
    /// The value in its canonical form (`TRUE` → `true`), or what would have been supported.
    pub fn parse(&self, value: &str) -> Result<String, InvalidValue> {
        let value = value.trim();
        let parsed = match self {
            Kind::Boolean => match value.to_ascii_lowercase().as_str() {
                "true" => Some("true".to_owned()),
                "false" => Some("false".to_owned()),
                _ => None,
            },
            Kind::Port => value.parse::<u16>().ok().filter(|port| *port > 0).map(|port| port.to_string()),
            Kind::Address => value.parse::<IpAddr>().ok().map(|address| address.to_string()),
            Kind::Host => parse_host(value),
            Kind::Size => parse_size(value).map(|_| value.to_ascii_lowercase()),
            Kind::Number { least, most } => value
                .parse::<u32>()
                .ok()
                .filter(|number| (least..=most).contains(&number))
                .map(|number| number.to_string()),
            Kind::Text => Some(value.to_owned()).filter(|text| !text.is_empty()),
            Kind::Words => parse_words(value),
            Kind::Patterns => parse_patterns(value),
            Kind::Ports => PortRange::parse_all(value)
                .map(|ranges| ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")),
            Kind::Count => value.parse::<u32>().ok().filter(|count| *count > 0).map(|count| count.to_string()),
            Kind::Path => Some(value.to_owned()).filter(|path| {
                !path.is_empty() && !path.contains(|c: char| c.is_control() || matches!(c, '"' | '\'' | '\\'))
            }),
            Kind::OneOf(words) => words.iter().find(|word| word.eq_ignore_ascii_case(value)).cloned(),
        };
        parsed.ok_or_else(|| InvalidValue { supported: self.supported() })
    }

    /// What is supported, for people.
    pub fn supported(&self) -> String {
        match self {
            Kind::Boolean => "true or false".to_owned(),
            Kind::Port => "a port from 1 to 65535".to_owned(),
            Kind::Address => "an IP address such as 127.0.0.1 or ::1".to_owned(),
            Kind::Host => "a host name such as gateway.test, or an IP address, without a port".to_owned(),
            Kind::Size => "a size such as 268435456, 512kb, 256mb or 1gb".to_owned(),
            Kind::Number { least, most } => format!("a whole number from {least} to {most}"),
            Kind::Text => "a text that is not empty".to_owned(),
            Kind::Words => "words of letters, digits, '-', '_' and '.', with commas between them".to_owned(),
            Kind::Patterns => "words with commas between them, each with or without a '*' at its end".to_owned(),
            Kind::Ports => "ports and ranges of ports such as 6379-6399,7000".to_owned(),
            Kind::Count => "a whole number from 1 on".to_owned(),
            Kind::Path => "a path, without quotes, backslashes and control characters".to_owned(),
            Kind::OneOf(words) => words.join(" or "),
        }
    }
}

/// Bytes of a size as Redis writes it: `256mb`. None if it is not one, or is not more than 0.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit {
        "" | "b" => 1,
        "kb" => 1 << 10,
        "mb" => 1 << 20,
        "gb" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor).filter(|bytes| *bytes > 0)
}

/// Without spaces around the words.
fn parse_words(text: &str) -> Option<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let words: Vec<&str> = text.split(',').map(str::trim).collect();
    let valid = words.iter().all(|one| !one.is_empty() && one.len() <= 64 && one.chars().all(word));
    valid.then(|| words.join(","))
}

/// Without spaces around the words. An image's name has less than 256 characters, its tag and digest 200.
fn parse_patterns(text: &str) -> Option<String> {
    let visible = |c: char| c.is_ascii_graphic() && !matches!(c, '*' | '"' | '\'' | '\\');
    let words: Vec<&str> = text.split(',').map(str::trim).collect();
    let valid = |word: &&str| {
        !word.is_empty() && word.len() <= 512 && word.strip_suffix('*').unwrap_or(word).chars().all(visible)
    };
    words.iter().all(valid).then(|| words.join(","))
}

/// In lower case. Underscores are no part of host names, but container engines give out names that have them.
fn parse_host(text: &str) -> Option<String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_string());
    }
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.chars().all(word) && !label.starts_with('-') && !label.ends_with('-')
    };
    // All digits in the last label is an IPv4 address that is none.
    let numeric = text.rsplit('.').next().is_some_and(|last| last.chars().all(|c| c.is_ascii_digit()));
    let valid = text.len() <= 253 && text.split('.').all(label) && !numeric;
    valid.then(|| text.to_ascii_lowercase())
}

impl Setting {
    /// The value in its canonical form; the empty text, which is "not set", if the setting is optional.
    pub fn parse(&self, value: &str) -> Result<String, InvalidValue> {
        if self.is_optional() && value.trim().is_empty() {
            return Ok(String::new());
        }
        self.kind.parse(value)
    }

    /// Whether it may be not set, which is then its default.
    pub fn is_optional(&self) -> bool {
        self.default.is_empty()
    }

    /// The value as bytes. None if it is not a size.
    pub fn bytes(value: &str) -> Option<u64> {
        parse_size(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(kind: Kind, values: &[&str], expected: Expect) {
        let lines: Vec<String> = values
            .iter()
            .map(|value| match kind.parse(value) {
                Ok(parsed) => format!("{value:?} is {parsed}"),
                Err(invalid) => format!("{value:?} is not {invalid}"),
            })
            .collect();
        expected.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn a_kind_says_which_texts_are_valid() {
        check(
            Kind::Boolean,
            &["true", "False", "1", ""],
            expect![[r#"
                "true" is true
                "False" is false
                "1" is not true or false
                "" is not true or false"#]],
        );
        check(
            Kind::Port,
            &["6379", "0", "65536", "-1", "http"],
            expect![[r#"
                "6379" is 6379
                "0" is not a port from 1 to 65535
                "65536" is not a port from 1 to 65535
                "-1" is not a port from 1 to 65535
                "http" is not a port from 1 to 65535"#]],
        );
        check(
            Kind::Address,
            &["0.0.0.0", "::1", "localhost", "127.0.0.1:80"],
            expect![[r#"
                "0.0.0.0" is 0.0.0.0
                "::1" is ::1
                "localhost" is not an IP address such as 127.0.0.1 or ::1
                "127.0.0.1:80" is not an IP address such as 127.0.0.1 or ::1"#]],
        );
        check(
            Kind::Host,
            &[
                "Gateway.test",
                "floci_az",
                "10.0.0.1",
                "fe80::1",
                "10.0.0.256",
                "a..b",
                "-a",
                "a b",
                "host:80",
                "*.test",
            ],
            expect![[r#"
                "Gateway.test" is gateway.test
                "floci_az" is floci_az
                "10.0.0.1" is 10.0.0.1
                "fe80::1" is fe80::1
                "10.0.0.256" is not a host name such as gateway.test, or an IP address, without a port
                "a..b" is not a host name such as gateway.test, or an IP address, without a port
                "-a" is not a host name such as gateway.test, or an IP address, without a port
                "a b" is not a host name such as gateway.test, or an IP address, without a port
                "host:80" is not a host name such as gateway.test, or an IP address, without a port
                "*.test" is not a host name such as gateway.test, or an IP address, without a port"#]],
        );
        check(
            Kind::Words,
            &["one", "a-1, b_2 ,C.3", "a,,b", "", "a b", "a/b"],
            expect![[r#"
                "one" is one
                "a-1, b_2 ,C.3" is a-1,b_2,C.3
                "a,,b" is not words of letters, digits, '-', '_' and '.', with commas between them
                "" is not words of letters, digits, '-', '_' and '.', with commas between them
                "a b" is not words of letters, digits, '-', '_' and '.', with commas between them
                "a/b" is not words of letters, digits, '-', '_' and '.', with commas between them"#]],
        );
        check(
            Kind::Patterns,
            &["valkey/valkey:*, redis@sha256:1 ", "*", "a*b", "a b", "a,,b", ""],
            expect![[r#"
                "valkey/valkey:*, redis@sha256:1 " is valkey/valkey:*,redis@sha256:1
                "*" is *
                "a*b" is not words with commas between them, each with or without a '*' at its end
                "a b" is not words with commas between them, each with or without a '*' at its end
                "a,,b" is not words with commas between them, each with or without a '*' at its end
                "" is not words with commas between them, each with or without a '*' at its end"#]],
        );
        check(
            Kind::Ports,
            &["6379 - 6399, 7000", "7000", "2-1", "0", "1,", ""],
            expect![[r#"
            "6379 - 6399, 7000" is 6379-6399,7000
            "7000" is 7000
            "2-1" is not ports and ranges of ports such as 6379-6399,7000
            "0" is not ports and ranges of ports such as 6379-6399,7000
            "1," is not ports and ranges of ports such as 6379-6399,7000
            "" is not ports and ranges of ports such as 6379-6399,7000"#]],
        );
        check(
            Kind::Count,
            &["20", "0", "-1", "4294967296", "many"],
            expect![[r#"
            "20" is 20
            "0" is not a whole number from 1 on
            "-1" is not a whole number from 1 on
            "4294967296" is not a whole number from 1 on
            "many" is not a whole number from 1 on"#]],
        );
        check(
            Kind::Size,
            &["256mb", "1GB", "1024", "0", "mb", "1tb", "99999999999999999999", "18446744073709551615gb"],
            expect![[r#"
                "256mb" is 256mb
                "1GB" is 1gb
                "1024" is 1024
                "0" is not a size such as 268435456, 512kb, 256mb or 1gb
                "mb" is not a size such as 268435456, 512kb, 256mb or 1gb
                "1tb" is not a size such as 268435456, 512kb, 256mb or 1gb
                "99999999999999999999" is not a size such as 268435456, 512kb, 256mb or 1gb
                "18446744073709551615gb" is not a size such as 268435456, 512kb, 256mb or 1gb"#]],
        );
        check(
            Kind::Number { least: 1, most: 300 },
            &["1", "300", "007", "0", "301", "-1", "1.5", "many"],
            expect![[r#"
                "1" is 1
                "300" is 300
                "007" is 7
                "0" is not a whole number from 1 to 300
                "301" is not a whole number from 1 to 300
                "-1" is not a whole number from 1 to 300
                "1.5" is not a whole number from 1 to 300
                "many" is not a whole number from 1 to 300"#]],
        );
        check(
            Kind::OneOf(vec!["auto".into(), "docker".into()]),
            &["Docker", "podman"],
            expect![[r#"
                "Docker" is docker
                "podman" is not auto or docker"#]],
        );
    }

    #[test]
    fn an_empty_default_makes_a_setting_optional() {
        let setting = |default: &str| Setting {
            key: "hostname".into(),
            kind: Kind::Host,
            default: default.into(),
            effect: String::new(),
            trade_off: String::new(),
            example: String::new(),
        };
        assert_eq!(setting("").parse(" ").as_deref(), Ok(""));
        assert_eq!(setting("").parse("GATEWAY").as_deref(), Ok("gateway"));
        assert!(setting("").parse("a b").is_err());
        assert!(setting("localhost").parse("").is_err());
    }
}
