//! The steps that a new process takes, one after the other, before it becomes the program.

use std::ffi::{CStr, CString};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;

use coffer_confine::capability::CapSet;
use coffer_sys::exec::Strings;
use coffer_sys::mount::{Reach, Travel};
use coffer_sys::process::{NODE_WORDS, SchedAttr};
use rustix::fs::{FileType, Mode};
use rustix::mount::MountAttrFlags;
use rustix::process::{Resource, Rlimit};
use rustix::thread::{CpuSet, Gid, ThreadNameSpaceType, Uid, UnshareFlags};

use super::{
    Contents, Entered, HookProgram, Landlocked, Lines, Look, MadeUp, ModeOf, Notify, Target,
};

/// One thing that the child does. All strings and numbers are ready; the child adds only the
/// descriptors that it gets on the way.
#[derive(Debug)]
pub(crate) enum Step {
    /// Starts a session of its own. Source: man 2 setsid.
    Session,
    /// Cuts the mounts that were copied from the host off from the host's: as slaves they still
    /// get what is mounted there.
    CutMounts(Travel),
    /// Waits for the parent: ids are mapped, the control group is joined, mounts are handed over.
    Receive,
    /// Becomes root of the user namespace, so that what it makes belongs to an id that exists.
    ContainerRoot,
    /// Takes the present control group as the root of those that are seen.
    CgroupNamespace,
    /// Puts the root file system where it can be pivoted to.
    Root(RootSource),
    /// Makes a file system for what is made up, where devpts will cover it.
    PlaceMadeUp(Option<CString>),
    /// Writes a file of coffer's own and puts it over the image's.
    OwnFile(MadeUp),
    /// Writes files that follow limits and puts them over the kernel's. One that the kernel does
    /// not have is no error.
    MadeUp(Vec<MadeUp>),
    /// Mounts a file system of the kernel's.
    Filesystem(Filesystem),
    /// Mounts a file or folder of the host.
    Bind(Bind),
    /// Binds one device of the host into the new `/dev`.
    Device(Device),
    /// Makes a device node or fifo, or binds the host's where the user namespace cannot make one.
    Node(Node),
    /// Makes the links of `/dev`. Source: runtime-spec config-linux.md, "Default Devices".
    DeviceLinks,
    /// Takes a pty from the container's own devpts, as standard input, output, error and console.
    Terminal(Terminal),
    /// Puts the three standard descriptors in their places, and gives pipes to this user where
    /// the parent has no right to.
    Stdio(Option<Uid>),
    /// Opens the folder to start in, and makes it where it is missing.
    WorkingFolder(Target),
    /// Sets a kernel parameter of the container's namespaces: a file below `/proc/sys`, a value.
    Sysctl(CString, CString),
    /// Sets the host name.
    Hostname(CString),
    /// Sets the NIS domain name.
    Domainname(CString),
    /// Brings up the loopback interface.
    Loopback,
    /// Hides a path: nothing can be read there. No such path is no error.
    Mask(CString),
    /// Makes a path and what is mounted below it read-only. No such path is no error.
    ReadOnly(CString),
    /// Makes the root file system read-only.
    RootReadOnly,
    /// Makes what was mounted at a place read-only, after it was filled.
    SealMount(Target),
    /// Leaves the host's file systems behind.
    Pivot,
    /// The same by moving the new root over the old one, where that cannot be pivoted away from:
    /// an initial ramdisk.
    MoveRoot(Vec<CString>),
    /// Sets how mounts below the container's root travel between namespaces inside.
    TravelRoot(Travel, Reach),
    /// Goes to the folder that was opened before.
    EnterFolder,
    /// Sets a resource limit.
    Limit(Resource, Rlimit),
    /// Takes a session keyring, of this name where it has one.
    SessionKeyring(Option<CString>),
    /// Sets how it is scheduled.
    Schedule(SchedAttr),
    /// Sets the I/O priority: class and level.
    IoPriority(u32, u32),
    /// Sets the execution domain.
    Personality(u32),
    /// Sets where memory comes from: the mode with its flags, and the nodes.
    MemoryPolicy(u32, Box<[u64; NODE_WORDS]>),
    /// Makes a time namespace for the program, with these offsets.
    TimeNamespace {
        /// The host's proc.
        proc: OwnedFd,
        /// What is written into `timens_offsets`, where it is something.
        offsets: String,
    },
    /// Makes a time namespace and enters it, with these offsets.
    Uptime {
        /// The host's proc.
        proc: OwnedFd,
        /// What is written into `timens_offsets`.
        offsets: String,
    },
    /// Says to a security module what the program is to be called.
    Label {
        /// The host's proc.
        proc: OwnedFd,
        /// The file below it.
        file: CString,
        /// What is written.
        value: CString,
    },
    /// Opens what [`Step::Init`] says a label to, while it may still be opened.
    InitLabel {
        /// The host's proc.
        proc: OwnedFd,
        /// The file below it.
        file: CString,
    },
    /// Sets the file mode creation mask.
    Umask(u32),
    /// Drops what a file could give: all of the first set that are not in the plan's bounding set.
    Bounding(CapSet),
    /// Keeps the permitted set over the change of ids.
    KeepCapabilities,
    /// Sets the supplementary groups.
    Groups(Vec<Gid>),
    /// Sets real, effective and saved ids.
    Ids(Uid, Gid),
    /// Puts all that is permitted in force, after the change of ids: the filter is loaded with it.
    HoldCapabilities,
    /// Gives up or takes on the five capability sets.
    Capabilities,
    /// Cannot be looked into by others of the same ids.
    Undumpable,
    /// Executing a file never gives more rights.
    NoNewPrivileges,
    /// Coffer's own binary, which the process still is, must not become the container's program or
    /// be written by it (CVE-2019-5736): unless the parent has moved away from it, nothing outside
    /// the container's root can be executed.
    ExecuteInside,
    /// Puts a part of the Landlock policy in place, or all of it in force.
    Landlock(Landlocked),
    /// Every descriptor from this one on closes when the program starts.
    CloseOnExec(u32),
    /// Lets go of all that it no longer needs, for as long as it waits: of every descriptor from
    /// this one on, its caller's too, and of its life where it is asked to end.
    LetGo(u32),
    /// Looks whether the program is there, where it waits at a gate: who is about to wait for
    /// nothing says so at once.
    FindProgram(CString),
    /// Says that all is ready, and waits to be let go.
    Gate,
    /// Puts the system call filter in force.
    Seccomp,
    /// The same, and sends the descriptor on which calls are handed over to their listener.
    SeccompNotify(Box<Notify>),
    /// Runs on these CPUs.
    Affinity(Box<CpuSet>),
    /// Enters a namespace that exists.
    Enter(Entered),
    /// Makes the container's process with these namespaces of its own, and ends this one.
    SplitInto(UnshareFlags),
    /// Lets the parent do its part, now that everything is mounted: its hooks.
    Created,
    /// Runs a hook of the container's.
    Hook(HookProgram),
    /// Enters the namespaces of a running container.
    Join {
        /// Its first process.
        target: OwnedFd,
        /// Which of its namespaces.
        namespaces: ThreadNameSpaceType,
    },
    /// Makes the process that is in the joined pid namespace, and ends this one.
    Split,
    /// Splits in two: process 1 stays as a tiny init, its child goes on. Both take this label
    /// before, where they have one: init executes nothing by which it could get it.
    Init(Option<CString>),
    /// Becomes the program.
    Execute(Execute),
}

/// Where the root file system comes from.
#[derive(Debug)]
pub(crate) enum RootSource {
    /// The parent has mounted it and handed it over.
    Parent,
    /// The child mounts the overlay, with the rights of its user namespace.
    Overlay(Box<dyn MountRoot>),
    /// A folder of the caller's, by its path on the host.
    Folder(CString),
}

/// What mounts a root file system without being attached anywhere.
///
/// The one implementation outside tests is `rootfs::OverlayPlan`; it must not allocate much, lock
/// or parse, since it is called between fork and exec.
pub trait MountRoot: std::fmt::Debug + Send + Sync {
    /// Makes the detached mount, with its layers mapped by `idmap` where it is given. What only
    /// remains to be closed, which may take long, goes into `spent`.
    ///
    /// # Errors
    /// What the kernel says.
    fn mount(
        &self,
        idmap: Option<BorrowedFd<'_>>,
        spent: &mut Vec<OwnedFd>,
    ) -> std::io::Result<OwnedFd>;
}

impl MountRoot for coffer_rootfs::OverlayPlan {
    fn mount(
        &self,
        idmap: Option<BorrowedFd<'_>>,
        spent: &mut Vec<OwnedFd>,
    ) -> std::io::Result<OwnedFd> {
        self.mount_sparing(idmap, spent)
    }
}

/// A file system of the kernel's.
#[derive(Debug)]
pub(crate) struct Filesystem {
    /// Its kind, such as `tmpfs`.
    pub(crate) kind: CString,
    /// Its options; those without a value are flags.
    pub(crate) options: Vec<(CString, Option<CString>)>,
    /// Attributes of the mount.
    pub(crate) attributes: MountAttrFlags,
    /// Where it goes.
    pub(crate) target: Target,
    /// What is in it at first.
    pub(crate) contents: Contents,
    /// Where the mode of its root comes from.
    pub(crate) mode: ModeOf,
    /// How it travels.
    pub(crate) travel: Travel,
    /// Whether a later step needs it.
    pub(crate) keep: Keep,
}

/// Which of the child's own mounts a later step needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// None does.
    Nothing,
    /// It is `/proc`; sysctls are set in it.
    Proc,
    /// It is `/dev`; devices are put in it.
    Dev,
    /// It is `/dev/pts`; the terminal comes from it.
    Pts,
}

/// A file or folder of the host, to be mounted in the container.
#[derive(Debug)]
pub(crate) struct Bind {
    /// Where it comes from.
    pub(crate) source: BindSource,
    /// Where it goes.
    pub(crate) target: Target,
    /// What it is called in messages.
    pub(crate) subject: PathBuf,
}

/// Where a bind mount comes from.
#[derive(Debug)]
pub(crate) enum BindSource {
    /// The parent has made the mount; it is the one of this number.
    Parent(usize),
    /// The child makes it by the caller's own path, with the caller's own rights.
    Path {
        /// The path on the host.
        path: CString,
        /// How it differs from what is there.
        look: Look,
    },
}

/// A device that every container has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Device {
    /// Its path on the host.
    pub(crate) path: &'static CStr,
    /// Its name below `/dev`.
    pub(crate) name: &'static CStr,
    /// Its major and minor number; another node of that name is refused.
    pub(crate) number: (u32, u32),
    /// Which node stands for it.
    pub(crate) origin: Origin,
}

/// Which node stands for a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The host's, which a container without the host's root cannot change.
    Host,
    /// The same; the parent has made its mount, which is the one of this number.
    Handed(usize),
    /// One of its own: root's mode and owner inside are not the host's to keep.
    Own,
}

/// A device node or fifo to be made.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Where.
    pub(crate) target: Target,
    /// Which kind.
    pub(crate) kind: FileType,
    /// Major and minor number; 0 for a fifo.
    pub(crate) number: (u32, u32),
    /// Permission bits.
    pub(crate) mode: Mode,
    /// Owner and group.
    pub(crate) owner: (Uid, Gid),
    /// The node of the host that is bound where none can be made.
    pub(crate) host: Option<CString>,
}

/// The terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal {
    /// Rows and columns, where they are known.
    pub(crate) size: Option<(u16, u16)>,
    /// Who owns it.
    pub(crate) owner: Uid,
    /// How the lines end that it writes.
    pub(crate) lines: Lines,
}

/// The program.
#[derive(Debug)]
pub(crate) struct Execute {
    /// The files to try, in this order.
    pub(crate) candidates: Vec<CString>,
    /// Its arguments.
    pub(crate) argv: Strings,
    /// Its environment.
    pub(crate) envp: Strings,
}

impl Step {
    /// What the step does, for a person: "mount proc on /proc".
    pub(crate) fn doing(&self) -> String {
        match self {
            Self::Session => "start a session".to_owned(),
            Self::CutMounts(_) => "cut mounts off from the host's".to_owned(),
            Self::Receive => "receive the mounts from coffer".to_owned(),
            Self::ContainerRoot => "become root of the user namespace".to_owned(),
            Self::CgroupNamespace => "make a cgroup namespace".to_owned(),
            Self::Root(_) => "mount the root file system".to_owned(),
            Self::PlaceMadeUp(_) => "make a place for files of coffer's own".to_owned(),
            Self::OwnFile(file) => format!("put a file of coffer's own on {}", file.target),
            Self::MadeUp(files) => {
                let paths: Vec<String> = files.iter().map(|f| f.target.to_string()).collect();
                format!("make up {}", paths.join(", "))
            }
            Self::Filesystem(fs) => format!("mount {} on {}", show(&fs.kind), fs.target),
            Self::Bind(bind) => format!("mount {} on {}", bind.subject.display(), bind.target),
            Self::Device(device) => format!("put {} into the container", show(device.path)),
            Self::Node(node) => format!("make the device {}", node.target),
            Self::SealMount(target) => format!("make {target} read-only"),
            Self::TravelRoot(..) => "set how mounts of the root travel".to_owned(),
            Self::HoldCapabilities => "keep capabilities until the filter is loaded".to_owned(),
            Self::DeviceLinks => "make the links of /dev".to_owned(),
            Self::Terminal(_) => "make a terminal".to_owned(),
            Self::Stdio(_) => "put the standard descriptors in place".to_owned(),
            Self::WorkingFolder(target) => format!("open the working folder {target}"),
            Self::Sysctl(file, value) => {
                let name = show(file).trim_start_matches("sys/").replace('/', ".");
                format!("set the sysctl {name} to {:?}", show(value))
            }
            Self::Hostname(name) => format!("set the host name {}", show(name)),
            Self::Domainname(name) => format!("set the domain name {}", show(name)),
            Self::Loopback => "bring up the loopback interface".to_owned(),
            Self::Mask(path) => format!("mask {}", show(path)),
            Self::ReadOnly(path) => format!("make {} read-only", show(path)),
            Self::RootReadOnly => "make the root file system read-only".to_owned(),
            Self::MoveRoot(_) => "move the container's root over the host's".to_owned(),
            Self::Pivot => "change to the container's root".to_owned(),
            Self::EnterFolder => "enter the working folder".to_owned(),
            Self::Limit(resource, _) => format!("set the limit {resource:?}"),
            Self::SessionKeyring(_) => "take a session keyring".to_owned(),
            Self::Schedule(_) => "set how it is scheduled".to_owned(),
            Self::IoPriority(..) => "set the I/O priority".to_owned(),
            Self::Personality(_) => "set the personality".to_owned(),
            Self::MemoryPolicy(..) => "set the memory policy".to_owned(),
            Self::TimeNamespace { .. } => "make a time namespace".to_owned(),
            Self::Uptime { .. } => "make and enter a time namespace".to_owned(),
            Self::Label { value, .. } => format!("take the label {}", show(value)),
            Self::Umask(_) => "set the umask".to_owned(),
            Self::Bounding(_) => "drop capabilities from the bounding set".to_owned(),
            Self::KeepCapabilities => "keep capabilities over the change of user".to_owned(),
            Self::Groups(_) => "set the groups".to_owned(),
            Self::Ids(uid, gid) => format!("become {}:{}", uid.as_raw(), gid.as_raw()),
            Self::Capabilities => "set capabilities".to_owned(),
            Self::Undumpable => "close itself to tracers".to_owned(),
            Self::NoNewPrivileges => "set no_new_privs".to_owned(),
            Self::Landlock(step) => step.doing(),
            Self::ExecuteInside => "keep coffer's own binary out of reach".to_owned(),
            Self::CloseOnExec(_) => "mark descriptors close-on-exec".to_owned(),
            Self::LetGo(_) => "let go of what it does not need".to_owned(),
            Self::FindProgram(name) => format!("exec {}", show(name)),
            Self::Gate => "wait at the start gate".to_owned(),
            Self::SeccompNotify(_) => {
                "load the system call filter and tell its listener".to_owned()
            }
            Self::Affinity(_) => "choose its CPUs".to_owned(),
            Self::Seccomp => "load the system call filter".to_owned(),
            Self::Enter(entered) => format!("enter the namespace {}", entered.path),
            Self::SplitInto(flags) => format!("make a process with new namespaces ({flags:?})"),
            Self::Created => "wait for the hooks of the runtime".to_owned(),
            Self::Hook(hook) => format!("{}: {}", hook.place, show(&hook.program)),
            Self::Join { .. } => "enter the container's namespaces".to_owned(),
            Self::Split => "fork in the container's namespaces".to_owned(),
            Self::InitLabel { .. } => "open the label of its init".to_owned(),
            Self::Init(_) => "fork the program from its init".to_owned(),
            Self::Execute(execute) => {
                format!("exec {}", execute.argv.get().first().map_or("".into(), |name| show(name)))
            }
        }
    }
}

/// A C string as text; what is not UTF-8 is replaced.
fn show(text: &CStr) -> std::borrow::Cow<'_, str> {
    text.to_string_lossy()
}
