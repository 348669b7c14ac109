//! Routes, by owner.

use super::{Imports, fault};
use crate::plugin::contract::Fault;
use crate::plugin::imported::ingress::Host;

impl Host for Imports {
    async fn publish(&mut self, owner: String, route: String) -> Result<(), Fault> {
        let lent = self.effects("ingress")?;
        let _owner = lent.owner(&owner)?;
        let _route: floci_az_contract::Route = serde_json::from_str(&route)
            .map_err(|error| fault("InvalidRoute", format!("the route is not one of contract 0.1: {error}")))?;
        Ok(())
    }

    async fn withdraw(&mut self, owner: String) -> Result<(), Fault> {
        let lent = self.effects("ingress")?;
        let _owner = lent.owner(&owner)?;
        Ok(())
    }
}
