//! Docker's words for verbs: its long forms (`container ls`), which are ours in other words, and
//! the verbs that coffer does not have, each with the reason and the way on.

use std::ffi::OsString;

use crate::failure::Failure;

/// Words that mean one of our verbs, and what stands before the caller's arguments.
struct Long {
    noun: &'static str,
    words: &'static [&'static str],
    verb: &'static str,
    before: &'static [&'static str],
}

const fn long(
    noun: &'static str,
    words: &'static [&'static str],
    verb: &'static str,
    before: &'static [&'static str],
) -> Long {
    Long { noun, words, verb, before }
}

/// Source: `docker container --help`, `docker image --help`, docker 28.
const LONG: &[Long] = &[
    long("container", &["ls", "list", "ps"], "ps", &[]),
    long("container", &["rm", "remove"], "rm", &[]),
    long("container", &["inspect"], "inspect", &["--type", "container"]),
    long("image", &["ls", "list"], "images", &[]),
    long("image", &["rm", "remove"], "rmi", &[]),
    long("image", &["inspect"], "inspect", &["--type", "image"]),
    long("image", &["prune"], "system", &["prune"]),
];

/// The verbs that are called the same below their noun.
const SAME: [(&str, &[&str]); 2] = [
    (
        "container",
        &[
            "attach", "cp", "create", "exec", "kill", "logs", "pause", "rename", "restart", "run",
            "start", "stats", "stop", "top", "unpause", "wait",
        ],
    ),
    ("image", &["history", "load", "pull", "push", "save", "tag"]),
];

/// Words that stand alone and mean a verb of ours with its second word.
const ALONE: [(&str, &str, &[&str]); 1] = [("info", "system", &["info"])];

/// What `word` and the words behind it mean in our words; `None` where docker has no long form.
pub(crate) fn short(
    word: &str,
    rest: &[OsString],
) -> Option<Result<(&'static str, Vec<OsString>), Failure>> {
    let words = |before: &[&str], rest: &[OsString]| {
        before.iter().map(OsString::from).chain(rest.iter().cloned()).collect::<Vec<_>>()
    };
    if let Some((_, verb, before)) = ALONE.iter().find(|(alone, ..)| *alone == word) {
        return Some(Ok((verb, words(before, rest))));
    }
    if let Some(failure) =
        rest.first().and_then(|second| missing(&format!("{word} {}", second.to_string_lossy())))
    {
        return Some(Err(failure));
    }
    let (_, same) = SAME.iter().find(|(noun, _)| *noun == word)?;
    let Some((second, rest)) = rest.split_first() else {
        return Some(Err(
            Failure::new(format!("`coffer {word}` needs a verb")).help(format!("coffer {word} ls"))
        ));
    };
    let second = second.to_string_lossy();
    if let Some(verb) = same.iter().find(|verb| **verb == second) {
        return Some(Ok((verb, words(&[], rest))));
    }
    let is_it = |long: &&Long| long.noun == word && long.words.contains(&second.as_ref());
    Some(match LONG.iter().find(is_it) {
        Some(long) => Ok((long.verb, words(long.before, rest))),
        None => Err(match missing(&second) {
            Some(failure) => failure,
            None => Failure::new(format!("coffer has no verb \"{word} {second}\""))
                .help("coffer help lists the verbs"),
        }),
    })
}

/// Verbs that we lack.
struct Missing {
    words: &'static [&'static str],
    why: &'static str,
    help: &'static str,
}

const fn lacks(words: &'static [&'static str], why: &'static str, help: &'static str) -> Missing {
    Missing { words, why, help }
}

const ONE_HOST: &str = "coffer runs containers on one host, each by itself";

/// Source: `docker --help`, docker 28, and podman's words beside it.
#[rustfmt::skip]
const MISSING: &[Missing] = &[
    lacks(&["build", "builder", "buildx"], "images are not built yet",
        "build it elsewhere, then: coffer load -i FILE, or coffer run docker-archive:FILE"),
    lacks(&["checkpoint"], "of coffer's own containers there are no checkpoints yet",
        "of bundles: coffer-oci checkpoint, coffer-oci restore"),
    lacks(&["commit"], "images are not made from containers yet", "keep what changes in a volume: -v DIR:/PATH"),
    lacks(&["compose", "stack", "swarm", "service", "node", "config", "secret"], ONE_HOST,
        "start each of them: coffer run -d --name NAME IMAGE"),
    lacks(&["pod", "kube", "play", "generate"], ONE_HOST,
        "podman --runtime coffer-oci play kube …, or what it would open: coffer explain FILE"),
    lacks(&["completion"], "scripts that complete words in shells are not made yet", "coffer help, coffer VERB --help"),
    lacks(&["context"], "there is no daemon that could be somewhere else", "ssh HOST coffer …"),
    lacks(&["diff"], "what a container has changed is not listed yet", "coffer run --read-only, and volumes for what changes"),
    lacks(&["events"], "there is no daemon that could tell", "coffer wait NAME, or coffer logs --follow NAME"),
    lacks(&["export"], "a container's files are not written to an archive yet",
        "coffer cp NAME:/ - >FILE"),
    lacks(&["import"], "an archive of files is no image", "coffer load takes images that `save` wrote"),
    lacks(&["manifest"], "", "coffer inspect IMAGE, or coffer pull --platform PLATFORM IMAGE"),
    lacks(&["network"], "a container's network is `none` or `host` so far", "coffer run --network host"),
    lacks(&["plugin"], "coffer has no plugins", "coffer help lists the verbs"),
    lacks(&["port"], "ports cannot be published yet", "share the host's network: coffer run --network host"),
    lacks(&["search"], "registries have no search that they share; docker's asks Docker Hub alone",
        "look at the registry's page, then: coffer pull NAME"),
    lacks(&["trust"], "who made an image is not looked at yet", "name it by digest: coffer pull NAME@sha256:…"),
    lacks(&["update"], "limits are set when a container is made", "coffer rm NAME, then coffer run with other limits"),
    lacks(&["volume update"], "it is for volumes of a swarm", "coffer volume ls"),
    lacks(&["container prune"], "stopped containers go with what else nothing names",
        "coffer system prune --containers"),
    lacks(&["system events"], "there is no daemon that could tell", "coffer wait NAME, or coffer logs --follow NAME"),
    lacks(&["healthcheck"], "there is no daemon that could ask after a container's health", "coffer exec NAME COMMAND"),
];

/// The error for a verb of docker's that coffer does not have.
pub(crate) fn missing(word: &str) -> Option<Failure> {
    let missing = MISSING.iter().find(|missing| missing.words.contains(&word))?;
    let failure = Failure::new(format!("coffer does not have docker's {word:?}"));
    let failure = if missing.why.is_empty() { failure } else { failure.because(missing.why) };
    Some(failure.help(missing.help))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verb::VERBS;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn long_forms_are_our_verbs_in_other_words() {
        let is_ours = |verb: &str| VERBS.iter().any(|ours| ours.name == verb);
        assert!(LONG.iter().all(|long| is_ours(long.verb)));
        assert!(ALONE.iter().all(|(_, verb, _)| is_ours(verb)));
        assert!(SAME.iter().flat_map(|(_, verbs)| *verbs).all(|verb| is_ours(verb)));
        let short = |word, rest| short(word, &words(rest)).unwrap().unwrap();
        assert_eq!(short("container", "ls -a"), ("ps", words("-a")));
        assert_eq!(short("image", "inspect x"), ("inspect", words("--type image x")));
        assert_eq!(short("container", "run -d x rm"), ("run", words("-d x rm")));
        assert_eq!(short("image", "prune -af"), ("system", words("prune -af")));
        assert_eq!(short("info", "--json"), ("system", words("info --json")));
    }

    #[test]
    fn no_verb_is_ours_and_missing() {
        let missing: Vec<&str> = MISSING.iter().flat_map(|m| m.words).copied().collect();
        for (at, word) in missing.iter().enumerate() {
            assert!(!VERBS.iter().any(|verb| verb.name == *word), "{word}");
            assert!(!missing[at + 1..].contains(word), "{word} stands twice");
        }
        assert!(MISSING.iter().all(|missing| !missing.help.is_empty()));
    }
}
