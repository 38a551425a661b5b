//! The table of verbs, and how the first word chooses one.

use std::ffi::{OsStr, OsString};

use crate::command;
use crate::context::Context;
use crate::dockers;
use crate::environment;
use crate::failure::{Failure, Outcome};
use crate::flags::Common;
use crate::grammar::{self, Flags, Parsed};
use crate::ui::{Detail, Ui};

/// A verb's flags, and what it does with them.
pub(crate) trait Command: clap::Parser {
    /// Where its flags end.
    const FLAGS: Flags = Flags::Anywhere;

    /// The flags that every verb has.
    fn common(&self) -> &Common;

    /// Does it.
    fn run(self, context: Context) -> Outcome;
}

/// A line of the table.
pub(crate) struct Verb {
    /// The word.
    pub(crate) name: &'static str,
    /// Where the help lists it.
    pub(crate) group: Group,
    /// What it does, in a few words.
    pub(crate) about: &'static str,
    /// Parses its flags and does it.
    pub(crate) enter: fn(&'static Verb, Vec<OsString>) -> Outcome,
}

/// The parts of the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// What is done with containers.
    Containers,
    /// What is done with images.
    Images,
    /// The rest.
    Coffer,
    /// For coffer's own use.
    Hidden,
}

use Group::{Coffer, Containers, Hidden, Images};

/// Every verb, in the order of the help.
#[rustfmt::skip]
pub(crate) static VERBS: &[Verb] = &[
    verb::<command::run::Run>          ("run",     Containers, "Run a command in a new container"),
    verb::<command::create::Create>    ("create",  Containers, "Make a container without starting it"),
    verb::<command::start::Start>      ("start",   Containers, "Start containers"),
    verb::<command::stop::Stop>        ("stop",    Containers, "Ask containers to stop, then make them"),
    verb::<command::restart::Restart>  ("restart", Containers, "Stop containers and start them again"),
    verb::<command::kill::Kill>        ("kill",    Containers, "Send a signal to containers"),
    verb::<command::pause::Pause>      ("pause",   Containers, "Stop all processes of containers where they are"),
    verb::<command::pause::Unpause>    ("unpause", Containers, "Let paused containers go on"),
    verb::<command::rename::Rename>    ("rename",  Containers, "Give a container another name"),
    verb::<command::rm::Rm>            ("rm",      Containers, "Remove containers"),
    verb::<command::ps::Ps>            ("ps",      Containers, "List containers"),
    verb::<command::exec::Exec>        ("exec",    Containers, "Run a command in a running container"),
    verb::<command::cp::Cp>            ("cp",      Containers, "Copy files into a container and out of it"),
    verb::<command::attach::AttachTo>  ("attach",  Containers, "Attach this terminal to a running container"),
    verb::<command::logs::Logs>        ("logs",    Containers, "Print what a container has written"),
    verb::<command::wait::Wait>        ("wait",    Containers, "Wait until containers end, and print how"),
    verb::<command::top::Top>          ("top",     Containers, "List a container's processes"),
    verb::<command::stats::Stats>      ("stats",   Containers, "Show what containers use"),
    verb::<command::inspect::Inspect>  ("inspect", Containers, "Print all that is known of containers or images"),
    verb::<command::explain::Explain>  ("explain", Containers, "Say what holds a container, and what does not"),
    verb::<command::pull::Pull>        ("pull",    Images,     "Fetch an image"),
    verb::<command::push::Push>        ("push",    Images,     "Send an image to a registry"),
    verb::<command::images::Images>    ("images",  Images,     "List images"),
    verb::<command::history::History>  ("history", Images,     "Show how an image came to be"),
    verb::<command::rmi::Rmi>          ("rmi",     Images,     "Remove images"),
    verb::<command::tag::Tag>          ("tag",     Images,     "Give an image another name"),
    verb::<command::save::Save>        ("save",    Images,     "Write images to a file"),
    verb::<command::load::Load>        ("load",    Images,     "Read images from a file"),
    verb::<command::login::Login>      ("login",   Images,     "Keep a password for a registry"),
    verb::<command::logout::Logout>    ("logout",  Images,     "Forget the password for a registry"),
    verb::<command::demo::Demo>        ("demo",    Coffer,     "Show the whole path, without a registry or a network"),
    verb::<command::audit::Audit>      ("audit",   Coffer,     "Try what a container can reach, judged from the host's side"),
    verb::<command::seccomp::Seccomp>  ("seccomp", Coffer,     "Compare system call filters, and look for what newer kernels have undone"),
    verb::<command::volume::Volumes>   ("volume",  Coffer,     "Make, list and remove volumes"),
    verb::<command::system::System>    ("system",  Coffer,     "Prune, check or describe what coffer keeps"),
    verb::<command::version::Version>  ("version", Coffer,     "Print the version"),
    verb::<command::help::Help>        ("help",    Coffer,     "Print help for a verb"),
    verb::<command::audit::prober::Prober>("audit-probe", Hidden, "Try what a container should not reach, for an audit"),
    verb::<command::probe::Probe>      ("demo-probe", Hidden,  "Try what a container should not reach"),
];

const fn verb<C: Command>(name: &'static str, group: Group, about: &'static str) -> Verb {
    Verb { name, group, about, enter: enter::<C> }
}

/// Parses `args` as the flags of `C`, then does what they ask.
fn enter<C: Command>(verb: &'static Verb, args: Vec<OsString>) -> Outcome {
    let mut ui = Ui::new(Detail::Automatic, environment::colour());
    match grammar::parse::<C>(verb.name, C::FLAGS, args)? {
        Parsed::Help(text) => ui.data(text.as_bytes()).map(|()| crate::Exit::DONE),
        Parsed::Asked(command) => {
            let common = command.common();
            if common.verbose {
                ui.set_detail(Detail::Steps);
            }
            let root = common.root.clone();
            command.run(Context::new(ui, root))
        }
    }
}

/// What the first words ask for.
pub(crate) enum Call {
    /// A verb with its arguments.
    Verb(&'static Verb, Vec<OsString>),
    /// The overview.
    Help,
    /// Nothing at all.
    Nothing,
}

/// Finds the verb. Flags before it are global ones, and are handed on to it.
pub(crate) fn call(args: Vec<OsString>) -> Result<Call, Failure> {
    let mut before = Vec::new();
    let mut words = args.into_iter();
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--help" | "-h") => return Ok(Call::Help),
            Some("--version" | "-v") => return find("version").map(|v| Call::Verb(v, Vec::new())),
            Some("--root" | "--tier") => {
                before.push(word);
                before.extend(words.next());
            }
            Some("--json" | "--dry-run" | "--offline" | "--verbose") => before.push(word),
            _ if is_joined_global(&word) => before.push(word),
            Some(flag) if flag.starts_with('-') => return Err(unknown_global(flag)),
            _ => {
                let (word, rest) = (word.to_string_lossy(), words.collect::<Vec<_>>());
                let (verb, rest) = match dockers::short(&word, &rest) {
                    Some(ours) => ours.and_then(|(verb, rest)| Ok((find(verb)?, rest)))?,
                    None => (find(&word)?, rest),
                };
                // What `system info` is asked stands behind its second word.
                let at = usize::from(matches!(verb.name, "system" | "volume")).min(rest.len());
                before.splice(0..0, rest.get(..at).unwrap_or_default().iter().cloned());
                before.extend(rest.into_iter().skip(at));
                return Ok(Call::Verb(verb, before));
            }
        }
    }
    Ok(Call::Nothing)
}

fn is_joined_global(word: &OsStr) -> bool {
    ["--root", "--tier"].iter().any(|flag| grammar::joined_value(word, flag).is_some())
}

fn unknown_global(flag: &str) -> Failure {
    let known = ["--root", "--tier", "--json", "--dry-run", "--offline", "--verbose", "--help"];
    let failure = Failure::new(format!("coffer has no flag {flag} before the verb"));
    match grammar::nearest(flag, known.into_iter()) {
        Some(nearest) => failure.help(format!("did you mean {nearest}?")),
        None => failure.help("flags of a verb stand behind it: coffer run --rm busybox"),
    }
}

/// The verb of this name.
pub(crate) fn find(name: &str) -> Result<&'static Verb, Failure> {
    if let Some(verb) = VERBS.iter().find(|verb| verb.name == name) {
        return Ok(verb);
    }
    let all = "coffer help lists the verbs";
    if let Some(failure) = dockers::missing(name) {
        return Err(failure);
    }
    let failure = Failure::new(format!("coffer has no verb {name:?}"));
    let shown = VERBS.iter().filter(|verb| verb.group != Hidden).map(|verb| verb.name);
    Err(match grammar::nearest(name, shown) {
        Some(nearest) => failure.help(format!("did you mean {nearest}?")),
        None => failure.help(all),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn global_flags_move_behind_the_verb() {
        let Call::Verb(verb, args) = call(words("--root /x --json ps -a")).unwrap() else {
            panic!("no verb")
        };
        assert_eq!((verb.name, args), ("ps", words("--root /x --json -a")));
    }

    #[test]
    fn a_misspelt_verb_names_the_nearest() {
        let text = call(words("imges x")).map(|_| ()).unwrap_err().render();
        assert_eq!(text, "error: coffer has no verb \"imges\"\nhelp: did you mean images?\n");
    }

    #[test]
    fn every_verbs_flags_are_sound() {
        fn check<C: Command>() {
            C::command().debug_assert();
        }
        check::<command::run::Run>();
        check::<command::exec::Exec>();
        check::<command::cp::Cp>();
        check::<command::audit::Audit>();
        check::<command::logs::Logs>();
        check::<command::pull::Pull>();
        check::<command::seccomp::Seccomp>();
        check::<command::system::System>();
        check::<command::volume::Volumes>();
    }
}
