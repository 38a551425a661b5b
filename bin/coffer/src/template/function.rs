//! The functions of templates: Go's and docker's.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

use super::TemplateError;

/// All of them.
pub(super) const NAMES: [&str; 21] = [
    "and", "eq", "ge", "gt", "index", "join", "json", "le", "len", "lower", "lt", "ne", "not",
    "or", "print", "printf", "println", "split", "title", "truncate", "upper",
];

/// The function of this name.
pub(super) fn find(name: &str) -> Result<&'static str, TemplateError> {
    let found = NAMES.into_iter().find(|known| *known == name);
    found.ok_or_else(|| TemplateError::Function(name.to_owned()))
}

/// What the function `name` gives for `arguments`.
pub(super) fn call(
    name: &'static str,
    arguments: &[Cow<'_, Value>],
) -> Result<Value, TemplateError> {
    let given: Vec<&Value> = arguments.iter().map(|value| &**value).collect();
    let found = match (name, given.as_slice()) {
        ("json", [value]) => Some(Value::String(value.to_string())),
        ("index", [value, keys @ ..]) => keys.iter().try_fold((*value).clone(), index),
        ("len", [value]) => length(value).map(Value::from),
        ("lower", [Value::String(text)]) => Some(text.to_lowercase().into()),
        ("upper", [Value::String(text)]) => Some(text.to_uppercase().into()),
        ("title", [Value::String(text)]) => Some(title(text).into()),
        ("join", [Value::Array(list), Value::String(between)]) => {
            Some(list.iter().map(show).collect::<Vec<_>>().join(between).into())
        }
        ("split", [Value::String(text), Value::String(at)]) => {
            Some(text.split(at.as_str()).collect::<Vec<_>>().into())
        }
        ("truncate", [Value::String(text), Value::Number(count)]) => {
            let count = count.as_u64().and_then(|count| usize::try_from(count).ok());
            count.map(|count| text.chars().take(count).collect::<String>().into())
        }
        ("not", [value]) => Some((!is_true(value)).into()),
        // The first that decides, or the last.
        ("and", all @ [.., last]) => {
            Some(all.iter().find(|v| !is_true(v)).map_or((*last).clone(), |v| (*v).clone()))
        }
        ("or", all @ [.., last]) => {
            Some(all.iter().find(|v| is_true(v)).map_or((*last).clone(), |v| (*v).clone()))
        }
        ("eq", [value, others @ ..]) if !others.is_empty() => Some(others.contains(value).into()),
        ("ne", [a, b]) => Some((a != b).into()),
        ("lt" | "le" | "gt" | "ge", [a, b]) => compared(name, a, b).map(Value::Bool),
        ("print" | "println", all) => {
            let end = if name == "println" { "\n" } else { "" };
            Some((all.iter().map(|v| show(v)).collect::<Vec<_>>().join(" ") + end).into())
        }
        ("printf", [Value::String(form), values @ ..]) => format(form, values).map(Value::String),
        _ => None,
    };
    let words = || given.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    found.ok_or_else(|| TemplateError::Argument(name, words()))
}

/// What `key` leads to; an empty text where a map has no such key, as with Go's maps of text.
fn index(value: Value, key: &&Value) -> Option<Value> {
    match (value, key) {
        (Value::Object(mut map), Value::String(key)) => {
            Some(map.remove(key).unwrap_or_else(|| String::new().into()))
        }
        (Value::Array(mut list), Value::Number(at)) => {
            let at = usize::try_from(at.as_u64()?).ok()?;
            (at < list.len()).then(|| list.swap_remove(at))
        }
        _ => None,
    }
}

fn length(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => Some(text.len()),
        Value::Array(list) => Some(list.len()),
        Value::Object(map) => Some(map.len()),
        _ => None,
    }
}

fn title(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect()
}

fn compared(name: &str, a: &Value, b: &Value) -> Option<bool> {
    let order = match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?)?,
        (Value::String(a), Value::String(b)) => a.cmp(b),
        _ => return None,
    };
    Some(match name {
        "lt" => order == Ordering::Less,
        "le" => order != Ordering::Greater,
        "gt" => order == Ordering::Greater,
        _ => order != Ordering::Less,
    })
}

/// Go's Printf with the verbs that make sense of what there is: one value for each.
fn format(form: &str, values: &[&Value]) -> Option<String> {
    let (mut text, mut chars, mut values) = (String::new(), form.chars(), values.iter());
    while let Some(c) = chars.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        match chars.next()? {
            '%' => text.push('%'),
            's' | 'v' | 'd' | 't' | 'f' => text.push_str(&show(values.next()?)),
            'q' => text.push_str(&Value::String(show(values.next()?)).to_string()),
            _ => return None,
        }
    }
    values.next().is_none().then_some(text)
}

/// Whether a condition holds. Source: Go's text/template: "false, 0, any nil, and anything of
/// length zero" are empty.
pub(super) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// A value as Go prints it.
pub(super) fn show(value: &Value) -> String {
    match value {
        Value::Null => "<no value>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(list) => {
            format!("[{}]", list.iter().map(show).collect::<Vec<_>>().join(" "))
        }
        Value::Object(map) => {
            let pairs: Vec<String> = map.iter().map(|(k, v)| format!("{k}:{}", show(v))).collect();
            format!("map[{}]", pairs.join(" "))
        }
        other => other.to_string(),
    }
}
