//! The key that tokens are signed with.
//!
//! An RSA key of 2048 bits, because RS256 is what clients of Entra verify. It is made when it is first needed (in a
//! thread of its own, it takes up to a second) and kept in the state folder, so that tokens outlive a restart; without
//! a state folder in memory. A file that holds no such key is replaced, with a line in the log: all that is lost is
//! that clients have to log in again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::pem::pem;
use crate::folders::{private_folder, replace};

/// In the state folder.
const FOLDER: &str = "identity";
const FILE: &str = "signing-key.pem";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
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
    key: Arc<OnceCell<Arc<SigningKey>>>,
}

impl Keys {
    pub(super) fn new(state: Option<&Path>) -> Keys {
        let file = state.map(|folder| folder.join(FOLDER).join(FILE));
        Keys { file, key: Arc::default() }
    }

    pub(super) async fn get(&self) -> Result<Arc<SigningKey>, KeyError> {
        if let Some(key) = self.key.get() {
            return Ok(key.clone());
        }
        let (file, key) = (self.file.clone(), self.key.clone());
        // A task of its own: it goes on when the request is given up, and the next one waits for it. Two that make a
        // key at once could leave another one in the file than the one that is used.
        let making = tokio::spawn(async move { key.get_or_try_init(|| make(file)).await.cloned() });
        making.await.unwrap_or_else(|broken| Err(KeyError::Make(broken.to_string())))
    }
}

async fn make(file: Option<PathBuf>) -> Result<Arc<SigningKey>, KeyError> {
    let made = tokio::task::spawn_blocking(move || match file {
        Some(file) => SigningKey::kept(&file),
        None => Ok(SigningKey::new()?.0),
    });
    made.await.unwrap_or_else(|broken| Err(KeyError::Make(broken.to_string()))).map(Arc::new)
}

/// Its `Debug` shows no secrets: jsonwebtoken's types hide theirs.
#[derive(Debug)]
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
        let pem = pem("PRIVATE KEY", der.as_ref());
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

fn write(file: &Path, pem: &str) -> io::Result<()> {
    file.parent().map_or(Ok(()), private_folder)?;
    replace(file, pem.as_bytes())
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
    async fn a_request_that_is_given_up_leaves_the_key_that_is_used() {
        let state = tempfile::tempdir().unwrap();
        let keys = Keys::new(Some(state.path()));
        tokio::select! {
            biased;
            _ = keys.get() => panic!("a key takes longer"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(keys.get().await.unwrap().id, id(Some(state.path())).await);
    }

    #[tokio::test]
    async fn a_key_that_is_not_kept_is_one_for_all_who_ask() {
        let keys = Keys::new(None);
        let (one, other) = tokio::join!(keys.get(), keys.get());
        assert_eq!(one.unwrap().id, other.unwrap().id);
        assert!(!format!("{keys:?}").contains("PRIVATE"));
    }
}
