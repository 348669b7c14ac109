//! What one plugin may take of the gateway, by setting: `services.<service>.limits.*`.
//!
//! A limit holds for one call, but for the number of calls at the same time, and for the log, where it holds for all calls
//! of a second together, too. What goes beyond it ends that call and nothing else; of the log, what goes beyond it is left
//! out. What is the same for every plugin is in [`super::engine`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use floci_az_contract::{Kind, Setting};
use tokio::sync::Semaphore;

use super::pace::Budget;

/// See [`Limits::declarations`] for what each one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes, summed over the linear memories of the call's instance.
    pub memory: usize,
    /// For a function without side effects.
    pub call: Duration,
    /// For a function with side effects.
    pub effect: Duration,
    /// Calls at the same time.
    pub concurrency: usize,
    /// Bytes that the plugin hands over at once: an answer, or what it says to one import.
    pub answer: usize,
    /// Resources of the host that it holds at the same time.
    pub handles: usize,
    pub log: LogLimits,
}

/// Of the log and of what it writes to stderr, each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLimits {
    pub lines: usize,
    pub bytes: usize,
}

impl LogLimits {
    /// One line less, if there is room for it.
    pub fn less(self, bytes: usize) -> Option<LogLimits> {
        Some(LogLimits { lines: self.lines.checked_sub(1)?, bytes: self.bytes.checked_sub(bytes)? })
    }
}

/// What all calls of a plugin may still write to the log within this second: as much as one of them may in all. A plugin
/// that floods the log in call after call costs the gateway, and whoever reads the log, no more than that, and one line
/// for each second that says how much is missing.
#[derive(Debug)]
pub struct LogWindow {
    each: LogLimits,
    now: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    left: LogLimits,
    dropped: usize,
}

/// What became of a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Written {
    Dropped,
    /// After so many of the seconds before, which nobody has been told of yet.
    Kept {
        missing: usize,
    },
}

impl LogWindow {
    const LENGTH: Duration = Duration::from_secs(1);

    pub fn of(each: LogLimits, now: Instant) -> LogWindow {
        LogWindow { each, now: Mutex::new(Window { began: now, left: each, dropped: 0 }) }
    }

    /// Whether there is room for a line.
    pub fn write(&self, bytes: usize, now: Instant) -> Written {
        let mut window = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let mut missing = 0;
        if now.saturating_duration_since(window.began) >= Self::LENGTH {
            missing = window.dropped;
            *window = Window { began: now, left: self.each, dropped: 0 };
        }
        match window.left.less(bytes) {
            Some(left) => {
                window.left = left;
                Written::Kept { missing }
            }
            None => {
                window.dropped += missing + 1;
                Written::Dropped
            }
        }
    }
}

/// One row for each setting: the declaration and the field are beside each other.
const MEMORY: (&str, &str) = ("limits.memory", "64mb");
const CALL: (&str, &str) = ("limits.call-seconds", "10");
const EFFECT: (&str, &str) = ("limits.effect-seconds", "60");
const CONCURRENCY: (&str, &str) = ("limits.concurrency", "32");
const ANSWER: (&str, &str) = ("limits.answer", "9mb");
const HANDLES: (&str, &str) = ("limits.handles", "1000");
const LOG_LINES: (&str, &str) = ("limits.log-lines", "1000");
const LOG_BYTES: (&str, &str) = ("limits.log-bytes", "256kb");

impl Default for Limits {
    fn default() -> Limits {
        Limits::read(&BTreeMap::new())
    }
}

impl Limits {
    /// The settings that every service has beside those of its manifest. Their keys begin with `limits.`.
    pub fn declarations() -> Vec<Setting> {
        let number = |most| Kind::Number { least: 1, most };
        [
            (
                MEMORY,
                Kind::Size,
                "The most memory of one call of the plugin, summed over its instance.",
                "A call that needs more ends with PluginOutOfMemory; calls at the same time may take as much each.",
                "limits.memory: 128mb",
            ),
            (
                CALL,
                number(45),
                "Seconds that a call without side effects may take: a check of a request, say.",
                "What takes longer is stopped and answered with PluginTimedOut; a request may hang for as long.",
                "limits.call-seconds: 30",
            ),
            (
                EFFECT,
                number(3_600),
                "Seconds that a call with side effects may take: one that starts workloads, say.",
                "What takes longer is stopped and answered with PluginTimedOut, or repeated by the reconcile loop.",
                "limits.effect-seconds: 120",
            ),
            (
                CONCURRENCY,
                number(PLACES),
                "Calls of the plugin at the same time; others wait for their turn.",
                "With more, a plugin whose calls hang takes the places of other plugins; with fewer, its own requests wait.",
                "limits.concurrency: 64",
            ),
            (
                ANSWER,
                Kind::Size,
                "The most that the plugin may hand over at once: an answer, or what it says to one import.",
                "What is larger is not read and answered with PluginAnswerTooLarge; the gateway holds as much for each call.",
                "limits.answer: 16mb",
            ),
            (
                HANDLES,
                number(100_000),
                "Things of the gateway that one call may hold at the same time: streams, timers.",
                "A call that wants more ends with PluginTooManyHandles; each costs the gateway memory.",
                "limits.handles: 5000",
            ),
            (
                LOG_LINES,
                number(1_000_000),
                "Lines that one call may write to the gateway's log, and all calls of the plugin within a second.",
                "What comes after them is left out, and one line says how much; more lines hide those of others.",
                "limits.log-lines: 10000",
            ),
            (
                LOG_BYTES,
                Kind::Size,
                "Bytes that one call may write to the gateway's log, and all calls of the plugin within a second; and as many to its stderr.",
                "What comes after them is left out, and one line says how much.",
                "limits.log-bytes: 1mb",
            ),
        ]
        .map(|((key, default), kind, effect, trade_off, example)| Setting {
            key: key.to_owned(),
            kind,
            default: default.to_owned(),
            effect: effect.to_owned(),
            trade_off: trade_off.to_owned(),
            example: example.to_owned(),
        })
        .into()
    }

    /// Whether a setting of a service is one of these, and so none that its plugin can read.
    pub fn declares(key: &str) -> bool {
        key.starts_with("limits.")
    }

    /// From the settings of a service, which were checked when they were read.
    pub fn read(values: &BTreeMap<String, String>) -> Limits {
        let text =
            |(key, default): (&str, &'static str)| values.get(key).cloned().unwrap_or_else(|| default.to_owned());
        let number = |setting| text(setting).parse().unwrap_or(1_u64);
        let size = |setting| usize::try_from(Setting::bytes(&text(setting)).unwrap_or(0)).unwrap_or(usize::MAX);
        let count = |setting| usize::try_from(number(setting)).unwrap_or(usize::MAX);
        Limits {
            memory: size(MEMORY),
            call: Duration::from_secs(number(CALL)),
            effect: Duration::from_secs(number(EFFECT)),
            concurrency: count(CONCURRENCY),
            answer: size(ANSWER),
            handles: count(HANDLES),
            log: LogLimits { lines: count(LOG_LINES), bytes: size(LOG_BYTES) },
        }
    }
}

/// Calls at the same time, of all plugins.
pub(super) const PLACES: u32 = 128;

/// The limits of a plugin, and the places for its calls: one for all of its revisions.
#[derive(Debug, Clone)]
pub struct Bounds {
    pub limits: Limits,
    pub(super) places: Arc<Semaphore>,
    pub(super) log: Arc<LogWindow>,
    pub(super) computing: Arc<Budget>,
}

impl Bounds {
    pub fn new(limits: Limits) -> Bounds {
        let places = Arc::new(Semaphore::new(limits.concurrency));
        Bounds { limits, places, log: Arc::new(LogWindow::of(limits.log, Instant::now())), computing: Arc::default() }
    }

    /// These, which take the place of others: with the same limits there are the same places, and no more of the log.
    pub(super) fn after(mut self, before: &Bounds) -> Bounds {
        if self.limits.concurrency == before.limits.concurrency {
            self.places = before.places.clone();
        }
        if self.limits.log == before.limits.log {
            self.log = before.log.clone();
        }
        self.computing = before.computing.clone();
        self
    }

    /// See [`Limits::read`].
    pub fn read(values: &BTreeMap<String, String>) -> Bounds {
        Bounds::new(Limits::read(values))
    }
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds::new(Limits::default())
    }
}

/// Bytes as a person would say them.
pub(super) fn size(bytes: usize) -> String {
    match bytes {
        bytes if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        bytes if bytes >= 1 << 10 && bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        bytes => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_can_be_set_and_has_a_valid_default() {
        let default = Limits::default();
        for setting in Limits::declarations() {
            assert!(Limits::declares(&setting.key), "{}", setting.key);
            assert_eq!(setting.parse(&setting.default).as_deref(), Ok(setting.default.as_str()), "{}", setting.key);
            let (key, value) = setting.example.split_once(": ").unwrap();
            assert_eq!(key, setting.key);
            let value = setting.parse(value).unwrap();
            assert_ne!(Limits::read(&[(key.to_owned(), value)].into()), default, "{}", setting.example);
        }
    }

    #[test]
    fn a_second_has_room_for_as_much_as_one_call() {
        let begin = Instant::now();
        let window = LogWindow::of(LogLimits { lines: 3, bytes: 10 }, begin);
        let kept = |missing| Written::Kept { missing };
        for (bytes, milliseconds, expected) in [
            (4, 0, kept(0)),
            (7, 10, Written::Dropped),
            (6, 20, kept(0)),
            (0, 30, kept(0)),
            (0, 40, Written::Dropped),
            (1, 999, Written::Dropped),
            (11, 1_000, Written::Dropped),
            (10, 1_001, kept(0)),
            (1, 1_002, Written::Dropped),
            (1, 2_500, kept(5)),
            // A clock does not go back, but threads come late.
            (1, 0, kept(0)),
            (1, 9_000, kept(0)),
        ] {
            let written = window.write(bytes, begin + Duration::from_millis(milliseconds));
            assert_eq!(written, expected, "{bytes} bytes after {milliseconds} ms");
        }
    }

    #[test]
    fn what_is_read_anew_is_used_as_before() {
        let before = Bounds::default();
        let same = Bounds::default().after(&before);
        assert!(Arc::ptr_eq(&same.places, &before.places) && Arc::ptr_eq(&same.log, &before.log));
        let settings = [("limits.concurrency", "3"), ("limits.log-lines", "7")];
        let other = settings.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let other = Bounds::read(&other).after(&before);
        assert_eq!(other.places.available_permits(), 3);
        assert!(!Arc::ptr_eq(&other.log, &before.log) && Arc::ptr_eq(&other.computing, &before.computing));
    }

    #[test]
    fn the_defaults_are_what_they_say() {
        expect_test::expect![[r#"
            Limits {
                memory: 67108864,
                call: 10s,
                effect: 60s,
                concurrency: 32,
                answer: 9437184,
                handles: 1000,
                log: LogLimits {
                    lines: 1000,
                    bytes: 262144,
                },
            }
        "#]]
        .assert_debug_eq(&Limits::default());
    }
}
