//! A command killed at each of its steps.
//!
//! strace counts the system calls that change something and kills the program as it enters the
//! n-th, for n = 1, 2, … until the program reaches its end alive: so the steps are found by the
//! run itself, whatever the code does. Source: strace(1), `--inject`.

use std::process::Command;

use crate::program::{self, Outcome};

/// The calls that change what is on disk or what runs.
const CHANGES: &str = "openat,openat2,creat,mkdirat,mknodat,unlinkat,renameat,renameat2,linkat,\
symlinkat,ftruncate,fallocate,write,pwrite64,writev,fsync,fdatasync,fchmod,fchmodat,fchown,fchownat,\
fsetxattr,setxattr,utimensat,copy_file_range,flock,mount,umount2,move_mount,fsmount,fsconfig,\
open_tree,mount_setattr,pivot_root,clone,clone3,vfork,unshare,setns,execve,execveat,kill,\
pidfd_send_signal,sendmsg,connect,socketpair,memfd_create";

/// Which processes are killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// The command itself.
    Command,
    /// Whichever of it, its threads and its children first comes that far.
    Any,
}

/// What happened to one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was killed.
    Killed,
    /// It came to its end before the step.
    Reached,
}

/// Runs `command` and kills `victim` when it enters its `step`-th change, counted from 1.
///
/// # Panics
/// strace cannot be run.
#[must_use]
pub fn kill_at(step: usize, victim: Victim, command: &Command) -> (End, Outcome) {
    let mut strace = Command::new("strace");
    if victim == Victim::Any {
        strace.arg("--follow-forks");
    }
    let log = tempfile::NamedTempFile::new().unwrap();
    strace
        .args(["--quiet=attach,personality", "--output"])
        .arg(log.path())
        .args(["--trace", CHANGES])
        .arg(format!("--inject={CHANGES}:signal=SIGKILL:when={step}"))
        .arg("--")
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => strace.env(name, value),
            None => strace.env_remove(name),
        };
    }
    let outcome = program::run(&mut strace);
    let killed = std::fs::read(log.path()).unwrap();
    let killed = String::from_utf8_lossy(&killed).contains("+++ killed by SIGKILL +++");
    let end = if killed { End::Killed } else { End::Reached };
    (end, outcome)
}

/// Calls `attempt` with 1, 2, … — a sample of them once there are many — until it says that the
/// command reached its end; gives the last step.
///
/// # Panics
/// The command never ends by itself.
pub fn each(mut attempt: impl FnMut(usize) -> End) -> usize {
    let mut step = 1;
    loop {
        if attempt(step) == End::Reached {
            return step;
        }
        // Every one of the first steps, then one in ten of the long tail of writes.
        step += (step / 10).max(1);
        assert!(step < 1_000_000, "it never ends by itself");
    }
}
