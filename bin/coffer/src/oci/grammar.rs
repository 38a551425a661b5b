//! Words to options and operands, as runc (Go's `flag`) and crun (argp) both take them.
//!
//! `--bundle DIR`, `--bundle=DIR`, `-bundle DIR`, `-b DIR`, `-b=DIR`, `-bDIR`; switches may be
//! joined (`-td`) and take Go's truth values (`--detach=false`). Options may stand before or after
//! the operands, up to where a verb's own operands are somebody else's command line.

use super::failure::Failure;

/// One option.
#[derive(Debug)]
pub(super) struct Flag {
    /// Its long name, without dashes.
    pub(super) long: &'static str,
    /// Its letter, where it has one.
    pub(super) short: Option<char>,
    /// What follows it.
    pub(super) takes: Takes,
    /// Why it is not taken, where it is known and is not.
    pub(super) refused: Option<&'static str>,
}

/// What follows an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// Nothing.
    Nothing,
    /// One value.
    Value,
}

/// The options and operands of a verb.
#[derive(Debug)]
pub(super) struct Grammar {
    /// Its options.
    pub(super) flags: &'static [Flag],
    /// How many operands it needs, and how many it takes.
    pub(super) operands: (usize, usize),
    /// After so many operands all words are somebody else's.
    pub(super) verbatim_after: usize,
}

/// What was given.
#[derive(Debug, Default)]
pub(super) struct Words {
    given: Vec<(&'static str, String)>,
    operands: Vec<String>,
}

/// A switch.
pub(super) const fn switch(long: &'static str, short: Option<char>) -> Flag {
    Flag { long, short, takes: Takes::Nothing, refused: None }
}

/// An option with a value.
pub(super) const fn value(long: &'static str, short: Option<char>) -> Flag {
    Flag { long, short, takes: Takes::Value, refused: None }
}

/// An option of a peer's that is refused, and why.
pub(super) const fn refused(flag: Flag, why: &'static str) -> Flag {
    Flag { refused: Some(why), ..flag }
}

impl Words {
    /// Whether the switch was given, and not taken back.
    pub(super) fn has(&self, long: &str) -> bool {
        self.value(long).is_some_and(|value| value == "true")
    }

    /// The value of an option; the last one counts.
    pub(super) fn value(&self, long: &str) -> Option<&str> {
        self.values(long).last()
    }

    /// All values of an option.
    pub(super) fn values(&self, long: &str) -> impl Iterator<Item = &str> {
        self.given.iter().filter(move |(name, _)| *name == long).map(|(_, value)| &**value)
    }

    /// The operands.
    pub(super) fn operands(&self) -> &[String] {
        &self.operands
    }

    /// The number that an option gives.
    pub(super) fn number<T: std::str::FromStr>(&self, long: &str) -> Result<Option<T>, Failure> {
        let read = |text: &str| {
            text.parse().map_err(|_| Failure::new(format!("--{long}: {text:?} is no such number")))
        };
        self.value(long).map(read).transpose()
    }
}

impl Grammar {
    /// Reads the words of `verb`.
    pub(super) fn parse(&self, verb: &str, words: &[String]) -> Result<Words, Failure> {
        let mut read = Words::default();
        let rest = self.read(words, &mut read, self.verbatim_after)?;
        read.operands.extend(rest.iter().cloned());
        let (least, most) = self.operands;
        if !(least..=most).contains(&read.operands.len()) {
            let count = read.operands.len();
            let takes = match (least, most) {
                (least, most) if least == most => format!("exactly {least} operands"),
                (least, usize::MAX) => format!("at least {least} operands"),
                (least, most) => format!("{least} to {most} operands"),
            };
            return Err(Failure::new(format!("{verb:?} takes {takes}, and got {count}")));
        }
        Ok(read)
    }

    /// Reads words until there are `enough` operands; gives those that are left.
    pub(super) fn read<'w>(
        &self,
        words: &'w [String],
        read: &mut Words,
        enough: usize,
    ) -> Result<&'w [String], Failure> {
        let mut left = words;
        while read.operands.len() < enough {
            let Some((word, rest)) = left.split_first() else { break };
            left = rest;
            match word.strip_prefix('-') {
                Some("-") => return Ok(left),
                None | Some("") => read.operands.push(word.clone()),
                Some(name) => left = self.option(name.trim_start_matches('-'), word, left, read)?,
            }
        }
        Ok(left)
    }

    /// Reads one option; gives the words behind it and its value.
    fn option<'w>(
        &self,
        text: &str,
        word: &str,
        rest: &'w [String],
        read: &mut Words,
    ) -> Result<&'w [String], Failure> {
        let (name, joined) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let by_name = self.flags.iter().find(|flag| flag.is(name));
        match by_name {
            Some(flag) => flag.take(word, joined, rest, read),
            None if !word.starts_with("--") => self.letters(text, word, rest, read),
            None => Err(unknown(word)),
        }
    }

    /// Letters that were joined: switches, and at the end one with its value.
    fn letters<'w>(
        &self,
        text: &str,
        word: &str,
        rest: &'w [String],
        read: &mut Words,
    ) -> Result<&'w [String], Failure> {
        for (at, letter) in text.char_indices() {
            let flag = self.flags.iter().find(|flag| flag.short == Some(letter));
            let flag = flag.ok_or_else(|| unknown(word))?;
            let behind = &text[at + letter.len_utf8()..];
            if flag.takes == Takes::Value {
                return flag.take(word, (!behind.is_empty()).then_some(behind), rest, read);
            }
            flag.take(word, None, rest, read)?;
        }
        Ok(rest)
    }
}

impl Flag {
    fn is(&self, name: &str) -> bool {
        let mut letters = name.chars();
        self.long == name || (letters.next() == self.short && letters.next().is_none())
    }

    fn take<'w>(
        &self,
        word: &str,
        joined: Option<&str>,
        rest: &'w [String],
        read: &mut Words,
    ) -> Result<&'w [String], Failure> {
        if let Some(why) = self.refused {
            return Err(Failure::new(format!("--{}: {why}", self.long)));
        }
        let (value, rest) = match (self.takes, joined, rest.split_first()) {
            (Takes::Nothing, text, _) => (truth(word, text.unwrap_or("true"))?.to_string(), rest),
            (Takes::Value, Some(text), _) => (text.to_owned(), rest),
            (Takes::Value, None, Some((text, rest))) => (text.clone(), rest),
            (Takes::Value, None, None) => {
                return Err(Failure::new(format!("the option {word} needs a value")));
            }
        };
        read.given.push((self.long, value));
        Ok(rest)
    }
}

/// Go's truth values. Source: strconv.ParseBool.
pub(super) fn truth(word: &str, text: &str) -> Result<bool, Failure> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(Failure::new(format!("{word}: {text:?} is neither true nor false"))),
    }
}

fn unknown(word: &str) -> Failure {
    Failure::new(format!("there is no option {word}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRAMMAR: Grammar = Grammar {
        flags: &[value("bundle", Some('b')), switch("detach", Some('d')), switch("tty", Some('t'))],
        operands: (1, usize::MAX),
        verbatim_after: 2,
    };

    fn parse(line: &str) -> Result<Words, Failure> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        GRAMMAR.parse("create", &words)
    }

    #[test]
    fn both_spellings_in_any_order() {
        for line in [
            "--bundle /b id",
            "id --bundle=/b",
            "-b /b id",
            "id -b=/b",
            "-b/b id",
            "-bundle /b id",
            "-dtb /b id",
            "id -- --bundle",
        ] {
            let words = parse(line).unwrap();
            assert_eq!(words.operands()[0], "id", "{line}");
            let expected = (!line.contains("--  ") && !line.contains("-- ")).then_some("/b");
            assert_eq!(words.value("bundle"), expected, "{line}");
        }
    }

    #[test]
    fn what_follows_a_command_is_its_own() {
        let words = parse("-t id -d sh -b x").unwrap();
        assert_eq!(words.operands(), ["id", "sh", "-b", "x"]);
        assert!(words.has("detach") && words.has("tty") && words.value("bundle").is_none());
    }

    #[test]
    fn switches_have_truth_values() {
        assert!(!parse("--detach=false id").unwrap().has("detach"));
        assert!(parse("--detach=maybe id").is_err());
        assert!(parse("--nothing id").is_err());
        assert!(parse("--bundle").is_err());
    }
}
