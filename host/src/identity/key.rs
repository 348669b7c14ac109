//! The key that tokens are signed with.
//!
//! An RSA key of 2048 bits, because RS256 is what clients of Entra verify. It is made when it is first needed (in a
//! thread of its own, it takes up to a second) and kept in the state folder, so that tokens outlive a restart; without
//! a state folder in memory. A file that holds no such key is replaced, with a line in the log: all that is lost is
//! that clients have to log in again.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use uuid::Uuid;

/// In the state folder.
const FOLDER: &str = "identity";
const FILE: &str = "signing-key.pem";
/// Characters of a line in PEM (RFC 7468).
const LINE: usize = 64;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    #[error("the key for tokens cannot be read from {path}: {reason}")]
    Read { path: String, reason: io::Error },
    #[error("no key for tokens could be made: {0}")]
    Make(String),
    #[error("a token could not be signed: {0}")]
    Sign(String),
}

/// The key, made or read at first use.
#[derive(Debug)]
pub(super) struct Keys {
    /// None if it is not kept.
    file: Option<PathBuf>,
    key: OnceCell<SigningKey>,
    /// Held while the key is made: a request that is given up does not stop that, and the next one begins anew. What
    /// is in it is the key of a gateway that keeps none.
    making: Arc<Mutex<Option<SigningKey>>>,
}

impl Keys {
    pub(super) fn new(state: Option<&Path>) -> Keys {
        let file = state.map(|folder| folder.join(FOLDER).join(FILE));
        Keys { file, key: OnceCell::new(), making: Arc::default() }
    }

    pub(super) async fn get(&self) -> Result<&SigningKey, KeyError> {
        let make = async || {
            let (file, making) = (self.file.clone(), self.making.clone());
            let made = tokio::task::spawn_blocking(move || {
                let mut made = making.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(key) = made.as_ref() {
                    return Ok(key.clone());
                }
                let key = match file {
                    Some(file) => SigningKey::kept(&file)?,
                    None => SigningKey::new()?.0,
                };
                Ok(made.insert(key).clone())
            });
            made.await.unwrap_or_else(|broken| Err(KeyError::Make(broken.to_string())))
        };
        self.key.get_or_try_init(make).await
    }
}

/// Its `Debug` shows no secrets: jsonwebtoken's types hide theirs.
#[derive(Debug, Clone)]
pub(super) struct SigningKey {
    signs: EncodingKey,
    verifies: DecodingKey,
    /// Its thumbprint (RFC 7638), which tokens name it by.
    id: String,
    modulus: String,
    exponent: String,
}

impl SigningKey {
    /// A new one, and its PEM.
    fn new() -> Result<(SigningKey, String), KeyError> {
        let made = |error: &dyn std::fmt::Display| KeyError::Make(error.to_string());
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|error| made(&error))?;
        let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|error| made(&error))?;
        let pem = pem(der.as_ref());
        let key = SigningKey::of_pem(&pem).map_err(|error| made(&error))?;
        Ok((key, pem))
    }

    fn of_pem(pem: &str) -> Result<SigningKey, jsonwebtoken::errors::Error> {
        let signs = EncodingKey::from_rsa_pem(pem.as_bytes())?;
        let public = Jwk::from_encoding_key(&signs, Algorithm::RS256)?;
        let id = public.thumbprint(ThumbprintHash::SHA256)?;
        let AlgorithmParameters::RSA(numbers) = public.algorithm else {
            return Err(jsonwebtoken::errors::ErrorKind::InvalidKeyFormat.into());
        };
        let verifies = DecodingKey::from_rsa_components(&numbers.n, &numbers.e)?;
        Ok(SigningKey { signs, verifies, id, modulus: numbers.n, exponent: numbers.e })
    }

    /// The one in the file, or a new one that is kept there.
    fn kept(file: &Path) -> Result<SigningKey, KeyError> {
        match fs::read_to_string(file) {
            Ok(pem) => match SigningKey::of_pem(&pem) {
                Ok(key) => return Ok(key),
                Err(error) => tracing::warn!(file = %file.display(), %error, "no key for tokens: it is made anew"),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                tracing::warn!(file = %file.display(), "no key for tokens: it is made anew");
            }
            Err(reason) => return Err(KeyError::Read { path: file.display().to_string(), reason }),
        }
        let (key, pem) = SigningKey::new()?;
        if let Err(error) = write(file, &pem) {
            tracing::warn!(file = %file.display(), %error, "the key for tokens cannot be kept: they end with the gateway");
        }
        Ok(key)
    }

    pub(super) fn sign(&self, claims: &Value) -> Result<String, KeyError> {
        let header = Header { kid: Some(self.id.clone()), ..Header::new(Algorithm::RS256) };
        jsonwebtoken::encode(&header, claims, &self.signs).map_err(|error| KeyError::Sign(error.to_string()))
    }

    pub(super) fn verifies(&self) -> &DecodingKey {
        &self.verifies
    }

    /// A JSON Web Key Set (RFC 7517).
    pub(super) fn published(&self) -> Value {
        json!({ "keys": [{
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": self.id,
            "n": self.modulus,
            "e": self.exponent,
        }] })
    }
}

fn pem(der: &[u8]) -> String {
    let mut text = "-----BEGIN PRIVATE KEY-----\n".to_owned();
    for (at, character) in STANDARD.encode(der).chars().enumerate() {
        if at > 0 && at % LINE == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text + "\n-----END PRIVATE KEY-----\n"
}

/// Whole or not at all, and for this user only.
fn write(file: &Path, pem: &str) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let new = file.with_extension(format!("{}.new", Uuid::new_v4()));
    let written = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut opened| opened.write_all(pem.as_bytes()).and_then(|()| opened.sync_all()))
        .and_then(|()| fs::rename(&new, file));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    async fn id(state: Option<&Path>) -> String {
        Keys::new(state).get().await.unwrap().id.clone()
    }

    #[tokio::test]
    async fn the_key_is_kept_for_this_user_only_and_a_broken_one_is_made_anew() {
        let state = tempfile::tempdir().unwrap();
        let first = id(Some(state.path())).await;
        assert_eq!(id(Some(state.path())).await, first);
        let folder = state.path().join(FOLDER);
        let file = folder.join(FILE);
        for (path, mode) in [(&folder, 0o700), (&file, 0o600)] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode, "{path:?}");
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        let pem = fs::read_to_string(&file).unwrap();
        let half = pem.split_at(pem.len() / 2).0;
        for broken in [half.as_bytes(), b"", b"\xff"] {
            fs::write(&file, broken).unwrap();
            let second = id(Some(state.path())).await;
            assert_ne!(second, first);
            assert_eq!(id(Some(state.path())).await, second);
        }
    }

    #[tokio::test]
    async fn a_key_that_is_not_kept_is_one_for_all_who_ask() {
        let keys = Keys::new(None);
        let (one, other) = tokio::join!(keys.get(), keys.get());
        assert_eq!(one.unwrap().id, other.unwrap().id);
        assert!(!format!("{keys:?}").contains("PRIVATE"));
    }
}
