//! Other resources of the plugin's own namespace.

use super::Imports;
use crate::plugin::contract::{Fault, Resource};
use crate::plugin::imported::resources::Host;

impl Host for Imports {
    async fn get(&mut self, id: String) -> Result<Option<Resource>, Fault> {
        let lent = self.lent("resources")?;
        let id = lent.own(&id)?;
        Ok(lent.lender.inventory.get(&id.key()).map(|record| record.to_contract()))
    }

    async fn children(&mut self, id: String, child_type: String) -> Result<Vec<Resource>, Fault> {
        let lent = self.lent("resources")?;
        let id = lent.own(&id)?;
        let children = lent.lender.inventory.children(&id.key(), &child_type);
        Ok(children.iter().map(|record| record.to_contract()).collect())
    }

    async fn named(&mut self, kind: String, name: String) -> Result<Vec<Resource>, Fault> {
        let lent = self.lent("resources")?;
        let own = |namespace: &str| namespace.eq_ignore_ascii_case(&lent.namespace);
        if !kind.split_once('/').is_some_and(|(namespace, _)| own(namespace)) {
            return Err(super::not_granted(format!("'{kind}' is not a type of {}", lent.namespace)));
        }
        let all = lent.lender.inventory.all();
        let named = all.iter().filter(|record| {
            record.id.name().eq_ignore_ascii_case(&name) && record.id.full_type().eq_ignore_ascii_case(&kind)
        });
        Ok(named.map(|record| record.to_contract()).collect())
    }

    async fn wake(&mut self, id: String) -> Result<(), Fault> {
        let lent = self.effects("resources.wake")?;
        let id = lent.own(&id)?;
        lent.lender.wake(id.key());
        Ok(())
    }
}
