//! The running program's own file, out of reach of those who look it up (CVE-2019-5736).
//!
//! `/proc/PID/exe` stands for the file *on the mount that it was executed from*, so the attributes
//! of that mount hold for whoever opens or executes the link. A process can have its memory mapped
//! from another mount of the same file, one that nobody else has, and say that this is where it was
//! executed from: nothing can be written there then, and nothing executed. Its children are there
//! too, until they execute something else. Sources: man 2 open_tree, man 2 mount_setattr, man 2
//! pr_set_mm, `replace_mm_exe_file` in linux/kernel/fork.c.

use std::ffi::{c_ulong, c_void};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mm::{MapFlags, MprotectFlags, MremapFlags, ProtFlags};
use rustix::mount::{MountAttrFlags, OpenTreeFlags, open_tree};

use crate::mount::{Change, Reach, set_attributes};
use crate::segment::{Segment, segments};

/// Moves the process, which must have one thread, to a mount of its program's file on which nothing
/// can be written or executed.
///
/// # Errors
/// `EBUSY` with more than one thread. `EPERM` without `CAP_SYS_ADMIN`, `EINVAL` in another mount
/// namespace than the program was executed in, before Linux 5.12, or in a kernel without
/// `CONFIG_CHECKPOINT_RESTORE`. The process goes on as before then.
pub fn shelter() -> io::Result<()> {
    // The task folder has a link for each thread, beside its own two.
    if rustix::fs::stat(c"/proc/self/task")?.st_nlink != 3 {
        return Err(Errno::BUSY.into());
    }
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let mount = open_tree(CWD, c"/proc/self/exe", flags)?;
    set_attributes(&mount, Change::set(MountAttrFlags::MOUNT_ATTR_RDONLY, Reach::One))?;
    let file = open_again(mount.as_fd())?;
    let segments = segments();
    let mut constant = segments.iter().filter(|segment| !segment.writable);
    constant.try_for_each(|segment| map_anew(segment, file.as_fd()))?;
    let layout = Layout::of(&segments);
    match layout.tell(file.as_fd()) {
        // Something of the file is still mapped: all but what has been copied already.
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
            let mut written = segments.iter().filter(|segment| segment.writable);
            written.try_for_each(copy)?;
            layout.tell(file.as_fd())?;
        }
        told => told?,
    }
    // The kernel takes no file that cannot be executed, so this comes last.
    set_attributes(&mount, Change::set(MountAttrFlags::MOUNT_ATTR_NOEXEC, Reach::One))
}

/// The file of a mount of one file, opened on that mount.
fn open_again(mount: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", mount.as_raw_fd());
    Ok(rustix::fs::openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Maps a segment from `file`, which has the same bytes.
fn map_anew(segment: &Segment, file: BorrowedFd<'_>) -> rustix::io::Result<()> {
    let place = segment.start as *mut c_void;
    let executable = if segment.executable { ProtFlags::EXEC } else { ProtFlags::empty() };
    let (prot, flags) = (ProtFlags::READ | executable, MapFlags::PRIVATE | MapFlags::FIXED);
    // SAFETY: the pages are exchanged, in one step, for others with the same bytes: those of the
    // file that they were mapped from, which nobody can write while it is executed, and which
    // relocation does not touch in a position-independent program.
    unsafe { rustix::mm::mmap(place, segment.size, prot, flags, file, segment.offset) }.map(drop)
}

/// Puts memory with the same bytes, of no file, in a segment's place.
fn copy(segment: &Segment) -> rustix::io::Result<()> {
    let place = segment.start as *mut c_void;
    let (size, prot) = (segment.size, ProtFlags::READ | ProtFlags::WRITE);
    let flags = MapFlags::PRIVATE | MapFlags::POPULATE;
    // SAFETY: new memory, where there is none.
    let copy = unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), size, prot, flags) }?;
    // SAFETY: both are of that size and apart. Nobody writes the segment until the copy is in its
    // place: there is no other thread, and the next call writes to no static memory.
    unsafe { ptr::copy_nonoverlapping(place.cast::<u8>(), copy.cast(), size) };
    // SAFETY: the pages are exchanged, in one step, for others with the same bytes.
    unsafe { rustix::mm::mremap_fixed(copy, size, size, MremapFlags::MAYMOVE, place) }?;
    // SAFETY: the compiler has put there what nobody writes after relocation.
    unsafe { rustix::mm::mprotect(place, segment.sealed, MprotectFlags::READ) }
}

/// `struct prctl_mm_map`: what the kernel keeps of a process's memory. Source: linux/prctl.h.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Layout {
    start_code: u64,
    end_code: u64,
    start_data: u64,
    end_data: u64,
    start_brk: u64,
    brk: u64,
    start_stack: u64,
    arg_start: u64,
    arg_end: u64,
    env_start: u64,
    env_end: u64,
    /// Where a new auxiliary vector is, and its size: none.
    auxv: u64,
    auxv_size: u32,
    exe_fd: u32,
}

impl Layout {
    /// That of this process, which has these segments. What others are shown of it stays: the words
    /// and the environment that it was called with, where they lie as [`crate::entry`] found them.
    fn of(segments: &[Segment]) -> Self {
        let edges = |wanted: fn(&&Segment) -> bool| {
            let segment = segments.iter().find(wanted);
            segment.map_or((0, 0), |of| (of.start as u64, (of.start + of.size) as u64))
        };
        let (start_code, end_code) = edges(|segment| segment.executable);
        let (start_data, end_data) = edges(|segment| segment.writable);
        // SAFETY: the call takes a number, and with 0 it changes nothing.
        let brk = unsafe { libc::syscall(libc::SYS_brk, 0) }.cast_unsigned();
        let (words, environment) = crate::entry::called_with();
        Self {
            start_code,
            end_code,
            start_data,
            end_data,
            start_brk: brk,
            brk,
            // They lie at the bottom of the stack.
            start_stack: words.start as u64,
            arg_start: words.start as u64,
            arg_end: words.end as u64,
            env_start: environment.start as u64,
            env_end: environment.end as u64,
            ..Self::default()
        }
    }

    /// Has the kernel take `file` for the one that was executed, and all else as it is.
    fn tell(&self, file: BorrowedFd<'_>) -> io::Result<()> {
        let told = Self { exe_fd: file.as_raw_fd().cast_unsigned(), ..*self };
        let (map, size) = (&raw const told, size_of::<Self>() as c_ulong);
        let none: c_ulong = 0;
        // SAFETY: the call reads a struct of that size, and a descriptor that is open. What it
        // changes is what it tells others of the process.
        let told = unsafe { libc::prctl(libc::PR_SET_MM, libc::PR_SET_MM_MAP, map, size, none) };
        if told == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use rustix::fs::StatVfsMountFlags;
    use rustix::process::{WaitOptions, waitpid};

    use super::*;

    static WRITTEN: AtomicU32 = AtomicU32::new(7);

    /// What became of it, as the number of the first thing that is not as it should be. In a
    /// process of its own, which has one thread.
    fn sheltered() -> i32 {
        WRITTEN.store(8, Ordering::Relaxed);
        match shelter() {
            Ok(()) => {}
            Err(error) => return error.raw_os_error().unwrap_or(1),
        }
        let exe = c"/proc/self/exe";
        let Ok(mount) = rustix::fs::statvfs(exe) else { return 101 };
        let shut = StatVfsMountFlags::RDONLY | StatVfsMountFlags::NOEXEC;
        let (argv, envp) = (crate::exec::Strings::new(vec![]), crate::exec::Strings::new(vec![]));
        let executed = crate::exec::execve(exe, &argv, &envp);
        let again = shelter();
        let facts = [
            mount.f_flag.contains(shut),
            executed == Errno::ACCESS,
            WRITTEN.fetch_add(1, Ordering::Relaxed) == 8,
            WRITTEN.load(Ordering::Relaxed) == 9,
            // The file cannot be executed there, so that the kernel does not take it.
            again.is_err(),
        ];
        facts.iter().position(|fact| !fact).map_or(0, |place| 102 + place as i32)
    }

    #[test]
    fn root_the_program_is_out_of_reach_and_goes_on() {
        let child = crate::userns::fork(sheltered).unwrap();
        let (_, status) = waitpid(Some(child), WaitOptions::empty()).unwrap().unwrap();
        match (status.exit_status(), rustix::process::geteuid().is_root()) {
            (Some(libc::EPERM), false) | (Some(0), _) => {}
            (status, _) => panic!("{status:?}"),
        }
    }

    #[test]
    fn who_has_threads_stays() {
        let (send, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || wait.recv());
        let busy = shelter().map_err(|error| error.raw_os_error());
        drop(send);
        assert!(thread.join().unwrap().is_err());
        assert_eq!(busy, Err(Some(libc::EBUSY)));
    }
}
