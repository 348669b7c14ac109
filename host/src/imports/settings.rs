//! The settings of the plugin's own service.

use super::Imports;
use crate::plugin::imported::settings::Host;
use crate::plugin::is_reserved_setting;

impl Host for Imports {
    async fn get(&mut self, key: String) -> Option<String> {
        // What the gateway declares beside the manifest's settings is not the plugin's.
        if is_reserved_setting(&key) {
            return None;
        }
        self.lent.as_ref()?.plugin.setting(&key)
    }
}
