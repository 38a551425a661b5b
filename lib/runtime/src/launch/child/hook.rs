//! Running a hook and waiting for it.

use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};

use coffer_sys::signal::{self, SignalSet};
use coffer_sys::spawn::{self, Cloned};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{
    PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid,
};

use super::Child;
use crate::launch::end;
use crate::launch::report::{Cause, Fault, Message, send};
use crate::plan::HookProgram;

/// So much of what a hook says is told.
const WORDS: usize = 1024;

impl Child<'_> {
    /// Tells the parent that all is mounted, and waits until it has done its part.
    pub(super) fn pause_for_parent(&self) -> Result<(), Fault> {
        send(self.socket, &Message::Created)?;
        match retry_on_intr(|| rustix::io::read(self.socket, &mut [0]))? {
            0 => Err(Cause::Abandoned.with(Errno::PIPE)),
            _ => Ok(()),
        }
    }

    /// Runs a hook with the container's state as its input; what it says is told where it fails.
    /// It may run behind the filter already, which lets a plain fork pass.
    pub(super) fn run_hook(&mut self, hook: &HookProgram) -> Result<(), Fault> {
        let input = state_file(hook)?;
        let output = memfd_create(c"hook-output", MemfdFlags::CLOEXEC)?;
        let Some(pid) = spawn::fork()? else {
            become_hook(hook, [&input, &output], self.inherited.ignored)
        };
        let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
        let ended = wait(Cloned { pid, pidfd }, hook.timeout);
        if ended.is_err() {
            let mut words = [0; WORDS];
            let length = rustix::io::pread(&output, &mut words, 0).unwrap_or(0);
            self.words = String::from_utf8_lossy(&words[..length]).trim().to_owned();
        }
        ended
    }
}

/// A file with the state in it, read from its beginning. A file, and no pipe: who does not read
/// cannot hold up who writes.
fn state_file(hook: &HookProgram) -> Result<OwnedFd, Fault> {
    let file = memfd_create(c"state", MemfdFlags::CLOEXEC)?;
    let mut file = std::fs::File::from(file);
    file.write_all(&hook.state)?;
    write!(file, "{}}}", rustix::process::getpid().as_raw_nonzero())?;
    let file = OwnedFd::from(file);
    rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0))?;
    Ok(file)
}

fn become_hook(hook: &HookProgram, [input, output]: [&OwnedFd; 2], ignored: SignalSet) -> ! {
    let placed = super::take_as_stdio([input.as_fd(), output.as_fd(), output.as_fd()]);
    if hook.timeout.is_some() {
        // What it starts ends with it where its time is up.
        rustix::process::setpgid(None, None).ok();
    }
    // Ours are close-on-exec anyway; where a filter refuses the call the caller's are the hook's.
    coffer_sys::exec::close_on_exec_from(3).ok();
    if placed.is_ok() {
        signal::reset(ignored);
        coffer_sys::exec::execve(&hook.program, &hook.argv, &hook.envp);
    }
    spawn::exit_now(127)
}

/// Waits for the end of a hook, and ends it where that takes too long.
fn wait(cloned: Cloned, timeout: Option<u32>) -> Result<(), Fault> {
    let timeout = timeout.map(|milliseconds| Timespec {
        tv_sec: i64::from(milliseconds / 1000),
        tv_nsec: i64::from(milliseconds % 1000) * 1_000_000,
    });
    let mut ready = [PollFd::new(&cloned.pidfd, PollFlags::IN)];
    if retry_on_intr(|| poll(&mut ready, timeout.as_ref()))? == 0 {
        // There is no such group where it did not come to make it.
        kill_process_group(cloned.pid, Signal::KILL).ok();
        end(&cloned);
        return Err(Cause::HookTimeout.with(Errno::TIMEDOUT));
    }
    let status = waitid(WaitId::PidFd(cloned.pidfd.as_fd()), WaitIdOptions::EXITED)?;
    let Some(status) = status else { return Err(Errno::CHILD.into()) };
    match (status.exit_status(), status.terminating_signal()) {
        (Some(0), _) => Ok(()),
        (Some(status), _) => Err(Cause::HookFailed.with(Errno::from_raw_os_error(status))),
        (None, Some(signal)) => Err(Cause::HookKilled.with(Errno::from_raw_os_error(signal))),
        (None, None) => Err(Errno::CHILD.into()),
    }
}
