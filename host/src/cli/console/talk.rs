//! The connection: TLS with the gateway's certificate verified, commands out, answers in.

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::Arc;

use redis::{Parser, Value};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::find::Found;
use crate::cli::CliError;

pub(super) struct Talk {
    stream: StreamOwned<ClientConnection, TcpStream>,
    answers: Parser,
    place: String,
}

impl Talk {
    /// Connected and logged in. `trusted` is in PEM.
    pub(super) fn begin(found: &Found, trusted: &str) -> Result<Talk, CliError> {
        let place = format!("{}:{}", found.host, found.port);
        let failed =
            |error: &dyn std::fmt::Display| CliError::Console(format!("{place} cannot be connected to: {error}"));
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(trusted.as_bytes()) {
            let certificate = certificate.map_err(|error| failed(&error))?;
            roots.add(certificate).map_err(|error| failed(&error))?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = builder.map_err(|error| failed(&error))?.with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from(found.host.clone()).map_err(|error| failed(&error))?;
        let session = ClientConnection::new(Arc::new(config), name).map_err(|error| failed(&error))?;
        let stream = TcpStream::connect((found.host.as_str(), found.port)).map_err(|error| failed(&error))?;
        stream.set_nodelay(true).map_err(|error| failed(&error))?;
        let mut talk = Talk { stream: StreamOwned::new(session, stream), answers: Parser::new(), place };
        match talk.ask(&[b"AUTH".to_vec(), found.key.clone().into_bytes()])? {
            Value::ServerError(error) => {
                let text = super::print::line(&error);
                Err(CliError::Console(format!("the access key of '{}' was refused: {text}", found.name)))
            }
            _ => Ok(talk),
        }
    }

    pub(super) fn ask(&mut self, command: &[Vec<u8>]) -> Result<Value, CliError> {
        let mut packed = redis::Cmd::new();
        for word in command {
            packed.arg(word.as_slice());
        }
        let sent = self.stream.write_all(&packed.get_packed_command()).and_then(|()| self.stream.flush());
        sent.map_err(|error| self.broken(&error))?;
        self.next()
    }

    pub(super) fn next(&mut self) -> Result<Value, CliError> {
        let Talk { stream, answers, .. } = self;
        answers.parse_value(stream).map_err(|error| match error.is_io_error() {
            true => self.broken(&"the server ended it"),
            false => self.broken(&error),
        })
    }

    fn broken(&self, error: &dyn std::fmt::Display) -> CliError {
        CliError::Console(format!("the connection to {} broke: {error}", self.place))
    }
}

/// Says good-bye to TLS; whoever is gone does not mind.
impl Drop for Talk {
    fn drop(&mut self) {
        self.stream.conn.send_close_notify();
        let _: io::Result<()> = self.stream.flush();
    }
}
