//! Device nodes: made, opened, never read or written.

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};

use super::{Tried, files, refused, untried};

/// Where a node may be made: the first of these that can be written.
const PLACES: [&str; 3] =
    ["/coffer-audit-node", "/tmp/coffer-audit-node", "/dev/coffer-audit-node"];

/// Makes a node and opens it for reading.
pub(crate) fn node(kind: FileType, major: u32, minor: u32) -> Tried {
    let number = rustix::fs::makedev(major, minor);
    let mut last = rustix::io::Errno::PERM;
    for place in PLACES {
        if let Err(errno) = rustix::fs::mknodat(CWD, place, kind, Mode::RUSR, number) {
            last = errno;
            continue;
        }
        let opened = opens(place);
        rustix::fs::unlinkat(CWD, place, AtFlags::empty())?;
        return opened.map(|_| format!("opened device {major}:{minor}"));
    }
    Err(last.into())
}

/// A character device.
pub(crate) fn character(major: u32, minor: u32) -> Tried {
    node(FileType::CharacterDevice, major, minor)
}

/// A disk.
pub(crate) fn block((major, minor): (u32, u32)) -> Tried {
    if major == 0 {
        return untried("the host's root lies on no disk of its own");
    }
    node(FileType::BlockDevice, major, minor)
}

/// Opens a node that is there; a socket or a file of that name is none. Where the kernel has no
/// driver for it yet, it stays closed: opening it could load one.
pub(crate) fn opens(path: &str) -> Tried {
    let about = rustix::fs::stat(path)?;
    let kind = FileType::from_raw_mode(about.st_mode);
    if !matches!(kind, FileType::CharacterDevice | FileType::BlockDevice) {
        return refused("it is no device");
    }
    let (major, minor) = (rustix::fs::major(about.st_rdev), rustix::fs::minor(about.st_rdev));
    if !has_driver(kind, major, minor) {
        return untried("the kernel has no driver for it, and opening it could load one");
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())?;
    Ok(format!("opened {path}"))
}

/// Whether a driver has registered these numbers. Sources: man 5 proc_devices, proc_misc.
fn has_driver(kind: FileType, major: u32, minor: u32) -> bool {
    /// The major number of drivers with one device each.
    const MISC: u32 = 10;
    let lists = |text: &str, number: u32| {
        let first = |line: &str| line.split_whitespace().next()?.parse::<u32>().ok();
        text.lines().any(|line| first(line) == Some(number))
    };
    let text = |path| files::read(path, files::MOST).unwrap_or_default();
    let devices = text("/proc/devices");
    let (character, block) = devices.split_once("Block devices:").unwrap_or((&devices, ""));
    match kind {
        FileType::BlockDevice => lists(block, major),
        _ if major == MISC => lists(&text("/proc/misc"), minor),
        _ => lists(character, major),
    }
}

/// Opens the node of the volume, which only a host's root can have made.
pub(crate) fn of_volume() -> Tried {
    match opens("/coffer-audit/device") {
        Err(super::Stop::Refused(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            untried("only the host's root makes a node for it")
        }
        other => other,
    }
}
