//! Which revisions serve when the gateway starts: those that were active when it ended.
//!
//! The plugins that are part of the binary are always known. Where one of them was the active revision, it still is,
//! even if this gateway brings a newer one than the last: that is an upgrade, and passes the same gate. An installed
//! revision that cannot be loaded any more gives way to the last one before it that can; if there is none its namespace
//! is not served, which is told, and the others are.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::gate::{self, Passed};
use super::history::History;
use super::state::Happening;
use super::{Archive, Known, Origin, Package, Plugin, Plugins, RolloutError, Workshop, granted};
use crate::arm::Inventory;
use crate::config::Settings;
use crate::plugin::{Bounds, Compiled, Digest, Ended, Engine, Entry, Revision};
use crate::state::{Rows, StoreError};
use crate::telemetry::Event;

/// What serves from the start; the rest of the gateway is put together around it.
#[derive(Debug)]
pub struct Begun {
    pub(super) workshop: Workshop,
    pub plugins: Arc<Plugins>,
    pub(super) endings: mpsc::UnboundedReceiver<Ended>,
    pub(super) histories: BTreeMap<String, History>,
}

impl Begun {
    pub async fn new(
        engine: Engine,
        compiled: Compiled,
        archive: Archive,
        rows: Rows,
        bundled: &[&'static [u8]],
        inventory: &Inventory,
    ) -> Result<Begun, RolloutError> {
        let workshop = Workshop { engine, compiled, archive };
        let (plugins, endings) = Plugins::none();
        let mut begun = Begun { workshop, plugins: Arc::new(plugins), endings, histories: read(rows)? };
        for bytes in bundled {
            begun.add_bundled(Bytes::from_static(bytes), inventory).await?;
        }
        let installed: Vec<String> = begun
            .histories
            .iter()
            .filter(|(_, history)| history.plugin.is_none())
            .map(|(key, _)| key.clone())
            .collect();
        for key in installed {
            begun.start_installed(&key, inventory).await?;
        }
        Ok(begun)
    }

    /// Tells every plugin its settings, and what its operator allows it.
    pub fn configure(&mut self, settings: &Settings) {
        for Entry { plugin, revision } in self.plugins.now().iter() {
            let values = settings.service(plugin.service());
            let history = self.histories.get(&plugin.namespace().to_lowercase());
            let grants = granted(history, revision.manifest(), &values);
            if let Err(ungranted) = grants.check_imports(revision.imports().iter().map(String::as_str)) {
                tracing::warn!(revision = revision.label(), "its calls of these will be refused: {ungranted}");
            }
            revision.bind(Bounds::read(&values));
            let history = self.histories.get_mut(&plugin.namespace().to_lowercase());
            if let Some(known) = history.and_then(|history| history.known_mut(revision.digest())) {
                known.allowed = grants.lines();
            }
            plugin.configure(values, grants);
        }
    }

    async fn add_bundled(&mut self, bytes: Bytes, inventory: &Inventory) -> Result<(), RolloutError> {
        let package = Package { bytes, origin: Origin::Bundled, pin: None, signature: None };
        let revision = self.workshop.load(&package).await?;
        self.plugins.now().check_claims(&revision)?;
        self.workshop.archive.keep(revision.digest(), &package.bytes)?;
        let key = revision.manifest().namespace.to_lowercase();
        let history = self.histories.entry(key.clone()).or_insert_with(|| History::new(&revision));
        match history.known_mut(revision.digest()) {
            Some(known) => {
                known.origin = Origin::Bundled;
                known.load(revision.clone());
            }
            None => history.add(Known::new(&revision, Origin::Bundled)),
        }
        history.bundled = Some(revision.clone());
        let is_bundled = |digest: &Digest| history.known(digest).is_some_and(|known| known.origin == Origin::Bundled);
        let installed = history.active.clone().filter(|active| !is_bundled(active));
        let candidates = installed.into_iter().chain([revision.digest().clone()]);
        self.start(&key, candidates.collect(), inventory).await
    }

    async fn start_installed(&mut self, key: &str, inventory: &Inventory) -> Result<(), RolloutError> {
        self.start(key, Vec::new(), inventory).await
    }

    /// Serves the first of these that can be loaded and reads what is stored, then those that were active before.
    async fn start(&mut self, key: &str, wanted: Vec<Digest>, inventory: &Inventory) -> Result<(), RolloutError> {
        let Some(history) = self.histories.get(key) else { return Ok(()) };
        let mut candidates = wanted;
        for digest in history.active.iter().chain(history.before.iter().rev()) {
            if !candidates.contains(digest) {
                candidates.push(digest.clone());
            }
        }
        let mut refused = None;
        for digest in candidates {
            match self.try_to_serve(key, &digest, inventory).await {
                Ok(()) => return Ok(()),
                Err(error @ RolloutError::Store(_)) => return Err(error),
                Err(error) => {
                    tracing::warn!(namespace = key, revision = digest.short(), %error, "a revision cannot serve; the one before it is tried");
                    self.note(key, &digest, &error.to_string());
                    refused.get_or_insert(error);
                }
            }
        }
        tracing::error!(
            namespace = key,
            error = refused.map(|error| error.to_string()),
            "no revision of this plugin can serve; its resources are kept as they are"
        );
        Ok(())
    }

    async fn try_to_serve(&mut self, key: &str, digest: &Digest, inventory: &Inventory) -> Result<(), RolloutError> {
        let Some(history) = self.histories.get(key) else { return Ok(()) };
        let revision = match history.known(digest).and_then(|known| known.loaded.clone()) {
            Some(revision) => revision,
            None => self.workshop.load_kept(digest).await?,
        };
        self.plugins.now().check_claims(&revision)?;
        let is_new = history.active.as_ref() != Some(digest);
        if is_new {
            let newer = self.workshop.newer_than(Some(history), &revision).await;
            let stored = inventory.of_namespace(key);
            let passed = gate::pass(&revision, &newer, stored, None, Passed::default(), gate::WHOLE).await?;
            let records = passed.converted.into_values().map(crate::arm::Transition::Store).collect();
            let mut next = history.clone();
            next.activate(digest);
            inventory.commit_with(records, next.row()?).await?;
        }
        self.serve(key, digest, revision);
        Ok(())
    }

    fn serve(&mut self, key: &str, digest: &Digest, revision: Arc<Revision>) {
        let Some(history) = self.histories.get_mut(key) else { return };
        history.activate(digest);
        let plugin = Arc::new(Plugin::new(revision.manifest()));
        history.plugin = Some(plugin.clone());
        if let Some(known) = history.known_mut(digest) {
            known.load(revision.clone());
            known.happens(Happening::Activated, revision.label());
            let telemetry = self.workshop.engine.telemetry();
            let (labels, version) = (revision.labels().clone(), known.version.clone());
            telemetry.publish(Event::PluginLoaded {
                labels: labels.clone(),
                version,
                origin: known.origin.to_string(),
            });
            telemetry.publish(Event::PluginActivated { labels, replaced: None });
            known.turn = self.plugins.serve(plugin, revision);
        }
    }

    fn note(&mut self, key: &str, digest: &Digest, note: &str) {
        if let Some(known) = self.histories.get_mut(key).and_then(|history| history.known_mut(digest)) {
            known.note = Some(note.to_owned());
        }
    }
}

fn read(rows: Rows) -> Result<BTreeMap<String, History>, StoreError> {
    let decoded = rows.into_iter().map(|(key, bytes)| match serde_json::from_slice(&bytes) {
        Ok(history) => Ok((key, history)),
        Err(error) => Err(StoreError::Io { attempt: "read", reason: format!("the plugin '{key}': {error}") }),
    });
    decoded.collect()
}
