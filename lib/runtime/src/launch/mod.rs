//! From a [`Plan`] to a process: one `clone3`, and what the parent does for its child.
//!
//! The order is fixed. The child is cloned with all its namespaces. The parent has its ids mapped,
//! lets the caller put it into its control group, makes the mounts that need the host's rights,
//! mapped by the child's user namespace, and hands them over in one message. From there on the
//! child goes its way alone; a fault comes back as the number of the step and an errno.

mod born;
mod child;
mod error;
mod few;
mod helper;
mod interface;
mod lend;
mod look;
mod parent;
mod program;
mod report;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_sys::owner::{Files, as_owner};
use coffer_sys::spawn::{Clone3, Cloned, Parent};
use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use rustix::thread::{Gid, Uid};

pub(crate) use born::BornIn;
pub use error::{LaunchError, StepError};
pub(crate) use helper::{ids_of, user_namespace_of};
pub(crate) use lend::shared_memory_of;
pub use program::program_of;
pub use report::Cause;
pub(crate) use report::{Fault, MAX_FDS, pair, receive_fds, send_fds};

use crate::cgroup::Entry;
use crate::plan::Plan;
use child::{Child, Inherited};
use few::FewMounts;
use report::{Message, Reports};

/// What a process is started with beside its plan.
#[derive(Debug)]
pub struct Launch<'a> {
    /// How it gets into its control groups.
    pub cgroup: &'a Entry,
    /// Its input, output and error, where it has no terminal.
    pub stdio: Stdio<'a>,
    /// When it may execute the program.
    pub gate: Gate<'a>,
}

/// Standard input, output and error.
#[derive(Clone, Copy, Debug)]
pub enum Stdio<'a> {
    /// The caller's own.
    Inherit,
    /// These. Pipes among them are given to the program's user, so that it can open
    /// `/dev/stdout` again.
    Fds([BorrowedFd<'a>; 3]),
}

/// When the program may be executed.
#[derive(Clone, Copy, Debug)]
pub enum Gate<'a> {
    /// At once.
    Open,
    /// After a byte was read from this descriptor: a fifo that another process writes to. It is
    /// opened by the caller, who keeps it; see [`crate::gate`].
    Wait(BorrowedFd<'a>),
}

/// A process that was made. It is the caller's child.
#[derive(Debug)]
pub struct Launched {
    /// Its number on the host.
    pub pid: Pid,
    /// It, whatever becomes of the number. Ready to be read when it has ended.
    pub pidfd: OwnedFd,
    /// The master side of its terminal, where the plan has one.
    pub terminal: Option<OwnedFd>,
    /// The way by which it reports.
    report: Reports,
}

/// Starts a process as `plan` says, up to its gate, or up to the program where that is open.
///
/// `joined` is called with the number of the new process before it can do anything: to write it
/// down.
///
/// # Errors
/// A [`LaunchError`]; the process is gone then and has been waited for.
pub fn launch(
    plan: &Plan,
    launch: &Launch<'_>,
    joined: &mut dyn FnMut(Pid) -> std::io::Result<()>,
) -> Result<Launched, LaunchError> {
    launch_with(plan, launch, Calls { joined, created: &mut |_| Ok(()) })
}

/// What the caller does while the child waits. It gets the child's number.
pub struct Calls<'a> {
    /// Before it can do anything: to write it down.
    pub joined: &'a mut dyn FnMut(Pid) -> std::io::Result<()>,
    /// When its namespaces and mounts are made and the host's root is not left yet: to run the
    /// hooks `prestart` and `createRuntime`. Not called for a bundle that has neither.
    pub created: &'a mut dyn FnMut(Pid) -> std::io::Result<()>,
}

/// The same, for a bundle with hooks.
///
/// # Errors
/// As [`launch`].
pub fn launch_with(
    plan: &Plan,
    launch: &Launch<'_>,
    calls: Calls<'_>,
) -> Result<Launched, LaunchError> {
    let (report, theirs) = pair().map_err(LaunchError::Channel)?;
    let raised = parent::raise_stdio(launch.stdio).map_err(LaunchError::Channel)?;
    let stdio = raised.as_ref().map(|fds| fds.each_ref().map(AsFd::as_fd));
    parent::give_pipes(plan, launch.stdio).map_err(LaunchError::Channel)?;
    let gate = match launch.gate {
        Gate::Open => None,
        Gate::Wait(gate) => Some(gate),
    };
    let (cgroup, tasks) = match launch.cgroup {
        Entry::Nowhere => (None, &[][..]),
        Entry::Clone(group) => (Some(group.as_fd()), &[][..]),
        Entry::Tasks(tasks) => (None, tasks.as_slice()),
    };
    let ignored = coffer_sys::signal::ignored().map_err(LaunchError::Signals)?;
    // Where it cannot move away the child keeps to what is inside: see `Step::ExecuteInside`.
    let sheltered = plan.hides_binary() && coffer_sys::own::shelter().is_ok();
    let inherited = Inherited { ignored, sheltered };
    let child = Child::new(plan, theirs.as_fd(), stdio, gate, tasks, inherited);
    let how = Clone3 { namespaces: plan.namespaces, cgroup, parent: Parent::Caller };
    // The parent's end must not stay open in the child: it would never see the parent go.
    let ours = &report;
    let make = || {
        coffer_sys::spawn::spawn(how, || {
            coffer_sys::exec::close_one(ours.as_fd());
            child.run()
        })
    };
    let born_in = plan.born_in.as_ref();
    born_in.map_or(Ok(()), BornIn::enter).map_err(LaunchError::Enter)?;
    let few = FewMounts::enter(plan).map_err(LaunchError::Return)?;
    let cloned = match parent::owner(plan) {
        Some(owner) => as_owner(owner, Files::Callers, make),
        None => make(),
    };
    // Where one of these fails the child, which waits for us, sees us go.
    few.as_ref().map_or(Ok(()), FewMounts::leave).map_err(LaunchError::Return)?;
    born_in.map_or(Ok(()), BornIn::leave).map_err(LaunchError::Enter)?;
    let cloned =
        cloned.map_err(|source| LaunchError::Clone { namespaces: plan.namespaces, source })?;
    drop(theirs);
    let Cloned { pid, pidfd } = cloned;
    let launched = Launched { pid, pidfd, terminal: None, report: Reports::new(report) };
    serve(plan, launch, calls, launched)
}

/// Does the parent's part. Whatever fails, the child is ended and waited for.
fn serve(
    plan: &Plan,
    launch: &Launch<'_>,
    calls: Calls<'_>,
    mut launched: Launched,
) -> Result<Launched, LaunchError> {
    let until_gate = matches!(launch.gate, Gate::Wait(_));
    // Where it joins a container it splits after it has received, as its ids are the container's.
    let (before, after) = match plan.split_step() {
        split if plan.split => (split, None),
        split => (None, split),
    };
    let served = launched
        .await_split(plan, before)
        .and_then(|()| parent::hand_over(plan, &launched, calls.joined))
        .and_then(|()| launched.await_split(plan, after))
        .and_then(|()| launched.listen(plan, until_gate, calls.created));
    match served {
        Ok(()) => Ok(launched),
        Err(error) => Err(launched.abandon(plan, error)),
    }
}

impl Launched {
    /// Waits until the program is executed, where the start waited at a gate.
    ///
    /// # Errors
    /// The step that failed meanwhile. The process is not waited for: it ends by itself, with
    /// the status that docker gives in this case (125, 126, 127).
    pub fn executed(&mut self, plan: &Plan) -> Result<(), LaunchError> {
        match self.report.next().map_err(LaunchError::Channel)? {
            None => Ok(()),
            Some(Message::Failed { step, fault, words }) => Err(plan.fault(step, fault, &words)),
            Some(_) => Err(LaunchError::Channel(Errno::BADMSG)),
        }
    }

    /// Lets the process wait at its gate on its own: until then it ends when its maker does.
    ///
    /// # Errors
    /// [`LaunchError::Channel`] where it has ended.
    pub fn release(&self) -> Result<(), LaunchError> {
        send_fds(self.report.as_fd(), &[1], &[]).map_err(LaunchError::Channel)
    }

    /// Kills the process and waits for it.
    pub fn end(self) {
        end(&Cloned { pid: self.pid, pidfd: self.pidfd });
    }

    /// Readable when the program was executed, or a step failed: see [`Launched::executed`].
    pub fn report(&self) -> BorrowedFd<'_> {
        self.report.as_fd()
    }

    /// Listens until the child is at its gate, or until its program is executed.
    fn listen(
        &mut self,
        plan: &Plan,
        until_gate: bool,
        created: &mut dyn FnMut(Pid) -> std::io::Result<()>,
    ) -> Result<(), LaunchError> {
        loop {
            match self.report.next().map_err(LaunchError::Channel)? {
                Some(Message::Split { .. }) => return Err(LaunchError::Channel(Errno::BADMSG)),
                Some(Message::Terminal(master)) => self.terminal = Some(master),
                Some(Message::Created) => {
                    created(self.pid).map_err(LaunchError::Created)?;
                    self.release()?;
                }
                Some(Message::Ready) if until_gate => return Ok(()),
                Some(Message::Failed { step, fault, words }) => {
                    return Err(plan.fault(step, fault, &words));
                }
                Some(Message::Ready) => {}
                None if until_gate => return Err(LaunchError::Died),
                None => return Ok(()),
            }
        }
    }

    /// Waits until the first process has told which one goes on, where step `split` makes that.
    fn await_split(&mut self, plan: &Plan, split: Option<usize>) -> Result<(), LaunchError> {
        let Some(split) = split else { return Ok(()) };
        match self.report.split(split).map_err(LaunchError::Channel)? {
            Some(Message::Split { pid, pidfd }) => self.follow(Cloned { pid, pidfd }),
            Some(Message::Failed { step, fault, words }) => {
                return Err(plan.fault(step, fault, &words));
            }
            Some(_) => return Err(LaunchError::Channel(Errno::BADMSG)),
            None => return Err(LaunchError::Died),
        }
        Ok(())
    }

    /// Goes on with the process in the joined namespaces, and collects the one that made it.
    fn follow(&mut self, next: Cloned) {
        let first = std::mem::replace(&mut self.pidfd, next.pidfd);
        self.pid = next.pid;
        collect(&first);
    }

    /// Ends the child, and says what it may have reported itself: the better answer.
    fn abandon(mut self, plan: &Plan, error: LaunchError) -> LaunchError {
        let told = match (&error, self.report.next_now()) {
            (LaunchError::Step(_), _) => None,
            (_, Ok(Some(Message::Failed { step, fault, words }))) => {
                Some(plan.fault(step, fault, &words))
            }
            _ => None,
        };
        end(&Cloned { pid: self.pid, pidfd: self.pidfd });
        told.unwrap_or(error)
    }
}

/// Kills a child and collects it.
pub(crate) fn end(cloned: &Cloned) {
    // Either fails only where the child has already been collected.
    match pidfd_send_signal(&cloned.pidfd, Signal::KILL) {
        Ok(()) | Err(_) => {}
    }
    collect(&cloned.pidfd);
}

/// Waits for a child that ends, and gives its status. It fails only where it has been waited for
/// already.
pub(crate) fn collect(pidfd: &OwnedFd) -> Option<i32> {
    waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED).ok()??.exit_status()
}

/// Gives `fd` to `owner`, if it is a pipe; anything else belongs to somebody else.
pub(crate) fn give_pipe(
    fd: BorrowedFd<'_>,
    owner: Uid,
    group: Option<Gid>,
) -> rustix::io::Result<()> {
    let stat = rustix::fs::fstat(fd)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Fifo => rustix::fs::fchown(fd, Some(owner), group),
        _ => Ok(()),
    }
}
