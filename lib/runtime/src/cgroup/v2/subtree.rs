//! Switching controllers on. Source: admin-guide/cgroup-v2.rst, "Enabling and Disabling".

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{self as rfs, Mode, OFlags};

use super::super::group::read_text;
use super::super::{CgroupError, Controller, GroupPath, Missing, Settings};

/// Switches `wanted` on for the groups in `at.parent`, from the top down.
///
/// What lies above may belong to somebody else, who has delegated it, and refuse: what counts is
/// which controllers are on at the end.
///
/// # Errors
/// [`CgroupError::NoController`] where one that was asked for is not, or why it was refused.
pub(in super::super) fn enable(
    mount: &OwnedFd,
    at: &GroupPath,
    wanted: &[Controller],
    settings: &Settings,
) -> Result<(), CgroupError> {
    let file = at.parent.join(FILE);
    let mut on = read(mount, at, &file)?;
    let mut refused = Vec::new();
    // What is on below a group is on below those above it.
    if !wanted.iter().all(|controller| on.contains(controller)) {
        refused = switch_all(mount, at, wanted)?;
        on = read(mount, at, &file)?;
    }
    // The core's own files, filed under perf_event, need no switch.
    let is_off = |c: Controller| c != Controller::PerfEvent && !on.contains(&c);
    match super::asked(settings).into_iter().find(|(c, _)| is_off(*c)) {
        None => Ok(()),
        Some((controller, flag)) => {
            let why = Missing::Delegation(controller);
            let refused = refused.into_iter().find(|(c, _)| *c == controller);
            Err(refused.map_or(CgroupError::NoController { flag, why }, |(_, error)| error))
        }
    }
}

const FILE: &str = "cgroup.subtree_control";

fn read(mount: &OwnedFd, at: &GroupPath, file: &Path) -> Result<Vec<Controller>, CgroupError> {
    Ok(Controller::parse_v2(&read_text(mount.as_fd(), &at.mount, file)?))
}

/// Switches controllers on from the top down. Says which were refused.
fn switch_all(
    mount: &OwnedFd,
    at: &GroupPath,
    wanted: &[Controller],
) -> Result<Vec<(Controller, CgroupError)>, CgroupError> {
    let mut above: Vec<&Path> = at.parent.ancestors().collect();
    above.reverse();
    let mut refused = Vec::new();
    for group in above {
        let file = group.join(FILE);
        let on = read(mount, at, &file)?;
        let off: Vec<_> = wanted.iter().copied().filter(|c| !on.contains(c)).collect();
        if off.is_empty() || switch_on(mount, at, &file, &off).is_ok() {
            continue;
        }
        for controller in off {
            if let Err(error) = switch_on(mount, at, &file, &[controller]) {
                refused.push((controller, error));
            }
        }
    }
    Ok(refused)
}

fn switch_on(
    mount: &OwnedFd,
    at: &GroupPath,
    file: &PathBuf,
    controllers: &[Controller],
) -> Result<(), CgroupError> {
    let words: Vec<String> = controllers.iter().map(|c| format!("+{c}")).collect();
    let value = words.join(" ");
    rfs::openat(mount, file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
        .and_then(|fd| rustix::io::write(&fd, value.as_bytes()))
        .map(|_| ())
        .map_err(|errno| CgroupError::Write {
            path: at.mount.join(file),
            value,
            source: errno.into(),
        })
}
