//! The terminal. Nothing else in coffer writes to it.
//!
//! Rules: stdout is data, or the container's own output; our words go to stderr. Everything is
//! understandable without colour. What an image, a registry or a container named is escaped
//! before it is shown. The steps of a `run` or `pull` are shown where stderr is a terminal or
//! `--verbose` asks for them: otherwise a container's stderr would not be the container's alone.

mod escape;
mod human;
mod progress;
mod table;
mod wrap;

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use serde::Serialize;

pub(crate) use escape::{escape, escape_lines};
pub(crate) use human::{age, bytes, docker_time, duration, moment, thousands};
pub(crate) use progress::Progress;
pub(crate) use table::Table;

use crate::failure::{Failure, words};

/// How much of our own words is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Steps where stderr is a terminal.
    #[default]
    Automatic,
    /// Steps always (`--verbose`).
    Steps,
    /// Notes and errors: what was opened is said in any case (`run --quiet`).
    Notes,
    /// Errors alone (`pull --quiet`).
    Quiet,
}

/// On less than this nothing can be laid out.
const NARROWEST: usize = 40;

/// Where words and data go.
#[derive(Debug)]
pub(crate) struct Ui {
    detail: Detail,
    colour: Colour,
    /// Whether stderr is a terminal, once somebody has asked.
    terminal: OnceLock<bool>,
}

/// Whether marks may be coloured. Source: no-color.org.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    /// Never.
    No,
    /// Where stderr is a terminal.
    OnTerminal,
}

impl Ui {
    /// A terminal as the flags and the environment want it.
    pub(crate) fn new(detail: Detail, colour: Colour) -> Self {
        Self { detail, colour, terminal: OnceLock::new() }
    }

    /// The same with another amount of words.
    pub(crate) fn set_detail(&mut self, detail: Detail) {
        self.detail = detail;
    }

    /// How much of our own words is wanted.
    pub(crate) fn detail(&self) -> Detail {
        self.detail
    }

    /// How many characters go on a line of stdout, where it is a terminal.
    pub(crate) fn width(&self) -> Option<usize> {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        // A terminal that does not know its size says 0.
        Some(usize::from(size.ws_col)).filter(|columns| *columns >= NARROWEST)
    }

    /// Words for stdout, on as many lines as they need.
    pub(crate) fn words(&self, text: &str) -> Result<(), Failure> {
        let text = escape(text);
        match self.width() {
            Some(width) => self.line(wrap::lines(&text, width).join("\n")),
            None => self.line(text),
        }
    }

    /// Data for stdout, as it is.
    pub(crate) fn data(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(stdout_failed)
    }

    /// One line of data for stdout.
    pub(crate) fn line(&self, text: impl fmt::Display) -> Result<(), Failure> {
        self.data(format!("{text}\n").as_bytes())
    }

    /// A value as JSON on stdout, indented for people who read it.
    pub(crate) fn json(&self, value: &impl Serialize) -> Result<(), Failure> {
        let mut text = serde_json::to_vec_pretty(value)?;
        text.push(b'\n');
        self.data(&text)
    }

    /// Whether stderr is a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        *self.terminal.get_or_init(|| io::stderr().is_terminal())
    }

    /// Whether the steps of a longer command are shown.
    pub(crate) fn shows_steps(&self) -> bool {
        match self.detail {
            Detail::Automatic => self.is_terminal(),
            Detail::Steps => true,
            Detail::Notes | Detail::Quiet => false,
        }
    }

    /// One step: its word right-aligned, then what came of it.
    pub(crate) fn step(&self, word: &str, text: impl fmt::Display) {
        if self.shows_steps() {
            let word = self.paint(&format!("{word:>10}"), "1;32");
            self.say(&format!("{word} {}\n", escape(&text.to_string())));
        }
    }

    /// A sentence that the person should see although nothing failed: a relaxation, for example.
    pub(crate) fn note(&self, text: impl fmt::Display) {
        if self.detail != Detail::Quiet {
            let mark = self.paint("note:", "1;36");
            self.say(&format!("{mark} {}\n", escape(&text.to_string())));
        }
    }

    /// A question, without a line end.
    pub(crate) fn ask(&self, question: &str) {
        self.say(question);
    }

    /// The failure that ends the command.
    pub(crate) fn failure(&self, failure: &Failure) {
        let text = failure.render();
        match text.strip_prefix("error:") {
            Some(rest) => self.say(&format!("{}{rest}", self.paint("error:", "1;31"))),
            None => self.say(&text),
        }
    }

    /// A line of data that must not be overlooked: red where stdout is a terminal.
    pub(crate) fn alarm(&self, line: &str) -> String {
        match self.colour == Colour::OnTerminal && io::stdout().is_terminal() {
            true => format!("\x1b[1;31m{line}\x1b[0m"),
            false => line.to_owned(),
        }
    }

    fn paint(&self, text: &str, sgr: &str) -> String {
        if self.colour == Colour::OnTerminal && self.is_terminal() {
            format!("\x1b[{sgr}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// Words for stderr. Where stderr is closed or full there is nobody left to tell.
    fn say(&self, text: &str) {
        io::stderr().lock().write_all(text.as_bytes()).unwrap_or_default();
    }
}

/// A reader that has gone away is no failure; a full disk is.
fn stdout_failed(error: io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Failure::quiet();
    }
    Failure::new("cannot write to stdout").because(words(&error))
}
