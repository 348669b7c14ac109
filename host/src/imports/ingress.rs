//! Routes, by owner.

use floci_az_contract::Route;

use super::{Imports, fault};
use crate::ingress::IngressError;
use crate::plugin::Capability;
use crate::plugin::contract::Fault;
use crate::plugin::imported::ingress::Host;

impl Host for Imports {
    async fn publish(&mut self, owner: String, route: String) -> Result<(), Fault> {
        let lent = self.granted(Capability::Ingress)?;
        let owner = lent.owner(&owner)?.key();
        let route: Route = serde_json::from_str(&route)
            .map_err(|error| fault("InvalidRoute", format!("the route is not one of contract 0.1: {error}")))?;
        let (ingress, ports) = (&lent.lender.ingress, &lent.lender.ports);
        for port in route.entries.keys() {
            if !ingress.is_shared_by(lent.plugin.service(), *port) && !ports.is_held(owner.as_str(), *port).await {
                let message = format!(
                    "the route has an entry on port {port}, which is neither allocated to the resource nor the port of a listener in the manifest"
                );
                return Err(fault("InvalidRoute", message));
            }
        }
        ingress.publish(owner.as_str(), route).await.map_err(|error| fault(code(&error), error.to_string()))
    }

    async fn withdraw(&mut self, owner: String) -> Result<(), Fault> {
        let lent = self.effects("ingress")?;
        let owner = lent.owner(&owner)?.key();
        lent.lender.ingress.withdraw(owner.as_str()).await;
        Ok(())
    }
}

fn code(error: &IngressError) -> &'static str {
    match error {
        IngressError::Invalid(_) => "InvalidRoute",
        IngressError::PortInUse { .. } => "PortInUse",
        IngressError::Tokens(_) | IngressError::Threads(_) | IngressError::Certificate(_) => "StorageFailed",
    }
}
