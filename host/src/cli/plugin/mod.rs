//! `floci-az plugin`: what plugins the gateway has, and how they are changed while it runs.
//!
//! All is asked from the gateway that runs; only `check` looks at a component by itself, as far as that goes, if there
//! is none. What a program may want to read is on stdout, what a person waits for on stderr.

mod ask;
mod events;
mod offline;
mod print;
mod source;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Subcommand;
use floci_az_contract::Setting;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::{CliError, Surroundings};
use crate::config;
use crate::plugin::Digest;
use crate::rollout::{Outcome, PluginView};
use ask::{Gateway, Upload};
use source::Source;

const PLUGINS: &str = "/_floci/plugins";

/// Plugins of a gateway that runs.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum PluginCommand {
    /// List the plugins and their revisions.
    List,
    /// Load a revision of a plugin. It serves at once if nothing serves its namespace yet, else when it is swapped in.
    Install {
        /// A component (plugin.wasm), or an image of a registry (oci://registry/repository:tag).
        #[arg(value_name = "FILE|IMAGE")]
        source: String,
        /// Have it serve at once, in the place of the active revision.
        #[arg(long)]
        swap: bool,
        #[command(flatten)]
        proof: Proof,
    },
    /// Look at everything that an install and a swap would look at, and change nothing. If no gateway runs, look at the
    /// component alone.
    Check {
        /// A component (plugin.wasm), or an image of a registry (oci://registry/repository:tag).
        #[arg(value_name = "FILE|IMAGE")]
        source: String,
        #[command(flatten)]
        proof: Proof,
    },
    /// Have another revision serve: requests that come from now on go to it, those under way end where they are.
    Swap {
        /// The provider namespace, such as Contoso.Widgets.
        namespace: String,
        /// The digest of a revision, or its first digits; `list` shows them.
        revision: String,
    },
    /// Have the revision serve again that served before.
    Rollback {
        /// The provider namespace, such as Contoso.Widgets.
        namespace: String,
        /// The digest of another revision, or its first digits.
        #[arg(long, value_name = "REVISION")]
        to: Option<String>,
    },
    /// Remove a plugin of which no resource is stored; or one revision that does not serve.
    Remove {
        /// The provider namespace, such as Contoso.Widgets.
        namespace: String,
        /// Remove this revision only: its digest, or its first digits.
        #[arg(long)]
        revision: Option<String>,
    },
    /// Print what has happened to plugins and operations.
    Events {
        /// Go on with what happens from now on, until Ctrl-C.
        #[arg(short, long)]
        follow: bool,
    },
}

/// What a component is checked against, beside what is always looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
pub struct Proof {
    /// The digest (sha256) that the component has to have.
    #[arg(long)]
    digest: Option<Digest>,
    /// A file with a signature over the component, as `cosign sign-blob` writes it.
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
}

/// For whom it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    Person,
    /// In JSON.
    Program,
}

/// Where a command prints, and what it is called.
pub struct Terminal<'a> {
    pub out: &'a mut dyn Write,
    pub err: &'a mut dyn Write,
    pub reader: Reader,
    /// By which the commands that are suggested begin.
    pub program: String,
}

impl std::fmt::Debug for Terminal<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal").field("reader", &self.reader).finish_non_exhaustive()
    }
}

impl Terminal<'_> {
    /// A reader that has gone away (`| head`) is no error.
    fn say(&mut self, text: &str) {
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }

    /// For who waits.
    fn tell(&mut self, text: &str) {
        let _ = self.err.write_all(text.as_bytes()).and_then(|()| self.err.flush());
    }

    fn show<T: Serialize>(&mut self, what: &T, for_people: impl FnOnce(&T) -> String) {
        let text = match self.reader {
            Reader::Person => for_people(what),
            Reader::Program => serde_json::to_string_pretty(what).unwrap_or_default() + "\n",
        };
        self.say(&text);
    }
}

pub fn plugin(
    gateway: &config::Gateway,
    surroundings: &Surroundings,
    command: &PluginCommand,
    terminal: &mut Terminal<'_>,
) -> Result<(), CliError> {
    let gateway = Gateway::of(gateway, surroundings)?;
    let program = terminal.program.clone();
    match command {
        PluginCommand::List => {
            let plugins: Vec<PluginView> = gateway.list(PLUGINS)?;
            terminal.show(&plugins, |plugins| print::list(plugins, &program));
        }
        PluginCommand::Install { source, swap, proof } => {
            let outcome = upload(&gateway, source, proof, &[("swap", *swap)], terminal)?;
            terminal.show(&outcome, |outcome| print::installed(outcome, &program));
        }
        PluginCommand::Check { source, proof } => check(&gateway, source, proof, terminal)?,
        PluginCommand::Swap { namespace, revision } => {
            let path = format!("{}/swap", path(namespace));
            let outcome: Outcome = gateway.post(&path, &serde_json::json!({ "to": revision }))?;
            terminal.show(&outcome, |outcome| print::moved(outcome, &program));
        }
        PluginCommand::Rollback { namespace, to } => {
            let path = format!("{}/rollback", path(namespace));
            let body = to.as_ref().map_or_else(|| serde_json::json!({}), |to| serde_json::json!({ "to": to }));
            let outcome: Outcome = gateway.post(&path, &body)?;
            terminal.show(&outcome, |outcome| print::moved(outcome, &program));
        }
        PluginCommand::Remove { namespace, revision: None } => {
            gateway.delete(&path(namespace))?;
            terminal.tell(&format!("{namespace} is removed.\n"));
        }
        PluginCommand::Remove { namespace, revision: Some(revision) } => {
            gateway.delete(&format!("{}/revisions/{}", path(namespace), encoded(revision)))?;
            terminal.tell(&format!("The revision {revision} of {namespace} is removed.\n"));
        }
        PluginCommand::Events { follow } => events::print(&gateway, *follow, terminal)?,
    }
    Ok(())
}

/// The settings of every service that is served. Those of one that no revision serves are not known.
pub fn services(
    gateway: &config::Gateway,
    surroundings: &Surroundings,
) -> Result<Vec<(String, Vec<Setting>)>, CliError> {
    let plugins: Vec<PluginView> = Gateway::of(gateway, surroundings)?.list(PLUGINS)?;
    let served = plugins.into_iter().filter(|plugin| plugin.active.is_some());
    Ok(served.map(|plugin| (plugin.service, plugin.settings)).collect())
}

fn path(namespace: &str) -> String {
    format!("{PLUGINS}/{}", encoded(namespace))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string().replace("%2E", ".")
}

fn check(gateway: &Gateway, source: &str, proof: &Proof, terminal: &mut Terminal<'_>) -> Result<(), CliError> {
    let program = terminal.program.clone();
    match upload(gateway, source, proof, &[("check", true)], terminal) {
        Ok(outcome) => {
            terminal.show(&outcome, |outcome| print::checked(outcome, source, &program));
            Ok(())
        }
        Err(CliError::NoAnswer { url, .. }) if let Source::File(file) = Source::of(source)? => {
            terminal.tell(&format!(
                "No gateway answers at {url}: the component is looked at here, without what a gateway has.\n"
            ));
            let found = offline::look_at(&file, proof.digest.as_ref())?;
            terminal.show(&found, offline::Found::text);
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn upload(
    gateway: &Gateway,
    source: &str,
    proof: &Proof,
    wishes: &[(&str, bool)],
    terminal: &mut Terminal<'_>,
) -> Result<Outcome, CliError> {
    let wishes = wishes.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| format!("{name}=true"));
    let pin = proof.digest.as_ref().map(|digest| format!("digest={digest}"));
    let query = wishes.chain(pin).collect::<Vec<_>>().join("&");
    let path = if query.is_empty() { PLUGINS.to_owned() } else { format!("{PLUGINS}?{query}") };
    let signature = proof.signature.as_deref().map(source::signature).transpose()?;
    match Source::of(source)? {
        Source::File(file) => {
            let bytes = source::component(&file)?;
            terminal.tell(&format!(
                "{}: {}, sha256:{}; the gateway at {} compiles and checks it\n",
                file.display(),
                print::size(bytes.len()),
                Digest::of(&bytes),
                gateway.url()
            ));
            gateway.put(&path, Upload::Component { bytes, signature })
        }
        Source::Image(reference) => {
            if signature.is_some() {
                return Err(CliError::Plugin(
                    "--signature is for files; the signature of an image is beside it in its registry, as `cosign sign` puts it there".to_owned(),
                ));
            }
            terminal.tell(&format!("{reference}: the gateway at {} pulls, compiles and checks it\n", gateway.url()));
            gateway.put(&path, Upload::Image(reference))
        }
    }
}

fn unread(path: &std::path::Path, reason: &io::Error) -> CliError {
    CliError::Plugin(format!("{} cannot be read: {reason}. Name a file that this user can read", path.display()))
}
