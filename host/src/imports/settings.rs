//! The settings of the plugin's own service.

use super::Imports;
use crate::plugin::imported::settings::Host;

impl Host for Imports {
    async fn get(&mut self, key: String) -> Option<String> {
        self.lent.as_ref()?.plugin.setting(&key)
    }
}
