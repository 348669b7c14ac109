//! How a call can end without an answer: each limit of the sandbox is one case, with a code of its own.

use std::fmt;
use std::time::Duration;

use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap};

use super::limits::{Limits, size};
use super::taken::Taken;

/// A call that did not return. `Display` names the plugin, its revision, the function and the limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// The revision's label: namespace and short digest.
    pub plugin: String,
    pub function: &'static str,
    pub how: Contained,
}

/// What a call was ended by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contained {
    /// It was stopped.
    TimedOut {
        limit: Duration,
        setting: &'static str,
    },
    /// It never began: there was no place for it.
    Saturated {
        places: Places,
        waited: Duration,
    },
    OutOfMemory {
        limit: usize,
    },
    TooManyHandles {
        limit: usize,
    },
    /// Of the answer, or of what the plugin said to an import.
    AnswerTooLarge {
        limit: usize,
    },
    TableTooLarge {
        limit: usize,
    },
    StackExhausted,
    /// A panic, an abort, or whatever else WebAssembly stops at.
    Trapped {
        reason: String,
    },
}

/// Which places were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Places {
    /// Those of the plugin.
    Own(usize),
    /// Those of all plugins.
    All(usize),
}

impl CallError {
    /// ARM's error code, also in the log and in the metrics.
    pub fn code(&self) -> &'static str {
        match self.how {
            Contained::TimedOut { .. } => "PluginTimedOut",
            Contained::Saturated { .. } => "ServerBusy",
            Contained::OutOfMemory { .. } => "PluginOutOfMemory",
            Contained::TooManyHandles { .. } => "PluginTooManyHandles",
            Contained::AnswerTooLarge { .. } => "PluginAnswerTooLarge",
            Contained::TableTooLarge { .. } => "PluginTableTooLarge",
            Contained::StackExhausted => "PluginStackExhausted",
            Contained::Trapped { .. } => "PluginTrapped",
        }
    }

    /// Whether the plugin did this: what was never called has done nothing.
    pub fn is_of_the_plugin(&self) -> bool {
        !matches!(self.how, Contained::Saturated { .. })
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.found())?;
        match self.remedy() {
            Some(remedy) => write!(f, ". {remedy}"),
            None => Ok(()),
        }
    }
}

impl CallError {
    /// What was attempted and found, without what to do.
    pub fn found(&self) -> String {
        let CallError { plugin, function, how } = self;
        let failed = |how: String| format!("the plugin {plugin} failed in '{function}': {how}");
        match how {
            Contained::TimedOut { limit, .. } => {
                let seconds = limit.as_secs();
                format!("the plugin {plugin} did not answer '{function}' within {seconds} s and was stopped")
            }
            Contained::Saturated { places, waited } => {
                let (whose, many) = match places {
                    Places::Own(many) => ("its own", many),
                    Places::All(many) => ("the gateway's", many),
                };
                let seconds = waited.as_secs();
                format!(
                    "the plugin {plugin} was not called for '{function}': {whose} {many} places for calls were taken for {seconds} s"
                )
            }
            Contained::OutOfMemory { limit } => failed(format!("it wanted more than {} of memory", size(*limit))),
            Contained::TooManyHandles { limit } => failed(format!("it wanted more than {limit} handles")),
            Contained::AnswerTooLarge { limit } => failed(format!("it handed over more than {} at once", size(*limit))),
            Contained::TableTooLarge { limit } => failed(format!("it wanted a table of more than {limit} elements")),
            Contained::StackExhausted => failed("its stack is exhausted, it calls itself too deeply".to_owned()),
            Contained::Trapped { reason } => failed(reason.clone()),
        }
    }

    fn remedy(&self) -> Option<String> {
        let setting = match self.how {
            Contained::TimedOut { setting, .. } => setting,
            Contained::Saturated { places: Places::All(_), .. } => return Some("Try again".to_owned()),
            Contained::Saturated { places: Places::Own(_), .. } => {
                return Some("Try again, or allow more by the setting limits.concurrency".to_owned());
            }
            Contained::OutOfMemory { .. } => "limits.memory",
            Contained::TooManyHandles { .. } => "limits.handles",
            Contained::AnswerTooLarge { .. } => "limits.answer",
            Contained::TableTooLarge { .. } | Contained::StackExhausted | Contained::Trapped { .. } => return None,
        };
        Some(format!("The setting {setting} of its service allows more"))
    }
}

impl std::error::Error for CallError {}

/// What wasmtime's error means. Two of its errors have no type; their words are compared, and tests see to it that they
/// stay what they are.
pub(super) fn understand(error: &wasmtime::Error, taken: &Taken, limits: &Limits, places: usize) -> Contained {
    let cause = error.root_cause().to_string();
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return Contained::Saturated { places: Places::All(places), waited: Duration::ZERO };
    }
    if error.downcast_ref::<Trap>() == Some(&Trap::StackOverflow) {
        return Contained::StackExhausted;
    }
    if cause.contains("fuel allocated for hostcalls has been exhausted") {
        return Contained::AnswerTooLarge { limit: limits.answer };
    }
    let is_full = matches!(error.downcast_ref::<ResourceTableError>(), Some(ResourceTableError::Full));
    if is_full || cause.contains("store handle limit exceeded") {
        return Contained::TooManyHandles { limit: limits.handles };
    }
    // A plugin that is refused memory mostly gives up: that is why it traps.
    if taken.was_refused_memory() {
        return Contained::OutOfMemory { limit: limits.memory };
    }
    match taken.table_refused() {
        Some(limit) => Contained::TableTooLarge { limit },
        None => Contained::Trapped { reason: cause },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn each_text_names_the_plugin_the_function_and_the_limit() {
        let seconds = Duration::from_secs;
        let all = [
            Contained::TimedOut { limit: seconds(10), setting: "limits.call-seconds" },
            Contained::Saturated { places: Places::Own(32), waited: seconds(10) },
            Contained::Saturated { places: Places::All(128), waited: seconds(10) },
            Contained::OutOfMemory { limit: 64 << 20 },
            Contained::TooManyHandles { limit: 1000 },
            Contained::AnswerTooLarge { limit: 9 << 20 },
            Contained::TableTooLarge { limit: 20_000 },
            Contained::StackExhausted,
            Contained::Trapped { reason: "wasm `unreachable` instruction executed".to_owned() },
        ];
        let lines = all.map(|how| {
            let error = CallError { plugin: "Contoso.Widgets@1d3f0a".to_owned(), function: "validate", how };
            format!("{}: {error}", error.code())
        });
        expect![[r#"
            PluginTimedOut: the plugin Contoso.Widgets@1d3f0a did not answer 'validate' within 10 s and was stopped. The setting limits.call-seconds of its service allows more
            ServerBusy: the plugin Contoso.Widgets@1d3f0a was not called for 'validate': its own 32 places for calls were taken for 10 s. Try again, or allow more by the setting limits.concurrency
            ServerBusy: the plugin Contoso.Widgets@1d3f0a was not called for 'validate': the gateway's 128 places for calls were taken for 10 s. Try again
            PluginOutOfMemory: the plugin Contoso.Widgets@1d3f0a failed in 'validate': it wanted more than 64 MiB of memory. The setting limits.memory of its service allows more
            PluginTooManyHandles: the plugin Contoso.Widgets@1d3f0a failed in 'validate': it wanted more than 1000 handles. The setting limits.handles of its service allows more
            PluginAnswerTooLarge: the plugin Contoso.Widgets@1d3f0a failed in 'validate': it handed over more than 9 MiB at once. The setting limits.answer of its service allows more
            PluginTableTooLarge: the plugin Contoso.Widgets@1d3f0a failed in 'validate': it wanted a table of more than 20000 elements
            PluginStackExhausted: the plugin Contoso.Widgets@1d3f0a failed in 'validate': its stack is exhausted, it calls itself too deeply
            PluginTrapped: the plugin Contoso.Widgets@1d3f0a failed in 'validate': wasm `unreachable` instruction executed"#]]
        .assert_eq(&lines.join("\n"));
    }
}
