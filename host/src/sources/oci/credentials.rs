//! Users and passwords of registries, as `docker login` keeps them: `auths` of Docker's `config.json`.
//!
//! A credential is given to the registry that it stands for, and to nobody else. Credential helpers are not asked: they
//! are programs, and a gateway that runs programs for whoever names an image is none to trust.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use docker_credential::{DockerCredential, get_credential_from_reader};
use oci_client::secrets::RegistryAuth;
use serde_json::{Value, json};
use tokio::fs;

/// None if there is none, or no file that can be read: the registry then says what it wants.
pub async fn login(registry: &str, file: Option<&Path>) -> RegistryAuth {
    let Some(file) = file else { return RegistryAuth::Anonymous };
    let text = fs::read(file).await.unwrap_or_default();
    let config = serde_json::from_slice(&text).unwrap_or_default();
    find(registry, &config).unwrap_or(RegistryAuth::Anonymous)
}

/// Where Docker's client keeps its configuration.
pub fn file(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let given = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = given("DOCKER_CONFIG").or_else(|| Some(given("HOME")?.join(".docker")))?;
    Some(folder.join("config.json"))
}

fn find(registry: &str, config: &Value) -> Option<RegistryAuth> {
    // Without what names helpers.
    let auths = json!({"auths": config.get("auths")?}).to_string();
    match get_credential_from_reader(auths.as_bytes(), registry).ok()? {
        DockerCredential::UsernamePassword(user, password) => Some(RegistryAuth::Basic(user, password)),
        // Of an exchange that the library has not.
        DockerCredential::IdentityToken(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

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
            "colon.example": {"auth": STANDARD.encode("no colon")},
            "token.example": {"auth": STANDARD.encode("me:"), "identitytoken": "t"},
        }, "credsStore": "desktop", "credHelpers": {"helped.example": "desktop"}});
        for (registry, expected) in [
            ("ghcr.io", Some(("me", "secret"))),
            ("localhost:5000", Some(("u", "p"))),
            ("docker.io", Some(("hub", "secret"))),
            ("old.example", Some(("old", "secret"))),
            ("localhost", None),
            ("localhost:5001", None),
            ("io", None),
            ("ghcr.io.example", None),
            ("helper.example", None),
            ("helped.example", None),
            ("broken.example", None),
            ("colon.example", None),
            ("token.example", None),
        ] {
            let expected = expected.map(|(user, password)| RegistryAuth::Basic(user.to_owned(), password.to_owned()));
            assert_eq!(find(registry, &config), expected, "{registry}");
        }
        assert_eq!(find("ghcr.io", &json!({})), None);
        assert!(!format!("{:?}", find("ghcr.io", &config)).contains("secret"));
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
