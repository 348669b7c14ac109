//! Ports, by owner and name.

use super::{Imports, fault};
use crate::plugin::contract::Fault;
use crate::plugin::imported::ports::Host;
use crate::plugin::{Ask, Capability};
use crate::ports::PortError;

impl Host for Imports {
    async fn allocate(
        &mut self,
        owner: String,
        name: String,
        first: u16,
        last: u16,
        except: Vec<u16>,
    ) -> Result<u16, Fault> {
        let lent = self.granted(Capability::Ports)?;
        let holder = lent.workload(&owner, &name)?;
        lent.grants.allows(Ask::Ports { first, last })?;
        lent.lender.ports.allocate(&holder, first..=last, &except).await.map_err(|error| match error {
            PortError::RangeExhausted { .. } => fault("PortRangeExhausted", error.to_string()),
            PortError::Store(_) => fault("StorageFailed", error.to_string()),
        })
    }

    async fn release(&mut self, owner: String, name: String) -> Result<(), Fault> {
        let lent = self.effects("ports")?;
        let holder = lent.workload(&owner, &name)?;
        lent.lender.ports.release(&holder).await.map_err(|error| fault("StorageFailed", error.to_string()))
    }
}
