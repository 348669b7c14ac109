//! `patchSchedules/default`: when a cache may be patched. Stored and shown: nothing is patched here.

use floci_az_sdk::prelude::*;
use serde_json::Map;

use super::properties;
use crate::member::{Members, invalid, shown};

const DAYS: [&str; 9] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", "Everyday", "Weekend"];
/// A week has 7 days of 24 hours; more entries say nothing new.
const MOST: usize = 7 * 24;

pub fn validate(change: &Change) -> Result<Accepted, Rejection> {
    if !change.desired.name().eq_ignore_ascii_case("default") {
        return Err(invalid("name", "A cache has one patch schedule, whose name is 'default'."));
    }
    let properties = properties(&change.desired.state.document)?;
    let entries = properties.get("scheduleEntries").and_then(Value::as_array);
    let entries = entries.filter(|entries| (1..=MOST).contains(&entries.len())).ok_or_else(|| {
        let why = r#"It has to be an array of entries, such as {"dayOfWeek": "Monday", "startHourUtc": 12}."#;
        properties.invalid("scheduleEntries", why)
    })?;
    let shown = entries.iter().enumerate().map(|(at, entry)| read(at, entry)).collect::<Result<Vec<Value>, _>>()?;
    Ok(Accepted::settled(State::new(json!({ "properties": { "scheduleEntries": shown } }))))
}

fn read(at: usize, entry: &Value) -> Result<Value, Rejection> {
    let path = format!("properties.scheduleEntries[{at}]");
    let entry = Members::of(entry, &path)?.ok_or_else(|| invalid(&path, "It has to be an object."))?;
    let day = entry.one_of("dayOfWeek", &DAYS)?;
    let day = day.ok_or_else(|| entry.invalid("dayOfWeek", &format!("It has to be {}.", DAYS.join(" or "))))?;
    let hour = entry.integer("startHourUtc", 0..=23)?;
    let hour = hour.ok_or_else(|| entry.invalid("startHourUtc", "It has to be a whole number from 0 to 23."))?;
    let mut members = Map::new();
    members.insert("dayOfWeek".to_owned(), json!(day));
    members.insert("startHourUtc".to_owned(), json!(hour));
    if let Some(window) = entry.text("maintenanceWindow")? {
        if !is_duration(window) {
            let why = format!("It has to be an ISO 8601 duration, such as PT5H, and is {}.", shown(&window.into()));
            return Err(entry.invalid("maintenanceWindow", &why));
        }
        members.insert("maintenanceWindow".to_owned(), json!(window));
    }
    Ok(Value::Object(members))
}

/// `P1D`, `PT5H`, `P1DT5H30M`: days, then after a T hours, minutes and seconds, each at most once and in this order.
fn is_duration(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('P') else { return false };
    let (date, time) = rest.split_once('T').map_or((rest, None), |(date, time)| (date, Some(time)));
    let some = !rest.is_empty() && time != Some("");
    some && are_parts(date, "D") && time.is_none_or(|time| are_parts(time, "HMS"))
}

fn are_parts(mut text: &str, units: &str) -> bool {
    for unit in units.chars() {
        let Some((number, rest)) = text.split_once(unit) else { continue };
        if number.is_empty() || number.len() > 6 || !number.chars().all(|c| c.is_ascii_digit()) {
            return false;
        }
        text = rest;
    }
    text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_iso_8601() {
        for right in ["PT5H", "P1D", "P1DT5H30M", "PT0S", "PT5H0M10S"] {
            assert!(is_duration(right), "{right}");
        }
        for wrong in ["", "P", "PT", "5H", "P5H", "PT5", "PTH", "PT5H ", "PT5M3H", "PT1.5H", "P1DT", "PT-5H", "pt5h"] {
            assert!(!is_duration(wrong), "{wrong}");
        }
    }
}
