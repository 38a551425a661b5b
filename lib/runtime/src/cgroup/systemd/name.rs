//! Which unit a container is, and where its group will be.
//!
//! Source: runc's docs/systemd.md; man 5 systemd.slice; man 5 systemd.unit, "Description".

use std::path::PathBuf;

/// The longest name of a unit. Source: systemd's `UNIT_NAME_MAX`.
const MOST: usize = 255;
/// The prefix of a bundle's scope where the bundle says nothing.
const PREFIX: &str = "coffer";

/// A scope and the slice that it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Named {
    /// The slice.
    pub(in super::super) slice: String,
    /// The scope.
    pub(in super::super) scope: String,
}

/// Reads `slice:prefix:name`. What is empty is made up: the slice by `slice`, the rest as if it
/// were `coffer` and the container's `id`. Says why where it is not of that form.
pub(in super::super) fn parse(path: &str, slice: &str, id: &str) -> Result<Named, String> {
    let parts: Vec<&str> =
        if path.is_empty() { vec!["", PREFIX, id] } else { path.split(':').collect() };
    let [asked, prefix, name] = parts[..] else {
        return Err(format!("{path:?} is not of the form slice:prefix:name"));
    };
    let slice = if asked.is_empty() { slice } else { asked };
    if name.is_empty() {
        return Err(format!("{path:?} has no name"));
    }
    if name.ends_with(".slice") {
        return Err(format!("{name:?} is a slice, and processes are in scopes"));
    }
    let scope = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}-{name}") };
    let named = Named { slice: slice.to_owned(), scope: scope + ".scope" };
    check(&named.scope)?;
    check(&named.slice)?;
    group(&named.slice).map(|_| named)
}

/// The group of a slice, below the manager's own: `a-b.slice` is in `a.slice`.
pub(in super::super) fn group(slice: &str) -> Result<PathBuf, String> {
    let bad = || format!("{slice:?} is no name of a slice");
    let stem = slice.strip_suffix(".slice").ok_or_else(bad)?;
    // The slice above all others.
    if stem == "-" {
        return Ok(PathBuf::new());
    }
    let mut path = PathBuf::new();
    let mut above = String::new();
    for part in stem.split('-') {
        if part.is_empty() {
            return Err(bad());
        }
        if !above.is_empty() {
            above.push('-');
        }
        above.push_str(part);
        path.push(format!("{above}.slice"));
    }
    Ok(path)
}

/// Whether systemd takes the name.
fn check(name: &str) -> Result<(), String> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    if name.len() <= MOST && name.bytes().all(is_allowed) {
        return Ok(());
    }
    Err(format!("{name:?} is no name of a unit"))
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    fn named(path: &str) -> Result<(String, String), String> {
        parse(path, "system.slice", "web").map(|Named { slice, scope }| (slice, scope))
    }

    #[test]
    fn names_are_runcs() {
        let pair = |slice: &str, scope: &str| Ok((slice.to_owned(), scope.to_owned()));
        assert_eq!(named(""), pair("system.slice", "coffer-web.scope"));
        assert_eq!(named("machine.slice:libpod:1f"), pair("machine.slice", "libpod-1f.scope"));
        assert_eq!(named(":docker:1f"), pair("system.slice", "docker-1f.scope"));
        assert_eq!(named("-.slice::1f"), pair("-.slice", "1f.scope"));
        for bad in [
            "/docker/1f",
            "a.slice:b",
            "a.slice:b:",
            "a:b:c",
            "a--b.slice:c:d",
            "../x.slice:c:d",
            "a.slice:b:../c",
            "a.slice:b:c.slice",
        ] {
            assert!(named(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_slice_is_in_the_slices_that_its_name_says() {
        assert_eq!(group("a-b-c.slice").unwrap(), Path::new("a.slice/a-b.slice/a-b-c.slice"));
        assert_eq!(group("-.slice").unwrap(), Path::new(""));
    }

    proptest! {
        #[test]
        fn no_name_leaves_the_hierarchy(path in "[a./:-]{0,16}(\\.slice)?:[a./-]{0,4}:[a./-]{0,4}") {
            if let Ok(Named { slice, scope }) = parse(&path, "system.slice", "web") {
                let whole = group(&slice).unwrap().join(scope);
                prop_assert!(whole.components().all(|part| matches!(part, Component::Normal(_))));
            }
        }
    }
}
