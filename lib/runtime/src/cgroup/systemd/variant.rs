//! Properties of units that a bundle's annotations set.
//!
//! `org.systemd.property.NAME` has a value in GVariant's text form. Source: runc's
//! docs/systemd-properties.md; GLib's "GVariant Text Format". Numbers, booleans, texts, object
//! paths and arrays are read: no property of a scope is anything else.

use super::value::Value;

/// How such an annotation begins.
pub(in super::super) const PREFIX: &str = "org.systemd.property.";
/// What the driver itself decides.
const OWN: [&str; 3] = ["Delegate", "PIDs", "Slice"];
/// How deep arrays may lie in each other.
const DEPTH: u32 = 4;

/// The property that the annotation `name` (without its prefix) sets to `text`. Says why where
/// it is none.
pub(in super::super) fn property(name: &str, text: &str) -> Result<Value, String> {
    if name.len() < 3 || !name.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Err(format!("{name:?} is no name of a property"));
    }
    if OWN.contains(&name) {
        return Err("it is the runtime's to say".to_owned());
    }
    let bad = || format!("{text:?} is no value in GVariant's text form");
    let value = parse(text).ok_or_else(bad)?;
    // As they are documented, times are in seconds; on the bus they are microseconds.
    match name.strip_suffix("Sec").filter(|stem| stem.ends_with(|c: char| c.is_lowercase())) {
        None => Ok(Value::property(name, value)),
        Some(stem) => {
            let seconds = number(&value).ok_or_else(|| format!("{text:?} is no number"))?;
            let us = seconds.checked_mul(1_000_000).ok_or_else(bad)?;
            Ok(Value::property(&format!("{stem}USec"), Value::U64(us)))
        }
    }
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Byte(n) => Some(u64::from(*n)),
        Value::U32(n) => Some(u64::from(*n)),
        Value::U64(n) => Some(*n),
        Value::I32(n) => u64::try_from(*n).ok(),
        Value::I64(n) => u64::try_from(*n).ok(),
        _ => None,
    }
}

/// A whole text.
fn parse(text: &str) -> Option<Value> {
    let (value, rest) = value(text.trim_start(), DEPTH)?;
    rest.trim_end().is_empty().then_some(value)
}

/// The first value of a text, and what follows it.
fn value(text: &str, depth: u32) -> Option<(Value, &str)> {
    let depth = depth.checked_sub(1)?;
    if let Some(rest) = text.strip_prefix('[') {
        return array(rest, depth);
    }
    if text.starts_with(['\'', '"']) {
        return quoted(text).map(|(text, rest)| (Value::Text(text), rest));
    }
    let end = text.find(|c: char| c.is_whitespace() || ",]".contains(c)).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    match word {
        "true" => Some((Value::Bool(true), rest)),
        "false" => Some((Value::Bool(false), rest)),
        "objectpath" => quoted(rest.trim_start()).map(|(path, rest)| (Value::Path(path), rest)),
        "byte" | "int32" | "uint32" | "int64" | "uint64" => {
            let rest = rest.trim_start();
            let end = rest.find(|c: char| c.is_whitespace() || ",]".contains(c));
            let (digits, rest) = rest.split_at(end.unwrap_or(rest.len()));
            Some((typed(word, digits)?, rest))
        }
        digits => Some((typed("int32", digits)?, rest)),
    }
}

fn typed(kind: &str, digits: &str) -> Option<Value> {
    Some(match kind {
        "byte" => Value::Byte(integer(digits)?),
        "uint32" => Value::U32(integer(digits)?),
        "int64" => Value::I64(integer(digits)?),
        "uint64" => Value::U64(integer(digits)?),
        _ => Value::I32(integer(digits)?),
    })
}

/// Decimal, or hexadecimal after `0x`.
fn integer<N: TryFrom<i128>>(digits: &str) -> Option<N> {
    let number = match digits.strip_prefix("0x") {
        Some(digits) if !digits.starts_with(['+', '-']) => i128::from_str_radix(digits, 16).ok()?,
        Some(_) => return None,
        None => digits.parse::<i128>().ok()?,
    };
    N::try_from(number).ok()
}

/// A text in quotes, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut chars = text.char_indices();
    let (_, quote) = chars.next().filter(|(_, c)| matches!(c, '\'' | '"'))?;
    let mut plain = String::new();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => plain.push(escaped(chars.next()?.1)?),
            '\0' => return None,
            c if c == quote => return Some((plain, text.get(at + 1..)?)),
            c => plain.push(c),
        }
    }
    None
}

fn escaped(letter: char) -> Option<char> {
    match letter {
        'n' => Some('\n'),
        't' => Some('\t'),
        '\\' | '\'' | '"' => Some(letter),
        _ => None,
    }
}

/// Values of one kind, up to the bracket. An empty array has no kind, and is none of texts.
fn array(mut text: &str, depth: u32) -> Option<(Value, &str)> {
    let mut values = Vec::new();
    loop {
        text = text.trim_start();
        if let (Some(rest), true) = (text.strip_prefix(']'), values.is_empty()) {
            return Some((Value::Array("s".to_owned(), values), rest));
        }
        let (next, rest) = value(text, depth)?;
        values.push(next);
        let rest = rest.trim_start();
        if let Some(rest) = rest.strip_prefix(']') {
            let kind = values.first()?.signature();
            let is_one = values.iter().all(|value| value.signature() == kind);
            return is_one.then_some((Value::Array(kind, values), rest));
        }
        text = rest.strip_prefix(',')?;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_read() {
        let texts = |texts: &[&str]| {
            Value::Array("s".to_owned(), texts.iter().map(|text| Value::text(text)).collect())
        };
        for (text, value) in [
            ("uint64 123456789", Value::U64(123_456_789)),
            ("'inactive-or-failed'", Value::text("inactive-or-failed")),
            ("\"it's\"", Value::text("it's")),
            (r"'it\'s'", Value::text("it's")),
            ("37", Value::I32(37)),
            ("-1", Value::I32(-1)),
            ("int64 0x10", Value::I64(16)),
            ("true", Value::Bool(true)),
            (" ['a.service', 'b'] ", texts(&["a.service", "b"])),
            ("[]", texts(&[])),
            ("[byte 1,byte 2]", Value::Array("y".to_owned(), vec![Value::Byte(1), Value::Byte(2)])),
        ] {
            assert_eq!(parse(text), Some(value), "{text}");
        }
        for bad in ["", "'a", "a", "1 2", "[1, 'a']", "byte 256", "0x-1", "[,]", "[[[[[]]]]]"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn seconds_are_sent_as_microseconds() {
        let expected = Value::property("TimeoutStopUSec", Value::U64(2_000_000));
        assert_eq!(property("TimeoutStopSec", "2"), Ok(expected.clone()));
        assert_eq!(property("TimeoutStopUSec", "uint64 2000000"), Ok(expected));
        for (name, text) in [("TimeoutStopSec", "'2'"), ("a b", "1"), ("PIDs", "[1]")] {
            assert!(property(name, text).is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[\\[\\]',\"\\\\a0-9x uint64-]{0,24}") {
            let _ = property("Description", &text);
        }
    }
}
