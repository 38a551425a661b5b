//! Numbers in header fields: octal digits, or GNU's base-256.
//!
//! Sources: POSIX pax, "ustar Interchange Format"; GNU tar manual, "Extensions to Standard Format".

/// The value of a numeric field, or `None` where it is not a number or does not fit.
///
/// An empty field is 0. Octal digits may have spaces and NULs before and after them. A first byte
/// with its top bit set starts a big-endian two's-complement number.
pub(super) fn parse(field: &[u8]) -> Option<i64> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => base_256(field),
        _ => octal(field),
    }
}

fn octal(field: &[u8]) -> Option<i64> {
    let blank = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| !blank(byte)).unwrap_or(field.len());
    let digits = &field[start..];
    let end = digits.iter().position(blank).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    if !rest.iter().all(blank) {
        return None;
    }
    digits.iter().try_fold(0_i64, |value, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 8)?;
        value.checked_mul(8)?.checked_add(i64::from(digit))
    })
}

fn base_256(field: &[u8]) -> Option<i64> {
    let (first, rest) = field.split_first()?;
    // Bit 7 marks the format, bit 6 is the sign.
    let head = i64::from((*first as i8) << 1 >> 1);
    rest.iter()
        .try_fold(head, |value, byte| value.checked_mul(256).map(|value| value | i64::from(*byte)))
}

/// A decimal number as PAX records and sparse maps hold them: digits alone.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |value, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_with_padding() {
        assert_eq!(parse(b"0000644\0"), Some(0o644));
        assert_eq!(parse(b"   644 \0"), Some(0o644));
        assert_eq!(parse(b"\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(parse(b"777777777777"), Some(0o777_777_777_777));
        assert_eq!(parse(b"0000648\0"), None);
        assert_eq!(parse(b"64 4\0\0\0\0"), None);
        assert_eq!(parse(b"-1\0"), None);
    }

    #[test]
    fn base_256_both_signs() {
        assert_eq!(parse(&[0x80, 0, 0, 0, 1, 0, 0, 0]), Some(1 << 24));
        assert_eq!(parse(&[0xff; 12]), Some(-1));
        assert_eq!(parse(&[0xff, 0xff, 0xff, 0xfe]), Some(-2));
        let mut most = [0xff; 12];
        most[..4].copy_from_slice(&[0x80, 0, 0, 0]);
        most[4] = 0x7f;
        assert_eq!(parse(&most), Some(i64::MAX));
        most[3] = 1;
        assert_eq!(parse(&most), None);
    }

    #[test]
    fn decimals_are_digits_alone() {
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        for bad in [&b""[..], b"+1", b"-1", b" 1", b"1 ", b"18446744073709551616", b"1x"] {
            assert_eq!(decimal(bad), None);
        }
    }
}
