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

#[cfg(test)]
mod tests {
    use super::super::{Lender, Lent, Phase};
    use super::*;
    use std::sync::Arc;

    const OVEN: &str = "/subscriptions/s/resourceGroups/g/providers/Contoso.Bakery/ovens/first";

    #[tokio::test]
    async fn others_of_the_same_provider_are_woken_where_effects_are_granted() {
        let (lender, mut woken) = Lender::of_nothing().await;
        let lender = Arc::new(lender);
        let imports = |phase| {
            let (namespace, service) = ("Contoso.Bakery".to_owned(), "bakery".to_owned());
            let lent = Lent { lender: lender.clone(), namespace, service, phase, owner: OVEN.to_lowercase() };
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
