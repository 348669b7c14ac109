//! One line in the gateway's log. A call has so many of them, and its plugin in each second; the rest is counted.

use std::sync::Arc;
use std::time::Instant;

use super::Imports;
use crate::plugin::imported::log::{Host, Level};
use crate::plugin::{LogLimits, LogWindow, Written};

/// Characters of one line that are kept.
const LONGEST: usize = 4_000;
const LEFT_OUT: &str =
    "left out of the plugin's log: lines that are more than limits.log-lines and limits.log-bytes allow in a second";

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

    /// What is more than the call may write, is told of the call; what is more than its plugin may, once a second.
    fn write(&mut self, message: &str) -> Written {
        let bytes = message.len();
        let Some(left) = self.left.less(bytes) else {
            self.dropped += 1;
            return Written::Dropped;
        };
        let written = self.of_all.write(bytes, Instant::now());
        if written != Written::Dropped {
            self.left = left;
        }
        written
    }
}

impl Host for Imports {
    async fn write(&mut self, level: Level, message: String) {
        let message = printable(&message);
        if is_listened_to(level)
            && let Written::Kept { missing } = self.log.write(&message)
        {
            let (plugin, resource) = (self.label.as_str(), self.subject.as_str());
            if missing > 0 {
                tracing::warn!(plugin, lines = missing, "{LEFT_OUT}");
            }
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

/// Of a text that is somebody else's, so much, and nothing that could pass for a line of the gateway's or steer a terminal:
/// further lines are indented, control characters are written out.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars().take(LONGEST) {
        match character {
            '\n' => shown.push_str("\n    "),
            '\t' => shown.push(' '),
            control if control.is_control() => shown.extend(control.escape_default()),
            other => shown.push(other),
        }
    }
    shown
}

/// What nobody sees takes no room.
fn is_listened_to(level: Level) -> bool {
    match level {
        Level::Debug => tracing::enabled!(tracing::Level::DEBUG),
        Level::Info => tracing::enabled!(tracing::Level::INFO),
        Level::Warn => tracing::enabled!(tracing::Level::WARN),
        Level::Error => tracing::enabled!(tracing::Level::ERROR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(limits: LogLimits, of_all: &Arc<LogWindow>) -> Log {
        Log::bound(limits, of_all.clone())
    }

    #[test]
    fn what_is_too_much_is_counted() {
        let limits = LogLimits { lines: 3, bytes: 10 };
        let of_all = Arc::new(LogWindow::of(LogLimits { lines: 100, bytes: 100 }, Instant::now()));
        let mut log = log(limits, &of_all);
        for message in ["1234", "12345678", "123", "1", "1", "1"] {
            log.write(message);
        }
        assert_eq!(log.dropped(), 3, "one is too long, two are too many");
    }

    #[test]
    fn calls_share_what_their_plugin_may_write() {
        let limits = LogLimits { lines: 3, bytes: 10 };
        // This second does not end.
        let of_all = Arc::new(LogWindow::of(limits, Instant::now() + std::time::Duration::from_secs(3600)));
        let written: Vec<Vec<Written>> = (0..2)
            .map(|_| {
                let mut log = log(limits, &of_all);
                (0..2).map(|_| log.write("1")).collect()
            })
            .collect();
        let kept = || Written::Kept { missing: 0 };
        assert_eq!(written, [vec![kept(), kept()], vec![kept(), Written::Dropped]]);
    }

    #[test]
    fn a_plugin_forges_no_line() {
        assert_eq!(
            printable("panicked\r\n2026 ERROR\t\u{1b}[31m\0é"),
            "panicked\\r\n    2026 ERROR \\u{1b}[31m\\u{0}é"
        );
        assert_eq!(printable(&"é".repeat(LONGEST + 1)).chars().count(), LONGEST);
    }

    #[tokio::test]
    async fn the_last_error_is_kept() {
        let mut imports = Imports::none("a");
        imports.write(Level::Error, "panicked".to_owned()).await;
        imports.write(Level::Info, "not this".to_owned()).await;
        assert_eq!(imports.last_error(), Some("panicked"));
    }
}
