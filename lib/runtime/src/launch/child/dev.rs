//! The steps that fill `/dev`: devices of the host, each checked by fd, links, the terminal.

use std::os::fd::{AsFd, OwnedFd};

use coffer_sys::mount::{Change, Reach, set_attributes};
use rustix::fs::{self, AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, OpenTreeFlags, move_mount, open_tree};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::termios::{OptionalActions, OutputModes, Winsize, tcgetattr, tcsetattr, tcsetwinsize};

use super::mounts::{FROM_FD, attach, clone_of};
use super::{Child, walk};
use crate::launch::report::{Cause, Fault, Message, send};
use crate::plan::{Device, Lines, Node, Origin, Terminal};

/// Where the devices are.
const DEV: &std::ffi::CStr = c"/dev";

/// Permission bits of the devices that every container has. Source: man 4 null, random, tty.
const MODE: Mode = Mode::from_raw_mode(0o666);

/// The magic number of devpts. Source: linux/magic.h.
const DEVPTS: u64 = 0x1cd1;

/// What stands in every `/dev`. Source: runtime-spec config-linux.md, "Default Devices" and
/// runtime-linux.md, "Dev symbolic links".
const LINKS: [(&std::ffi::CStr, &std::ffi::CStr); 6] = [
    (c"fd", c"/proc/self/fd"),
    (c"stdin", c"/proc/self/fd/0"),
    (c"stdout", c"/proc/self/fd/1"),
    (c"stderr", c"/proc/self/fd/2"),
    (c"core", c"/proc/kcore"),
    (c"ptmx", c"pts/ptmx"),
];

impl Child<'_> {
    /// Makes one device, or binds the host's. That is looked at after it was opened, so that
    /// nothing can be put in its place between.
    pub(super) fn put_device(&mut self, device: &Device) -> Result<(), Fault> {
        if device.origin == Origin::Own {
            let number = fs::makedev(device.number.0, device.number.1);
            let dev = self.held.must(DEV)?;
            fs::mknodat(dev, device.name, FileType::CharacterDevice, MODE, number)?;
            if device.name == c"null" {
                let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                self.null = Some(fs::openat(dev, device.name, flags, Mode::empty())?);
            }
            return Ok(());
        }
        let mount = match device.origin {
            Origin::Handed(number) => self.handed(number)?,
            _ => {
                let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
                open_tree(CWD, device.path, flags)?
            }
        };
        check_device(&mount, FileType::CharacterDevice, device.number)?;
        self.attach_in_dev(&mount, device.name)?;
        if self.plan.ids.is_none() {
            seal(&mount)?;
        }
        match device.name == c"null" {
            true => self.null = Some(mount),
            false => self.leave(mount),
        }
        Ok(())
    }

    /// Makes a device node of a bundle, or binds the host's. One that is there already has to be
    /// the same; nothing of another kind is replaced.
    pub(super) fn put_node(&self, node: &Node) -> Result<(), Fault> {
        if let Some(path) = &node.host {
            let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
            let mount = open_tree(CWD, path, flags)?;
            check_device(&mount, node.kind, node.number)?;
            if self.plan.ids.is_none() {
                seal(&mount)?;
            }
            return attach(&mount, &walk::mount_point(self.root()?, &node.target)?);
        }
        let (parent, name) = walk::parent(self.root()?, &node.target)?;
        let number = fs::makedev(node.number.0, node.number.1);
        match fs::mknodat(&parent, name, node.kind, node.mode, number) {
            Err(Errno::EXIST) => {
                let there = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let there = fs::openat(&parent, name, there, Mode::empty())?;
                check_device(&there, node.kind, node.number)
            }
            made => {
                made?;
                let (uid, gid) = node.owner;
                Ok(fs::chownat(&parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?)
            }
        }
    }

    /// Makes the links of `/dev`.
    pub(super) fn link_devices(&self) -> Result<(), Fault> {
        let dev = self.held.must(DEV)?;
        for (name, to) in LINKS {
            fs::symlinkat(to, dev, name)?;
        }
        Ok(())
    }

    /// Opens a pty of the container's own devpts, sends its master to the parent, and makes the
    /// other side the session's terminal, its standard descriptors and its console.
    pub(super) fn take_terminal(&mut self, terminal: &Terminal) -> Result<(), Fault> {
        let master = self.open_master()?;
        unlockpt(&master)?;
        let peer = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let slave = ioctl_tiocgptpeer(&master, peer)?;
        if let Some((rows, columns)) = terminal.size {
            let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
            tcsetwinsize(&slave, size)?;
        }
        if terminal.lines == Lines::Plain {
            let mut modes = tcgetattr(&slave)?;
            modes.output_modes.remove(OutputModes::ONLCR);
            tcsetattr(&slave, OptionalActions::Now, &modes)?;
        }
        fs::fchown(&slave, Some(terminal.owner), None)?;
        if self.held.at(DEV).is_some() {
            self.attach_in_dev(&clone_of(slave.as_fd(), Reach::One)?, c"console")?;
        }
        rustix::process::ioctl_tiocsctty(&slave)?;
        super::take_as_stdio([slave.as_fd(); 3])?;
        Ok(send(self.socket, &Message::Terminal(master))?)
    }

    /// Opens the master side of a new pty: on our own mount of devpts, or, in a container that was
    /// joined, on what is mounted there, which must be devpts and reached without a link.
    fn open_master(&self) -> Result<OwnedFd, Fault> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        if let Some(pts) = self.held.at(c"/dev/pts") {
            return Ok(fs::openat(pts, c"ptmx", flags, Mode::empty())?);
        }
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
        let path = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let pts =
            coffer_sys::dir::open_within(self.root()?, c"/dev/pts", path, Mode::empty(), resolve)?;
        if u64::try_from(fs::fstatfs(&pts)?.f_type) != Ok(DEVPTS) {
            return Err(Cause::NotTheDevice.with(Errno::NODEV));
        }
        Ok(fs::openat(&pts, c"ptmx", flags | OFlags::NOFOLLOW, Mode::empty())?)
    }

    /// Mounts on a new empty file in our own `/dev`.
    fn attach_in_dev(&self, mount: &OwnedFd, name: &std::ffi::CStr) -> Result<(), Fault> {
        let dev = self.held.must(DEV)?;
        fs::mknodat(dev, name, FileType::RegularFile, Mode::RUSR, 0)?;
        Ok(move_mount(mount, c"", dev, name, FROM_FD)?)
    }
}

/// Keeps whoever owns the host's node from changing its mode and owner through this mount of it: a
/// device on a read-only mount can still be written.
pub(super) fn seal(mount: &OwnedFd) -> Result<(), Fault> {
    Ok(set_attributes(mount, Change::set(MountAttrFlags::MOUNT_ATTR_RDONLY, Reach::One))?)
}

/// Whether `mount` is the device of this kind and number.
pub(super) fn check_device(
    mount: &OwnedFd,
    kind: FileType,
    number: (u32, u32),
) -> Result<(), Fault> {
    let stat = fs::fstat(mount)?;
    let found = (fs::major(stat.st_rdev), fs::minor(stat.st_rdev));
    match FileType::from_raw_mode(stat.st_mode) {
        found_kind if found_kind == kind && found == number => Ok(()),
        _ => Err(Cause::NotTheDevice.with(Errno::NODEV)),
    }
}
