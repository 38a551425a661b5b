//! The process of an `exec`: from a file, or the container's own with the options over it.

use std::path::Path;

use coffer_oci::runtime::{Capabilities, Process, User};
use coffer_runtime::bundle::read_process;

use super::failure::Failure;
use super::grammar::Words;

/// The process that the words ask for.
pub(super) fn wanted(own: &Process, words: &Words) -> Result<Process, Failure> {
    let command = words.operands().get(1..).unwrap_or_default();
    let mut process = match (words.value("process"), command) {
        (Some(file), []) => read_process(Path::new(file))?,
        (Some(_), _) => return Err(Failure::new("a command and --process exclude each other")),
        (None, []) => return Err(Failure::new("exec needs a command, or --process FILE")),
        (None, command) => Process {
            args: command.to_vec(),
            terminal: words.has("tty"),
            console_size: None,
            ..own.clone()
        },
    };
    process.terminal |= words.has("tty");
    apply(&mut process, words)?;
    Ok(process)
}

/// Puts the options over `process`, as runc does.
fn apply(process: &mut Process, words: &Words) -> Result<(), Failure> {
    let text = |name: &str, field: &mut String| {
        if let Some(value) = words.value(name) {
            value.clone_into(field);
        }
    };
    text("cwd", &mut process.cwd);
    text("apparmor", &mut process.apparmor_profile);
    text("process-label", &mut process.selinux_label);
    process.env.extend(words.values("env").map(str::to_owned));
    process.no_new_privileges |= words.has("no-new-privs");
    if let Some(user) = words.value("user") {
        let (uid, gid) = parse_user(user)?;
        process.user = User { uid, gid: gid.unwrap_or(process.user.gid), ..process.user.clone() };
    }
    for gid in words.values("additional-gids") {
        process.user.additional_gids.push(id(gid, gid)?);
    }
    add_capabilities(process, words);
    Ok(())
}

/// `--cap` adds to what may be had and is in force; never to what is inherited (CVE-2022-29162).
/// What the configuration has as inheritable becomes ambient too, as runc does it.
fn add_capabilities(process: &mut Process, words: &Words) {
    for name in words.values("cap") {
        let sets = process.capabilities.get_or_insert_with(Capabilities::default);
        for set in [&mut sets.bounding, &mut sets.effective, &mut sets.permitted] {
            set.push(name.to_owned());
        }
        if !sets.inheritable.is_empty() {
            sets.ambient.push(name.to_owned());
        }
    }
}

/// `UID[:GID]`, both as plain decimal numbers. A name, an empty part or a sign is an error, and
/// never root (CVE-2026-30892).
fn parse_user(text: &str) -> Result<(u32, Option<u32>), Failure> {
    match text.split_once(':') {
        None => Ok((id(text, text)?, None)),
        Some((uid, gid)) => Ok((id(uid, text)?, Some(id(gid, text)?))),
    }
}

/// An id that there can be: 4294967295 means "none" to the kernel.
fn id(number: &str, text: &str) -> Result<u32, Failure> {
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let id = number.parse::<u32>().ok().filter(|id| digits && *id != u32::MAX);
    id.ok_or_else(|| Failure::new(format!("{text:?} is not of the form UID[:GID] in digits")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_numbers_and_nothing_else() {
        assert_eq!(parse_user("1000:5").unwrap(), (1000, Some(5)));
        assert_eq!(parse_user("0").unwrap(), (0, None));
        for bad in ["", ":", "0:", ":0", "+0", "-1", " 0", "0x0", "root", "1:2:3", "4294967295"] {
            assert!(parse_user(bad).is_err(), "{bad:?}");
        }
        assert!(parse_user("4294967296").is_err());
    }
}
