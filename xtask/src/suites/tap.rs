//! What bats says: the Test Anything Protocol. Source: testanything.org, TAP 13.

use std::fmt;

/// What became of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    /// It passed.
    Passed,
    /// It failed.
    Failed,
    /// It says itself that it does not apply.
    Skipped,
}

/// Tests, by what became of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    passed: u32,
    failed: u32,
    skipped: u32,
}

impl Counts {
    /// One test more.
    pub(super) fn add(&mut self, test: Test) {
        match test {
            Test::Passed => self.passed += 1,
            Test::Failed => self.failed += 1,
            Test::Skipped => self.skipped += 1,
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, skipped } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

/// The tests of a file, by name.
pub(super) fn read(text: &str) -> Vec<(String, Test)> {
    text.lines().filter_map(line).collect()
}

/// How many tests there should be: `1..7`.
pub(super) fn planned(text: &str) -> usize {
    let plan = text.lines().find_map(|line| line.strip_prefix("1.."));
    plan.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

fn line(line: &str) -> Option<(String, Test)> {
    let (rest, passed) = match line.strip_prefix("not ") {
        Some(rest) => (rest, Test::Failed),
        None => (line, Test::Passed),
    };
    let (number, name) = rest.strip_prefix("ok ")?.split_once(' ')?;
    number.parse::<u32>().ok()?;
    let (name, test) = match name.split_once(" # skip") {
        Some((name, _)) => (name, Test::Skipped),
        None => (name, passed),
    };
    Some((name.trim().to_owned(), test))
}

/// A regular expression that means `name` and nothing else.
pub(super) fn pattern(name: &str) -> String {
    let escaped = name.chars().map(|letter| match letter {
        letter if letter.is_ascii_alphanumeric() || " ,:/-_=@#%&;<>~".contains(letter) => {
            letter.to_string()
        }
        // A quote would end the shell's word.
        '\'' => ".".to_owned(),
        letter => format!("[{letter}]"),
    });
    escaped.collect::<String>().replace("[[]", "\\[").replace("[]]", "\\]").replace("[^]", "\\^")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_tests() {
        let text =
            "1..3\nok 1 runs\nnot ok 2 runs [not]\n# why\nok 3 runs  # skip test requires v2\n";
        let read = read(text);
        assert_eq!(planned(text), 3);
        assert_eq!(read[0], ("runs".to_owned(), Test::Passed));
        assert_eq!(read[1], ("runs [not]".to_owned(), Test::Failed));
        assert_eq!(read[2], ("runs".to_owned(), Test::Skipped));
    }

    #[test]
    fn a_pattern_has_no_letter_that_means_another() {
        assert_eq!(pattern("run [a] (b) it's"), "run \\[a\\] [(]b[)] it.s");
    }
}
