//! The help: complete, and the same on every machine.

use crate::common::{coffer, good};

#[test]
fn the_overview_lists_every_verb() {
    let text = good(coffer("help"));
    assert_eq!(text, good(coffer("--help")));
    for verb in [
        "run", "create", "start", "stop", "restart", "kill", "pause", "unpause", "rename", "rm",
        "exec", "attach", "wait", "top", "stats", "explain", "pull", "push", "images", "tag",
        "rmi", "history", "save", "load", "login", "logout", "inspect", "ps", "logs", "demo",
        "seccomp", "system", "version", "help",
    ] {
        let line = format!("\n  {verb:<8} ");
        assert!(text.contains(&line), "{verb} is not in\n{text}");
    }
    assert!(!text.contains("demo-probe"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}

#[test]
fn every_verb_has_help_that_begins_with_what_it_does() {
    let overview = good(coffer("help"));
    for line in overview.lines().filter(|line| line.starts_with("  ") && !line.contains("--")) {
        let (verb, about) = line.trim().split_once(' ').unwrap();
        let text = good(coffer(&format!("{verb} --help")));
        assert!(text.starts_with(about.trim()), "{verb}: {text}");
        assert_eq!(text, good(coffer(&format!("help {verb}"))));
    }
}

#[test]
fn one_verb_word_by_word() {
    assert_eq!(
        good(coffer("tag --help")),
        "Give an image another name\n\
         \n\
         Usage: coffer tag [OPTIONS] <IMAGE> <NAME>\n\
         \n\
         Arguments:\n\
         \x20 <IMAGE>  The image: its name or digest, oci:DIR, oci-archive:FILE or docker-archive:FILE\n\
         \x20 <NAME>   Its new name\n\
         \n\
         Everywhere:\n\
         \x20     --root <DIR>  Keep images and containers below DIR\n\
         \x20     --verbose     Print each step even where stderr is no terminal\n\
         \x20 -h, --help        Print this help\n"
    );
}

#[test]
fn help_is_had_by_its_letter_and_for_second_words() {
    assert_eq!(good(coffer("ps -h")), good(coffer("ps --help")));
    for (words, flag) in [("system prune", "--containers"), ("seccomp diff", "--cap-add")] {
        let text = good(coffer(&format!("{words} --help")));
        assert!(text.contains(flag), "{text}");
        assert_eq!(text, good(coffer(&format!("{words} -h"))));
    }
    assert_eq!(good(coffer("info -h")), good(coffer("system info --help")));
    // For what makes containers it is the name of their host.
    let ran = coffer("run -h");
    assert!(ran.code == 125 && ran.stderr.contains("--hostname"), "{}", ran.stderr);
}

#[test]
fn the_version() {
    let text = format!("coffer version {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(good(coffer("version")), text);
    assert_eq!(good(coffer("--version")), text);
    assert_eq!(good(coffer("-v")), text);
    assert!(good(coffer("version --json")).contains("\"version\": 1,"));
}
