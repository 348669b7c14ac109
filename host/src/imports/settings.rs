//! The settings of the plugin's own service.

use super::Imports;
use crate::plugin::Limits;
use crate::plugin::imported::settings::Host;

impl Host for Imports {
    async fn get(&mut self, key: String) -> Option<String> {
        let lent = self.lent.as_ref().filter(|_| !Limits::declares(&key))?;
        lent.lender.settings.get(&lent.service)?.get(&key).cloned()
    }
}
