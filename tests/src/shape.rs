//! The shape of a JSON document: which values it has, without the values.

use std::collections::BTreeSet;

use serde_json::Value;

/// Each value's place. What is below a key `raw` has the kernel's own names, and elements of lists
/// are as many as the host has of something: they are not told apart.
#[must_use]
pub fn places(document: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    add(document, "", &mut found);
    found
}

fn add(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    found.insert(at.to_owned());
    match value {
        Value::Object(map) if !at.ends_with("/raw") => {
            map.iter().for_each(|(key, value)| add(value, &format!("{at}/{key}"), found));
        }
        Value::Array(list) => list.iter().for_each(|value| add(value, &format!("{at}/*"), found)),
        _ => {}
    }
}
