//! A message to a person, in four parts: what, where, why, and what to type.
//!
//! Hints are data: a failure is built in parts and laid out once, by [`Failure::render`].

use std::error::Error;
use std::fmt::Write as _;

use crate::exit::Exit;
use crate::hint;
use crate::ui::escape;

/// Why a command stops.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    voice: Voice,
    what: String,
    at: Option<String>,
    why: Vec<String>,
    help: Vec<String>,
}

/// Whether there is anything to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Voice {
    Told,
    Quiet,
}

/// What every verb gives back.
pub(crate) type Outcome = Result<Exit, Failure>;

impl Failure {
    /// A failure of coffer itself, in words without a full stop.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self {
            exit: Exit::FAILED,
            voice: Voice::Told,
            what: what.into(),
            at: None,
            why: Vec::new(),
            help: Vec::new(),
        }
    }

    /// Nothing to say: whoever read our output has gone.
    pub(crate) fn quiet() -> Self {
        Self { exit: Exit::DONE, voice: Voice::Quiet, ..Self::new("") }
    }

    /// Where it happened: an image, a file, a flag.
    pub(crate) fn at(self, place: impl Into<String>) -> Self {
        Self { at: Some(place.into()), ..self }
    }

    /// One reason more.
    pub(crate) fn because(mut self, reason: impl Into<String>) -> Self {
        self.why.push(reason.into());
        self
    }

    /// One thing to type.
    pub(crate) fn help(mut self, hint: impl Into<String>) -> Self {
        self.help.push(hint.into());
        self
    }

    /// Another exit status than 125.
    pub(crate) fn exits(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }

    /// For a verb that asks: a failure of coffer is "cannot tell".
    pub(crate) fn cannot_tell(self) -> Self {
        let exit = if self.exit == Exit::FAILED { Exit::CANNOT_TELL } else { self.exit };
        Self { exit, ..self }
    }

    /// Whether there is something to type.
    pub(crate) fn has_help(&self) -> bool {
        !self.help.is_empty()
    }

    /// What happened, in its first line.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// The exit status it leads to.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// The message as it is printed; empty where there is nothing to say.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        if self.voice == Voice::Quiet {
            return text;
        }
        push(&mut text, "error: ", &self.what);
        self.at.iter().for_each(|place| push(&mut text, "  --> ", place));
        self.why.iter().for_each(|reason| push(&mut text, "   = ", reason));
        self.help.iter().for_each(|hint| push(&mut text, "help: ", hint));
        text
    }
}

/// One line of a message. Parts of it come from images and hosts that nobody vouches for.
fn push(text: &mut String, mark: &str, words: &str) {
    // Writing to a String cannot fail.
    writeln!(text, "{mark}{}", escape(words)).unwrap_or_default();
}

/// A library's error: its own words are the "what", its sources the "why", and what to type is
/// looked up by its type.
impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::of(&error)
    }
}

impl Failure {
    fn of(error: &(dyn Error + 'static)) -> Self {
        let mut failure = Self::new(words(error));
        let mut said = failure.what.clone();
        let mut next = error.source();
        while let Some(source) = next {
            let words = words(source);
            if !said.contains(&words) {
                said.clone_from(&words);
                failure.why.push(words);
            }
            next = source.source();
        }
        hint::add(failure, error)
    }
}

/// An error's words. Rust's "(os error 13)" says nothing that the name has not said.
pub(crate) fn words(error: &(dyn Error + 'static)) -> String {
    let text = error.to_string();
    match text.rsplit_once(" (os error ") {
        Some((name, number)) if number.trim_end_matches(')').parse::<u32>().is_ok() => {
            name.to_lowercase()
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn four_parts_in_order() {
        let failure = Failure::new("refused: 1 vulnerability is past its due date")
            .help("accept it")
            .at("shop/web:1.3, layer 2")
            .because("due 2026-11-01")
            .because("rule kev-3-days");
        assert_eq!(
            failure.render(),
            "error: refused: 1 vulnerability is past its due date\n\
             \x20 --> shop/web:1.3, layer 2\n\
             \x20  = due 2026-11-01\n\
             \x20  = rule kev-3-days\n\
             help: accept it\n"
        );
    }

    #[test]
    fn sources_are_reasons() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot open the store")]
        struct Outer(#[source] io::Error);
        let failure = Failure::from(Outer(io::Error::from_raw_os_error(13)));
        assert_eq!(failure.render(), "error: cannot open the store\n   = permission denied\n");
    }

    #[test]
    fn an_image_cannot_paint_the_terminal() {
        let text = Failure::new("no layer \x1b[2J").render();
        assert_eq!(text, "error: no layer \\x1b[2J\n");
    }

    #[test]
    fn quiet_says_nothing() {
        assert_eq!(Failure::quiet().render(), "");
    }
}
