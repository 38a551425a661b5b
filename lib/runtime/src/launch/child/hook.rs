//! Running a hook and waiting for it.

use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};

use coffer_sys::signal::{self, SignalSet};
use coffer_sys::spawn::{self, Clone3, Cloned, Parent};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use rustix::thread::UnshareFlags;

use super::Child;
use crate::launch::end;
use crate::launch::report::{Cause, Fault, Message, send};
use crate::plan::HookProgram;

impl Child<'_> {
    /// Tells the parent that all is mounted, and waits until it has done its part.
    pub(super) fn pause_for_parent(&self) -> Result<(), Fault> {
        send(self.socket, &Message::Created)?;
        match retry_on_intr(|| rustix::io::read(self.socket, &mut [0]))? {
            0 => Err(Cause::Abandoned.with(Errno::PIPE)),
            _ => Ok(()),
        }
    }

    /// Runs a hook with the container's state as its input; what it says is thrown away.
    pub(super) fn run_hook(&self, hook: &HookProgram) -> Result<(), Fault> {
        let input = state_file(hook)?;
        let output = memfd_create(c"hook-output", MemfdFlags::CLOEXEC)?;
        let how =
            Clone3 { namespaces: UnshareFlags::empty(), cgroup: None, parent: Parent::Caller };
        let Some(cloned) = spawn::branch(how)? else {
            become_hook(hook, [&input, &output], self.inherited.ignored)
        };
        wait(cloned, hook.timeout)
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
    if placed.is_ok() && coffer_sys::exec::close_on_exec_from(3).is_ok() {
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
    match status.and_then(|status| status.exit_status()) {
        Some(0) => Ok(()),
        Some(127) => Err(Cause::HookFailed.with(Errno::NOENT)),
        _ => Err(Cause::HookFailed.with(Errno::CANCELED)),
    }
}
