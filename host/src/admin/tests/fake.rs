//! Revisions that are words: a component `Contoso.Widgets 1.0.0` is of that namespace and version.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::FutureExt;

use super::super::{Components, Doing, Revisions};
use crate::arm::ArmError;
use crate::plugin::Digest;
use crate::rollout::{Origin, Outcome, Package, PluginView, RevisionView, Then};

#[derive(Debug, Default)]
pub(super) struct Fake {
    pub plugins: Mutex<Vec<PluginView>>,
    /// How often a change was asked for, and whatever else takes a right.
    pub asked: AtomicUsize,
    pub signatures: Mutex<Vec<Vec<u8>>>,
}

impl Fake {
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn loaded(&self, package: &Package) -> Result<Outcome, ArmError> {
        self.signatures.lock().unwrap().extend(package.signature.clone());
        let digest = Digest::of(&package.bytes);
        if let Some(pin) = package.pin.as_ref().filter(|pin| **pin != digest) {
            let message = format!("the component has the digest {digest}, and {pin} was asked for");
            return Err(ArmError::plugin_invalid("DigestMismatch", message));
        }
        let text = String::from_utf8_lossy(&package.bytes).into_owned();
        let (namespace, version) = text.trim().split_once(' ').ok_or_else(|| {
            ArmError::plugin_invalid("PluginRefused", format!("{} bytes are no component", package.bytes.len()))
        })?;
        let service = namespace.split('.').next_back().unwrap().to_lowercase();
        let revision = RevisionView {
            digest,
            state: "Ready".to_owned(),
            version: version.chars().take(20).collect(),
            contract: "0.1.0".to_owned(),
            origin: package.origin.clone(),
            installed: "2026-01-02T03:04:05Z".to_owned(),
            served: None,
            note: None,
            schemas: vec![(service.clone(), 1)],
            asks: vec!["resp".to_owned()],
            allowed: Vec::new(),
        };
        Ok(Outcome {
            namespace: namespace.to_owned(),
            service,
            revision,
            replaced: None,
            converted: 0,
            notes: Vec::new(),
        })
    }

    fn change<T>(
        &self,
        namespace: &str,
        what: impl FnOnce(&mut PluginView) -> Result<T, ArmError>,
    ) -> Result<T, ArmError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut plugins = self.plugins.lock().unwrap();
        let known: Vec<String> = plugins.iter().map(|plugin| plugin.namespace.clone()).collect();
        let plugin = plugins.iter_mut().find(|plugin| plugin.namespace.eq_ignore_ascii_case(namespace));
        what(plugin.ok_or_else(|| ArmError::unknown_plugin(namespace, &known))?)
    }
}

fn activate(plugin: &mut PluginView, to: &str) -> Result<Outcome, ArmError> {
    let replaced = plugin.active.clone();
    let missing = || ArmError::plugin_not_found("RevisionNotFound", format!("no revision begins with {to}"));
    let found = plugin.revisions.iter().find(|revision| revision.digest.begins_with(to)).ok_or_else(missing)?;
    plugin.active = Some(found.digest.clone());
    for revision in &mut plugin.revisions {
        let is_active = plugin.active.as_ref() == Some(&revision.digest);
        revision.state = if is_active { "Active" } else { "Ready" }.to_owned();
    }
    let revision = plugin.revisions.iter().find(|revision| revision.state == "Active").unwrap().clone();
    let (namespace, service) = (plugin.namespace.clone(), plugin.service.clone());
    Ok(Outcome { namespace, service, revision, replaced, converted: 0, notes: Vec::new() })
}

impl Revisions for Fake {
    fn list(&self) -> Vec<PluginView> {
        self.plugins.lock().unwrap().clone()
    }

    fn check(self: Arc<Self>, package: Package) -> Doing<Outcome> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        async move { self.loaded(&package) }.boxed()
    }

    fn install(self: Arc<Self>, package: Package, then: Then) -> Doing<Outcome> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        async move {
            let mut outcome = self.loaded(&package)?;
            let mut plugins = self.plugins.lock().unwrap();
            let at = match plugins.iter().position(|plugin| plugin.namespace.eq_ignore_ascii_case(&outcome.namespace)) {
                Some(at) => at,
                None => {
                    plugins.push(PluginView {
                        namespace: outcome.namespace.clone(),
                        service: outcome.service.clone(),
                        active: None,
                        revisions: Vec::new(),
                        resources: 0,
                        settings: Vec::new(),
                    });
                    plugins.len() - 1
                }
            };
            let plugin = &mut plugins[at];
            plugin.revisions.insert(0, outcome.revision.clone());
            if plugin.active.is_none() || then == Then::Swap {
                outcome = activate(plugin, &outcome.revision.digest.to_string())?;
            }
            Ok(outcome)
        }
        .boxed()
    }

    fn swap(self: Arc<Self>, namespace: String, to: String) -> Doing<Outcome> {
        async move { self.change(&namespace, |plugin| activate(plugin, &to)) }.boxed()
    }

    fn rollback(self: Arc<Self>, namespace: String, to: Option<String>) -> Doing<Outcome> {
        async move {
            self.change(&namespace, |plugin| {
                let other = plugin.revisions.iter().find(|revision| revision.state != "Active");
                let nothing = || ArmError::plugin_conflict("NoEarlierRevision", "there is none".to_owned());
                let to = to.or_else(|| Some(other?.digest.to_string())).ok_or_else(nothing)?;
                activate(plugin, &to)
            })
        }
        .boxed()
    }

    fn forget(self: Arc<Self>, namespace: String, digest: String) -> Doing<Outcome> {
        async move {
            self.change(&namespace, |plugin| {
                let at = plugin.revisions.iter().position(|revision| revision.digest.begins_with(&digest));
                let missing =
                    || ArmError::plugin_not_found("RevisionNotFound", format!("no revision begins with {digest}"));
                let at = at.ok_or_else(missing)?;
                if plugin.revisions[at].state == "Active" {
                    return Err(ArmError::plugin_conflict("RevisionInUse", "it serves".to_owned()));
                }
                let revision = plugin.revisions.remove(at);
                let (namespace, service) = (plugin.namespace.clone(), plugin.service.clone());
                Ok(Outcome { namespace, service, revision, replaced: None, converted: 0, notes: Vec::new() })
            })
        }
        .boxed()
    }

    fn remove(self: Arc<Self>, namespace: String) -> Doing<()> {
        async move {
            self.change(&namespace, |_| Ok(()))?;
            self.plugins.lock().unwrap().retain(|plugin| !plugin.namespace.eq_ignore_ascii_case(&namespace));
            Ok(())
        }
        .boxed()
    }

    fn refused(&self, _: &Origin, _: &ArmError) {}
}

/// Takes everything in, and has whatever is asked for: the reference is the component, `contoso.widgets:2.0.0` becomes `contoso.widgets 2.0.0`.
#[derive(Debug)]
pub(super) struct Registry;

impl Components for Registry {
    fn sent(self: Arc<Self>, bytes: Bytes, signature: Option<Vec<u8>>, pin: Option<Digest>) -> Doing<Package> {
        async move { Ok(Package { bytes, origin: Origin::Upload, pin, signature }) }.boxed()
    }

    fn pull(self: Arc<Self>, reference: String, pin: Option<Digest>) -> Doing<Package> {
        let bytes = Bytes::from(reference.replace(':', " "));
        async move { Ok(Package { bytes, origin: Origin::Image(reference), pin, signature: None }) }.boxed()
    }
}
