//! Who calls: the cloud's metadata, OpenID discovery, tokens, managed identities, and the check of a request's token.
//!
//! A local gateway has no accounts, so any credential gets a token, and the principal in it is derived from the tenant
//! and the name that was given: the same one each time. The tokens themselves are real: signed with a key of this
//! gateway's own, which is published, so that whoever verifies tokens can be tried out here as well.
//!
//! [`Identity::answer`] takes the paths that belong to the login, whatever the mode; everything else goes through
//! [`Identity::check`], which lets all pass unless `auth.mode` is `strict`. What is refused here in the name of the
//! token endpoints has OAuth's envelope ([`refusal`]), what `check` refuses has ARM's.

pub mod ca;

mod audience;
mod bearer;
mod discovery;
mod grant;
mod key;
mod logins;
mod managed;
mod metadata;
mod parameters;
mod path;
mod pem;
mod principal;
mod refusal;
mod tenant;
#[cfg(test)]
mod tests;
mod token;

use std::path::Path;

use hyper::{Method, StatusCode};
use jiff::Timestamp;

pub use key::KeyError;
pub use logins::TokenLogins;
pub use tenant::DEFAULT_TENANT;

use crate::arm::{ArmError, Reply, Request};
use crate::config::AuthMode;
use bearer::Origins;
use key::Keys;
use path::Endpoint;
use refusal::Refusal;

/// The login and the check of tokens.
#[derive(Debug)]
pub struct Identity {
    mode: AuthMode,
    keys: Keys,
    /// That the gateway listens on: a token that was asked for at one name of this machine is good at another.
    port: u16,
}

impl Identity {
    /// `state` is the folder in which the signing key is kept, in a folder of its own; none if nothing is kept.
    pub fn new(mode: AuthMode, state: Option<&Path>, port: u16) -> Identity {
        Identity { mode, keys: Keys::new(state), port }
    }

    /// Whether every request needs a token.
    pub fn is_strict(&self) -> bool {
        self.mode == AuthMode::Strict
    }

    /// None for a path that has nothing to do with the login.
    pub async fn answer(&self, request: &Request) -> Option<Reply> {
        let endpoint = Endpoint::of(&request.path)?;
        let (allowed, names): (&[Method], _) = match endpoint {
            Endpoint::Token { .. } => (&[Method::POST], "POST"),
            Endpoint::Interactive => (&[Method::GET, Method::HEAD, Method::POST], "GET, HEAD, POST"),
            _ => (&[Method::GET, Method::HEAD], "GET, HEAD"),
        };
        if !allowed.contains(&request.method) {
            return Some(ArmError::method_not_allowed(request.method.as_str(), names).into());
        }
        let now = Timestamp::now();
        let base = request.base.as_str();
        let outcome = match endpoint {
            Endpoint::Metadata => Ok(metadata::document(base, request.api_version())),
            Endpoint::Configuration { tenant } => discovery::configuration(base, tenant),
            Endpoint::Instance => Ok(discovery::instance(base, request.query("authorization_endpoint"))),
            Endpoint::Keys => return Some(self.published_keys().await),
            Endpoint::Token { tenant, version } => self.token(request, tenant, version, now).await,
            Endpoint::Interactive => Err(Refusal::interactive()),
            Endpoint::Machine => return Some(self.managed(managed::Host::Machine, request, now).await),
            Endpoint::App => return Some(self.managed(managed::Host::App, request, now).await),
        };
        Some(match outcome {
            Ok(body) => Reply::json(StatusCode::OK, body),
            Err(refusal) => refusal.reply(now, request.header("client-request-id")),
        })
    }

    /// Whether a request to ARM may go on. In the mode `dev` all may.
    pub async fn check(&self, request: &Request) -> Result<(), ArmError> {
        if self.mode == AuthMode::Dev {
            return Ok(());
        }
        let origins = Origins::new(&request.base, self.port);
        let refuse = |refused: bearer::Refused| {
            let authority = format!("{}/{DEFAULT_TENANT}", request.base);
            ArmError::unauthenticated(refused.message, &authority, refused.summary)
        };
        let token = bearer::token(&request.headers).map_err(refuse)?;
        let key = self.keys.get().await.map_err(ArmError::internal)?;
        bearer::verify(token, &key, &origins).map_err(refuse)
    }

    /// What checks the tokens that clients of workloads log in with.
    pub async fn logins(&self) -> Result<TokenLogins, KeyError> {
        Ok(TokenLogins::new(self.keys.get().await?))
    }

    async fn published_keys(&self) -> Reply {
        match self.keys.get().await {
            Ok(key) => Reply::json(StatusCode::OK, key.published()),
            Err(error) => ArmError::internal(error).into(),
        }
    }

    async fn token(
        &self,
        request: &Request,
        tenant: &str,
        version: path::Version,
        now: Timestamp,
    ) -> Result<serde_json::Value, Refusal> {
        let key = self.keys.get().await.map_err(Refusal::failed)?;
        token::answer(request, tenant, version, &key, now)
    }

    async fn managed(&self, host: managed::Host, request: &Request, now: Timestamp) -> Reply {
        match self.keys.get().await {
            Ok(key) => managed::answer(host, request, &key, now),
            Err(error) => ArmError::internal(error).into(),
        }
    }
}
