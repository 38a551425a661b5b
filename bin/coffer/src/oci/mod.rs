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
use std::path::Path;

use coffer_sys::own::{self, Run};
use failure::Failure;
use globals::Globals;
use grammar::{Grammar, Words};

use crate::environment;

/// The name under which the binary is the runtime.
pub(crate) const NAME: &str = "coffer-oci";

/// The status where there is no such verb, as runc's.
const NO_COMMAND: u8 = 3;

/// What a verb gives back: the status to end with.
type Outcome = Result<u8, Failure>;

/// A verb: its name, its grammar, and what it does.
struct Verb {
    name: &'static str,
    grammar: Grammar,
    child: Child,
    run: fn(&Globals, &Words) -> Outcome,
}

/// What a verb makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Child {
    /// A process inside of a container, which is this program until it executes another.
    Inside,
    /// None.
    None,
}

/// All verbs, the most frequent first.
const VERBS: &[Verb] = &[
    Verb { name: "state", grammar: state::GRAMMAR, child: Child::None, run: state::run },
    Verb { name: "create", grammar: create::GRAMMAR, child: Child::Inside, run: create::run },
    Verb { name: "start", grammar: start::GRAMMAR, child: Child::None, run: start::run },
    Verb { name: "kill", grammar: kill::GRAMMAR, child: Child::None, run: kill::run },
    Verb { name: "delete", grammar: delete::GRAMMAR, child: Child::None, run: delete::run },
    Verb { name: "run", grammar: run::GRAMMAR, child: Child::Inside, run: run::run },
    Verb { name: "exec", grammar: exec::GRAMMAR, child: Child::Inside, run: exec::run },
    Verb { name: "list", grammar: list::GRAMMAR, child: Child::None, run: list::run },
    Verb { name: "ps", grammar: ps::GRAMMAR, child: Child::None, run: ps::run },
    Verb { name: "pause", grammar: pause::GRAMMAR, child: Child::None, run: pause::pause },
    Verb { name: "resume", grammar: pause::GRAMMAR, child: Child::None, run: pause::resume },
    Verb { name: "update", grammar: update::GRAMMAR, child: Child::None, run: update::run },
    Verb { name: "events", grammar: events::GRAMMAR, child: Child::None, run: events::run },
    Verb {
        name: "checkpoint",
        grammar: checkpoint::GRAMMAR,
        child: Child::None,
        run: checkpoint::run,
    },
    Verb { name: "restore", grammar: restore::GRAMMAR, child: Child::None, run: restore::run },
    Verb { name: "features", grammar: features::GRAMMAR, child: Child::None, run: features::run },
    Verb { name: "spec", grammar: spec::GRAMMAR, child: Child::None, run: spec::run },
];

/// Whether the binary was called by [`NAME`].
pub(crate) fn is_called(program: &OsStr) -> bool {
    Path::new(program).file_name().is_some_and(|name| name == NAME)
}

/// Runs the verb that `args` name, called by `name`. Gives the exit status.
pub(crate) fn main(name: &OsStr, args: impl Iterator<Item = OsString>) -> u8 {
    let called = own::settle(name).map_err(Failure::from);
    let called = called.and_then(|run| Ok((run, words(args)?)));
    let parsed = called.and_then(|called| Ok((Globals::parse(&called.1)?, called)));
    let (globals, outcome) = match parsed {
        Ok(((globals, rest), (run, words))) => {
            let outcome = enter(&globals, &rest, || shield(&run, &words));
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

/// Puts the binary out of reach of a container in which a process will be it for a moment: where
/// there is no user namespace, others in there have the ids that own it. Where that cannot be done,
/// the process gets a Landlock domain instead (`Step::ExecuteInside`), with which it can neither
/// mount nor look into others: what privileged containers and debuggers do.
fn shield(run: &Run, words: &[String]) {
    if *run == Run::First {
        own::run_again(NAME, words, environment::all());
    }
}

fn words(args: impl Iterator<Item = OsString>) -> Result<Vec<String>, Failure> {
    let word = |word: OsString| {
        word.into_string().map_err(|word| Failure::new(format!("{word:?} is not UTF-8")))
    };
    args.map(word).collect()
}

/// Runs the verb that `rest` begins with; `shield` puts the binary out of a container's reach.
fn enter(globals: &Globals, rest: &[String], shield: impl FnOnce()) -> Outcome {
    if globals.version {
        return version::print_version();
    }
    let Some((name, rest)) = rest.split_first() else { return version::overview() };
    if globals.help || matches!(&**name, "help" | "h") {
        return version::overview();
    }
    let Some(verb) = VERBS.iter().find(|verb| verb.name == name) else {
        return Err(Failure::new(format!("there is no command {name:?}")).exits(NO_COMMAND));
    };
    // podman asks so whether there is such a verb.
    if matches!(rest.first().map(String::as_str), Some("--help" | "-h" | "--usage")) {
        return version::options(verb);
    }
    let words = verb.grammar.parse(verb.name, rest)?;
    if verb.child == Child::Inside {
        shield();
    }
    let (subject, root) = (create::operand(&words), globals.root.display());
    log::debug(globals, &format!("{name} {subject:?}: states are in {root}"));
    let outcome = (verb.run)(globals, &words);
    if let Ok(status) = outcome {
        log::debug(globals, &format!("{name} {subject:?}: ends with status {status}"));
    }
    outcome
}
