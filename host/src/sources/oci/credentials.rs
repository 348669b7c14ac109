//! Users and passwords of registries, as `docker login` keeps them: `auths` of Docker's `config.json`.
//!
//! A credential is given to the registry that it stands for, and to nobody else. Credential helpers are not asked: they
//! are programs, and a gateway that runs programs for whoever names an image is none to trust.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// What `Authorization: Basic` carries.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    encoded: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").finish_non_exhaustive()
    }
}

impl Login {
    pub fn header(&self) -> String {
        format!("Basic {}", self.encoded)
    }

    /// None if there is none, or no file that can be read: the registry then says what it wants.
    pub fn of(registry: &str, file: Option<&PathBuf>) -> Option<Login> {
        let text = fs::read_to_string(file?).ok()?;
        find(registry, &serde_json::from_str(&text).ok()?)
    }
}

/// Where Docker's client keeps its configuration.
pub fn file(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let given = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = given("DOCKER_CONFIG").or_else(|| Some(given("HOME")?.join(".docker")))?;
    Some(folder.join("config.json"))
}

fn find(registry: &str, config: &Value) -> Option<Login> {
    let auths = config.get("auths")?.as_object()?;
    let (_, entry) = auths.iter().find(|(key, _)| host(key) == registry)?;
    let field = |name: &str| entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let encoded = match (field("auth"), field("username"), field("password")) {
        (Some(auth), ..) => auth.to_owned(),
        (None, Some(user), Some(password)) => STANDARD.encode(format!("{user}:{password}")),
        _ => return None,
    };
    // What is no login would be no header, either.
    let decoded = STANDARD.decode(&encoded).ok()?;
    decoded.contains(&b':').then_some(Login { encoded })
}

/// Keys are hosts, and of older logins URLs. Docker's own registry is known by two names.
fn host(key: &str) -> &str {
    let key = key.trim_start_matches("https://").trim_start_matches("http://");
    match key.split('/').next().unwrap_or_default() {
        "index.docker.io" => "docker.io",
        host => host,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_login_is_for_its_registry_alone() {
        let config = json!({"auths": {
            "ghcr.io": {"auth": STANDARD.encode("me:secret")},
            "localhost:5000": {"username": "u", "password": "p"},
            "https://index.docker.io/v1/": {"auth": STANDARD.encode("hub:secret")},
            "https://old.example/v2/": {"auth": STANDARD.encode("old:secret")},
            "helper.example": {},
            "broken.example": {"auth": "%"},
            "token.example": {"auth": STANDARD.encode("no colon")},
        }, "credsStore": "desktop"});
        for (registry, expected) in [
            ("ghcr.io", Some("me:secret")),
            ("localhost:5000", Some("u:p")),
            ("docker.io", Some("hub:secret")),
            ("old.example", Some("old:secret")),
            ("localhost", None),
            ("localhost:5001", None),
            ("io", None),
            ("ghcr.io.example", None),
            ("helper.example", None),
            ("broken.example", None),
            ("token.example", None),
        ] {
            let expected = expected.map(|login| format!("Basic {}", STANDARD.encode(login)));
            assert_eq!(find(registry, &config).map(|login| login.header()), expected, "{registry}");
        }
        assert_eq!(find("ghcr.io", &json!({})), None);
        assert!(!format!("{:?}", find("ghcr.io", &config)).contains("c2VjcmV0"));
    }

    #[test]
    fn the_file_is_where_dockers_client_has_it() {
        let with = |variables: &[(&str, &str)]| {
            let found = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
            file(found).map(|path| path.display().to_string())
        };
        assert_eq!(with(&[("HOME", "/home/me")]).as_deref(), Some("/home/me/.docker/config.json"));
        assert_eq!(with(&[("HOME", "/home/me"), ("DOCKER_CONFIG", "/d")]).as_deref(), Some("/d/config.json"));
        assert_eq!(
            with(&[("HOME", "/home/me"), ("DOCKER_CONFIG", "")]).as_deref(),
            Some("/home/me/.docker/config.json")
        );
        assert_eq!(with(&[]), None);
    }
}
