//! Files of workloads, to and from URLs.

use super::{Imports, fault};
use crate::plugin::contract::Fault;
use crate::plugin::imported::transfers::Host;

impl Host for Imports {
    async fn send(&mut self, owner: String, workload: String, _file: String, _url: String) -> Result<u64, Fault> {
        let lent = self.effects("transfers")?;
        let _key = lent.workload(&owner, &workload)?;
        Err(fault("TransferFailed", "not built yet"))
    }

    async fn fetch(&mut self, owner: String, workload: String, _file: String, _url: String) -> Result<u64, Fault> {
        let lent = self.effects("transfers")?;
        let _key = lent.workload(&owner, &workload)?;
        Err(fault("TransferFailed", "not built yet"))
    }
}
