//! The gateway as it is reached from here.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;

use super::CliError;
use crate::config;

/// For a gateway on this machine to take a connection.
pub(super) const TAKING: Duration = Duration::from_secs(2);
/// For a whole answer. The first one about tokens makes a key.
const ANSWERING: Duration = Duration::from_secs(30);
/// Bytes of an answer; certificates and keys have a few thousand.
const LARGEST: u64 = 1 << 20;

/// By which the gateway says that it has no certificate. Others have a 404 in JSON, too.
const TLS_IS_OFF: &str = "TlsDisabled";

/// Where a gateway is, if it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Local {
    /// `localhost:4577`
    pub authority: String,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub text: String,
}

impl Local {
    pub(super) fn of(gateway: &config::Gateway) -> Local {
        let address = gateway.bind_address;
        let usual = address.is_unspecified() || ["127.0.0.1", "::1"].contains(&address.to_string().as_str());
        let host = match address {
            _ if usual => "localhost".to_owned(),
            std::net::IpAddr::V4(address) => address.to_string(),
            std::net::IpAddr::V6(address) => format!("[{address}]"),
        };
        Local { authority: format!("{host}:{}", gateway.port) }
    }

    pub(super) fn http(&self) -> String {
        format!("http://{}", self.authority)
    }

    pub(super) fn https(&self) -> String {
        format!("https://{}", self.authority)
    }

    /// A name for a folder: `localhost-4577`.
    pub(super) fn name(&self) -> String {
        let kept = self.authority.chars().filter(|c| !matches!(c, '[' | ']'));
        kept.map(|c| if c == ':' { '-' } else { c }).collect()
    }

    pub(super) fn get(&self, path: &str) -> Result<Answer, CliError> {
        self.send("GET", path, None, None)
    }

    /// `form` is a body as a browser sends it.
    pub(super) fn send(
        &self,
        method: &str,
        path: &str,
        form: Option<&str>,
        token: Option<&str>,
    ) -> Result<Answer, CliError> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // A proxy is for what is elsewhere.
            .proxy(None)
            .timeout_connect(Some(TAKING))
            .timeout_global(Some(ANSWERING))
            .build();
        let no_answer = |error: ureq::Error| CliError::NoAnswer { url: self.http(), reason: error.to_string() };
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.http()));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let agent = Agent::from(config);
        let sent = match form {
            Some(form) => {
                let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
                request.map_err(ureq::Error::from).and_then(|request| agent.run(request))
            }
            None => request.body(()).map_err(ureq::Error::from).and_then(|request| agent.run(request)),
        };
        let mut answer = sent.map_err(no_answer)?;
        let status = answer.status().as_u16();
        let text = answer.body_mut().with_config().limit(LARGEST).read_to_string().map_err(no_answer)?;
        Ok(Answer { status, text })
    }

    /// What a client of this gateway has to trust, in PEM.
    pub(super) fn certificate(&self) -> Result<String, CliError> {
        const PATH: &str = "/_floci/tls-cert";
        let Answer { status, text } = self.get(PATH)?;
        let found = || format!("GET {PATH} was answered {status} {}", text.chars().take(200).collect::<String>());
        match status {
            200 if text.contains("-----BEGIN CERTIFICATE-----") => Ok(text),
            404 if code(&text).as_deref() == Some(TLS_IS_OFF) => {
                Err(CliError::NoTls { url: self.http(), found: found() })
            }
            _ => Err(CliError::Stranger { url: self.http(), found: found() }),
        }
    }
}

/// Of an error in ARM's envelope.
fn code(text: &str) -> Option<String> {
    let body: Value = serde_json::from_str(text).ok()?;
    Some(body.get("error")?.get("code")?.as_str()?.to_owned())
}
