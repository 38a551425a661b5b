//! What stays with a container: a process that was forked from coffer, and what it does until the
//! container has ended.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_sys::{exec, memory, signal};
use rustix::fs::{Mode, OFlags};

use super::ready::{Kin, exit_of, finish};
use super::{ContainerError, DataRoot, Reported};
use crate::cgroup::Cgroup;
use crate::disk::{Guard, Ward, Watch};
use crate::monitor::{Pump, Server};
use crate::state::{Folder, Record};

/// A container that runs, and what its monitor needs.
pub(super) struct Kept<'r> {
    pub(super) root: &'r DataRoot,
    pub(super) folder: Folder,
    pub(super) record: Record,
    pub(super) cgroup: Cgroup,
    pub(super) pump: Pump<Server>,
    pub(super) kin: Kin,
    pub(super) watch: Watch,
}

impl Kept<'_> {
    /// Carries input and output until the container ends, then writes that down and tells those
    /// who are attached.
    ///
    /// # Errors
    /// What could not be recorded: the next command finds a container that ended unseen.
    pub(super) fn stay(self) -> Result<(), ContainerError> {
        let Self { root, folder, record, cgroup, mut pump, kin, watch } = self;
        memory::settle();
        // Where nothing can be carried any more the container's end is still waited for.
        let ward = Ward::of(&folder, &record, &cgroup, root.authority());
        let mut guard = Guard::new(ward, watch);
        drop(pump.run(Some(&mut guard)));
        let exit = exit_of(&record, &pump.init, &guard, kin)?;
        let finished = finish(root, &folder, record, cgroup, &exit);
        pump.audience.end(exit.outcome.code());
        finished
    }
}

/// Leaves the caller's session, folder and descriptors, but for those to `keep`. Signals for the
/// caller's group are none of the container's, and none but SIGKILL ends a monitor.
pub(super) fn leave_caller(keep: &[BorrowedFd<'_>]) -> io::Result<()> {
    rustix::process::setsid()?;
    signal::block_all();
    rustix::process::chdir("/")?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    let mut all = vec![null.as_fd()];
    all.extend_from_slice(keep);
    exec::close_all_except(3, &all)
}

/// Says how the monitor's start went. Gives the exit status for a monitor that ends here.
pub(super) fn report(tell: OwnedFd, answer: &Result<(), Reported>) -> i32 {
    let sent = serde_json::to_vec(answer)
        .map_err(io::Error::from)
        .and_then(|text| File::from(tell).write_all(&text));
    i32::from(sent.is_err())
}

/// What the monitor says of its start: one answer, then the end of the pipe.
pub(super) fn hear(told: OwnedFd) -> io::Result<Result<(), Reported>> {
    let mut text = Vec::new();
    File::from(told).read_to_end(&mut text)?;
    match text.is_empty() {
        true => Err(io::ErrorKind::UnexpectedEof.into()),
        false => Ok(serde_json::from_slice::<Result<(), Reported>>(&text)?),
    }
}
