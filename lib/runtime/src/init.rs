//! The tiny init of `--init`: process 1 that reaps what others leave and passes signals on.
//!
//! It is a branch of the process that was forked, behind the whole fence, and no program of its
//! own: nothing of ours is executed in a container. It holds no descriptor and is closed to
//! tracers, so that the program cannot reach coffer's binary through `/proc/1/exe`
//! (CVE-2019-5736). Straight code: it allocates nothing and locks nothing.

use coffer_sys::{entry, exec, signal, spawn};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, setpgid, wait};

use crate::launch::Fault;

/// What it is called in a list of processes.
const NAME: &str = "coffer init";

/// Splits this process in two. The child comes back and goes on to the program, in a process
/// group of its own that has the terminal, if there is one; the parent stays as init.
pub(crate) fn split() -> Result<(), Fault> {
    signal::block_all();
    match spawn::fork()? {
        Some(program) => {
            // The container is to see no words of the host's: paths, variables.
            entry::show_as(NAME);
            spawn::exit_now(run(program))
        }
        None => take_terminal(),
    }
}

/// Makes the program the foreground group, so that keys reach it and not init. All signals are
/// still blocked, so that `SIGTTOU` does not stop it.
fn take_terminal() -> Result<(), Fault> {
    setpgid(None, None)?;
    let input = rustix::stdio::stdin();
    match rustix::termios::tcsetpgrp(input, rustix::process::getpid()) {
        Err(Errno::NOTTY | Errno::BADF | Errno::NXIO) => Ok(()),
        done => Ok(done?),
    }
}

/// Serves until the program ends; gives back the status that stands for its end.
fn run(program: Pid) -> i32 {
    if exec::close_from(0).is_err() {
        return 125;
    }
    loop {
        match signal::next() {
            Ok(number) if number == Signal::CHILD.as_raw() => {
                if let Some(status) = reap(program) {
                    return status;
                }
            }
            Ok(number) => pass_on(program, number),
            Err(_) => {}
        }
    }
}

/// Collects all children that have ended; the program's status where it is among them.
fn reap(program: Pid) -> Option<i32> {
    let mut ended = None;
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if pid == program {
            ended = Some(shell_status(status));
        }
    }
    ended
}

/// Passes a signal on. That the program is gone already is told by the next `SIGCHLD`.
fn pass_on(program: Pid, number: i32) {
    match signal::send(program, number) {
        Ok(()) | Err(_) => {}
    }
}

/// The status by which a shell tells how a process ended.
fn shell_status(status: WaitStatus) -> i32 {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(status), _) => status,
        (None, Some(signal)) => 128 + signal,
        (None, None) => 125,
    }
}
