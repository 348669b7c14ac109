//! What happens to plugins and operations, for those who watch.
//!
//! An event tells what happened and to whom, and never what a resource holds: of an operation that failed it has the
//! code, not the message, which is the plugin's.

use serde::{Serialize, Serializer};

use super::labels::Labels;

/// Characters of a text that is somebody else's.
const LONGEST: usize = 1_000;

/// The member `type` of its JSON, and the name of its server-sent event, is the variant's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum Event {
    GatewayStarted {
        version: String,
    },
    /// It can be activated.
    PluginLoaded {
        #[serde(flatten)]
        labels: Labels,
        version: String,
        origin: String,
    },
    /// It was not loaded, or not activated; what was active still is.
    PluginRefused {
        /// As far as they are known.
        plugin: Option<String>,
        revision: Option<String>,
        origin: String,
        code: String,
        #[serde(serialize_with = "short")]
        reason: String,
    },
    /// From now on it serves.
    PluginActivated {
        #[serde(flatten)]
        labels: Labels,
        /// The revision that did before.
        replaced: Option<String>,
    },
    /// It serves what has begun.
    PluginDraining {
        #[serde(flatten)]
        labels: Labels,
    },
    /// Its last call has ended.
    PluginRetired {
        #[serde(flatten)]
        labels: Labels,
    },
    PluginRolledBack {
        /// The one that had been active.
        #[serde(flatten)]
        labels: Labels,
        to: String,
        #[serde(serialize_with = "short")]
        why: String,
    },
    /// It is known no more.
    PluginForgotten {
        #[serde(flatten)]
        labels: Labels,
    },
    /// The namespace is not served any more.
    PluginRemoved {
        plugin: String,
    },
    /// One call was stopped, and harmed nothing else.
    PluginContained {
        #[serde(flatten)]
        labels: Labels,
        function: String,
        /// Which bound stopped it; `trap` if it ended itself.
        limit: String,
    },
    /// It has served long enough to be trusted.
    PluginProbationEnded {
        #[serde(flatten)]
        labels: Labels,
    },
    /// A folder, file or image that plugins come from could not be read.
    PluginSourceFailed {
        source: String,
        #[serde(serialize_with = "short")]
        reason: String,
    },
    OperationStarted {
        operation: String,
        /// The id of the resource or group.
        subject: String,
    },
    OperationSucceeded {
        operation: String,
        subject: String,
        milliseconds: u64,
    },
    OperationFailed {
        operation: String,
        subject: String,
        milliseconds: u64,
        code: String,
    },
}

fn short<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => serializer.serialize_str(&format!("{}...", text.get(..end).unwrap_or_default())),
        None => serializer.serialize_str(text),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn events_are_flat_objects() {
        let labels = || Labels::new("A.B", "0123456789ab");
        let events = [
            Event::PluginLoaded { labels: labels(), version: "1.0.0".to_owned(), origin: "x".to_owned() },
            Event::PluginActivated { labels: labels(), replaced: None },
            Event::PluginContained { labels: labels(), function: "invoke".to_owned(), limit: "deadline".to_owned() },
            Event::OperationFailed {
                operation: "o".to_owned(),
                subject: "/subscriptions/s".to_owned(),
                milliseconds: 7,
                code: "C".to_owned(),
            },
        ];
        let lines: Vec<String> = events.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
        expect![[r#"
            {"type":"PluginLoaded","plugin":"A.B","revision":"0123456789ab","version":"1.0.0","origin":"x"}
            {"type":"PluginActivated","plugin":"A.B","revision":"0123456789ab","replaced":null}
            {"type":"PluginContained","plugin":"A.B","revision":"0123456789ab","function":"invoke","limit":"deadline"}
            {"type":"OperationFailed","operation":"o","subject":"/subscriptions/s","milliseconds":7,"code":"C"}
        "#]]
        .assert_eq(&(lines.join("\n") + "\n"));
    }

    #[test]
    fn what_others_say_is_cut() {
        let failed = |reason: String| {
            serde_json::to_value(Event::PluginSourceFailed { source: "s".to_owned(), reason }).unwrap()["reason"]
                .as_str()
                .unwrap()
                .chars()
                .count()
        };
        assert_eq!(failed("é".repeat(LONGEST)), LONGEST);
        assert_eq!(failed("é".repeat(LONGEST + 1)), LONGEST + 3);
    }
}
