//! Giving a process in a new user namespace its ids. Source: man 7 user_namespaces, "Defining
//! user and group ID mappings"; man 1 newuidmap.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, accessat, openat};
use rustix::process::{Pid, getegid, geteuid};

use super::{IdMap, IdsError, Range};

/// Where the set-id helpers are looked for. `PATH` is not: it is the caller's to change.
const HELPER_FOLDERS: [&str; 5] =
    ["/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin", "/run/wrappers/bin"];

/// Writes `map` for the process `pid`, which is in a new user namespace and waits.
///
/// Root writes it directly, with one write each. A map that has nothing but the caller is written
/// directly too, after `setgroups` is denied as the kernel demands. For every other an ordinary
/// user needs `newuidmap` and `newgidmap`.
///
/// # Errors
/// An [`IdsError`], which says what to do about it.
pub fn write(pid: Pid, map: &IdMap) -> Result<(), IdsError> {
    map.check()?;
    if geteuid().is_root() {
        return write_both(pid, map);
    }
    if is_caller_alone(map) {
        put(pid, "setgroups", "deny")?;
        return write_both(pid, map);
    }
    // Neither map waits for the other, so neither do the helpers. Both are collected.
    let (uids, gids) = (find("newuidmap")?, find("newgidmap")?);
    let uids = Helper::start(uids, pid, &map.uids)?;
    let gids = Helper::start(gids, pid, &map.gids).map(Helper::end);
    uids.end().and(gids?)
}

fn is_caller_alone(map: &IdMap) -> bool {
    let only = |ranges: &[Range], own: u32| matches!(ranges, [r] if r.host == own && r.size == 1);
    only(&map.uids, geteuid().as_raw()) && only(&map.gids, getegid().as_raw())
}

fn write_both(pid: Pid, map: &IdMap) -> Result<(), IdsError> {
    put(pid, "uid_map", &map.uid_lines())?;
    put(pid, "gid_map", &map.gid_lines())
}

/// One write: the kernel takes a map whole or not at all.
fn put(pid: Pid, file: &'static str, text: &str) -> Result<(), IdsError> {
    let pid = pid.as_raw_nonzero().get();
    let path = format!("/proc/{pid}/{file}");
    let written = openat(CWD, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
        .and_then(|fd| rustix::io::write(fd, text.as_bytes()));
    let source = match written {
        Ok(count) if count == text.len() => return Ok(()),
        Ok(_) => io::ErrorKind::WriteZero.into(),
        Err(errno) => errno.into(),
    };
    Err(IdsError::Write { file, pid, source })
}

/// Whether an ordinary user can have more ids than its own.
///
/// # Errors
/// [`IdsError::NoHelper`].
pub(super) fn has_helpers() -> Result<(), IdsError> {
    find("newuidmap").and_then(|_| find("newgidmap")).map(drop)
}

fn find(helper: &'static str) -> Result<PathBuf, IdsError> {
    let executable = |path: &PathBuf| {
        accessat(CWD, path.as_path(), rustix::fs::Access::EXEC_OK, AtFlags::empty()).is_ok()
    };
    HELPER_FOLDERS
        .iter()
        .map(|folder| Path::new(folder).join(helper))
        .find(executable)
        .ok_or(IdsError::NoHelper(helper))
}

/// A helper that runs.
struct Helper {
    path: PathBuf,
    child: Child,
}

impl Helper {
    /// Starts a helper by its path, with no shell and no environment.
    fn start(path: PathBuf, pid: Pid, ranges: &[Range]) -> Result<Self, IdsError> {
        let numbers = ranges.iter().flat_map(|r| [r.container, r.host, r.size]);
        let started = Command::new(&path)
            .arg(pid.as_raw_nonzero().to_string())
            .args(numbers.map(|number| number.to_string()))
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        match started {
            Ok(child) => Ok(Self { path, child }),
            Err(source) => Err(IdsError::StartHelper { path, source }),
        }
    }

    /// Waits until it has ended, and gives its complaint as an error.
    fn end(self) -> Result<(), IdsError> {
        let path = self.path;
        let output = match self.child.wait_with_output() {
            Ok(output) if output.status.success() => return Ok(()),
            Ok(output) => output,
            Err(source) => return Err(IdsError::StartHelper { path, source }),
        };
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let said = if said.is_empty() { output.status.to_string() } else { said };
        Err(IdsError::Helper { path, said })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{HostGid, HostUid, caller_alone};

    #[test]
    fn a_helper_that_refuses_is_quoted() {
        let pid = rustix::process::getpid();
        let run = |path: &str| Helper::start(path.into(), pid, &[]).and_then(Helper::end);
        let error = run("/bin/false").unwrap_err();
        assert_eq!(error.to_string(), "/bin/false refused: exit status: 1");
        let error = run("/nonexistent/newuidmap").unwrap_err();
        assert_eq!(error.to_string(), "cannot start /nonexistent/newuidmap");
        let missing = find("newnothing").unwrap_err();
        assert!(missing.help().is_some_and(|help| help.contains("apt install uidmap")));
    }

    #[test]
    fn only_the_caller_alone_is_written_directly() {
        assert!(is_caller_alone(&caller_alone()));
        let other = IdMap::single(HostUid::new(4_000_000), HostGid::new(4_000_000));
        assert!(!is_caller_alone(&other));
        assert!(!is_caller_alone(&IdMap::contiguous(geteuid().as_raw(), 2)));
    }
}
