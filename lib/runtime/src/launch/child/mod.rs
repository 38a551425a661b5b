//! What runs in the new process until it becomes the program: a straight line of system calls.
//!
//! It looks nothing up and parses nothing; each step has its strings and numbers ready (law 3).
//! What it opens on the way it keeps in [`Child`], or leaves open: all of that is close-on-exec.

mod copy;
mod dev;
mod fence;
mod held;
mod hook;
mod join;
mod landlock;
mod made_up;
mod mounts;
mod walk;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_sys::landlock::Ruleset;
use coffer_sys::signal::SignalSet;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Mode;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::RecvFlags;
use rustix::thread::{Gid, Uid, UnshareFlags, move_into_link_name_space};

use super::report::{Cause, Fault, Message, receive_fds, send};
use crate::plan::{Plan, Step};
use held::Held;

/// How many descriptors are left open at the most.
const MOST_LEFT: usize = 200;

/// What a child has from its parent's process.
#[derive(Clone, Copy)]
pub(crate) struct Inherited {
    /// The signals that the caller ignores.
    pub(crate) ignored: SignalSet,
    /// Whether coffer's own binary is out of reach.
    pub(crate) sheltered: bool,
}

/// The child: its plan, its way to the parent, and what it has opened so far.
pub(crate) struct Child<'a> {
    /// What to do.
    pub(crate) plan: &'a Plan,
    /// The way to the parent.
    pub(crate) socket: BorrowedFd<'a>,
    /// Standard input, output and error, none of them below 3; the parent's own where none.
    pub(crate) stdio: Option<[BorrowedFd<'a>; 3]>,
    /// What to wait at before the program is executed.
    pub(crate) gate: Option<BorrowedFd<'a>>,
    /// The v1 control groups to enter.
    pub(crate) tasks: &'a [OwnedFd],
    /// Mounts from the parent, with room for as many as the plan wants.
    pub(crate) handed: Vec<Option<OwnedFd>>,
    /// What its process has from the parent's.
    pub(crate) inherited: Inherited,
    root: Option<OwnedFd>,
    /// Our own mounts of the kernel's file systems.
    held: Held<'a>,
    /// How many descriptors more may be left open.
    room: usize,
    null: Option<OwnedFd>,
    /// A copy of the null device's mount that was not needed for a mask.
    cover: Option<OwnedFd>,
    empty: Option<OwnedFd>,
    /// A mask that is in place, to be copied.
    mask: Option<OwnedFd>,
    /// What files are made up in.
    made_up: Option<OwnedFd>,
    folder: Option<OwnedFd>,
    /// The Landlock policy that is being made.
    ruleset: Option<Ruleset>,
    /// The gate, once it was passed.
    passed: Option<BorrowedFd<'a>>,
    /// Where its label is said, for an init.
    label: Option<OwnedFd>,
    /// What a hook has said that failed.
    words: String,
}

impl<'a> Child<'a> {
    /// A child that has opened nothing yet. Allocates; to be made before the fork.
    pub(crate) fn new(
        plan: &'a Plan,
        socket: BorrowedFd<'a>,
        stdio: Option<[BorrowedFd<'a>; 3]>,
        gate: Option<BorrowedFd<'a>>,
        tasks: &'a [OwnedFd],
        inherited: Inherited,
    ) -> Self {
        let handed = Vec::with_capacity(plan.handed.len());
        let held = Held::with_room_for(plan.steps.len());
        let (root, null, cover, empty, mask) = (None, None, None, None, None);
        let (made_up, folder) = (None, None);
        Self {
            plan,
            socket,
            stdio,
            gate,
            tasks,
            handed,
            inherited,
            root,
            held,
            room: MOST_LEFT,
            null,
            cover,
            empty,
            mask,
            made_up,
            folder,
            ruleset: None,
            passed: None,
            label: None,
            words: String::new(),
        }
    }

    /// Takes all steps. Comes back only where one failed, with the status to end with.
    pub(crate) fn run(mut self) -> i32 {
        let plan = self.plan;
        for (number, step) in plan.steps.iter().enumerate() {
            if let Err(fault) = self.take(step) {
                self.leave_words(number, fault);
                let words = std::mem::take(&mut self.words);
                let told = send(self.socket, &Message::Failed { step: number, fault, words });
                return if told.is_ok() { status(step, fault) } else { 125 };
            }
        }
        125
    }

    fn take(&mut self, step: &'a Step) -> Result<(), Fault> {
        match step {
            Step::Session => self.start_session(),
            Step::CutMounts(travel) => self.cut_mounts(*travel),
            Step::Receive => self.receive(),
            Step::ContainerRoot => fence::set_ids(Uid::ROOT, Gid::ROOT),
            Step::CgroupNamespace => Ok(coffer_sys::namespace::unshare_cgroup()?),
            Step::PlaceMadeUp(context) => self.place_made_up(context.as_deref()),
            Step::OwnFile(file) => self.put_own_file(file),
            Step::MadeUp(files) => self.put_made_up(files),
            Step::Root(source) => self.attach_root(source),
            Step::Filesystem(fs) => self.mount_filesystem(fs),
            Step::Bind(bind) => self.bind(bind),
            Step::Device(device) => self.put_device(device),
            Step::Node(node) => self.put_node(node),
            Step::DeviceLinks => self.link_devices(),
            Step::Terminal(terminal) => self.take_terminal(terminal),
            Step::Stdio(owner) => self.take_stdio(*owner),
            Step::WorkingFolder(target) => {
                self.folder = Some(walk::open_or_make(self.root()?, target)?);
                Ok(())
            }
            Step::Sysctl(file, value) => self.set_parameter(file, value),
            Step::Hostname(name) => Ok(rustix::system::sethostname(name.to_bytes())?),
            Step::Domainname(name) => Ok(rustix::system::setdomainname(name.to_bytes())?),
            Step::Loopback => Ok(coffer_sys::loopback::up()?),
            Step::Mask(path) => self.mask(path),
            Step::ReadOnly(path) => self.make_read_only(path),
            Step::RootReadOnly => self.make_root_read_only(),
            Step::SealMount(target) => self.seal(target),
            Step::Pivot => self.pivot(),
            Step::MoveRoot(bare) => self.move_root(bare),
            Step::TravelRoot(travel, reach) => self.travel_root(*travel, *reach),
            Step::EnterFolder => {
                Ok(rustix::process::fchdir(self.folder.as_ref().ok_or(Errno::BADF)?)?)
            }
            Step::Join { target, namespaces } => self.join(target, *namespaces),
            Step::Enter(entered) => Ok(move_into_link_name_space(entered.fd.as_fd(), None)?),
            Step::SplitInto(namespaces) => self.split(*namespaces),
            Step::Split => self.split(UnshareFlags::empty()),
            Step::Created => self.pause_for_parent(),
            Step::Hook(hook) => self.run_hook(hook),
            Step::CloseOnExec(first) => Ok(coffer_sys::exec::close_on_exec_from(*first)?),
            Step::LetGo(first) => self.let_go(*first),
            Step::FindProgram(_) => self.find_program(),
            Step::Gate => self.wait_at_gate(),
            step => self.fence(step),
        }
    }

    /// Files are made with the modes that the steps say, whatever the caller's mask.
    fn start_session(&self) -> Result<(), Fault> {
        rustix::process::umask(Mode::empty());
        rustix::process::setsid()?;
        Ok(())
    }

    fn receive(&mut self) -> Result<(), Fault> {
        self.enter_groups()?;
        match receive_fds(self.socket, &mut [0], &mut self.handed, RecvFlags::empty())? {
            0 => Err(Cause::Abandoned.with(Errno::PIPE)),
            _ => Ok(()),
        }
    }

    /// Moves into the v1 control groups. Done by itself, with `0`, the kernel need not hold up
    /// all forks and exits of the host meanwhile: see [`crate::cgroup`].
    fn enter_groups(&self) -> Result<(), Fault> {
        for group in self.tasks {
            rustix::io::write(group, b"0").map_err(|errno| Cause::ControlGroup.with(errno))?;
        }
        Ok(())
    }

    /// Puts the three descriptors in place. Pipes are given to the program's user, so that it can
    /// open `/dev/stdout` again; the parent has done that where it has the right to.
    fn take_stdio(&self, owner: Option<Uid>) -> Result<(), Fault> {
        let Some(stdio) = self.stdio else { return Ok(()) };
        if let Some(owner) = owner {
            for fd in stdio {
                super::give_pipe(fd, owner, None)?;
            }
        }
        take_as_stdio(stdio)
    }

    /// Waits until its maker has written all down, and then until a byte comes through the gate.
    fn wait_at_gate(&mut self) -> Result<(), Fault> {
        let Some(gate) = self.gate else { return Ok(()) };
        send(self.socket, &Message::Ready)?;
        if receive_fds(self.socket, &mut [0], &mut Vec::new(), RecvFlags::empty())? == 0 {
            return Err(Cause::Abandoned.with(Errno::PIPE));
        }
        retry_on_intr(|| poll(&mut [PollFd::new(&gate, PollFlags::IN)], None))?;
        retry_on_intr(|| rustix::io::read(gate, &mut [0]))?;
        self.passed = Some(gate);
        Ok(())
    }

    /// What it needs beyond the gate stays open, and closes when the program is executed. Whoever
    /// waits for the end of the caller's pipes must not have to wait for a container that is not
    /// even started.
    fn let_go(&self, first: u32) -> Result<(), Fault> {
        let Some(gate) = self.gate else { return Ok(()) };
        let mut kept = vec![self.socket, gate];
        for step in &self.plan.steps {
            if let Step::SeccompNotify(notify) = step {
                kept.extend([notify.socket.as_fd(), notify.proc.as_fd()]);
            }
        }
        coffer_sys::exec::close_all_except(first, &kept)?;
        coffer_sys::signal::end_when_asked()?;
        Ok(())
    }

    /// Behind the gate whoever opened it hears why the program is not executed.
    fn leave_words(&self, number: usize, fault: Fault) {
        let Some(gate) = self.passed else { return };
        let words = self.plan.fault(number, fault, &self.words).in_one_line();
        // Nobody may be there any more; the exit status says it too.
        crate::gate::leave_words(gate, &words).ok();
    }

    /// Leaves a descriptor to be closed with all others when the program is executed: a call less
    /// for each. Not without end, since the caller may have few.
    fn leave(&mut self, fd: OwnedFd) {
        if let Some(room) = self.room.checked_sub(1) {
            self.room = room;
            std::mem::forget(fd);
        }
    }

    fn root(&self) -> Result<BorrowedFd<'_>, Errno> {
        self.root.as_ref().map(AsFd::as_fd).ok_or(Errno::BADF)
    }

    fn handed(&mut self, number: usize) -> Result<OwnedFd, Errno> {
        self.handed.get_mut(number).and_then(Option::take).ok_or(Errno::BADF)
    }
}

/// Duplicates the three over 0, 1 and 2, where they stay open when the program is executed.
fn take_as_stdio([input, output, error]: [BorrowedFd<'_>; 3]) -> Result<(), Fault> {
    rustix::stdio::dup2_stdin(input)?;
    rustix::stdio::dup2_stdout(output)?;
    Ok(rustix::stdio::dup2_stderr(error)?)
}

/// How a child ends that could not go on: as docker says it, 127 where the program is not there,
/// 126 where it cannot be executed, 125 for all else.
fn status(step: &Step, fault: Fault) -> i32 {
    match (step, fault.errno) {
        (Step::Execute(_), Errno::NOENT | Errno::NOTDIR) => 127,
        (Step::Execute(_), _) => 126,
        _ => 125,
    }
}
