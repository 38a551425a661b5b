//! The program and the conversation with it. Source: criu's images/rpc.proto; criu(8), `swrk`.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use coffer_sys::dir;
use coffer_sys::exec::{Strings, execve};
use coffer_sys::mount::{Change, Reach, set_attributes};
use coffer_sys::spawn::{self, Clone3, Cloned, Parent};
use prost::Message;
use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::mount::{
    MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount_change, move_mount,
    open_tree,
};
use rustix::net::RecvFlags;
use rustix::process::{
    Pid, PidfdFlags, Signal, getpid, getppid, pidfd_open, set_parent_process_death_signal,
};
use rustix::thread::UnshareFlags;

use super::message::{Answer, FEATURE_CHECK, Features, NOTIFY, Notify, Opts, Request};
use super::{CriuError, Folders, NetworkLock, Options};
use crate::launch::{collect, pair, receive_fds, send_fds};

/// Where CRIU finds `tar` and `ip`.
const PATH: &std::ffi::CStr = c"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The longest answer, as runc has it.
const LONGEST: usize = 40 * 1024;
/// The status of a child that could not become CRIU.
pub(super) const NOT_STARTED: i32 = 201;

/// What the caller does meanwhile.
pub(crate) trait Listener {
    /// CRIU waits, and is put into the container's groups.
    ///
    /// # Errors
    /// Where it could not be.
    fn started(&mut self, criu: Pid) -> io::Result<()>;
    /// The namespaces are made.
    ///
    /// # Errors
    /// Where a hook failed.
    fn namespaces(&mut self, init: Pid) -> io::Result<()>;
    /// The processes are restored, and do not run yet.
    ///
    /// # Errors
    /// Where it could not be written down.
    fn restored(&mut self, init: Pid) -> io::Result<()>;
    /// Whoever restores may ask for memory now.
    ///
    /// # Errors
    /// Where nobody could be told.
    fn serves(&mut self) -> io::Result<()>;
}

/// A container that was restored.
#[derive(Debug)]
pub(crate) struct Restored {
    /// Its first process.
    pub(crate) pid: Pid,
    /// It.
    pub(crate) pidfd: OwnedFd,
    /// The master side of its terminal, where it has one.
    pub(crate) terminal: Option<OwnedFd>,
}

/// A CRIU that serves one request.
pub(super) struct Service {
    pub(super) cloned: Cloned,
    socket: OwnedFd,
    /// Its numbers for the folders of images and of the log.
    folders: [i32; 2],
}

/// What becomes CRIU.
struct Start<'a> {
    name: CString,
    folders: [&'a Path; 2],
    /// The root, and where it is to be seen.
    shown: Option<(OwnedFd, &'a Path)>,
    inherited: &'a [BorrowedFd<'a>],
    maker: Pid,
}

impl Service {
    /// Starts the program. Where a root is `shown`, it is mounted on a folder in a mount namespace
    /// of CRIU's own, which ends with it: nothing stays on the host.
    pub(super) fn start(
        program: &Path,
        folders: &Folders<'_>,
        shown: Option<(BorrowedFd<'_>, MountAttrFlags, &Path)>,
        inherited: &[BorrowedFd<'_>],
    ) -> Result<Self, CriuError> {
        let (ours, theirs) = pair().map_err(|errno| CriuError::Channel(errno.into()))?;
        let copied = |(rootfs, attributes, place)| Ok((copy(rootfs, attributes)?, place));
        let shown = shown.map(copied).transpose().map_err(CriuError::Root)?;
        let namespaces = match shown {
            Some(_) => UnshareFlags::NEWNS,
            None => UnshareFlags::empty(),
        };
        let name = CString::new(program.as_os_str().as_bytes()).unwrap_or_default();
        let folders = [folders.images, folders.log()];
        let start = Start { name, folders, shown, inherited, maker: getpid() };
        let how = Clone3 { namespaces, cgroup: None, parent: Parent::Caller };
        let cloned = spawn::spawn(how, || match start.run(theirs.as_fd()) {
            Ok(never) => match never {},
            Err(_) => NOT_STARTED,
        })
        .map_err(CriuError::Channel)?;
        drop(theirs);
        let mut numbers = [0; 8];
        let mut fds = Vec::with_capacity(1);
        let told = receive_fds(ours.as_fd(), &mut numbers, &mut fds, RecvFlags::empty());
        match (told, fds.pop().flatten()) {
            (Ok(8), Some(socket)) => {
                let [a, b, c, d, e, f, g, h] = numbers;
                let folders = [[a, b, c, d], [e, f, g, h]].map(i32::from_ne_bytes);
                Ok(Self { cloned, socket, folders })
            }
            _ => {
                collect(&cloned.pidfd);
                Err(CriuError::Root(io::Error::other("its mounts or folders cannot be had")))
            }
        }
    }

    /// What dumps and restores have in common.
    pub(super) fn options(&self, options: &Options) -> Opts {
        let [images, work] = self.folders;
        Opts {
            images_dir_fd: images,
            work_dir_fd: Some(work),
            log_level: Some(4),
            notify_scripts: Some(true),
            orphan_pts_master: Some(true),
            manage_cgroups: Some(true),
            manage_cgroups_mode: Some(options.groups.number()),
            tcp_established: Some(options.tcp_established),
            tcp_skip_in_flight: Some(options.tcp_skip_in_flight),
            tcp_close: Some(options.tcp_close),
            network_lock: options.network_lock.map(NetworkLock::number),
            link_remap: Some(options.link_remap),
            lazy_pages: Some(options.lazy_pages),
            lsm_profile: options.lsm_profile.clone(),
            lsm_mount_context: options.lsm_mount_context.clone(),
            ext_unix_sk: Some(options.ext_unix_sk),
            shell_job: Some(options.shell_job),
            file_locks: Some(options.file_locks),
            auto_dedup: Some(options.auto_dedup),
            // As runc: interfaces are the business of whoever made them.
            empty_ns: Some(UnshareFlags::NEWNET.bits()),
            ..Opts::default()
        }
    }

    /// Asks what CRIU can do on this kernel.
    pub(super) fn features(&self) -> Result<Features, CriuError> {
        let asked = Features { mem_track: Some(true), lazy_pages: Some(true) };
        self.send(&Request { kind: FEATURE_CHECK, features: Some(asked), ..Request::default() })?;
        let (answer, _) = self.receive()?;
        answer.features.filter(|_| answer.success).ok_or(CriuError::Broken { log: None })
    }

    /// Asks, answers what CRIU wants to know meanwhile, and gives what was restored.
    pub(super) fn talk(
        &self,
        kind: i32,
        options: Opts,
        listener: &mut dyn Listener,
    ) -> Result<Option<Restored>, CriuError> {
        self.send(&Request { kind, options: Some(options), ..Request::default() })?;
        let (mut restored, mut terminal) = (None, None);
        loop {
            let (answer, fd) = self.receive()?;
            if !answer.success {
                let errno = answer.errno.unwrap_or_default();
                return Err(CriuError::Failed { errno, log: None });
            }
            if answer.kind != NOTIFY {
                break;
            }
            terminal = fd.or(terminal);
            let heard = hear(&answer.notify.unwrap_or_default(), listener, &mut restored);
            let success = Some(heard.is_ok());
            let heard_it = Request { kind: NOTIFY, notify_success: success, ..Request::default() };
            self.send(&heard_it)?;
            heard.map_err(CriuError::Meanwhile)?;
        }
        Ok(restored.map(|(pid, pidfd)| Restored { pid, pidfd, terminal }))
    }

    fn send(&self, request: &Request) -> Result<(), CriuError> {
        match send_fds(self.socket.as_fd(), &request.encode_to_vec(), &[]) {
            Ok(()) => Ok(()),
            Err(Errno::PIPE | Errno::CONNRESET) => Err(CriuError::Broken { log: None }),
            Err(errno) => Err(CriuError::Channel(errno.into())),
        }
    }

    fn receive(&self) -> Result<(Answer, Option<OwnedFd>), CriuError> {
        let mut bytes = vec![0; LONGEST];
        let mut fds = Vec::with_capacity(1);
        let socket = self.socket.as_fd();
        let count = match receive_fds(socket, &mut bytes, &mut fds, RecvFlags::empty()) {
            Ok(0) | Err(Errno::CONNRESET) => return Err(CriuError::Broken { log: None }),
            received => received.map_err(|errno| CriuError::Channel(errno.into()))?,
        };
        let answer = bytes.get(..count).and_then(|bytes| Answer::decode(bytes).ok());
        let answer = answer.ok_or(CriuError::Broken { log: None })?;
        Ok((answer, fds.pop().flatten()))
    }

    /// Lets CRIU end, and says how it did.
    pub(super) fn end(self) -> Option<i32> {
        drop(self.socket);
        collect(&self.cloned.pidfd)
    }
}

/// Does what the caller has to do when CRIU has come to a point.
fn hear(
    notify: &Notify,
    listener: &mut dyn Listener,
    restored: &mut Option<(Pid, OwnedFd)>,
) -> io::Result<()> {
    let pid = notify.pid.and_then(Pid::from_raw);
    match (notify.script.as_deref(), pid) {
        (Some("status-ready"), _) => listener.serves(),
        (Some("setup-namespaces"), Some(pid)) => listener.namespaces(pid),
        (Some("post-restore"), Some(pid)) => {
            let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
            listener.restored(pid)?;
            *restored = Some((pid, pidfd));
            Ok(())
        }
        _ => Ok(()),
    }
}

impl Start<'_> {
    /// Ends with its maker where it restores: nobody else would hear what comes of it. A dump goes
    /// on alone, and lets the container go when it finds nobody to talk to.
    fn end_with_maker(&self) -> io::Result<()> {
        if self.shown.is_none() {
            return Ok(());
        }
        set_parent_process_death_signal(Some(Signal::KILL))?;
        match getppid() == Some(self.maker) {
            true => Ok(()),
            false => Err(Errno::SRCH.into()),
        }
    }

    /// Becomes CRIU. It takes its folders from the descriptors of whoever has made its socket, and
    /// mounts below them: both have to be of its own mount namespace, and so are made here.
    fn run(&self, channel: BorrowedFd<'_>) -> io::Result<std::convert::Infallible> {
        self.end_with_maker()?;
        if let Some((tree, place)) = &self.shown {
            show(tree, place)?;
        }
        let (ours, theirs) = pair()?;
        let folders = [dir::open(self.folders[0])?, dir::open(self.folders[1])?];
        let kept = folders.iter().chain([&theirs]).map(AsFd::as_fd);
        for fd in kept.chain(self.inherited.iter().copied()) {
            fcntl_setfd(fd, FdFlags::empty())?;
        }
        let numbers = folders.each_ref().map(|fd| fd.as_raw_fd().to_ne_bytes());
        send_fds(channel, numbers.as_flattened(), &[ours.as_fd()])?;
        drop(ours);
        let number = CString::new(theirs.as_raw_fd().to_string())?;
        let argv = Strings::new(vec![self.name.clone(), c"swrk".to_owned(), number]);
        let errno = execve(&self.name, &argv, &Strings::new(vec![PATH.to_owned()]));
        Err(errno.into())
    }
}

/// A copy of the tree `rootfs`, cut off from the host and attached nowhere.
fn copy(rootfs: BorrowedFd<'_>, attributes: MountAttrFlags) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_EMPTY_PATH;
    let tree = open_tree(rootfs, c"", flags)?;
    set_attributes(&tree, Change::set(MountAttrFlags::empty(), Reach::Tree))?;
    set_attributes(&tree, Change::set(attributes, Reach::One))?;
    Ok(tree)
}

/// Mounts `tree` on the folder `place`, where only this process and its children see it.
fn show(tree: &OwnedFd, place: &Path) -> io::Result<()> {
    let slave = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change(c"/", slave)?;
    let place = rustix::fs::open(
        place,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW,
        Mode::empty(),
    )?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(tree, c"", &place, c"", flags)?)
}
