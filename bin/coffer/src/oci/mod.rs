//! `coffer-oci`: the same binary under another name, with runc's and crun's grammar, for podman,
//! containerd, Docker and whoever else calls an OCI runtime. Source: runtime-spec runtime.md,
//! runc(8), crun(1).
//!
//! Nothing of `coffer`'s own front is used here: its callers are programs, which read exit
//! statuses, one line of error, and JSON.

mod checkpoint;
mod create;
mod delete;
mod events;
mod exec;
mod failure;
mod features;
mod globals;
mod grammar;
mod kill;
mod list;
mod log;
mod pause;
mod process;
mod ps;
mod restore;
mod run;
mod spec;
mod start;
mod state;
mod update;
mod usage;
mod version;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use failure::Failure;
use globals::Globals;
use grammar::{Grammar, Words};

/// The name under which the binary is the runtime.
pub(crate) const NAME: &str = "coffer-oci";

/// The name under which the binary never is.
const FRONT: &str = "coffer";

/// The status where there is no such verb, as runc's.
const NO_COMMAND: u8 = 3;

/// What a verb gives back: the status to end with.
type Outcome = Result<u8, Failure>;

/// A verb: its name, its grammar, and what it does.
struct Verb {
    name: &'static str,
    grammar: Grammar,
    run: fn(&Globals, &Words) -> Outcome,
}

/// All verbs, the most frequent first.
const VERBS: &[Verb] = &[
    Verb { name: "state", grammar: state::GRAMMAR, run: state::run },
    Verb { name: "create", grammar: create::GRAMMAR, run: create::run },
    Verb { name: "start", grammar: start::GRAMMAR, run: start::run },
    Verb { name: "kill", grammar: kill::GRAMMAR, run: kill::run },
    Verb { name: "delete", grammar: delete::GRAMMAR, run: delete::run },
    Verb { name: "run", grammar: run::GRAMMAR, run: run::run },
    Verb { name: "exec", grammar: exec::GRAMMAR, run: exec::run },
    Verb { name: "list", grammar: list::GRAMMAR, run: list::run },
    Verb { name: "ps", grammar: ps::GRAMMAR, run: ps::run },
    Verb { name: "pause", grammar: pause::GRAMMAR, run: pause::pause },
    Verb { name: "resume", grammar: pause::GRAMMAR, run: pause::resume },
    Verb { name: "update", grammar: update::GRAMMAR, run: update::run },
    Verb { name: "events", grammar: events::GRAMMAR, run: events::run },
    Verb { name: "checkpoint", grammar: checkpoint::GRAMMAR, run: checkpoint::run },
    Verb { name: "restore", grammar: restore::GRAMMAR, run: restore::run },
    Verb { name: "features", grammar: features::GRAMMAR, run: features::run },
    Verb { name: "spec", grammar: spec::GRAMMAR, run: spec::run },
];

/// How many links the kernel follows on the way to a file. Source: man 7 path_resolution.
const LINKS: usize = 40;

/// The verbs that make a process inside.
const MAKING: [&str; 3] = ["run", "create", "exec"];

/// Whether the binary was called by [`NAME`], or by the path of a link that leads to such a name:
/// alternatives of a distribution, or a runtime put in the place of another.
pub(crate) fn is_called(program: &OsString) -> bool {
    let mut path = PathBuf::from(program);
    for _ in 0..LINKS {
        match path.file_name() {
            Some(name) if name == NAME => return true,
            Some(name) if name != FRONT => {}
            _ => return false,
        }
        let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else {
            return false;
        };
        let Ok(target) = rustix::fs::readlink(&path, Vec::new()) else { return false };
        path = folder.join(OsStr::from_bytes(target.as_bytes()));
    }
    false
}

/// Runs the verb that `args` name, without the program's own name. Gives the exit status.
pub(crate) fn main(args: impl Iterator<Item = OsString>) -> u8 {
    let (globals, outcome) = match words(args).and_then(|words| Globals::parse(&words)) {
        Ok((globals, rest)) => {
            let outcome = enter(&globals, &rest);
            (globals, outcome)
        }
        Err(failure) => (Globals::default(), Err(failure)),
    };
    match outcome {
        Ok(status) => status,
        Err(failure) => {
            log::error(&globals, &failure);
            failure.status
        }
    }
}

fn words(args: impl Iterator<Item = OsString>) -> Result<Vec<String>, Failure> {
    let word = |word: OsString| {
        word.into_string().map_err(|word| Failure::new(format!("{word:?} is not UTF-8")))
    };
    args.map(word).collect()
}

fn enter(globals: &Globals, rest: &[String]) -> Outcome {
    if globals.version {
        return version::print_version();
    }
    let Some((name, rest)) = rest.split_first() else { return version::overview() };
    if globals.help || matches!(&**name, "help" | "h") {
        return version::overview();
    }
    let Some(verb) = VERBS.iter().find(|verb| verb.name == name) else {
        return Err(Failure::new(format!("No help topic for '{name}'")).exits(NO_COMMAND));
    };
    // podman asks so whether there is such a verb.
    if matches!(rest.first().map(String::as_str), Some("--help" | "-h" | "--usage")) {
        return version::options(verb);
    }
    let words = verb.grammar.parse(verb.name, rest)?;
    if MAKING.contains(&verb.name) {
        // The launch would do it where the container's ids own the binary, and has another way
        // where it cannot be done. Early it costs half: little of the binary has been read in.
        coffer_sys::own::shelter().unwrap_or_default();
    }
    let (subject, root) = (create::operand(&words), globals.root.display());
    log::debug(globals, &format!("{name} {subject:?}: states are in {root}"));
    let outcome = (verb.run)(globals, &words);
    if let Ok(status) = outcome {
        log::debug(globals, &format!("{name} {subject:?}: ends with status {status}"));
    }
    outcome
}
