//! The steps that take rights away, and the last one.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

use coffer_confine::capability::{AmbientBefore, ApplyError};
use coffer_sys::process;
use coffer_sys::signal::{self, SignalSet};
use rustix::fs::{Access, AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{self, Gid, Uid};

use super::Child;
use crate::launch::report::{Fault, send_fds};
use crate::plan::{Execute, Notify, Step};

impl Child<'_> {
    /// The steps after the mounts are made.
    pub(super) fn fence(&mut self, step: &Step) -> Result<(), Fault> {
        match step {
            Step::Limit(resource, limit) => Ok(rustix::process::setrlimit(*resource, *limit)?),
            Step::SessionKeyring(name) => match process::join_session_keyring(name.as_deref()) {
                // A kernel without keyrings has none to keep from the container.
                Err(Errno::NOSYS) => Ok(()),
                joined => Ok(joined?),
            },
            Step::Schedule(attr) => Ok(process::schedule(*attr)?),
            Step::IoPriority(class, level) => Ok(process::set_io_priority(*class, *level)?),
            Step::Personality(domain) => Ok(process::set_personality(*domain)?),
            Step::MemoryPolicy(mode, nodes) => Ok(process::set_memory_policy(*mode, nodes)?),
            Step::TimeNamespace { proc, offsets } => {
                coffer_sys::namespace::unshare_time()?;
                match offsets.as_bytes() {
                    [] => Ok(()),
                    offsets => write_own(proc, c"self/timens_offsets", offsets),
                }
            }
            Step::Uptime { proc, offsets } => enter_time(proc, offsets),
            Step::Label { proc, file, value } => write_own(proc, file, value.to_bytes()),
            Step::InitLabel { proc, file } => {
                self.label = Some(open_own(proc, file)?);
                Ok(())
            }
            Step::Umask(mask) => {
                rustix::process::umask(Mode::from_bits_retain(*mask));
                Ok(())
            }
            Step::Bounding(held) => {
                self.plan.capabilities.drop_bounding(*held).map_err(|error| errno(&error).into())
            }
            Step::KeepCapabilities => Ok(thread::set_keep_capabilities(true)?),
            Step::Groups(groups) => Ok(thread::set_thread_groups(groups)?),
            Step::Ids(uid, gid) => set_ids(*uid, *gid),
            Step::HoldCapabilities => hold_capabilities(),
            Step::Capabilities => {
                let before = AmbientBefore::Unknown;
                self.plan.capabilities.apply(before).map_err(|error| errno(&error).into())
            }
            Step::Undumpable => Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?),
            Step::NoNewPrivileges => Ok(thread::set_no_new_privs(true)?),
            Step::ExecuteInside if self.inherited.sheltered => Ok(()),
            Step::ExecuteInside => Ok(coffer_sys::landlock::execute_only_beneath(self.root()?)?),
            Step::Landlock(step) => self.landlock(step),
            Step::Seccomp => match &self.plan.seccomp {
                Some(program) => Ok(program.load()?),
                None => Ok(()),
            },
            Step::SeccompNotify(notify) => self.load_and_tell(notify),
            Step::Affinity(cpus) => Ok(thread::sched_setaffinity(None, cpus)?),
            Step::Init(label) => self.split_init(label.as_deref()),
            Step::Execute(execute) => Err(run_program(execute, self.inherited.ignored)),
            _ => Err(Errno::INVAL.into()),
        }
    }

    /// Splits in two, both with this label. What is behind the fence already is no obstacle: a
    /// profile takes away, and needs no leave.
    fn split_init(&mut self, label: Option<&CStr>) -> Result<(), Fault> {
        if let Some(label) = label {
            say(self.label.as_ref().ok_or(Errno::BADF)?, label.to_bytes())?;
        }
        crate::init::split()
    }

    /// Looks for the program, where it is not executed at once. The answer is for people: what
    /// counts is what the kernel finds in the end.
    pub(super) fn find_program(&self) -> Result<(), Fault> {
        let (Some(_), Some(Step::Execute(execute))) = (self.gate, self.plan.steps.last()) else {
            return Ok(());
        };
        let mut denied = None;
        for candidate in &execute.candidates {
            match is_program(candidate) {
                Ok(()) => return Ok(()),
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(errno) => denied = Some(errno),
            }
        }
        Err(denied.unwrap_or(Errno::NOENT).into())
    }

    /// Loads the filter and sends its descriptor to the listener. Everything is ready before: a
    /// call that the filter hands over would wait for the listener to get it.
    fn load_and_tell(&self, notify: &Notify) -> Result<(), Fault> {
        let program = self.plan.seccomp.as_ref().ok_or(Errno::INVAL)?;
        let own = rustix::fs::readlinkat(&notify.proc, c"self", Vec::with_capacity(16))?;
        let container = notify.container.map(|pid| pid.as_raw_nonzero().to_string());
        let container = container.as_ref().map_or(own.to_bytes(), |number| number.as_bytes());
        let [first, second, third] = &notify.message;
        let message = [first, container, second, own.to_bytes(), third].concat();
        let listener = program.load_with_listener()?;
        Ok(send_fds(notify.socket.as_fd(), &message, &[listener.as_fd()])?)
    }

    /// Writes a kernel parameter below our own mount of proc, by which no link can lead away.
    pub(super) fn set_parameter(&self, file: &CStr, value: &CStr) -> Result<(), Fault> {
        let resolve = ResolveFlags::BENEATH
            | ResolveFlags::NO_SYMLINKS
            | ResolveFlags::NO_MAGICLINKS
            | ResolveFlags::NO_XDEV;
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let file = coffer_sys::dir::open_within(
            self.held.must(c"/proc")?,
            file,
            flags,
            Mode::empty(),
            resolve,
        )?;
        match rustix::io::write(&file, value.to_bytes())? {
            written if written == value.count_bytes() => Ok(()),
            _ => Err(Errno::IO.into()),
        }
    }
}

/// Sets all three ids of user and group; the group first, while there is the right to.
pub(super) fn set_ids(uid: Uid, gid: Gid) -> Result<(), Fault> {
    thread::set_thread_res_gid(gid, gid, gid)?;
    Ok(thread::set_thread_res_uid(uid, uid, uid)?)
}

/// Writes a file of this process in `proc`, which is the host's: neither a link but `self` and
/// `thread-self` nor anything mounted in it leads elsewhere.
fn write_own(proc: &OwnedFd, file: &CStr, value: &[u8]) -> Result<(), Fault> {
    say(&open_own(proc, file)?, value)
}

fn open_own(proc: &OwnedFd, file: &CStr) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    coffer_sys::dir::open_within(proc, file, flags, Mode::empty(), resolve)
}

fn say(file: &OwnedFd, value: &[u8]) -> Result<(), Fault> {
    match rustix::io::write(file, value)? {
        written if written == value.len() => Ok(()),
        _ => Err(Errno::IO.into()),
    }
}

/// Makes a time namespace and goes into it at once: an init never executes anything, and who joins
/// the container looks at its.
fn enter_time(proc: &OwnedFd, offsets: &str) -> Result<(), Fault> {
    coffer_sys::namespace::unshare_time()?;
    write_own(proc, c"self/timens_offsets", offsets.as_bytes())?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let made = rustix::fs::openat(proc, c"self/ns/time_for_children", flags, Mode::empty())?;
    Ok(thread::move_into_link_name_space(made.as_fd(), None)?)
}

/// Puts in force what is permitted: the change of ids has taken it out of force.
fn hold_capabilities() -> Result<(), Fault> {
    let mut sets = thread::capabilities(None)?;
    sets.effective = sets.permitted;
    Ok(thread::set_capabilities(None, sets)?)
}

/// Executes the first candidate that there is. As a shell does, a candidate that may not be
/// executed is passed over and remembered. Source: man 3 exec, "execvp".
fn run_program(execute: &Execute, ignored: SignalSet) -> Fault {
    signal::reset(ignored);
    let mut denied = None;
    for candidate in &execute.candidates {
        match coffer_sys::exec::execve(candidate, &execute.argv, &execute.envp) {
            Errno::NOENT | Errno::NOTDIR => {}
            Errno::ACCESS => denied = Some(Errno::ACCESS),
            errno => return errno.into(),
        }
    }
    denied.unwrap_or(Errno::NOENT).into()
}

/// Whether a file could be executed: an ordinary one, with the right to.
fn is_program(path: &CStr) -> Result<(), Errno> {
    let stat = rustix::fs::stat(path)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Errno::ACCESS);
    }
    rustix::fs::accessat(rustix::fs::CWD, path, Access::EXEC_OK, AtFlags::EACCESS)
}

fn errno(error: &ApplyError) -> Errno {
    match error {
        ApplyError::Bounding(_, errno) | ApplyError::Set(errno) | ApplyError::Ambient(errno) => {
            *errno
        }
    }
}
