//! Patterns that filters take: of docker's regular expressions and globs the part that people type.
//! What would be taken as something else than it means is refused.

use std::str::FromStr;

/// A part of a container's name, with `^` where it has to begin and `$` where it has to end; a `/`
/// before the name, which docker's names have, is left out. Source: docker ps, "name".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamePattern {
    text: String,
    begins: bool,
    ends: bool,
}

/// Why a text is no pattern.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    /// More of a regular expression than is understood.
    #[error("{0:?} is a part of a name, with ^ where it begins and $ where it ends")]
    Name(String),
    /// More of a glob than is understood.
    #[error("{0:?} is a name, with * and ? for characters that may be any but a /")]
    Glob(String),
}

impl FromStr for NamePattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let (begins, rest) = text.strip_prefix('^').map_or((false, text), |rest| (true, rest));
        let (begins, rest) = rest.strip_prefix('/').map_or((begins, rest), |rest| (true, rest));
        let (ends, rest) = rest.strip_suffix('$').map_or((false, rest), |rest| (true, rest));
        let is_part = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if rest.chars().all(is_part) {
            return Ok(Self { text: rest.to_owned(), begins, ends });
        }
        Err(PatternError::Name(text.to_owned()))
    }
}

impl NamePattern {
    /// Whether `name` is one of these.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let text = self.text.as_str();
        match (self.begins, self.ends) {
            (true, true) => name == text,
            (true, false) => name.starts_with(text),
            (false, true) => name.ends_with(text),
            (false, false) => name.contains(text),
        }
    }
}

/// A name of an image in which `*` and `?` stand for any characters but a slash. Source: Go's
/// path.Match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glob(String);

impl FromStr for Glob {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        match text.contains(['[', ']', '\\', '{', '}']) {
            true => Err(PatternError::Glob(text.to_owned())),
            false => Ok(Self(text.to_owned())),
        }
    }
}

impl Glob {
    /// The name, where it is one and no pattern.
    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// Whether `text` as a whole is one of these.
    pub(crate) fn matches(&self, text: &str) -> bool {
        matches(self.0.as_bytes(), text.as_bytes())
    }
}

/// Goes back to the last `*` alone, which is enough where each takes as little as it can.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&wanted) if wanted == byte || (wanted == b'?' && byte != b'/') => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, taken)) if text.get(taken).is_some_and(|byte| *byte != b'/') => {
                    star = Some((at, taken + 1));
                    (p, t) = (at + 1, taken + 1);
                }
                _ => return false,
            },
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_may_be_anchored() {
        let matches = |pattern: &str, name| pattern.parse::<NamePattern>().unwrap().matches(name);
        assert!(matches("eb", "web-1") && matches("", "web") && matches("^web", "web-1"));
        assert!(matches("^web$", "web") && matches("^/web$", "web") && matches("b-1$", "web-1"));
        assert!(!matches("^eb", "web") && !matches("^web$", "web-1") && !matches("/eb", "web"));
        for bad in ["web|db", "^(web)$", "we.*", "w?", "a b", "[w]eb", "web\\d"] {
            assert_eq!(bad.parse::<NamePattern>(), Err(PatternError::Name(bad.to_owned())));
        }
    }

    #[test]
    fn globs_stop_at_a_slash() {
        let matches = |pattern: &str, text| pattern.parse::<Glob>().unwrap().matches(text);
        assert!(matches("shop/*", "shop/web") && matches("*b:1?", "web:12") && matches("*", ""));
        assert!(matches("a*b*c", "aXbbYbc") && matches("web", "web") && matches("a**", "a"));
        assert!(!matches("*", "shop/web") && !matches("shop/?eb", "shop/eb"));
        assert!(!matches("a*b", "a/b") && !matches("web", "web:1") && !matches("*/b/*", "a/x/b"));
        assert!("[ab]".parse::<Glob>().is_err());
    }

    proptest! {
        /// Beside the plain reading by descent.
        #[test]
        fn globs_are_what_they_say(pattern in "[ab/*?]{0,8}", text in "[ab/]{0,8}") {
            fn naive(pattern: &[u8], text: &[u8]) -> bool {
                match (pattern, text) {
                    ([], []) => true,
                    ([b'*', rest @ ..], _) => {
                        naive(rest, text)
                            || matches!(text, [c, after @ ..] if *c != b'/' && naive(pattern, after))
                    }
                    ([b'?', rest @ ..], [c, after @ ..]) => *c != b'/' && naive(rest, after),
                    ([p, rest @ ..], [c, after @ ..]) => p == c && naive(rest, after),
                    _ => false,
                }
            }
            let found = matches(pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(found, naive(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
