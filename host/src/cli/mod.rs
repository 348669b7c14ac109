//! The gateway's client side: `floci-az ca`, `env` and `az`, which make other programs use a gateway that runs, a console
//! for its resources, and `floci-az plugin`, which changes its plugins.
//!
//! They ask that gateway over plain HTTP on this machine, and find it by the settings that it was started with, so they
//! are to be run with the same settings file and `FLOCI_AZ_*` variables. Beside what they print, all they leave is a
//! folder for each gateway in the user's cache ([`trust`]); no settings of `az`, Terraform or the system are changed.

mod az;
mod ca;
mod console;
mod env;
mod local;
mod plugin;
mod shell;
mod surroundings;
#[cfg(test)]
mod tests;
mod trust;

use std::io;

pub use az::az;
pub use ca::ca;
pub use console::{Wanted, console};
pub use env::{Purpose, env};
pub use plugin::{PluginCommand, Reader, Terminal, plugin, services};
pub use shell::Shell;
pub use surroundings::Surroundings;

use crate::identity::ca::CertificateError;
use local::Local;

/// Why a command did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error(
        "no floci-az gateway answers at {url} ({reason}): start it with `floci-az`, in another terminal. If it runs with other settings, give the same --config or FLOCI_AZ_* variables here"
    )]
    NoAnswer { url: String, reason: String },
    #[error(
        "what answers at {url} is no floci-az gateway, or not one of this version: {found}. Stop it and start the gateway, or give the port of the gateway (FLOCI_AZ_PORT)"
    )]
    Stranger { url: String, found: String },
    #[error(
        "the gateway at {url} does not speak TLS, so there is no certificate: {found}. az, Terraform and most SDKs send no token without TLS: start the gateway with tls.enabled set to true"
    )]
    NoTls { url: String, found: String },
    #[error(
        "no floci-az gateway answers at {url}, and none has left a certificate in {file}: start it with `floci-az`, in another terminal; its first start makes one"
    )]
    NoCertificate { url: String, file: String },
    #[error("{path} cannot be {attempt}: {reason}. Let this user do so, or set XDG_CACHE_HOME to another folder")]
    File { attempt: &'static str, path: String, reason: io::Error },
    #[error(
        "{path}, which holds the certificates that are trusted already, cannot be read: {reason}. Let this user read it, or name another file in SSL_CERT_FILE"
    )]
    Trusted { path: String, reason: io::Error },
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error("there is no folder for certificates: neither XDG_CACHE_HOME nor HOME is set. Set one of them")]
    NoHome,
    #[error(
        "there is no az on PATH: install the Azure CLI (https://aka.ms/install-azure-cli, or `pip install azure-cli` in an environment of its own), or name the program in FLOCI_AZ_AZ"
    )]
    NoAz,
    #[error("{0}")]
    Console(String),
    #[error("{0}")]
    Plugin(String),
    #[error(
        "the gateway at {url} did not answer to the end: {reason}. What was asked for may go on: `floci-az plugin list` shows what became of it"
    )]
    BrokenOff { url: String, reason: String },
    #[error("refused ({code}): {message}")]
    Refused { code: String, message: String },
    #[error("{program} cannot be started: {reason}")]
    NotStarted { program: String, reason: io::Error },
    #[error(
        "`az {command}` failed, which `floci-az az` does once before it does what you asked for. It said:\n{output}"
    )]
    NotSetUp { command: String, output: String },
}
