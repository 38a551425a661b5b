//! What processes hold that has no name any more: it takes room until they end.
//!
//! A file stays while it is open, while it is mapped, and while a descriptor of it is on its way
//! through a socket. The first is counted; so is the second, where the kernel lets us look (root);
//! of the third the kernel says only that there is something. Sources: man 5 `proc_pid_fd`,
//! `proc_pid_map_files`, `proc_pid_fdinfo` (`scm_fds`, Linux 5.6).

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self as rfs, AtFlags, FileType, Mode, OFlags, RawDir};
use rustix::io::Errno;
use rustix::path::Arg;

use super::count::{Grown, Question};
use super::walk::BUFFER;

/// How many descriptors and mappings are looked at.
const MOST: u32 = 1 << 18;
/// What is mapped without a name and lies in memory, by how `/proc/PID/maps` calls it.
const IN_MEMORY: [&str; 5] = ["/memfd:", "/dev/", "/SYSV", "/anon_hugepage", "/[aio]"];

/// Adds to `grown` what the processes `pids` hold without a name. `init` is one of them, whose root
/// is the container's.
pub(super) fn add(grown: &mut Grown, init: i32, pids: &[i32], question: &Question) {
    let Ok(root) = rfs::stat(format!("/proc/{init}/root")) else {
        // It has ended, or nobody may look at it: then nothing is known.
        grown.hides_more = true;
        return;
    };
    let mut look = Look { grown, question, device: root.st_dev, seen: Vec::new(), left: MOST };
    for pid in pids {
        match look.process(*pid) {
            Ok(()) | Err(Errno::NOENT | Errno::SRCH) => {}
            Err(_) => look.grown.hides_more = true,
        }
        if look.grown.is_enough(question) {
            return;
        }
    }
}

/// The processes in the pid namespace of `init`, for who knows no group of theirs.
pub(super) fn beside(init: i32) -> io::Result<Vec<i32>> {
    let proc = open(rfs::CWD, c"/proc")?;
    let namespace = |pid: &CStr| {
        let process = open(proc.as_fd(), pid)?;
        rfs::statat(&process, c"ns/pid", AtFlags::empty()).map(|about| about.st_ino)
    };
    let own = rfs::stat(format!("/proc/{init}/ns/pid"))?.st_ino;
    let mut pids = Vec::new();
    each(proc.as_fd(), &mut |name| {
        let pid = name.to_str().ok().and_then(|name| name.parse::<i32>().ok());
        pids.extend(pid.filter(|_| namespace(name) == Ok(own)));
        Ok(())
    })?;
    Ok(pids)
}

struct Look<'a> {
    grown: &'a mut Grown,
    question: &'a Question,
    /// Of the container's root.
    device: u64,
    /// A file that several have open is one.
    seen: Vec<u64>,
    left: u32,
}

impl Look<'_> {
    fn process(&mut self, pid: i32) -> rustix::io::Result<()> {
        let process = open(rfs::CWD, format!("/proc/{pid}"))?;
        let fds = open(process.as_fd(), c"fd")?;
        each(fds.as_fd(), &mut |name| {
            self.count(fds.as_fd(), name, || is_busy_socket(process.as_fd(), name))
        })?;
        let maps = rfs::openat(&process, c"maps", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mapped = open(process.as_fd(), c"map_files")?;
        for line in BufReader::new(File::from(maps)).split(b'\n') {
            let line = line.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
            if let Some(range) = nameless(&line) {
                self.count(mapped.as_fd(), range.as_str(), || false)?;
            }
        }
        Ok(())
    }

    /// Counts what the link `name` leads to, where it lies in the container and has no name.
    fn count<N: Arg + Copy>(
        &mut self,
        folder: BorrowedFd<'_>,
        name: N,
        hides: impl FnOnce() -> bool,
    ) -> rustix::io::Result<()> {
        self.left = self.left.checked_sub(1).ok_or(Errno::NOBUFS)?;
        let about = match rfs::statat(folder, name, AtFlags::empty()) {
            Err(Errno::NOENT) => return Ok(()),
            about => about?,
        };
        match FileType::from_raw_mode(about.st_mode) {
            FileType::Socket => self.grown.hides_more |= hides(),
            _ if about.st_nlink == 0
                && about.st_dev == self.device
                && !self.seen.contains(&about.st_ino) =>
            {
                self.seen.push(about.st_ino);
                self.grown.add(&about, self.question);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Whether descriptors are on their way through a process's socket, of its descriptor `name`.
fn is_busy_socket(process: BorrowedFd<'_>, name: &CStr) -> bool {
    let read = || {
        let folder = open(process, c"fdinfo")?;
        let info = rfs::openat(&folder, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut text = String::new();
        File::from(info).take(4096).read_to_string(&mut text)?;
        Ok::<_, io::Error>(text)
    };
    let count = |text: String| {
        let line = text.lines().find_map(|line| line.strip_prefix("scm_fds:"))?;
        line.trim().parse::<u64>().ok()
    };
    // Other sockets have no such line.
    read().is_ok_and(|text| count(text).unwrap_or(0) > 0)
}

/// The name in `/proc/PID/map_files` of a line of `/proc/PID/maps`, if that is of a file which has no
/// name and may lie on a disk.
fn nameless(line: &[u8]) -> Option<String> {
    let line = line.strip_suffix(b" (deleted)")?;
    // A path may hold any byte, what stands before it none but these.
    let path = line.iter().position(|byte| *byte == b'/').and_then(|at| line.get(at..))?;
    if IN_MEMORY.iter().any(|start| path.starts_with(start.as_bytes())) {
        return None;
    }
    let range = std::str::from_utf8(line.split(|byte| *byte == b' ').next()?).ok()?;
    // Both are hexadecimal, but only `maps` fills them up to eight digits.
    let (start, end) = range.split_once('-')?;
    Some(format!("{}-{}", start.trim_start_matches('0'), end.trim_start_matches('0')))
}

fn open<P: Arg>(folder: impl AsFd, name: P) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rfs::openat(folder, name, flags, Mode::empty())
}

/// Shows each name in `folder`, an open folder of `/proc`.
fn each(
    folder: BorrowedFd<'_>,
    show: &mut dyn FnMut(&CStr) -> rustix::io::Result<()>,
) -> rustix::io::Result<()> {
    let mut buffer = vec![MaybeUninit::<u8>::uninit(); BUFFER];
    let mut names = RawDir::new(folder, &mut buffer);
    while let Some(entry) = names.next() {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            show(name)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use rustix::net::{
        AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags,
        SocketType, sendmsg, socketpair,
    };

    use super::super::reserve::Amounts;
    use super::*;

    const SIZE: u64 = 1 << 20;

    /// What the process of this test holds without a name, of files on the disk of `place`.
    fn held(device: u64) -> Grown {
        let enough = Amounts { bytes: u64::MAX, inodes: u64::MAX };
        let question = Question { since: (0, 0), enough };
        let mut grown = Grown::NOTHING;
        let mut look =
            Look { grown: &mut grown, question: &question, device, seen: Vec::new(), left: MOST };
        look.process(rustix::process::getpid().as_raw_pid()).unwrap();
        grown
    }

    /// One test, since what it looks at is the whole process.
    #[test]
    fn what_has_no_name_is_found() {
        let file = tempfile::tempfile().unwrap();
        rfs::fallocate(&file, rfs::FallocateFlags::empty(), 0, SIZE).unwrap();
        let again = file.try_clone().unwrap();
        let device = rfs::fstat(&file).unwrap().st_dev;
        let grown = held(device);
        assert!((SIZE..2 * SIZE).contains(&grown.by.bytes), "open twice, one file: {grown:?}");
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
                .unwrap();
        let own = open(rfs::CWD, c"/proc/self").unwrap();
        let name = std::ffi::CString::new(theirs.as_raw_fd().to_string()).unwrap();
        assert!(!is_busy_socket(own.as_fd(), &name));
        let mut space = [MaybeUninit::uninit(); 64];
        let mut along = SendAncillaryBuffer::new(&mut space);
        let fds = [again.as_fd()];
        assert!(along.push(SendAncillaryMessage::ScmRights(&fds)));
        sendmsg(&ours, &[io::IoSlice::new(b"x")], &mut along, SendFlags::empty()).unwrap();
        assert!(is_busy_socket(own.as_fd(), &name));
        drop((file, again));
        let grown = held(device);
        assert!(grown.hides_more && grown.by.bytes < SIZE, "{grown:?}");
    }

    #[test]
    fn mappings_without_a_name_are_told() {
        let deleted = b"00010000-00011000 r--s 00000000 00:2f 12   /a b (deleted)";
        assert_eq!(nameless(deleted).as_deref(), Some("10000-11000"));
        for line in [
            &b"7f00-7f01 r--s 00000000 00:2f 12   /a b"[..],
            b"7f00-7f01 rw-s 00000000 00:01 12   /memfd:x (deleted)",
            b"7f00-7f01 rw-s 00000000 00:01 12   /dev/zero (deleted)",
            b"",
        ] {
            assert_eq!(nameless(line), None);
        }
    }

    #[test]
    fn this_process_is_in_its_own_namespace() {
        let own = rustix::process::getpid().as_raw_pid();
        assert!(beside(own).unwrap().contains(&own));
    }
}
