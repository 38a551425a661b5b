//! Values as D-Bus writes them. Source: the D-Bus Specification, "Type System" and "Marshaling".
//!
//! Written in little-endian byte order; read in the same, for a message keeps the order of its
//! sender, and all senders here are on this host. Descriptors are neither sent nor taken.

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// `y`
    Byte(u8),
    /// `b`
    Bool(bool),
    /// `i`
    I32(i32),
    /// `u`
    U32(u32),
    /// `x`
    I64(i64),
    /// `t`
    U64(u64),
    /// `s`
    Text(String),
    /// `o`
    Path(String),
    /// `g`
    Signature(String),
    /// `a` and the signature of what is in it.
    Array(String, Vec<Value>),
    /// `(…)`
    Struct(Vec<Value>),
    /// `v`
    Variant(Box<Value>),
}

/// How deep values may lie in each other. The specification allows 64.
const DEPTH: u32 = 16;

impl Value {
    /// A text.
    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// A named property: `(sv)`.
    pub(super) fn property(name: &str, value: Self) -> Self {
        Self::Struct(vec![Self::text(name), Self::Variant(Box::new(value))])
    }

    /// Its type.
    pub(super) fn signature(&self) -> String {
        match self {
            Self::Byte(_) => "y".to_owned(),
            Self::Bool(_) => "b".to_owned(),
            Self::I32(_) => "i".to_owned(),
            Self::U32(_) => "u".to_owned(),
            Self::I64(_) => "x".to_owned(),
            Self::U64(_) => "t".to_owned(),
            Self::Text(_) => "s".to_owned(),
            Self::Path(_) => "o".to_owned(),
            Self::Signature(_) => "g".to_owned(),
            Self::Array(of, _) => format!("a{of}"),
            Self::Struct(fields) => format!("({})", signature(fields)),
            Self::Variant(_) => "v".to_owned(),
        }
    }

    /// The text in a text or a path.
    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Path(text) => Some(text),
            Self::Variant(value) => value.as_str(),
            _ => None,
        }
    }
}

/// The types of `values`, one after the other.
pub(super) fn signature(values: &[Value]) -> String {
    values.iter().map(Value::signature).collect()
}

/// Writes values; positions count from the beginning of the buffer.
#[derive(Debug, Default)]
pub(super) struct Writer {
    /// What was written.
    pub(super) bytes: Vec<u8>,
}

impl Writer {
    /// Zeros up to the next multiple of `to`.
    pub(super) fn align(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
    }

    fn number(&mut self, bytes: &[u8]) {
        self.align(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    fn length(&mut self, length: usize) {
        self.number(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    }

    /// One value.
    pub(super) fn value(&mut self, value: &Value) {
        match value {
            Value::Byte(n) => self.bytes.push(*n),
            Value::Bool(is) => self.number(&u32::from(*is).to_le_bytes()),
            Value::I32(n) => self.number(&n.to_le_bytes()),
            Value::U32(n) => self.number(&n.to_le_bytes()),
            Value::I64(n) => self.number(&n.to_le_bytes()),
            Value::U64(n) => self.number(&n.to_le_bytes()),
            Value::Text(text) | Value::Path(text) => {
                self.length(text.len());
                self.terminated(text);
            }
            Value::Signature(text) => {
                self.bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
                self.terminated(text);
            }
            Value::Array(of, values) => self.array(of, values),
            Value::Struct(fields) => {
                self.align(8);
                fields.iter().for_each(|field| self.value(field));
            }
            Value::Variant(value) => {
                self.value(&Value::Signature(value.signature()));
                self.value(value);
            }
        }
    }

    fn terminated(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
    }

    /// Its length counts neither itself nor the padding before the first element.
    fn array(&mut self, of: &str, values: &[Value]) {
        self.align(4);
        let at = self.bytes.len();
        self.length(0);
        self.align(alignment(of.as_bytes().first().copied().unwrap_or(b'y')));
        let first = self.bytes.len();
        values.iter().for_each(|value| self.value(value));
        let length = u32::try_from(self.bytes.len() - first).unwrap_or(u32::MAX);
        if let Some(place) = self.bytes.get_mut(at..at + 4) {
            place.copy_from_slice(&length.to_le_bytes());
        }
    }
}

/// Where a type begins.
fn alignment(kind: u8) -> usize {
    match kind {
        b'y' | b'g' | b'v' => 1,
        b'n' | b'q' => 2,
        b'x' | b't' | b'd' | b'(' | b'{' => 8,
        _ => 4,
    }
}

/// Reads values. Every length is checked against what is there; nothing is made larger than that.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Of `bytes`, from the beginning.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The values of these types; `None` where the bytes do not hold them.
    pub(super) fn values(&mut self, signature: &str) -> Option<Vec<Value>> {
        let mut rest = signature.as_bytes();
        let mut values = Vec::new();
        while !rest.is_empty() {
            let (one, next) = rest.split_at_checked(length_of(rest, DEPTH)?)?;
            values.push(self.value(one, DEPTH)?);
            rest = next;
        }
        Some(values)
    }

    /// Passes over the padding before a multiple of `to`.
    pub(super) fn align(&mut self, to: usize) -> Option<()> {
        let next = self.at.next_multiple_of(to);
        let padding = self.bytes.get(self.at..next)?;
        self.at = next;
        padding.iter().all(|byte| *byte == 0).then_some(())
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn number<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.align(N)?;
        self.take(N)?.try_into().ok()
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.number()?)).ok()
    }

    fn terminated(&mut self, length: usize) -> Option<String> {
        let text = std::str::from_utf8(self.take(length)?).ok()?.to_owned();
        (self.take(1)? == [0] && !text.contains('\0')).then_some(text)
    }

    fn value(&mut self, kind: &[u8], depth: u32) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        Some(match (kind.first()?, kind) {
            (b'y', _) => Value::Byte(*self.take(1)?.first()?),
            (b'b', _) => Value::Bool(match u32::from_le_bytes(self.number()?) {
                0 => false,
                1 => true,
                _ => return None,
            }),
            (b'n', _) => Value::I32(i16::from_le_bytes(self.number()?).into()),
            (b'q', _) => Value::U32(u16::from_le_bytes(self.number()?).into()),
            (b'i', _) => Value::I32(i32::from_le_bytes(self.number()?)),
            (b'u', _) => Value::U32(u32::from_le_bytes(self.number()?)),
            (b'x', _) => Value::I64(i64::from_le_bytes(self.number()?)),
            (b't', _) => Value::U64(u64::from_le_bytes(self.number()?)),
            (b's' | b'o', _) => {
                let length = self.length()?;
                let text = self.terminated(length)?;
                if kind == b"s" { Value::Text(text) } else { Value::Path(text) }
            }
            (b'g', _) => Value::Signature(self.signature()?),
            (b'v', _) => {
                let inner = self.signature()?;
                let whole = length_of(inner.as_bytes(), depth)? == inner.len();
                Value::Variant(Box::new(self.value(whole.then_some(inner.as_bytes())?, depth)?))
            }
            (b'a', [_, of @ ..]) => self.array(of, depth)?,
            (b'(' | b'{', [_, fields @ .., _]) => {
                self.align(8)?;
                Value::Struct(self.fields(fields, depth)?)
            }
            _ => return None,
        })
    }

    fn signature(&mut self) -> Option<String> {
        let length = *self.take(1)?.first()?;
        self.terminated(usize::from(length))
    }

    fn fields(&mut self, mut kinds: &[u8], depth: u32) -> Option<Vec<Value>> {
        let mut fields = Vec::new();
        while !kinds.is_empty() {
            let (one, rest) = kinds.split_at_checked(length_of(kinds, depth)?)?;
            fields.push(self.value(one, depth)?);
            kinds = rest;
        }
        (!fields.is_empty()).then_some(fields)
    }

    fn array(&mut self, of: &[u8], depth: u32) -> Option<Value> {
        let length = self.length()?;
        self.align(alignment(*of.first()?))?;
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len())?;
        let mut values = Vec::new();
        while self.at < end {
            values.push(self.value(of, depth)?);
        }
        let of = std::str::from_utf8(of).ok()?.to_owned();
        (self.at == end).then_some(Value::Array(of, values))
    }
}

/// How long the first complete type of a signature is.
fn length_of(signature: &[u8], depth: u32) -> Option<usize> {
    let depth = depth.checked_sub(1)?;
    match signature {
        [b'a', rest @ ..] => Some(1 + length_of(rest, depth)?),
        [open @ (b'(' | b'{'), rest @ ..] => {
            let close = if *open == b'(' { b')' } else { b'}' };
            let mut length = 0;
            while *rest.get(length)? != close {
                length += length_of(rest.get(length..)?, depth)?;
            }
            Some(length + 2)
        }
        [kind, ..] if b"ybnqiuxtsogv".contains(kind) => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<u8>().prop_map(Value::Byte),
            any::<bool>().prop_map(Value::Bool),
            any::<i32>().prop_map(Value::I32),
            any::<u32>().prop_map(Value::U32),
            any::<i64>().prop_map(Value::I64),
            any::<u64>().prop_map(Value::U64),
            "[a-zé ]{0,9}".prop_map(Value::Text),
            "(/[a-z]{1,3}){1,3}".prop_map(Value::Path),
            "[ysu]{0,3}".prop_map(Value::Signature),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 1..4).prop_map(Value::Struct),
                inner.clone().prop_map(|value| Value::Variant(Box::new(value))),
                (inner, 0usize..4).prop_map(|(value, count)| {
                    Value::Array(value.signature(), vec![value; count])
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(values in proptest::collection::vec(value(), 0..4)) {
            let mut writer = Writer::default();
            values.iter().for_each(|value| writer.value(value));
            let mut reader = Reader::new(&writer.bytes);
            prop_assert_eq!(reader.values(&signature(&values)), Some(values));
            prop_assert_eq!(reader.at, writer.bytes.len());
        }

        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in proptest::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..64),
            signature in "[ybnqiuxtsogva(){}]{0,12}",
        ) {
            let mut reader = Reader::new(&bytes);
            if reader.values(&signature).is_some() {
                prop_assert!(reader.at <= bytes.len());
            }
        }
    }

    #[test]
    fn the_layout_is_that_of_the_specification() {
        let mut writer = Writer::default();
        writer.value(&Value::Byte(1));
        writer.value(&Value::text("ab"));
        writer.value(&Value::Array("t".to_owned(), vec![Value::U64(5)]));
        let expected = [
            &[1, 0, 0, 0, 2, 0, 0, 0, b'a', b'b', 0, 0][..],
            &[8, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0],
        ];
        assert_eq!(writer.bytes, expected.concat());
    }
}
