//! PAX extended headers: `LENGTH KEY=VALUE\n` records. Source: POSIX pax, "pax Extended Header".

use super::Time;
use super::number;

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The keyword.
    pub key: &'a [u8],
    /// Its value; empty says that the record takes back an earlier one.
    pub value: &'a [u8],
}

/// The records of an extended header, one after another; `None` for the first that is malformed.
///
/// A keyword is not empty and has no NUL. Values may hold anything, newlines and NULs included.
pub fn records(mut bytes: &[u8]) -> impl Iterator<Item = Option<Record<'_>>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let parsed = record(bytes);
        bytes = parsed.map_or(&[], |(_, rest)| rest);
        Some(parsed.map(|(record, _)| record))
    })
}

fn record(bytes: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let length = usize::try_from(number::decimal(&bytes[..space])?).ok()?;
    if length > bytes.len() || length <= space + 1 {
        return None;
    }
    let (whole, rest) = bytes.split_at(length);
    let body = whole[space + 1..].strip_suffix(b"\n")?;
    let equals = body.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (&body[..equals], &body[equals + 1..]);
    let sound = !key.is_empty() && !key.contains(&0);
    sound.then_some((Record { key, value }, rest))
}

/// A time: seconds since 1970, signed, with an optional fraction. Digits beyond nanoseconds are
/// cut off.
pub(super) fn time(text: &[u8]) -> Option<Time> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut parts = text.splitn(2, |byte| *byte == b'.');
    let seconds = i64::try_from(number::decimal(parts.next()?)?).ok()?;
    let nanoseconds = nanoseconds(parts.next().unwrap_or_default())?;
    if !negative {
        return Some(Time { seconds, nanoseconds });
    }
    Some(match nanoseconds {
        0 => Time { seconds: -seconds, nanoseconds },
        // −1.25 is −2 seconds and 0.75 of the next.
        part => Time { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - part },
    })
}

fn nanoseconds(digits: &[u8]) -> Option<u32> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let padded = digits.iter().copied().chain(std::iter::repeat(b'0')).take(9);
    Some(padded.fold(0, |value, digit| value * 10 + u32::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_one_after_another() {
        let bytes = b"12 path=a\nb\n9 size=5\n7 uid=\n";
        let all: Option<Vec<Record<'_>>> = records(bytes).collect();
        let all = all.unwrap();
        assert_eq!(all[0], Record { key: b"path", value: b"a\nb" });
        assert_eq!(all[2], Record { key: b"uid", value: b"" });
    }

    #[test]
    fn malformed_records_end_it() {
        for bad in [
            &b"9 size=5 "[..],
            b"99 size=5\n",
            b"size=5\n",
            b"0 a=b\n",
            b"2 \n",
            b"6 =ab\n",
            b"7 a\0=b\n",
            b"5 abc\n",
            b"18446744073709551616 a=b\n",
        ] {
            assert!(records(bad).any(|record| record.is_none()), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn times_of_both_signs() {
        let is = |text: &[u8], seconds, nanoseconds| {
            assert_eq!(time(text), Some(Time { seconds, nanoseconds }));
        };
        is(b"0", 0, 0);
        is(b"1.5", 1, 500_000_000);
        is(b"-1.25", -2, 750_000_000);
        is(b"-1", -1, 0);
        is(b"9999999999.1234567899", 9_999_999_999, 123_456_789);
        for bad in [&b""[..], b"x", b"1.x", b"--1", b"1e3", b".5"] {
            assert_eq!(time(bad), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_taken_or_refused(bytes: Vec<u8>) {
            let taken: usize = records(&bytes).flatten().map(|r| r.key.len() + r.value.len()).sum();
            proptest::prop_assert!(taken <= bytes.len());
        }
    }
}
