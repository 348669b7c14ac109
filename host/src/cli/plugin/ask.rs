//! The gateway's administration, as it is reached from here.
//!
//! A gateway on this machine asks for no proof. One behind a published port of a container does, and its token is found
//! by itself: in FLOCI_AZ_ADMIN_TOKEN, or in the state folder that the settings name.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::{self, request};
use ureq::{Agent, Body, Timeout};

use crate::cli::local::{Local, TAKING};
use crate::cli::{CliError, Surroundings};
use crate::config::{self, Storage};
use crate::folders::admin_token;

const TOKEN: &str = "FLOCI_AZ_ADMIN_TOKEN";
/// For a whole answer. A gateway takes a minute for a body and a minute for what it does with it.
const ANSWERING: Duration = Duration::from_secs(150);
/// Bytes of an answer. The longest is a list of plugins, each with a few revisions.
const LARGEST: u64 = 8 << 20;

/// A gateway that runs.
#[derive(Debug)]
pub(super) struct Gateway {
    local: Local,
    token: Option<String>,
}

/// What a PUT brings.
pub(super) enum Upload {
    Component {
        bytes: Vec<u8>,
        /// In base64.
        signature: Option<String>,
    },
    /// A reference, with its scheme.
    Image(String),
}

impl Gateway {
    pub(super) fn of(gateway: &config::Gateway, surroundings: &Surroundings) -> Result<Gateway, CliError> {
        let token = match (surroundings.get(TOKEN), &gateway.storage) {
            (Some(token), _) => {
                let token =
                    token.to_str().map(str::trim).filter(|token| token.bytes().all(|byte| byte.is_ascii_graphic()));
                let unfit = || {
                    CliError::Plugin(format!(
                        "{TOKEN} holds no token: it has characters that no token has. Set it to the content of the file admin-token in the gateway's state folder"
                    ))
                };
                Some(token.ok_or_else(unfit)?.to_owned())
            }
            // Who cannot read it may not need it; a gateway that asks for it says where it is.
            (None, Storage::Persistent(state)) => {
                fs::read_to_string(admin_token(state)).ok().map(|token| token.trim().to_owned())
            }
            (None, Storage::Memory) => None,
        };
        Ok(Gateway { local: Local::of(gateway), token })
    }

    pub(super) fn url(&self) -> String {
        self.local.http()
    }

    pub(super) fn list<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        let answer: Value = self.read("GET", path, self.request("GET", path).body(()))?;
        self.parsed("GET", path, answer.get("value").cloned().unwrap_or_default())
    }

    pub(super) fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, CliError> {
        let request = self.request("POST", path).header("content-type", "application/json");
        let answer = self.read("POST", path, request.body(body.to_string()))?;
        self.parsed("POST", path, answer)
    }

    pub(super) fn put<T: DeserializeOwned>(&self, path: &str, upload: Upload) -> Result<T, CliError> {
        let request = self.request("PUT", path);
        let answer = match upload {
            Upload::Component { bytes, signature } => {
                // A refusal then comes before the bytes are sent.
                let mut request = request.header("content-type", "application/wasm").header("expect", "100-continue");
                if let Some(signature) = signature {
                    request = request.header("x-floci-signature", signature);
                }
                self.read("PUT", path, request.body(bytes))?
            }
            Upload::Image(reference) => {
                let body = serde_json::json!({ "source": reference }).to_string();
                self.read("PUT", path, request.header("content-type", "application/json").body(body))?
            }
        };
        self.parsed("PUT", path, answer)
    }

    pub(super) fn delete(&self, path: &str) -> Result<(), CliError> {
        self.read("DELETE", path, self.request("DELETE", path).body(())).map(drop)
    }

    /// An answer that is read line by line as it comes.
    pub(super) fn stream(&self, path: &str) -> Result<impl BufRead + use<>, CliError> {
        let request = self.request("GET", path).header("accept", "text/event-stream");
        let agent = Agent::from(agent().timeout_recv_response(Some(ANSWERING)).build());
        let answer = self.sent(&agent, "GET", path, request.body(()))?;
        Ok(BufReader::new(answer.into_body().into_reader()))
    }

    fn request(&self, method: &str, path: &str) -> request::Builder {
        let request = http::Request::builder().method(method).uri(format!("{}{path}", self.url()));
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    fn read<B: ureq::AsSendBody>(
        &self,
        method: &str,
        path: &str,
        request: http::Result<http::Request<B>>,
    ) -> Result<Value, CliError> {
        let agent = Agent::from(agent().timeout_global(Some(ANSWERING)).build());
        let mut answer = self.sent(&agent, method, path, request)?;
        let text = answer.body_mut().with_config().limit(LARGEST).read_to_string();
        let text = text.map_err(|error| self.no_answer(&error))?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|error| self.stranger(method, path, &format!("{error}: {text}")))
    }

    /// An answer of success.
    fn sent<B: ureq::AsSendBody>(
        &self,
        agent: &Agent,
        method: &str,
        path: &str,
        request: http::Result<http::Request<B>>,
    ) -> Result<http::Response<Body>, CliError> {
        let sent = request.map_err(ureq::Error::from).and_then(|request| agent.run(request));
        let mut answer = sent.map_err(|error| self.no_answer(&error))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status().as_u16();
        let text = answer.body_mut().with_config().limit(LARGEST).read_to_string();
        let text = text.map_err(|error| self.no_answer(&error))?;
        let refused = || {
            let body: Value = serde_json::from_str(&text).ok()?;
            let member = |name| Some(body.get("error")?.get(name)?.as_str()?.to_owned());
            Some(CliError::Refused { code: member("code")?, message: member("message")? })
        };
        Err(refused().unwrap_or_else(|| self.stranger(method, path, &format!("{status} {text}"))))
    }

    fn parsed<T: DeserializeOwned>(&self, method: &str, path: &str, value: Value) -> Result<T, CliError> {
        let text = value.to_string();
        serde_json::from_value(value).map_err(|error| self.stranger(method, path, &format!("{error}: {text}")))
    }

    fn no_answer(&self, error: &ureq::Error) -> CliError {
        let (url, reason) = (self.url(), error.to_string());
        match error {
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                CliError::NoAnswer { url, reason }
            }
            ureq::Error::ConnectionFailed | ureq::Error::HostNotFound | ureq::Error::Timeout(Timeout::Connect) => {
                CliError::NoAnswer { url, reason }
            }
            _ => CliError::BrokenOff { url, reason },
        }
    }

    fn stranger(&self, method: &str, path: &str, found: &str) -> CliError {
        let found = format!("{method} {path} was answered {}", found.chars().take(200).collect::<String>());
        CliError::Stranger { url: self.url(), found }
    }
}

fn agent() -> ureq::config::ConfigBuilder<ureq::typestate::AgentScope> {
    // A proxy is for what is elsewhere.
    Agent::config_builder().http_status_as_error(false).proxy(None).timeout_connect(Some(TAKING))
}
