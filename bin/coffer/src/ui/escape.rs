//! Text that nobody vouches for, made safe to show.

use std::borrow::Cow;
use std::fmt::Write as _;

/// `text` with every character that could move, recolour or reorder what a terminal shows
/// written out: C0 and C1 controls as `\x1b`, bidirectional overrides as `\u{202e}`.
///
/// Source: ECMA-48 (controls); Unicode UAX 9, explicit directional formatting characters.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hostile) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => safe.push_str("\\n"),
            '\t' => safe.push_str("\\t"),
            c if is_hostile(c) && u32::from(c) < 0x100 => {
                write!(safe, "\\x{:02x}", u32::from(c)).unwrap_or_default();
            }
            c if is_hostile(c) => write!(safe, "\\u{{{:x}}}", u32::from(c)).unwrap_or_default(),
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// The same for text of several lines: line ends and tabs stay.
pub(crate) fn escape_lines(text: &str) -> String {
    text.split_inclusive(['\n', '\t'])
        .map(|part| {
            let end = part.strip_suffix(['\n', '\t']).map_or("", |bare| &part[bare.len()..]);
            escape(part.strip_suffix(['\n', '\t']).unwrap_or(part)).into_owned() + end
        })
        .collect()
}

fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_not_copied() {
        assert!(matches!(escape("naïve → 日本"), Cow::Borrowed(_)));
    }

    #[test]
    fn what_moves_the_cursor_is_written_out() {
        assert_eq!(escape("a\x1b]0;x\x07\u{9b}2J"), "a\\x1b]0;x\\x07\\x9b2J");
        assert_eq!(escape("two\nlines\t"), "two\\nlines\\t");
        assert_eq!(escape_lines("two\n\tlines\x1b\n"), "two\n\tlines\\x1b\n");
        assert_eq!(escape("moc.\u{202e}elpmaxe"), "moc.\\u{202e}elpmaxe");
    }
}
