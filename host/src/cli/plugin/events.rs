//! What has happened, line by line: server-sent events of the gateway, for people or as JSON.

use std::io::BufRead;

use serde_json::{Map, Value};

use super::ask::Gateway;
use super::{Reader, Terminal};
use crate::cli::CliError;

const PATH: &str = "/_floci/events";

pub(super) fn print(gateway: &Gateway, follow: bool, terminal: &mut Terminal<'_>) -> Result<(), CliError> {
    let stream = gateway.stream(&format!("{PATH}?follow={follow}"))?;
    for event in events(stream) {
        let text = match terminal.reader {
            Reader::Person => for_people(&event),
            Reader::Program => event.data + "\n",
        };
        terminal.say(&text);
    }
    if follow {
        terminal.tell("The gateway has ended.\n");
    }
    Ok(())
}

/// One event of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Event {
    kind: String,
    data: String,
}

/// Until the stream ends, or breaks, which is how it ends when its gateway is killed.
fn events(stream: impl BufRead) -> impl Iterator<Item = Event> {
    let mut lines = stream.lines().map_while(Result::ok);
    std::iter::from_fn(move || {
        let mut event = Event::default();
        loop {
            let line = lines.next()?;
            if line.is_empty() && !event.data.is_empty() {
                return Some(event);
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => event.kind = value.to_owned(),
                "data" if event.data.is_empty() => event.data = value.to_owned(),
                "data" => event.data = format!("{}\n{value}", event.data),
                // Comments that keep the connection, numbers, and what is to come.
                _ => {}
            }
        }
    })
}

/// `2026-01-02T03:04:05Z  activated  namespace=Contoso.Widgets revision=0123456789ab`
fn for_people(event: &Event) -> String {
    let data: Map<String, Value> = match serde_json::from_str(&event.data) {
        Ok(Value::Object(members)) => members,
        _ => return format!("{}  {}\n", event.kind, event.data),
    };
    let time = data.get("time").and_then(Value::as_str).unwrap_or("-");
    let kind = data.get("type").or_else(|| data.get("event")).and_then(Value::as_str);
    let kind = if event.kind.is_empty() { kind.unwrap_or("-") } else { &event.kind };
    let told = data
        .iter()
        .filter(|(name, value)| !["time", "id", "event", "type"].contains(&name.as_str()) && !value.is_null());
    let told: Vec<String> = told.map(|(name, value)| format!("{name}={}", word(value))).collect();
    format!("{time}  {kind:<18}  {}\n", told.join(" "))
}

fn word(value: &Value) -> String {
    match value.as_str() {
        Some(text) if !text.is_empty() && !text.contains(char::is_whitespace) && !text.contains('"') => text.to_owned(),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_stream_is_one_line_for_each_event() {
        let stream = ": hello\n\nid: 1\nevent: loaded\ndata: {\"id\":1,\"time\":\"2026-01-02T03:04:05Z\",\"namespace\":\"Contoso.Widgets\",\"revision\":\"0123456789ab\",\"why\":null}\n\n: still here\n\nid: 2\nevent:refused\ndata:{\"time\":\"2026-01-02T03:04:06Z\",\ndata:\"reason\":\"it is \\\"no\\\" component\"}\n\nid: 3\ndata: {\"event\":\"x\",\"n\":1}\n\nevent: odd\ndata: text\n\nid: 4\nevent: cut\ndata: {}";
        let text: String = events(stream.as_bytes()).map(|event| for_people(&event)).collect();
        expect![[r#"
            2026-01-02T03:04:05Z  loaded              namespace=Contoso.Widgets revision=0123456789ab
            2026-01-02T03:04:06Z  refused             reason="it is \"no\" component"
            -  x                   n=1
            odd  text
        "#]]
        .assert_eq(&text);
    }
}
