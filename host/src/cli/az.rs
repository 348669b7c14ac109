//! `floci-az az`: Azure's command line, against the gateway, beside whatever it is used for otherwise.
//!
//! It gets a configuration of its own, in the folder of the gateway ([`super::trust`]), so that the user's clouds and
//! logins are neither seen nor changed. The first time, and whenever the gateway has another certificate or signs with
//! another key (a new state folder, or none), or there are other subscriptions, or nobody is logged in any more, that
//! configuration is made anew: `az cloud register`, `cloud set` and
//! `login`. They take some seconds, and are only heard of if they fail.

use std::env::split_paths;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use super::env::{registration, switches};
use super::local::Local;
use super::trust::{self, Trust, failed};
use super::{CliError, Surroundings};
use crate::config::Gateway;

/// Names another program in the place of `az`.
const PROGRAM: &str = "FLOCI_AZ_AZ";
/// Variables by which `az` would use another cloud than the one that is set up for it.
const MISLEADING: [&str; 2] = ["ARM_CLOUD_METADATA_URL", "AZURE_CLOUD_NAME"];
/// What no proxy is asked for.
const LOCAL: &str = "localhost,127.0.0.1,::1";

/// `az` with these arguments, ready to take the place of this program. Sets it up if need be.
pub fn az(gateway: &Gateway, surroundings: &Surroundings, arguments: &[OsString]) -> Result<Command, CliError> {
    let program = program(surroundings).ok_or(CliError::NoAz)?;
    let local = Local::of(gateway);
    let trust = Trust::in_gateway(&local, surroundings)?;
    let keys = local.get("/discovery/v2.0/keys")?;
    let az = Az { program, folder: trust.folder.join("azure"), trust: &trust, surroundings };
    az.set_up(&local, &mark(&local, &trust, &keys.text, &gateway.arm.subscriptions))?;
    let mut command = az.command();
    command.args(arguments);
    Ok(command)
}

fn program(surroundings: &Surroundings) -> Option<PathBuf> {
    if let Some(named) = surroundings.get(PROGRAM) {
        return Some(PathBuf::from(named));
    }
    let can_be_run = |path: &PathBuf| {
        fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    split_paths(surroundings.get("PATH")?).map(|folder| folder.join("az")).find(can_be_run)
}

/// What a configuration was made for: another gateway at the same place needs another one.
fn mark(local: &Local, trust: &Trust, keys: &str, subscriptions: &[String]) -> String {
    let mut digest = Sha256::new();
    for part in [&local.authority, &trust.pem, keys, &subscriptions.join(",")] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Az<'a> {
    program: PathBuf,
    /// Of its configuration.
    folder: PathBuf,
    trust: &'a Trust,
    surroundings: &'a Surroundings,
}

impl Az<'_> {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env("AZURE_CONFIG_DIR", &self.folder).env("REQUESTS_CA_BUNDLE", &self.trust.bundle).envs(switches());
        for name in MISLEADING {
            command.env_remove(name);
        }
        for name in ["NO_PROXY", "no_proxy"] {
            command.env(name, exempt(self.surroundings.get(name)));
        }
        command
    }

    /// Once for all that start at the same time.
    fn set_up(&self, local: &Local, mark: &str) -> Result<(), CliError> {
        let lock = self.trust.folder.join("azure.lock");
        let held = File::create(&lock).and_then(|file| file.lock().map(|()| file));
        let _held = held.map_err(|reason| failed("locked", &lock, reason))?;
        let made_for = self.folder.join("floci-az.made-for");
        if fs::read_to_string(&made_for).is_ok_and(|before| before == mark) && !self.is_logged_out() {
            return Ok(());
        }
        match fs::remove_dir_all(&self.folder) {
            Err(reason) if reason.kind() != io::ErrorKind::NotFound => {
                return Err(failed("removed", &self.folder, reason));
            }
            _ => {}
        }
        trust::make(&self.folder)?;
        for words in registration(local) {
            self.run(&words)?;
        }
        // Last, so that what was not finished is begun anew.
        trust::keep(&made_for, mark.as_bytes())
    }

    /// Whether az has written down that there is nobody any more: after `az logout`.
    fn is_logged_out(&self) -> bool {
        let Ok(profile) = fs::read_to_string(self.folder.join("azureProfile.json")) else { return false };
        let profile: Option<serde_json::Value> = serde_json::from_str(profile.trim_start_matches('\u{feff}')).ok();
        let subscriptions = profile.as_ref().and_then(|profile| profile.get("subscriptions")?.as_array());
        subscriptions.is_some_and(Vec::is_empty)
    }

    fn run(&self, words: &[String]) -> Result<(), CliError> {
        let started = self.command().args(words).stdin(Stdio::null()).output();
        let program = || self.program.display().to_string();
        let output = started.map_err(|reason| CliError::NotStarted { program: program(), reason })?;
        if output.status.success() {
            return Ok(());
        }
        let said = [output.stdout, output.stderr].concat();
        let output = String::from_utf8_lossy(&said).trim().to_owned();
        Err(CliError::NotSetUp { command: words.join(" "), output })
    }
}

/// `NO_PROXY` with this machine in it.
fn exempt(before: Option<&OsStr>) -> OsString {
    let mut all = before.map(OsStr::to_owned).unwrap_or_default();
    if !all.is_empty() {
        all.push(",");
    }
    all.push(LOCAL);
    all
}
