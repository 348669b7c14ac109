//! One line in the gateway's log. A call has so many of them; the rest is counted.

use super::Imports;
use crate::plugin::LogLimits;
use crate::plugin::imported::log::{Host, Level};

/// Characters of one line that are kept.
const LONGEST: usize = 4_000;

/// What a call may still write.
#[derive(Debug)]
pub(super) struct Log {
    left: LogLimits,
    dropped: usize,
}

impl Log {
    pub(super) fn bound(limits: LogLimits) -> Log {
        Log { left: limits, dropped: 0 }
    }

    pub(super) fn dropped(&self) -> usize {
        self.dropped
    }

    fn has_room_for(&mut self, message: &str) -> bool {
        let LogLimits { lines, bytes } = self.left;
        match (lines.checked_sub(1), bytes.checked_sub(message.len())) {
            (Some(lines), Some(bytes)) => self.left = LogLimits { lines, bytes },
            _ => {
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
        imports.bound_log(LogLimits { lines: 3, bytes: 10 });
        for message in ["1234", "12345678", "123", "1", "1", "1"] {
            imports.write(Level::Info, message.to_owned()).await;
        }
        assert_eq!(imports.dropped_lines(), 3, "one is too long, two are too many");
        imports.write(Level::Error, "panicked".to_owned()).await;
        assert_eq!(imports.dropped_lines(), 4);
        assert_eq!(imports.last_error(), Some("panicked"));
    }
}
