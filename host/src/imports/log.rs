//! One line in the gateway's log. A call has so many of them, and its plugin in each second; the rest is counted.

use std::sync::Arc;
use std::time::Instant;

use super::Imports;
use crate::plugin::imported::log::{Host, Level};
use crate::plugin::{LogLimits, LogWindow};

/// Characters of one line that are kept.
const LONGEST: usize = 4_000;

/// What a call may still write.
#[derive(Debug)]
pub(super) struct Log {
    left: LogLimits,
    of_all: Arc<LogWindow>,
    dropped: usize,
}

impl Log {
    pub(super) fn bound(limits: LogLimits, of_all: Arc<LogWindow>) -> Log {
        Log { left: limits, of_all, dropped: 0 }
    }

    pub(super) fn dropped(&self) -> usize {
        self.dropped
    }

    fn has_room_for(&mut self, message: &str) -> bool {
        let bytes = message.len();
        match self.left.less(bytes).filter(|_| self.of_all.takes(bytes, Instant::now())) {
            Some(left) => self.left = left,
            None => {
                self.dropped += 1;
                return false;
            }
        }
        true
    }
}

impl Host for Imports {
    async fn write(&mut self, level: Level, message: String) {
        let message: String = message.chars().take(LONGEST).collect();
        if self.log.has_room_for(&message) {
            let (plugin, resource) = (self.label.as_str(), self.subject.as_str());
            match level {
                Level::Debug => tracing::debug!(plugin, resource, "{message}"),
                Level::Info => tracing::info!(plugin, resource, "{message}"),
                Level::Warn => tracing::warn!(plugin, resource, "{message}"),
                Level::Error => tracing::error!(plugin, resource, "{message}"),
            }
        }
        if level == Level::Error {
            self.last_error = Some(message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_too_much_is_counted_and_the_last_error_is_kept() {
        let mut imports = Imports::none("a");
        let of_all = Arc::new(LogWindow::of(LogLimits { lines: 100, bytes: 100 }));
        imports.bound_log(LogLimits { lines: 3, bytes: 10 }, of_all);
        for message in ["1234", "12345678", "123", "1", "1", "1"] {
            imports.write(Level::Info, message.to_owned()).await;
        }
        assert_eq!(imports.dropped_lines(), 3, "one is too long, two are too many");
        imports.write(Level::Error, "panicked".to_owned()).await;
        assert_eq!(imports.dropped_lines(), 4);
        assert_eq!(imports.last_error(), Some("panicked"));
    }

    #[tokio::test]
    async fn calls_share_what_their_plugin_may_write() {
        let limits = LogLimits { lines: 3, bytes: 10 };
        let of_all = Arc::new(LogWindow::of(limits));
        let mut dropped = Vec::new();
        for _ in 0..2 {
            let mut imports = Imports::none("a");
            imports.bound_log(limits, of_all.clone());
            imports.write(Level::Info, "1".to_owned()).await;
            imports.write(Level::Info, "1".to_owned()).await;
            dropped.push(imports.dropped_lines());
        }
        assert_eq!(dropped, [0, 1]);
    }
}
