//! Tags: an object of strings, replaced as a whole, bounded in number and length.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::error::{ArmError, shown};

/// Tags on one resource (ARM's documented limit).
const MOST: usize = 50;
/// Characters of a name.
const LONGEST_NAME: usize = 512;
/// Characters of a value.
const LONGEST_VALUE: usize = 256;
/// Characters that no name may have.
const FORBIDDEN: &[char] = &['<', '>', '%', '&', '\\', '?', '/'];

/// The `tags` member of a body. Absent and null mean no tags; a value that is null is an empty one.
pub fn parse(member: Option<Value>) -> Result<Map<String, Value>, ArmError> {
    let tags = match member {
        None | Some(Value::Null) => return Ok(Map::new()),
        Some(Value::Object(tags)) => tags,
        Some(other) => {
            return Err(ArmError::invalid_request_content(
                format!("'tags' has to be an object of strings, found {}", shown(&other)),
                "tags",
            ));
        }
    };
    if tags.len() > MOST {
        return Err(ArmError::invalid_tags(format!(
            "The resource has {} tags; a resource can have {MOST} at most.",
            tags.len()
        )));
    }
    let mut names = HashSet::new();
    if let Some(twice) = tags.keys().find(|name| !names.insert(name.to_lowercase())) {
        return Err(ArmError::invalid_tags(format!(
            "The tag name '{twice}' is there twice; names of tags compare without regard to case."
        )));
    }
    tags.into_iter().map(|(name, value)| Ok((name.clone(), checked(&name, value)?))).collect()
}

fn checked(name: &str, value: Value) -> Result<Value, ArmError> {
    let value = match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => {
            return Err(ArmError::invalid_request_content(
                format!("the value of the tag '{name}' has to be a string, found {}", shown(&other)),
                "tags",
            ));
        }
    };
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        return Err(ArmError::invalid_tags(format!(
            "A tag's name has 1 to {LONGEST_NAME} characters; found one of {}.",
            name.chars().count()
        )));
    }
    if let Some(forbidden) = name.chars().find(|c| FORBIDDEN.contains(c) || c.is_control()) {
        return Err(ArmError::invalid_tags(format!(
            "The tag name '{name}' holds the character {forbidden:?}; control characters and {} are not allowed.",
            FORBIDDEN.iter().map(char::to_string).collect::<Vec<_>>().join(" ")
        )));
    }
    if value.chars().count() > LONGEST_VALUE {
        return Err(ArmError::invalid_tags(format!(
            "The value of the tag '{name}' has {} characters; {LONGEST_VALUE} are the most.",
            value.chars().count()
        )));
    }
    Ok(Value::String(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tags_are_bounded() {
        let many = |n: usize| Value::Object((0..n).map(|i| (format!("t{i}"), json!("v"))).collect());
        for fine in
            [json!(null), json!({}), json!({"a": "b", "c": null}), many(50), json!({"n".repeat(512): "v".repeat(256)})]
        {
            assert!(parse(Some(fine.clone())).is_ok(), "{fine}");
        }
        for refused in [
            json!([]),
            json!("a"),
            json!({"a": 1}),
            json!({"a": {}}),
            many(51),
            json!({"": "v"}),
            json!({"n".repeat(513): "v"}),
            json!({"a": "v".repeat(257)}),
            json!({"a<b": "v"}),
            json!({"a/b": "v"}),
            json!({"a\nb": "v"}),
            json!({"Env": "1", "env": "2"}),
        ] {
            assert!(parse(Some(refused.clone())).is_err(), "{refused}");
        }
        assert_eq!(parse(Some(json!({"a": null}))).unwrap(), json!({"a": ""}).as_object().unwrap().clone());
    }
}
