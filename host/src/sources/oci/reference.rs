//! References of images, as they are written: `registry/repository:tag`, `registry/repository@sha256:digest`, or both.
//!
//! Nothing is guessed: without a registry or a tag it is no reference. Of tag and digest together the digest decides,
//! and the tag is only shown. This is more than `oci-client`'s own reference says, which has defaults for both.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::plugin::Digest;
use crate::sources::SourceError;

const SCHEME: &str = "oci://";
/// Docker's own registry, and where it has the repositories that are written without an owner.
const HUB: &str = "docker.io";
const HUB_OWN: &str = "library";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// `host` or `host:port`
    pub registry: String,
    pub repository: String,
    pub at: At,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    Tag(String),
    Digest { tag: Option<String>, digest: Digest },
}

impl Reference {
    /// The same image, by what its tag was found to mean.
    pub fn resolved(&self, digest: Digest) -> Reference {
        let tag = match &self.at {
            At::Tag(tag) => Some(tag.clone()),
            At::Digest { tag, .. } => tag.clone(),
        };
        Reference { at: At::Digest { tag, digest }, ..self.clone() }
    }

    /// Another image of the same repository.
    pub fn beside(&self, tag: String) -> Reference {
        Reference { at: At::Tag(tag), ..self.clone() }
    }

    /// Whether the registry is on this machine, where nobody listens in.
    pub fn is_local(&self) -> bool {
        let host = host(&self.registry);
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

impl From<&Reference> for oci_client::Reference {
    /// What the registry is asked for: by the tag, or the digest alone.
    fn from(reference: &Reference) -> oci_client::Reference {
        let registry = reference.registry.clone();
        let repository = match reference.repository.as_str() {
            name if registry == HUB && !name.contains('/') => format!("{HUB_OWN}/{name}"),
            name => name.to_owned(),
        };
        match &reference.at {
            At::Tag(tag) => oci_client::Reference::with_tag(registry, repository, tag.clone()),
            At::Digest { digest, .. } => {
                oci_client::Reference::with_digest(registry, repository, format!("sha256:{digest}"))
            }
        }
    }
}

impl FromStr for Reference {
    type Err = SourceError;

    fn from_str(given: &str) -> Result<Reference, SourceError> {
        parse(given.strip_prefix(SCHEME).unwrap_or(given)).map_err(|why| {
            // A user and a password, perhaps.
            let shown = match given.rsplit_once('@') {
                Some((_, rest)) if !rest.starts_with("sha") => format!("...@{rest}"),
                _ => given.to_owned(),
            };
            SourceError::Reference { given: shown, why }
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        match &self.at {
            At::Tag(tag) => write!(f, ":{tag}"),
            At::Digest { tag: Some(tag), digest } => write!(f, ":{tag}@sha256:{digest}"),
            At::Digest { tag: None, digest } => write!(f, "@sha256:{digest}"),
        }
    }
}

fn parse(text: &str) -> Result<Reference, &'static str> {
    let (registry, rest) = text.split_once('/').ok_or("it names no registry")?;
    if !is_registry(registry) {
        return Err(
            "it does not begin with a registry: a host's name with a dot, localhost or an address, and maybe a port",
        );
    }
    if !rest.contains([':', '@']) {
        return Err("it has neither a tag nor a digest");
    }
    // The library knows no registry by an address of IPv6, and of other letters than ASCII's some in a tag.
    let parsed = format!("localhost/{rest}").parse::<oci_client::Reference>().ok().filter(|_| rest.is_ascii());
    let parsed = parsed.ok_or(
        "what comes after the registry is no repository (in lower case) with a tag (of at most 128 characters) or a digest (sha256: and 64 hexadecimal digits)",
    )?;
    let tag = parsed.tag().map(str::to_owned);
    let at = match (tag, parsed.digest()) {
        (Some(tag), None) => At::Tag(tag),
        (tag, digest) => {
            let digits = digest.and_then(|digest| digest.strip_prefix("sha256:"));
            let digest = digits.and_then(|digits| digits.parse().ok()).ok_or("its digest is none of SHA-256")?;
            At::Digest { tag, digest }
        }
    };
    Ok(Reference { registry: registry.to_ascii_lowercase(), repository: parsed.repository().to_owned(), at })
}

fn host(registry: &str) -> &str {
    match registry.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => registry,
    }
}

fn is_registry(registry: &str) -> bool {
    let host = host(registry);
    let port = registry.strip_prefix(host).unwrap_or_default();
    let is_port =
        port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let label = |label: &str| {
                let inside = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
                inside && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
            };
            // Without a dot or a port the first name is a folder of a registry that is not named.
            let says_so = host.contains('.') || !port.is_empty() || host.eq_ignore_ascii_case("localhost");
            says_so && host.split('.').all(label)
        }
    };
    is_host && is_port
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_reference_is_told_why() {
        let digest = "ab".repeat(32);
        let mut table = String::new();
        for given in [
            "ghcr.io/contoso/widgets:1.2.0",
            "oci://localhost:5000/widgets:1",
            "LOCALHOST/widgets:1",
            "registry:80/a:b",
            "[::1]:5000/a/b:c",
            &format!("ghcr.io/a/b@sha256:{digest}"),
            &format!("ghcr.io/a/b:1@sha256:{digest}"),
            "",
            "widgets",
            "widgets:1",
            "contoso/widgets:1",
            "ghcr.io/contoso/widgets",
            "ghcr.io/contoso/widgets:",
            "ghcr.io/contoso/widgets:.1",
            "ghcr.io/Contoso/widgets:1",
            "ghcr.io/contoso//widgets:1",
            "ghcr.io/../widgets:1",
            "ghcr.io/a b:1",
            "ghcr.io:0/a:1",
            "ghcr.io:99999/a:1",
            "-a.io/a:1",
            "https://ghcr.io/a:1",
            "user:secret@ghcr.io/a:1",
            "ghcr.io/a@sha256:12",
            &format!("ghcr.io/a@{digest}"),
            &format!("ghcr.io/a@sha512:{digest}"),
            &format!("ghcr.io/a@sha512:{digest}{digest}"),
            "ghcr.io/a:\u{e4}",
            &format!("ghcr.io/a:{}", "x".repeat(129)),
        ] {
            let parsed = given.parse::<Reference>();
            let said = match parsed {
                Ok(reference) => format!("{reference}{}", if reference.is_local() { " (of this machine)" } else { "" }),
                Err(SourceError::Reference { why, .. }) => format!("no: {why}"),
                Err(other) => other.to_string(),
            };
            let _ = writeln!(table, "{given}\n    {said}");
        }
        let with_password = "user:secret@ghcr.io/a:1".parse::<Reference>().unwrap_err().to_string();
        assert!(!with_password.contains("secret"), "{with_password}");
        expect![[r#"
            ghcr.io/contoso/widgets:1.2.0
                ghcr.io/contoso/widgets:1.2.0
            oci://localhost:5000/widgets:1
                localhost:5000/widgets:1 (of this machine)
            LOCALHOST/widgets:1
                localhost/widgets:1 (of this machine)
            registry:80/a:b
                registry:80/a:b
            [::1]:5000/a/b:c
                [::1]:5000/a/b:c (of this machine)
            ghcr.io/a/b@sha256:abababababababababababababababababababababababababababababababab
                ghcr.io/a/b@sha256:abababababababababababababababababababababababababababababababab
            ghcr.io/a/b:1@sha256:abababababababababababababababababababababababababababababababab
                ghcr.io/a/b:1@sha256:abababababababababababababababababababababababababababababababab

                no: it names no registry
            widgets
                no: it names no registry
            widgets:1
                no: it names no registry
            contoso/widgets:1
                no: it does not begin with a registry: a host's name with a dot, localhost or an address, and maybe a port
            ghcr.io/contoso/widgets
                no: it has neither a tag nor a digest
            ghcr.io/contoso/widgets:
                no: what comes after the registry is no repository (in lower case) with a tag (of at most 128 characters) or a digest (sha256: and 64 hexadecimal digits)
            ghcr.io/contoso/widgets:.1
                no: what comes after the registry is no repository (in lower case) with a tag (of at most 128 characters) or a digest (sha256: and 64 hexadecimal digits)
            ghcr.io/Contoso/widgets:1
                no: what comes after the registry is no repository (in lower case) with a tag (of at most 128 characters) or a digest (sha256: and 64 hexadecimal digits)
            ghcr.io/contoso//widgets:1
                no: what comes after the registry is no repository (in lower case) with a tag (of at most 128 characters) or a digest (sha256: and 64 hexadecimal digits)
            ghcr.io/../widgets:1
                no: what comes after the registry is no repository (in lower case) with a tag (of at most 128 characters) or a digest (sha256: and 64 hexadecimal digits)
            ghcr.io/a b:1
                no: what comes after the registry is no repository (in lower case) with a tag (of at most 128 characters) or a digest (sha256: and 64 hexadecimal digits)
            ghcr.io:0/a:1
                no: it does not begin with a registry: a host's name with a dot, localhost or an address, and maybe a port
            ghcr.io:99999/a:1
                no: it does not begin with a registry: a host's name with a dot, localhost or an address, and maybe a port
            -a.io/a:1
                no: it does not begin with a registry: a host's name with a dot, localhost or an address, and maybe a port
            https://ghcr.io/a:1
                no: it does not begin with a registry: a host's name with a dot, localhost or an address, and maybe a port
            user:secret@ghcr.io/a:1
                no: it does not begin with a registry: a host's name with a dot, localhost or an address, and maybe a port
            ghcr.io/a@sha256:12
                no: what comes after the registry is no repository (in lower case) with a tag (of at most 128 characters) or a digest (sha256: and 64 hexadecimal digits)
            ghcr.io/a@abababababababababababababababababababababababababababababababab
                no: what comes after the registry is no repository (in lower case) with a tag (of at most 128 characters) or a digest (sha256: and 64 hexadecimal digits)
            ghcr.io/a@sha512:abababababababababababababababababababababababababababababababab
                no: what comes after the registry is no repository (in lower case) with a tag (of at most 128 characters) or a digest (sha256: and 64 hexadecimal digits)
            ghcr.io/a@sha512:abababababababababababababababababababababababababababababababababababababababababababababababababababababababababababababababab
                no: its digest is none of SHA-256
            ghcr.io/a:ä
                no: what comes after the registry is no repository (in lower case) with a tag (of at most 128 characters) or a digest (sha256: and 64 hexadecimal digits)
            ghcr.io/a:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
                no: what comes after the registry is no repository (in lower case) with a tag (of at most 128 characters) or a digest (sha256: and 64 hexadecimal digits)
        "#]].assert_eq(&table);
    }

    proptest! {
        #[test]
        fn what_is_a_reference_is_written_as_it_was_read(
            registry in "(localhost|[a-z]{1,5}\\.[a-z]{2})(:[1-9][0-9]{0,3})?",
            repository in "[a-z0-9]{1,4}((\\.|_|__|-{1,3}|/)[a-z0-9]{1,4}){0,3}",
            tag in proptest::option::of("[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}"),
            digest in proptest::option::of("[0-9a-f]{64}"),
        ) {
            let tag_text = tag.as_deref().map(|tag| format!(":{tag}")).unwrap_or_default();
            let digest_text = digest.as_deref().map(|digest| format!("@sha256:{digest}")).unwrap_or_default();
            let text = format!("{registry}/{repository}{tag_text}{digest_text}");
            match text.parse::<Reference>() {
                Ok(reference) => prop_assert_eq!(reference.to_string(), text),
                Err(error) => prop_assert!(tag.is_none() && digest.is_none(), "{}", error),
            }
        }

        #[test]
        fn nothing_breaks_the_parser_and_what_it_takes_is_safe_in_a_url(text in "(oci://)?(\\PC{0,12}|[a-z.:/@-]{0,30})") {
            if let Ok(reference) = text.parse::<Reference>() {
                let asked = oci_client::Reference::from(&reference);
                let version = asked.digest().or(asked.tag()).unwrap();
                let path = format!("{}/{version}", asked.repository());
                prop_assert!(!path.contains(['?', '#', '%', '\\', ' ', '@']) && !path.contains(".."), "{}", path);
            }
        }
    }
}
