//! Processes that a stage left behind.
//!
//! We are the subreaper (man 2 `PR_SET_CHILD_SUBREAPER`) of everything that we start, so whatever
//! loses its parent becomes our child: those, and nothing else on the machine, are ours to end.

use std::fs;

use rustix::process::{Pid, Signal, WaitOptions};

/// A process that nobody waits for any more.
pub(crate) struct Leftover {
    pid: Pid,
    name: String,
}

impl std::fmt::Display for Leftover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.name, self.pid.as_raw_nonzero())
    }
}

/// Ends our children, then the children that they leave to us, until there are none.
/// Returns all that there were.
pub(crate) fn end_all() -> Vec<Leftover> {
    let mut ended = Vec::new();
    loop {
        let children = children();
        if children.is_empty() {
            return ended;
        }
        for child in children {
            // The pid cannot have been given to another: nobody but us reaps it.
            if rustix::process::kill_process(child.pid, Signal::KILL).is_err() {
                continue;
            }
            let reaped = rustix::process::waitpid(Some(child.pid), WaitOptions::empty());
            if reaped.is_ok() {
                ended.push(child);
            }
        }
    }
}

/// Our children that still run, with their names.
fn children() -> Vec<Leftover> {
    reap();
    let me = rustix::process::getpid();
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(Pid::from_raw)
        .filter_map(|pid| {
            let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
            let (name, parent) = name_and_parent(&stat)?;
            (parent == me.as_raw_nonzero().get()).then(|| Leftover { pid, name: name.into() })
        })
        .collect()
}

/// Reaps what already ended.
fn reap() {
    while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
}

/// Fields 2 and 4 of `/proc/PID/stat` (man 5 `proc_pid_stat`); the name may hold any character,
/// parentheses too, so the last one ends it.
fn name_and_parent(stat: &str) -> Option<(&str, i32)> {
    let (head, tail) = stat.rsplit_once(')')?;
    let name = head.split_once('(')?.1;
    Some((name, tail.split_whitespace().nth(1)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_ends_at_the_last_parenthesis() {
        assert_eq!(name_and_parent("7 (a) S 1) R 42 7 7 0"), Some(("a) S 1", 42)));
        assert_eq!(name_and_parent(""), None);
    }
}
