//! The environment of the program.

use std::collections::BTreeSet;

use crate::plan::DEFAULT_PATH;

/// What every program is told. Source: docker's `run` reference, "Environment variables".
#[derive(Clone, Copy, Debug)]
pub(super) struct Basics<'a> {
    /// The container's host name.
    pub(super) hostname: &'a str,
    /// The user's home folder.
    pub(super) home: &'a str,
    /// Whether there is a terminal, which makes `TERM`.
    pub(super) terminal: bool,
}

/// The image's environment, the caller's over it, and the basics under both. Each name stands
/// once, at its first place, with its last value.
pub(super) fn merge(
    image: &[String],
    caller: &[(String, String)],
    basics: Basics<'_>,
) -> Vec<String> {
    let split = |entry: &String| {
        let (name, value) = entry.split_once('=')?;
        (!name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
    };
    let mut given: Vec<(String, String)> = image.iter().filter_map(split).collect();
    given.extend(caller.iter().cloned());
    let mut all = vec![
        ("PATH".to_owned(), DEFAULT_PATH.to_owned()),
        ("HOSTNAME".to_owned(), basics.hostname.to_owned()),
        ("HOME".to_owned(), basics.home.to_owned()),
    ];
    if basics.terminal {
        all.push(("TERM".to_owned(), "xterm".to_owned()));
    }
    all.extend(given);
    last_of_each(all)
}

/// Each name once, at its first place, with its last value.
fn last_of_each(all: Vec<(String, String)>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut kept = Vec::with_capacity(all.len());
    for (name, _) in &all {
        if seen.insert(name.as_str()) {
            let value = all.iter().rev().find(|(other, _)| other == name);
            kept.extend(value.map(|(name, value)| format!("{name}={value}")));
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_wins_over_the_image_and_both_over_the_basics() {
        let image = ["A=image".to_owned(), "PATH=/image".to_owned(), "junk".to_owned()];
        let caller = [("A".to_owned(), "caller".to_owned()), ("B".to_owned(), "x=y".to_owned())];
        let basics = Basics { hostname: "h", home: "/root", terminal: true };
        let env = merge(&image, &caller, basics);
        let expected =
            ["PATH=/image", "HOSTNAME=h", "HOME=/root", "TERM=xterm", "A=caller", "B=x=y"];
        assert_eq!(env, expected);
    }
}
