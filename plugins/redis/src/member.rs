//! Reading a client's JSON: typed access to the members of an object, with the refusal that Azure gives for a value it
//! cannot take. A member that is null counts as absent, as everywhere in ARM.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use floci_az_sdk::{Rejection, Value};
use serde_json::Map;

/// Characters of a refused value that are repeated in the refusal.
const SHOWN: usize = 60;

/// `target` is the path of the member: `properties.sku.capacity`.
pub fn invalid(target: &str, why: &str) -> Rejection {
    invalid_parameter(target.rsplit('.').next().unwrap_or(target), target, why)
}

/// For a parameter whose name may hold a dot.
pub fn invalid_parameter(parameter: &str, target: &str, why: &str) -> Rejection {
    let message = format!("The value of the parameter '{parameter}' is invalid. {why}");
    Rejection::bad_request("InvalidRequestBody", message).at(target)
}

/// A value as it is repeated in a refusal.
pub fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// The members of an object.
#[derive(Debug, Clone, Copy)]
pub struct Members<'a> {
    /// Of the object.
    path: &'a str,
    members: &'a Map<String, Value>,
}

impl<'a> Members<'a> {
    /// None if the value is null.
    pub fn of(value: &'a Value, path: &'a str) -> Result<Option<Members<'a>>, Rejection> {
        match value {
            Value::Null => Ok(None),
            Value::Object(members) => Ok(Some(Members { path, members })),
            other => Err(invalid(path, &format!("It has to be an object, and is {}.", shown(other)))),
        }
    }

    /// None if it is absent or null.
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    pub fn target(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub fn invalid(&self, name: &str, why: &str) -> Rejection {
        invalid(&self.target(name), why)
    }

    fn expected(&self, name: &str, what: &str, value: &Value) -> Rejection {
        self.invalid(name, &format!("It has to be {what}, and is {}.", shown(value)))
    }

    pub fn text(&self, name: &str) -> Result<Option<&'a str>, Rejection> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| self.expected(name, "a string", value))
    }

    pub fn boolean(&self, name: &str) -> Result<Option<bool>, Rejection> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| self.expected(name, "true or false", value))
    }

    pub fn integer(&self, name: &str, range: RangeInclusive<u8>) -> Result<Option<u8>, Rejection> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number =
            value.as_u64().and_then(|number| u8::try_from(number).ok()).filter(|number| range.contains(number));
        let what = format!("a whole number from {} to {}", range.start(), range.end());
        number.map(Some).ok_or_else(|| self.expected(name, &what, value))
    }

    /// One of these words, in any casing; in the casing given here.
    pub fn one_of(&self, name: &str, words: &[&'static str]) -> Result<Option<&'static str>, Rejection> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let text = value.as_str().unwrap_or_default();
        let known = words.iter().find(|word| word.eq_ignore_ascii_case(text)).copied();
        known.map(Some).ok_or_else(|| self.expected(name, &words.join(" or "), value))
    }

    /// An object of strings. Members that are null are left out.
    pub fn texts(&self, name: &str) -> Result<Option<BTreeMap<String, String>>, Rejection> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let Some(members) = value.as_object() else {
            return Err(self.expected(name, "an object of strings", value));
        };
        let mut texts = BTreeMap::new();
        for (key, value) in members.iter().filter(|(_, value)| !value.is_null()) {
            let Some(text) = value.as_str() else {
                let why = format!("It has to be a string, and is {}.", shown(value));
                return Err(invalid_parameter(key, &format!("{}.{key}", self.target(name)), &why));
            };
            texts.insert(key.clone(), text.to_owned());
        }
        Ok(Some(texts))
    }

    /// An array of strings; empty if it is absent.
    pub fn list(&self, name: &str) -> Result<Vec<String>, Rejection> {
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let texts = value.as_array().and_then(|values| {
            values.iter().map(|value| value.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>()
        });
        texts.ok_or_else(|| self.expected(name, "an array of strings", value))
    }
}
