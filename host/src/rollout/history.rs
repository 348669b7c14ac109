//! What is known of one plugin: its revisions, which of them is active, and which were before. Kept in the store, one
//! row for each namespace; what is loaded of it is not.

use std::sync::Arc;

use floci_az_contract::Manifest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::RolloutError;
use super::package::Origin;
use super::state::{Happening, State};
use super::swap::Reason;
use super::view::{Outcome, RevisionView};
use crate::arm::Record;
use crate::plugin::{Digest, Grants, Plugin, Revision, Values};
use crate::state::{Batch, StoreError, Table};
use crate::telemetry::Labels;

/// One row for each namespace.
pub(super) const PLUGINS: Table = Table("plugins");
/// Revisions of one plugin that are known at the same time; the oldest that serve no more are forgotten beyond it.
pub(super) const MOST: usize = 10;
/// The shortest beginning of a digest that stands for it.
const LEAST_DIGITS: usize = 4;

/// A copy of it is cheap: what is loaded is shared.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct History {
    pub namespace: String,
    pub service: String,
    pub active: Option<Digest>,
    /// Those that were active before, the last one last.
    pub before: Vec<Digest>,
    /// The newest first.
    pub revisions: Vec<Known>,
    /// The one that was swapped in and has not passed its probation yet, also after a crash.
    #[serde(default)]
    pub on_probation: Option<Digest>,
    #[serde(skip)]
    pub plugin: Option<Arc<Plugin>>,
    /// What is part of the gateway, if it is a revision of this plugin: what it asks for is allowed by default.
    #[serde(skip)]
    pub bundled: Option<Arc<Revision>>,
}

/// One revision.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Known {
    pub digest: Digest,
    pub version: String,
    pub contract: String,
    pub origin: Origin,
    pub installed: Timestamp,
    /// When it was the active one for the first time.
    #[serde(default)]
    pub served: Option<Timestamp>,
    pub note: Option<String>,
    pub schemas: Vec<(String, u32)>,
    #[serde(default)]
    pub asks: Vec<String>,
    /// What its operator allows it, as far as that was looked at since the start.
    #[serde(skip)]
    pub allowed: Vec<String>,
    #[serde(skip)]
    pub state: State,
    #[serde(skip)]
    pub loaded: Option<Arc<Revision>>,
    /// The last of its turns as the active one.
    #[serde(skip)]
    pub turn: u64,
}

impl Known {
    pub fn new(revision: &Arc<Revision>, origin: Origin) -> Known {
        let manifest = revision.manifest();
        let mut known = Known {
            digest: revision.digest().clone(),
            version: manifest.version.clone(),
            contract: revision.contract().to_owned(),
            origin,
            installed: Timestamp::now(),
            served: None,
            note: None,
            schemas: manifest.types.iter().map(|kind| (kind.name.clone(), kind.schema_version)).collect(),
            asks: Grants::asked(manifest, &defaults(manifest)).lines(),
            allowed: Vec::new(),
            state: State::Loading,
            loaded: None,
            turn: 0,
        };
        known.load(revision.clone());
        known
    }

    pub fn load(&mut self, revision: Arc<Revision>) {
        self.happens(Happening::Loaded, revision.label());
        self.loaded = Some(revision);
    }

    /// What is loaded of it and its turn, if it is the active one.
    pub fn serving(&self) -> Option<(&Arc<Revision>, u64)> {
        self.loaded.as_ref().filter(|_| self.state == State::Active).map(|revision| (revision, self.turn))
    }

    /// What cannot happen in its state changes nothing.
    pub fn happens(&mut self, event: Happening, label: &str) {
        if let Some(state) = self.state.after(event) {
            tracing::info!(revision = label, "{state}");
            self.state = state;
        }
    }

    /// For the log, whether it is loaded or not.
    pub fn label(&self, namespace: &str) -> String {
        match &self.loaded {
            Some(revision) => revision.label().to_owned(),
            None => format!("{namespace}@{}", self.digest.short()),
        }
    }

    pub fn labels(&self, namespace: &str) -> Labels {
        Labels::new(namespace, self.digest.short())
    }

    pub fn view(&self) -> RevisionView {
        RevisionView {
            digest: self.digest.clone(),
            // What was not loaded since the start serves no more, or not yet.
            state: match (self.state, self.served) {
                (State::Loading, None) => State::Ready,
                (State::Loading, Some(_)) => State::Retired,
                (state, _) => state,
            }
            .as_str()
            .to_owned(),
            version: self.version.clone(),
            contract: self.contract.clone(),
            origin: self.origin.clone(),
            installed: self.installed.to_string(),
            served: self.served.map(|since| since.to_string()),
            note: self.note.clone(),
            schemas: self.schemas.clone(),
            asks: self.asks.clone(),
            allowed: self.allowed.clone(),
        }
    }
}

impl History {
    pub fn new(revision: &Revision) -> History {
        let manifest = revision.manifest();
        History {
            namespace: manifest.namespace.clone(),
            service: manifest.service.clone(),
            active: None,
            before: Vec::new(),
            revisions: Vec::new(),
            on_probation: None,
            plugin: None,
            bundled: None,
        }
    }

    /// Whether the record's state in another schema is one that no revision has.
    pub fn has_lost_twin(&self, record: &Record) -> bool {
        let kind = record.id.kind();
        let has = |known: &Known, schema| {
            known.schemas.iter().any(|(name, version)| name.eq_ignore_ascii_case(&kind) && *version == schema)
        };
        let twin = record.twin.as_ref();
        twin.is_some_and(|twin| !self.revisions.iter().any(|known| has(known, twin.schema_version)))
    }

    pub fn key(&self) -> String {
        self.namespace.to_lowercase()
    }

    pub fn row(&self) -> Result<Batch, StoreError> {
        let row = serde_json::to_vec(self)
            .map_err(|error| StoreError::Io { attempt: "written", reason: error.to_string() })?;
        Ok(Batch::default().put(PLUGINS, self.key(), row))
    }

    pub fn known(&self, digest: &Digest) -> Option<&Known> {
        self.revisions.iter().find(|known| known.digest == *digest)
    }

    pub fn known_mut(&mut self, digest: &Digest) -> Option<&mut Known> {
        self.revisions.iter_mut().find(|known| known.digest == *digest)
    }

    /// The one revision whose digest begins so.
    pub fn named(&self, asked: &str) -> Result<Digest, RolloutError> {
        let digits = asked.strip_prefix("sha256:").unwrap_or(asked);
        let found: Vec<&Digest> = match digits.len() {
            0..LEAST_DIGITS => Vec::new(),
            _ => self.revisions.iter().map(|known| &known.digest).filter(|one| one.begins_with(digits)).collect(),
        };
        match found.as_slice() {
            [one] => Ok((*one).clone()),
            [] => Err(self.lacks(asked)),
            several => Err(RolloutError::Ambiguous {
                namespace: self.namespace.clone(),
                asked: asked.to_owned(),
                found: several.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// All of them, for an error.
    pub fn digests(&self) -> String {
        self.revisions.iter().map(|known| known.digest.short()).collect::<Vec<_>>().join(", ")
    }

    /// Those that are not active, for an error.
    pub fn others(&self) -> String {
        let others = self.revisions.iter().filter(|known| self.active.as_ref() != Some(&known.digest));
        let others: Vec<&str> = others.map(|known| known.digest.short()).collect();
        if others.is_empty() { "there is no other".to_owned() } else { others.join(", ") }
    }

    pub fn add(&mut self, known: Known) {
        self.revisions.retain(|other| other.digest != known.digest);
        self.revisions.insert(0, known);
    }

    /// Makes one the active one, in what is kept.
    pub fn activate(&mut self, digest: &Digest) {
        let replaced = self.active.replace(digest.clone());
        self.before.retain(|one| one != digest && Some(one) != replaced.as_ref());
        self.before.extend(replaced.filter(|one| one != digest));
        if let Some(known) = self.known_mut(digest) {
            known.served.get_or_insert_with(Timestamp::now);
        }
    }

    /// A swap, in what is kept. A rollback without a name does not lead to one that was in trouble.
    pub fn replace(&mut self, digest: &Digest, replaced: Option<&Digest>, reason: Reason) {
        self.activate(digest);
        // What was active before has shown that it works; and two bad ones do not chase each other.
        self.on_probation = replaced.filter(|_| reason == Reason::Asked).map(|_| digest.clone());
        if let Some(known) = self.known_mut(digest) {
            known.note = None;
        }
        if let (Reason::Trouble, Some(replaced)) = (reason, replaced) {
            self.before.retain(|one| one != replaced);
            if let Some(known) = self.known_mut(replaced) {
                known.note = Some("rolled back by itself: its calls failed".to_owned());
            }
        }
    }

    /// Takes out one that is not active.
    pub fn drop_revision(&mut self, digest: &Digest) {
        self.before.retain(|one| one != digest);
        self.revisions.retain(|known| known.digest != *digest);
    }

    /// Whether it is what is part of this gateway.
    pub fn is_bundled(&self, digest: &Digest) -> bool {
        self.bundled.as_ref().is_some_and(|bundled| bundled.digest() == digest)
    }

    /// The oldest that can go, if there are too many.
    pub fn surplus(&self) -> Option<Digest> {
        let can_go = |known: &&Known| {
            !matches!(known.state, State::Active | State::Draining)
                && self.active.as_ref() != Some(&known.digest)
                && self.before.last() != Some(&known.digest)
        };
        (self.revisions.len() > MOST)
            .then(|| self.revisions.iter().rev().find(can_go))?
            .map(|known| known.digest.clone())
    }

    /// Lets go of what is loaded of those that have retired, but the one that a rollback would go to.
    pub fn unload(&mut self) {
        let keep = self.before.last().cloned();
        for known in self.revisions.iter_mut().filter(|known| Some(&known.digest) != keep.as_ref()) {
            if known.state == State::Retired {
                known.loaded = None;
            }
        }
    }

    pub fn outcome(&self, digest: &Digest, replaced: Option<Digest>) -> Result<Outcome, RolloutError> {
        let revision = self.known(digest).ok_or_else(|| self.lacks(digest))?.view();
        let (namespace, service) = (self.namespace.clone(), self.service.clone());
        Ok(Outcome { namespace, service, revision, replaced, converted: 0, notes: Vec::new() })
    }

    pub fn lacks(&self, asked: impl ToString) -> RolloutError {
        let (namespace, known) = (self.namespace.clone(), self.digests());
        RolloutError::NoSuchRevision { namespace, asked: asked.to_string(), known }
    }
}

/// The settings of a manifest where none is set.
fn defaults(manifest: &Manifest) -> Values {
    manifest.settings.iter().map(|setting| (setting.key.clone(), setting.default.clone())).collect()
}
