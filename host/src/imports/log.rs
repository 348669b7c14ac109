//! One line in the gateway's log.

use super::Imports;
use crate::plugin::imported::log::{Host, Level};

/// Characters of one line that are kept.
const LONGEST: usize = 4_000;

impl Host for Imports {
    async fn write(&mut self, level: Level, message: String) {
        let message: String = message.chars().take(LONGEST).collect();
        let (plugin, resource) = (self.label.as_str(), self.subject.as_str());
        match level {
            Level::Debug => tracing::debug!(plugin, resource, "{message}"),
            Level::Info => tracing::info!(plugin, resource, "{message}"),
            Level::Warn => tracing::warn!(plugin, resource, "{message}"),
            Level::Error => tracing::error!(plugin, resource, "{message}"),
        }
        if level == Level::Error {
            self.last_error = Some(message);
        }
    }
}
