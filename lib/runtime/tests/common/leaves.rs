//! A document's values by their JSON pointers, and the same document with one of them another.
#![expect(clippy::unwrap_used, reason = "a pointer that leads nowhere fails the test")]

use serde_json::{Value, json};

/// The pointers of all values that hold no others.
pub(crate) fn leaves(value: &Value) -> Vec<String> {
    let below = |key: &str, value: &Value| -> Vec<String> {
        leaves(value).into_iter().map(|leaf| format!("/{key}{leaf}")).collect()
    };
    match value {
        Value::Object(map) => map.iter().flat_map(|(key, value)| below(key, value)).collect(),
        Value::Array(list) => {
            list.iter().enumerate().flat_map(|(at, value)| below(&at.to_string(), value)).collect()
        }
        _ => vec![String::new()],
    }
}

/// Whether `pointer` leads to the field `field` of a schema.
pub(crate) fn is(field: &str, pointer: &str) -> bool {
    let (field, pointer) = (field.split('/'), pointer.split('/'));
    field.clone().count() == pointer.clone().count()
        && field.zip(pointer).all(|(field, part)| {
            field == "*" || field == part || (field == "0" && part.parse::<usize>().is_ok())
        })
}

/// `config` with `value` at `pointer`, and the objects on the way.
pub(crate) fn with(mut config: Value, pointer: &str, value: Value) -> Value {
    let mut place = &mut config;
    for part in pointer.split('/').skip(1) {
        place = match part.parse::<usize>() {
            Ok(number) => &mut place[number],
            Err(_) => &mut place[part],
        };
    }
    *place = value;
    config
}

/// `config` with another value of the same kind at `pointer`.
pub(crate) fn changed(config: &Value, pointer: &str) -> Value {
    let other = match config.pointer(pointer).unwrap() {
        Value::Bool(is) => json!(!is),
        Value::Number(number) => json!(number.as_i64().unwrap() + 1),
        Value::String(text) => json!(format!("{text}1")),
        _ => Value::Null,
    };
    with(config.clone(), pointer, other)
}
