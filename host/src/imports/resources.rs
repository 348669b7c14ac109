//! Other resources of the plugin's own namespace.

use std::sync::Arc;

use super::{Imports, Lent};
use crate::arm::{self, Record};
use crate::plugin::contract::{Fault, Resource};
use crate::plugin::imported::resources::Host;

impl Host for Imports {
    async fn get(&mut self, id: String) -> Result<Option<Resource>, Fault> {
        let lent = self.lent("resources")?;
        let id = lent.own(&id)?;
        match lent.lender.inventory.get(&id.key()) {
            Some(record) => Ok(Some(lent.shown(&record).await?)),
            None => Ok(None),
        }
    }

    async fn children(&mut self, id: String, child_type: String) -> Result<Vec<Resource>, Fault> {
        let lent = self.lent("resources")?;
        let id = lent.own(&id)?;
        let children = lent.lender.inventory.children(&id.key(), &child_type);
        lent.all_shown(&children).await
    }

    async fn named(&mut self, kind: String, name: String) -> Result<Vec<Resource>, Fault> {
        let lent = self.lent("resources")?;
        let own = |namespace: &str| namespace.eq_ignore_ascii_case(lent.plugin.namespace());
        if !kind.split_once('/').is_some_and(|(namespace, _)| own(namespace)) {
            return Err(super::not_granted(format!("'{kind}' is not a type of {}", lent.plugin.namespace())));
        }
        let mut named = lent.lender.inventory.all();
        named.retain(|record| {
            record.id.name().eq_ignore_ascii_case(&name) && record.id.full_type().eq_ignore_ascii_case(&kind)
        });
        lent.all_shown(&named).await
    }

    async fn wake(&mut self, id: String) -> Result<(), Fault> {
        let lent = self.effects("resources.wake")?;
        let id = lent.own(&id)?;
        lent.lender.wake(id.key());
        Ok(())
    }
}

impl Lent {
    /// A resource as the calling revision reads it.
    async fn shown(&self, record: &Record) -> Result<Resource, Fault> {
        match &self.revision {
            Some(revision) => Ok(arm::fit(revision, record).await?.to_contract()),
            None => Ok(record.to_contract()),
        }
    }

    async fn all_shown(&self, records: &[Arc<Record>]) -> Result<Vec<Resource>, Fault> {
        let mut shown = Vec::with_capacity(records.len());
        for record in records {
            shown.push(self.shown(record).await?);
        }
        Ok(shown)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Lender, Lent, Phase};
    use super::*;
    use crate::plugin::{Grants, Plugin};
    use floci_az_contract::Manifest;

    const OVEN: &str = "/subscriptions/s/resourceGroups/g/providers/Contoso.Bakery/ovens/first";

    #[tokio::test]
    async fn others_of_the_same_provider_are_woken_where_effects_are_granted() {
        let (lender, mut woken) = Lender::of_nothing().await;
        let lender = Arc::new(lender);
        let imports = |phase| {
            let (namespace, service) = ("Contoso.Bakery".to_owned(), "bakery".to_owned());
            let manifest = Manifest { namespace, service, ..Manifest::default() };
            let plugin = Arc::new(Plugin::new(&manifest));
            let (grants, owner) = (Arc::new(Grants::none("bakery")), OVEN.to_lowercase());
            let lent = Lent { lender: lender.clone(), plugin, grants, revision: None, phase, owner };
            Imports::new(Some(lent), "", String::new())
        };
        let other = OVEN.replace("first", "Second");
        imports(Phase::Effects).wake(other.clone()).await.unwrap();
        assert_eq!(woken.try_recv().unwrap().as_str(), other.to_lowercase());
        for (phase, id, code) in [
            (Phase::Pure, other.as_str(), "NotGranted"),
            (Phase::Effects, "/subscriptions/s/resourceGroups/g/providers/Contoso.Other/ovens/x", "NotGranted"),
            (Phase::Effects, "no id", "InvalidResourceId"),
        ] {
            assert_eq!(imports(phase).wake(id.to_owned()).await.unwrap_err().code, code, "{id}");
        }
        assert!(woken.try_recv().is_err());
    }
}
