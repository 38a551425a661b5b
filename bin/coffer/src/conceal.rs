//! What others see of coffer's own command line: `/proc/PID/cmdline` is for everybody to read, and
//! what stays with a container has it as long as the container runs. So what is secret in it goes
//! as soon as it was read. (What the container's own program is called with, its own line shows.)

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use clap::{Arg, Command};

use crate::grammar::{Flags, takes_value};

/// What stands in a secret's place.
const HIDDEN: &[u8] = "…".as_bytes();

/// Whose values are secret, and how much of them.
fn kind(arg: &Arg) -> Kind {
    match arg.get_long() {
        Some("env") => Kind::Variable,
        Some("password") => Kind::Whole,
        _ => Kind::Plain,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Nothing of it.
    Plain,
    /// What stands behind its first `=`.
    Variable,
    /// All of it.
    Whole,
}

impl Kind {
    fn hide(self, value: &[u8]) -> Vec<u8> {
        let name = value.iter().position(|byte| *byte == b'=').map(|at| at + 1);
        match (self, name) {
            (Self::Plain, _) | (Self::Variable, None) => value.to_vec(),
            (Self::Variable, Some(end)) => [value.get(..end).unwrap_or_default(), HIDDEN].concat(),
            (Self::Whole, _) => HIDDEN.to_vec(),
        }
    }
}

/// Hides the secrets among `args` from others on this host.
pub(crate) fn conceal(verb: &str, command: &Command, flags: Flags, args: &[OsString]) {
    let shown = shown(command, flags, args);
    if shown != args {
        let words = [OsStr::new("coffer"), OsStr::new(verb)];
        let words = words.into_iter().chain(shown.iter().map(OsString::as_os_str));
        let line: Vec<u8> = words.flat_map(|word| [word.as_bytes(), b"\0"].concat()).collect();
        coffer_sys::entry::show_as(&String::from_utf8_lossy(&line));
    }
}

/// The words with their secrets hidden, up to where the container's command begins.
fn shown(command: &Command, flags: Flags, args: &[OsString]) -> Vec<OsString> {
    let mut shown = args.to_vec();
    let mut at = 0;
    while let Some(word) = args.get(at) {
        let found = match word.as_bytes() {
            b"--" => break,
            [b'-', b'-', rest @ ..] => long(command, rest),
            [b'-', rest @ ..] => cluster(command, rest),
            _ if flags == Flags::BeforeCommand => break,
            _ => None,
        };
        // Where a value stands: so many bytes behind the beginning of this word, or the next word.
        let (kind, place, start) = match found {
            None => (Kind::Plain, at, 0),
            Some((kind, Some(length))) => (kind, at, word.len() - length),
            Some((kind, None)) => (kind, at + 1, 0),
        };
        if let (Some(word), Some(place)) = (args.get(place), shown.get_mut(place)) {
            let (flag, value) = word.as_bytes().split_at(start);
            *place = OsStr::from_bytes(&[flag, &kind.hide(value)].concat()).to_owned();
        }
        at = place + 1;
    }
    shown
}

/// What kind of value the long flag has whose name `rest` begins with, and how many bytes of `rest`
/// the value is; it is the next word where that is `None`.
fn long(command: &Command, rest: &[u8]) -> Option<(Kind, Option<usize>)> {
    let end = rest.iter().position(|byte| *byte == b'=');
    let name = rest.get(..end.unwrap_or(rest.len()))?;
    let is_it = |arg: &&Arg| {
        let names = arg.get_long().into_iter().chain(arg.get_all_aliases().unwrap_or_default());
        names.map(str::as_bytes).any(|long| long == name)
    };
    let arg = command.get_arguments().filter(|arg| takes_value(arg)).find(is_it)?;
    Some((kind(arg), end.map(|end| rest.len() - end - 1)))
}

/// The same for flags in one word: the first that takes a value takes what stands behind it.
fn cluster(command: &Command, rest: &[u8]) -> Option<(Kind, Option<usize>)> {
    let taking = |short: u8| {
        let is_it = |arg: &&Arg| arg.get_short() == Some(char::from(short));
        command.get_arguments().filter(|arg| takes_value(arg)).find(is_it)
    };
    let (at, arg) = rest.iter().enumerate().find_map(|(at, short)| Some((at, taking(*short)?)))?;
    let value = rest.get(at + 1..)?;
    let value = value.strip_prefix(b"=").unwrap_or(value);
    Some((kind(arg), (!value.is_empty()).then_some(value.len())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use proptest::prelude::*;

    fn hidden(flags: Flags, text: &str) -> String {
        let command = crate::command::run::Run::command();
        let words: Vec<OsString> = text.split(' ').map(OsString::from).collect();
        let shown = shown(&command, flags, &words);
        shown.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn values_of_variables_are_hidden_in_every_form() {
        let run = |text: &str| hidden(Flags::BeforeCommand, text);
        assert_eq!(run("-e A=s --env B=s=t x -e C=d"), "-e A=… --env B=… x -e C=d");
        assert_eq!(run("--env=A=s -ite=B=s -eC=s -ie D=s x"), "--env=A=… -ite=B=… -eC=… -ie D=… x");
        assert_eq!(run("-e A --name -e -e B=s -- x"), "-e A --name -e -e B=… -- x");
        assert_eq!(run("--env-file f -l a=b x"), "--env-file f -l a=b x");
        assert_eq!(run("-e"), "-e");
    }

    #[test]
    fn passwords_are_hidden_whole() {
        let command = crate::command::login::Login::command();
        let words = ["-p", "a=b", "here", "--password=c", "-pd", "-u", "me"].map(OsString::from);
        let words = shown(&command, Flags::Anywhere, &words);
        assert_eq!(words, ["-p", "…", "here", "--password=…", "-p…", "-u", "me"]);
    }

    proptest! {
        #[test]
        fn no_line_is_lost(text in "[-=a-z ]{0,30}") {
            let seen = hidden(Flags::BeforeCommand, &text);
            prop_assert_eq!(seen.split(' ').count(), text.split(' ').count());
        }
    }
}
