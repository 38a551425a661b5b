//! Docker's grammar on top of clap: global flags before the verb, everything after IMAGE belongs
//! to the command, unknown flags name the nearest one.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Parser};

use crate::conceal::conceal;
use crate::failure::Failure;
use crate::missing;

/// Where the flags of a verb end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flags {
    /// Flags and operands in any order, as for `rm web -f`.
    Anywhere,
    /// Everything after the first operand is the container's command, as for `run IMAGE ls -l`.
    BeforeCommand,
}

/// A verb's arguments, parsed.
#[derive(Debug)]
pub(crate) enum Parsed<A> {
    /// What was asked for.
    Asked(A),
    /// `--help`: the text to print.
    Help(String),
}

/// Parses the arguments that follow `verb`.
pub(crate) fn parse<A: Parser>(
    verb: &'static str,
    flags: Flags,
    mut args: Vec<OsString>,
) -> Result<Parsed<A>, Failure> {
    let command = as_docker_reads(A::command().name(verb));
    let mut command = with_short_help(command.bin_name(format!("coffer {verb}")));
    conceal(verb, &command, flags, &args);
    let second = second_word(&command, &args);
    set_switches(second.unwrap_or(&command), flags, &mut args);
    let words = match second {
        Some(second) => format!("{verb} {}", second.get_name()),
        None => verb.to_owned(),
    };
    if flags == Flags::BeforeCommand {
        divide(&command, &mut args);
    }
    let name = std::iter::once(OsString::from(verb));
    let matches = match command.try_get_matches_from_mut(name.chain(args)) {
        Ok(matches) => matches,
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            return Ok(Parsed::Help(format!("{}\n", error.to_string().trim_end())));
        }
        Err(error) => return Err(failure(verb, &words, &error)),
    };
    A::from_arg_matches(&matches).map(Parsed::Asked).map_err(|error| failure(verb, &words, &error))
}

/// A verb's flags, and those of its second words, as pflag reads docker's: said twice, the last one
/// counts, and the word behind a flag that takes a value is that value, whatever it looks like.
fn as_docker_reads(command: Command) -> Command {
    let command = command.args_override_self(true).mut_args(|arg| {
        let takes_next = takes_value(&arg) && !arg.is_positional();
        arg.allow_hyphen_values(takes_next)
    });
    command.mut_subcommands(as_docker_reads)
}

/// What a verb of two words does, as `df` in `coffer system df`.
fn second_word<'a>(command: &'a Command, args: &[OsString]) -> Option<&'a Command> {
    command.find_subcommand(args.get(operand(command, args)?)?)
}

/// `-h` asks for help where it is no flag of the verb's own.
fn with_short_help(command: Command) -> Command {
    let is_help = |arg: &clap::Arg| matches!(arg.get_action(), clap::ArgAction::Help);
    if command.get_arguments().any(|arg| arg.get_short() == Some('h')) {
        return command;
    }
    command.mut_args(|arg| if is_help(&arg) { arg.short('h') } else { arg })
}

/// Docker's switches take a value in their own word: `--rm=true` is `--rm`, and `--rm=false` is as
/// if neither it nor an earlier `--rm` stood there.
fn set_switches(command: &Command, flags: Flags, args: &mut Vec<OsString>) {
    let mut at = 0;
    while let Some(arg) = args.get(at) {
        match (arg.as_bytes(), switch(command, arg.as_bytes())) {
            (b"--", _) => return,
            (_, Some((name, true))) => {
                args.splice(at..=at, [name]);
            }
            (_, Some((name, false))) => {
                args.remove(at);
                while let Some(earlier) = args.iter().take(at).position(|word| *word == name) {
                    args.remove(earlier);
                    at -= 1;
                }
            }
            ([b'-', b'-', name @ ..], None) => {
                at += 1 + usize::from(long_takes_next(command, name))
            }
            ([b'-', first, rest @ ..], None) => {
                at += 1 + usize::from(cluster_takes_next(command, *first, rest));
            }
            _ if flags == Flags::BeforeCommand => return,
            _ => at += 1,
        }
    }
}

/// The switch that `word` sets, and to what. Source: Go's strconv.ParseBool.
fn switch(command: &Command, word: &[u8]) -> Option<(OsString, bool)> {
    let at = word.iter().position(|byte| *byte == b'=')?;
    let (name, value) = word.split_at(at);
    let is_it = |arg: &&clap::Arg| match name {
        [b'-', b'-', long @ ..] => arg.get_long().is_some_and(|known| known.as_bytes() == long),
        [b'-', short] => arg.get_short() == Some(char::from(*short)),
        _ => false,
    };
    let arg = command.get_arguments().find(is_it)?;
    let value = match value.strip_prefix(b"=")? {
        b"1" | b"t" | b"T" | b"TRUE" | b"true" | b"True" => true,
        b"0" | b"f" | b"F" | b"FALSE" | b"false" | b"False" => false,
        _ => return None,
    };
    let name = OsStr::from_bytes(name).to_owned();
    matches!(arg.get_action(), clap::ArgAction::SetTrue).then_some((name, value))
}

/// Puts clap's own word for "no flags from here on" behind the first operand.
fn divide(command: &Command, args: &mut Vec<OsString>) {
    let Some(at) = operand(command, args) else { return };
    if at + 1 < args.len() {
        args.insert(at + 1, OsString::from("--"));
    }
    // Docker lets a `--` stand before IMAGE too; one is enough.
    if at > 0 && args.get(at - 1).is_some_and(|word| word == "--") {
        args.remove(at - 1);
    }
}

/// The position of the first argument that is neither a flag nor a flag's value.
fn operand(command: &Command, args: &[OsString]) -> Option<usize> {
    let mut at = 0;
    while let Some(arg) = args.get(at) {
        match arg.as_bytes() {
            b"--" => return (at + 1 < args.len()).then_some(at + 1),
            [b'-', b'-', name @ ..] => at += 1 + usize::from(long_takes_next(command, name)),
            [b'-', first, rest @ ..] => {
                at += 1 + usize::from(cluster_takes_next(command, *first, rest))
            }
            _ => return Some(at),
        }
    }
    None
}

fn long_takes_next(command: &Command, name: &[u8]) -> bool {
    !name.contains(&b'=')
        && command.get_arguments().any(|arg| {
            let is_it = |long: &str| long.as_bytes() == name;
            takes_value(arg)
                && (arg.get_long().is_some_and(is_it)
                    || arg.get_all_aliases().is_some_and(|all| all.into_iter().any(is_it)))
        })
}

/// Of flags in one word, such as `-itu root`, only the last can take the next word.
fn cluster_takes_next(command: &Command, first: u8, rest: &[u8]) -> bool {
    let takes = |short: u8| {
        let is_it = |arg: &clap::Arg| arg.get_short() == Some(char::from(short));
        command.get_arguments().any(|arg| takes_value(arg) && is_it(arg))
    };
    match (takes(first), rest) {
        (true, rest) => rest.is_empty(),
        (false, [next, rest @ ..]) => cluster_takes_next(command, *next, rest),
        (false, []) => false,
    }
}

/// Whether a value may stand in the word behind it.
pub(crate) fn takes_value(arg: &clap::Arg) -> bool {
    arg.get_action().takes_values() && !arg.is_require_equals_set()
}

/// Clap's finding about `words`, which are `verb` or begin with it, in our four parts.
fn failure(verb: &str, words: &str, error: &clap::Error) -> Failure {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(list)) => list.first().cloned(),
        _ => None,
    };
    let lists = match error.kind() {
        ErrorKind::InvalidSubcommand
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "what there is",
        _ => "the flags",
    };
    let all = format!("coffer {words} --help lists {lists}");
    let invalid = context(ContextKind::InvalidArg);
    match (error.kind(), invalid) {
        (ErrorKind::UnknownArgument, Some(word)) if word.starts_with('-') => {
            unknown_flag(verb, words, &word, context(ContextKind::SuggestedArg)).help(all)
        }
        (ErrorKind::UnknownArgument, Some(word)) => {
            Failure::new(format!("`coffer {words}` does not take {word:?}")).help(all)
        }
        (ErrorKind::InvalidSubcommand, _) => {
            let word = context(ContextKind::InvalidSubcommand).unwrap_or_default();
            Failure::new(format!("`coffer {verb}` has no {word:?}")).help(all)
        }
        (ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand, _) => {
            Failure::new(format!("`coffer {words}` needs a second word")).help(all)
        }
        (ErrorKind::MissingRequiredArgument, Some(name)) => {
            Failure::new(format!("`coffer {words}` needs {name}"))
                .help(format!("coffer {words} --help"))
        }
        // A switch with a value that is none: `set_switches` has taken those that are.
        (ErrorKind::TooManyValues, Some(flag)) => {
            let value = context(ContextKind::InvalidValue).unwrap_or_default();
            Failure::new(format!("{value:?} is not a value for {flag}"))
                .because("it is true or false")
        }
        // An empty word for a path is an invalid value to clap.
        (ErrorKind::ValueValidation | ErrorKind::InvalidValue, Some(flag)) => {
            let value = context(ContextKind::InvalidValue).unwrap_or_default();
            let failure =
                Failure::new(format!("{:?} is not a value for {flag}", shown(&flag, &value)));
            let reasons = std::iter::successors(std::error::Error::source(error), |e| e.source());
            let failure = reasons.map(ToString::to_string).fold(failure, Failure::because);
            if std::error::Error::source(error).is_none() { failure.help(all) } else { failure }
        }
        _ => Failure::new(first_words(&error.to_string())).help(all),
    }
}

/// What is shown of a value: of a variable its name alone, and of an address no password, since
/// messages end up in logs.
fn shown(flag: &str, value: &str) -> String {
    if let Some((name, _)) = value.split_once('=')
        && flag.starts_with("--env ")
    {
        return format!("{name}=…");
    }
    match value.split_once("://") {
        Some((scheme @ ("http" | "https"), rest)) if rest.contains('@') => {
            format!("{scheme}://…@{}", rest.split_once('@').map_or("", |(_, host)| host))
        }
        _ => value.to_owned(),
    }
}

fn unknown_flag(verb: &str, words: &str, word: &str, nearest: Option<String>) -> Failure {
    let flag = word.split('=').next().unwrap_or(word);
    if let Some(missing) = missing::find(verb, flag).or_else(|| missing::find(words, flag)) {
        return missing.failure(words, flag);
    }
    let failure = Failure::new(format!("`coffer {words}` has no flag {flag}"));
    match nearest {
        Some(nearest) => failure.help(format!("did you mean {nearest}?")),
        None => failure,
    }
}

/// The first paragraph of clap's text, on one line and without its own mark.
fn first_words(text: &str) -> String {
    let paragraph = text.split("\n\n").next().unwrap_or(text);
    let words: Vec<&str> = paragraph.split_whitespace().collect();
    words.join(" ").trim_start_matches("error: ").to_owned()
}

/// The name nearest to `word`, if one is near enough to be meant.
pub(crate) fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|name| (strsim::jaro_winkler(word, name), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// Whether `arg` is the long flag `name` with its value in the same word.
pub(crate) fn joined_value<'a>(arg: &'a OsStr, name: &str) -> Option<&'a OsStr> {
    let rest = arg.as_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
    Some(OsStr::from_bytes(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Parser)]
    struct Sample {
        #[arg(short, long)]
        env: Vec<String>,
        #[arg(short, long)]
        interactive: bool,
        #[arg(short, long)]
        tty: bool,
        #[arg(long, value_name = "N")]
        cpus: Option<f32>,
        image: String,
        #[arg(last = true)]
        command: Vec<OsString>,
    }

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    fn words_of(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn sample(text: &str) -> Result<Sample, Failure> {
        match parse("run", Flags::BeforeCommand, words(text))? {
            Parsed::Asked(sample) => Ok(sample),
            Parsed::Help(text) => panic!("{text}"),
        }
    }

    #[test]
    fn flags_after_the_image_are_the_commands() {
        let s = sample("-it -e A=1 --cpus 2 busybox ls --tty -e B -- x").unwrap();
        assert!(s.interactive && s.tty);
        assert_eq!((s.image.as_str(), s.env.len(), s.cpus), ("busybox", 1, Some(2.0)));
        assert_eq!(s.command, words("ls --tty -e B -- x"));
    }

    #[test]
    fn values_may_be_joined() {
        let s = sample("-ieA=1 --cpus=2 busybox").unwrap();
        assert_eq!((s.env, s.command.len()), (vec!["A=1".to_owned()], 0));
        let s = sample("-e A=1 -- busybox -x").unwrap();
        assert_eq!((s.image.as_str(), s.command), ("busybox", words("-x")));
    }

    #[test]
    fn a_value_may_look_like_a_flag() {
        let s = sample("-e --x -ie -- --env --env busybox --tty").unwrap();
        assert_eq!((s.env, s.interactive, s.tty), (words_of("--x -- --env"), true, false));
        assert_eq!((s.image.as_str(), s.command), ("busybox", words("--tty")));
        let text = sample("--cpus -it busybox").unwrap_err().render();
        assert!(text.starts_with("error: \"-it\" is not a value for --cpus <N>\n"), "{text}");
        // What stands where a flag may stand is one, and is still known or not.
        let text = sample("-e A=1 --interactiv busybox").unwrap_err().render();
        assert!(text.contains("help: did you mean --interactive?\n"), "{text}");
    }

    #[test]
    fn switches_take_a_value_as_with_docker() {
        let set = |text: &str| {
            let s = sample(text).unwrap();
            (s.interactive, s.tty, s.env, s.command)
        };
        let (none, command) = (Vec::<String>::new(), Vec::new());
        assert_eq!(set("-i=true --tty=1 x"), (true, true, none.clone(), command.clone()));
        assert_eq!(set("-i --tty --tty=false -i=f x"), (false, false, none.clone(), command));
        assert_eq!(set("--tty=false -t x"), (false, true, none, Vec::new()));
        // Behind the image they are the command's own.
        let (env, rest) = (vec!["A=true".to_owned()], words("--tty=true"));
        assert_eq!(set("-e A=true x --tty=true"), (false, false, env, rest));
        let text = sample("--tty=perhaps x").unwrap_err().render();
        let why = "error: \"perhaps\" is not a value for --tty\n   = it is true or false\n";
        assert_eq!(text, why);
    }

    #[test]
    fn what_is_said_twice_counts_as_said_last() {
        let s = sample("-it -i --cpus 1 --cpus 2 -e A -e B x").unwrap();
        assert_eq!((s.interactive, s.cpus, s.env.len()), (true, Some(2.0), 2));
    }

    #[test]
    fn an_unknown_flag_names_the_nearest() {
        let text = sample("--interactiv busybox").unwrap_err().render();
        assert!(text.starts_with("error: `coffer run` has no flag --interactiv\n"), "{text}");
        assert!(text.contains("help: did you mean --interactive?\n"), "{text}");
    }

    #[derive(Debug, Parser)]
    struct Two {
        #[command(subcommand)]
        what: What,
        #[arg(long)]
        root: Option<String>,
    }

    #[derive(Debug, clap::Subcommand)]
    enum What {
        Df {
            #[arg(long)]
            all: bool,
            #[arg(long)]
            name: Option<String>,
        },
    }

    #[test]
    fn a_second_word_has_its_own_flags_and_help() {
        let two = |text| parse::<Two>("two", Flags::Anywhere, words(text));
        let text = two("--root df df --al").unwrap_err().render();
        assert!(text.starts_with("error: `coffer two df` has no flag --al\n"), "{text}");
        assert!(text.ends_with("help: coffer two df --help lists the flags\n"), "{text}");
        for none in ["--root=x", "--root x"] {
            let text = two(none).unwrap_err().render();
            let said = "error: `coffer two` needs a second word\n\
                help: coffer two --help lists what there is\n";
            assert_eq!(text, said);
        }
        let text = two("fd").unwrap_err().render();
        assert!(text.ends_with("help: coffer two --help lists what there is\n"), "{text}");
        let Ok(Parsed::Asked(Two { what: What::Df { all, name }, root })) =
            two("--root df df --all=false --name 1 --name -x")
        else {
            panic!("not taken")
        };
        assert_eq!((all, name.as_deref(), root.as_deref()), (false, Some("-x"), Some("df")));
    }

    #[test]
    fn a_bad_value_names_the_flag() {
        assert_eq!(shown("--env <NAME[=VALUE]>", "a b=secret"), "a b=…");
        assert_eq!(shown("<IMAGE>", "https://me:secret@host/x"), "https://…@host/x");
        assert_eq!(shown("<IMAGE>", "docker://x@sha256:0"), "docker://x@sha256:0");
        assert_eq!(shown("--label <NAME[=VALUE]>", "=c"), "=c");
        let text = sample("--cpus x busybox").unwrap_err().render();
        assert!(text.starts_with("error: \"x\" is not a value for --cpus <N>\n"), "{text}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let text = sample("-it").unwrap_err().render();
        assert!(text.starts_with("error: `coffer run` needs <IMAGE>\n"), "{text}");
    }
}
