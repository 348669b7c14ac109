//! One repository of a registry over HTTP: the distribution specification's way to pull.
//!
//! Requests go over HTTPS, to registries of this machine over HTTP. A login is sent to the registry, or to the server of
//! tokens that it names, and not along with redirections. Each request has a deadline, and each answer a size.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use ureq::http::{Response, StatusCode};
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Body};

use super::challenge::Challenge;
use super::credentials::Login;
use super::reference::Reference;
use crate::sources::SourceError;

const CONNECTING: Duration = Duration::from_secs(10);
/// Until an answer begins.
const ANSWERING: Duration = Duration::from_secs(30);
/// For a request and its answer together: 64 MiB at 4 Mbit/s.
const WHOLE: Duration = Duration::from_secs(150);
/// Bytes of a manifest, as the specification has registries take them.
const LARGEST_MANIFEST: u64 = 4 << 20;
/// Bytes of a token's answer.
const LARGEST_TOKEN: u64 = 1 << 20;
/// Blobs of large registries are elsewhere.
const REDIRECTS: u32 = 5;
/// Docker's own registry is asked by another name than it is written.
const HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

#[derive(Debug)]
pub struct Registry {
    agent: Agent,
    /// `https://host/v2/repository`
    base: String,
    /// What errors call the image.
    image: String,
    repository: String,
    login: Option<Login>,
    /// The header that the registry took last.
    authorization: Option<String>,
}

/// A manifest as it was sent.
#[derive(Debug)]
pub struct Sent {
    pub bytes: Bytes,
    pub media_type: String,
    /// The digest that the registry says it has.
    pub digest: Option<String>,
}

impl Registry {
    pub fn of(reference: &Reference, login: Option<Login>) -> Registry {
        let host = if reference.registry == HUB.0 { HUB.1 } else { &reference.registry };
        let repository = match reference.repository.as_str() {
            name if reference.registry == HUB.0 && !name.contains('/') => format!("library/{name}"),
            name => name.to_owned(),
        };
        let scheme = if reference.is_local() { "http" } else { "https" };
        Registry {
            agent: agent(reference),
            base: format!("{scheme}://{host}/v2/{repository}"),
            image: reference.to_string(),
            repository,
            login,
            authorization: None,
        }
    }

    pub fn manifest(&mut self, version: &str, accept: &str) -> Result<Sent, SourceError> {
        let mut answer = self.get(&format!("/manifests/{version}"), accept)?;
        let header = |name: &str| answer.headers().get(name)?.to_str().ok().map(str::to_owned);
        let (media_type, digest) = (header("content-type").unwrap_or_default(), header("docker-content-digest"));
        let bytes = self.read(answer.body_mut(), LARGEST_MANIFEST)?;
        Ok(Sent { bytes, media_type, digest })
    }

    /// At most `size` bytes and one more.
    pub fn blob(&mut self, digest: &str, size: u64) -> Result<Bytes, SourceError> {
        let mut answer = self.get(&format!("/blobs/{digest}"), "*/*")?;
        self.read(answer.body_mut(), size)
    }

    fn read(&self, body: &mut Body, limit: u64) -> Result<Bytes, SourceError> {
        let mut bytes = Vec::new();
        let read = body.as_reader().take(limit.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|error| self.unreachable(format!("the answer broke off: {error}")))?;
        Ok(bytes.into())
    }

    fn get(&mut self, path: &str, accept: &str) -> Result<Response<Body>, SourceError> {
        let url = format!("{}{path}", self.base);
        let mut answer = self.ask(&url, accept, self.authorization.as_deref())?;
        if answer.status() == StatusCode::UNAUTHORIZED
            && let Some(authorization) = self.authorize(&answer)?
        {
            answer = self.ask(&url, accept, Some(&authorization))?;
            self.authorization = Some(authorization);
        }
        match answer.status() {
            status if status.is_success() => Ok(answer),
            StatusCode::NOT_FOUND => Err(SourceError::NotFound { image: self.image.clone(), found: explained(answer) }),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(self.unauthorised(explained(answer))),
            _ => Err(self.unreachable(format!("GET {url} was answered {}", explained(answer)))),
        }
    }

    fn ask(&self, url: &str, accept: &str, authorization: Option<&str>) -> Result<Response<Body>, SourceError> {
        let mut request = self.agent.get(url).header("accept", accept);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        request.call().map_err(|error| self.unreachable(format!("GET {url}: {error}")))
    }

    /// What the registry wants to see, if there is a way to it.
    fn authorize(&self, answer: &Response<Body>) -> Result<Option<String>, SourceError> {
        let headers = answer.headers().get_all("www-authenticate").iter();
        let header = headers.filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(", ");
        match Challenge::of(&header) {
            None => Ok(None),
            Some(Challenge::Basic) => Ok(self.login.as_ref().map(Login::header)),
            Some(Challenge::Bearer { realm, service, scope }) => {
                let scope = scope.unwrap_or_else(|| format!("repository:{}:pull", self.repository));
                self.token(&realm, service.as_deref(), &scope).map(Some)
            }
        }
    }

    /// Of the server of tokens, for everybody or for the one who logs in.
    fn token(&self, realm: &str, service: Option<&str>, scope: &str) -> Result<String, SourceError> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(service.map(|service| ("service", service))).append_pair("scope", scope);
        let joint = if realm.contains('?') { '&' } else { '?' };
        let url = format!("{realm}{joint}{}", query.finish());
        let mut answer = self.ask(&url, "application/json", self.login.as_ref().map(Login::header).as_deref())?;
        if matches!(answer.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(self.unauthorised(format!("{realm}: {}", explained(answer))));
        }
        let body = self.read(answer.body_mut(), LARGEST_TOKEN)?;
        let body: Option<Value> = serde_json::from_slice(&body).ok();
        let token = body.as_ref().and_then(|body| body.get("token").or_else(|| body.get("access_token"))?.as_str());
        // What is not plain text is no header.
        match token.filter(|token| token.bytes().all(|byte| byte.is_ascii_graphic())) {
            Some(token) => Ok(format!("Bearer {token}")),
            None => Err(self
                .unreachable(format!("{realm} was asked for a token, and answered {} without one", answer.status()))),
        }
    }

    fn unauthorised(&self, found: String) -> SourceError {
        let login = match self.login {
            Some(_) => "with the login that Docker's config.json has",
            None => "without a login, and Docker's config.json has none for it",
        };
        SourceError::Unauthorised { image: self.image.clone(), login, found }
    }

    fn unreachable(&self, reason: String) -> SourceError {
        SourceError::Unreachable { image: self.image.clone(), reason }
    }
}

fn agent(reference: &Reference) -> Agent {
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(crypto)
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .https_only(!reference.is_local())
        .http_status_as_error(false)
        .max_redirects(REDIRECTS)
        .timeout_connect(Some(CONNECTING))
        .timeout_recv_response(Some(ANSWERING))
        .timeout_global(Some(WHOLE));
    // A proxy is for what is elsewhere.
    let config = if reference.is_local() { config.proxy(None) } else { config };
    config.build().into()
}

/// The status, and the code that the specification has errors say.
fn explained(mut answer: Response<Body>) -> String {
    let status = answer.status();
    let mut text = Vec::new();
    let read = answer.body_mut().as_reader().take(4 << 10).read_to_end(&mut text);
    let body: Option<Value> = read.ok().and_then(|_| serde_json::from_slice(&text).ok());
    let code = body.as_ref().and_then(|body| body.pointer("/errors/0/code")?.as_str());
    match code.filter(|code| code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_graphic())) {
        Some(code) => format!("{status}: {code}"),
        None => status.to_string(),
    }
}
