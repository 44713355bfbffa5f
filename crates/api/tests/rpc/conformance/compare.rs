//! Whether an answer is the one expected.

use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Equal, but for the text of an error, which is nobody's interface. Bytes in an error's `data` are: what a call reverted with.
pub fn exact(expected: &Value, found: &Value) -> Result<(), String> {
    let without_text = |answer: &Value| {
        let mut answer = answer.clone();
        if let Some(error) = answer["error"].as_object_mut() {
            error.remove("message");
            if error.get("data").is_some_and(|data| kind(data) == "text") {
                error.remove("data");
            }
        }
        answer
    };
    let (expected, found) = (without_text(expected), without_text(found));
    match first_difference("", &expected, &found) {
        None => Ok(()),
        Some(difference) => Err(difference),
    }
}

fn first_difference(path: &str, expected: &Value, found: &Value) -> Option<String> {
    if expected == found {
        return None;
    }
    let short = |value: &Value| value.to_string().chars().take(160).collect::<String>();
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            keys(expected)
                .union(&keys(found))
                .find_map(|key| match (expected.get(*key), found.get(*key)) {
                    (Some(expected), Some(found)) => first_difference(&format!("{path}.{key}"), expected, found),
                    (Some(expected), None) => Some(format!("{path}.{key} is missing, expected {}", short(expected))),
                    (_, found) => Some(format!("{path}.{key} should not be there: {}", short(found?))),
                })
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => expected
            .iter()
            .zip(found)
            .enumerate()
            .find_map(|(index, (expected, found))| first_difference(&format!("{path}[{index}]"), expected, found)),
        _ => Some(format!("{path} is {}, expected {}", short(found), short(expected))),
    }
}

fn keys(object: &Map<String, Value>) -> BTreeSet<&str> {
    object.keys().map(String::as_str).collect()
}

/// Of the same shape: an error where one is expected, else values of the same kinds under the same names. What only some elements of
/// an expected list have may be left out.
pub fn shape(expected: &Value, found: &Value) -> Result<(), String> {
    match (expected.get("error"), found.get("error")) {
        (Some(_), Some(error)) if error["code"].is_i64() && error["message"].is_string() => Ok(()),
        (None, None) => same_shape("result", &[&expected["result"]], &found["result"]),
        (_, error) => Err(format!("error is {error:?}")),
    }
}

fn same_shape(path: &str, expected: &[&Value], found: &Value) -> Result<(), String> {
    let kinds: BTreeSet<&str> = expected.iter().map(|value| kind(value)).collect();
    if !kinds.contains(kind(found)) {
        return Err(format!("{path} is {found}, of another kind than {kinds:?}"));
    }
    match found {
        Value::Object(object) => {
            let expected: Vec<_> = expected.iter().filter_map(|value| value.as_object()).collect();
            let allowed: BTreeSet<&str> = expected.iter().flat_map(|object| keys(object)).collect();
            for key in &allowed {
                if expected.iter().all(|object| object.contains_key(*key)) && !object.contains_key(*key) {
                    return Err(format!("{path}.{key} is missing"));
                }
            }
            for (key, value) in object {
                let known: Vec<_> = expected.iter().filter_map(|object| object.get(key)).collect();
                if !known.is_empty() {
                    same_shape(&format!("{path}.{key}"), &known, value)?;
                }
            }
            Ok(())
        }
        Value::Array(array) => {
            let mut kinds = BTreeSet::new();
            // Of plain values one of each kind says as much as all of them.
            let elements: Vec<_> = expected
                .iter()
                .filter_map(|value| value.as_array())
                .flatten()
                .filter(|value| value.is_object() || value.is_array() || kinds.insert(kind(value)))
                .collect();
            // An empty list has every shape, unless it is the whole answer.
            if elements.is_empty() != array.is_empty() && (elements.is_empty() || path == "result") {
                return Err(format!(
                    "{path} has {} elements, expected {}",
                    array.len(),
                    elements.len()
                ));
            }
            array
                .iter()
                .enumerate()
                .try_for_each(|(index, value)| same_shape(&format!("{path}[{index}]"), &elements, value))
        }
        _ => Ok(()),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "truth value",
        Value::Number(_) => "number",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
        Value::String(text) => match text.strip_prefix("0x") {
            Some(digits) if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) => match digits.len() {
                64 => "32 bytes",
                40 => "address",
                _ => "hexadecimal",
            },
            _ => "text",
        },
    }
}
