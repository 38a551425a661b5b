//! User namespaces for the tests, made with root's rights.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "files of /proc, by path")]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_sys::spawn::{Clone3, Parent, spawn};
use coffer_sys::thread::own_mounts;
use rustix::fs::CWD;
use rustix::mount::{MountPropagationFlags, MoveMountFlags, mount_change, move_mount};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use rustix::thread::{Gid, LinkNameSpaceType, Uid, UnshareFlags};

/// The first id of the host that a container's ids are.
pub const HOST: u32 = 0x7000_0000;

/// A user namespace whose ids 0 to 65535 are those from [`HOST`] on.
pub fn userns() -> OwnedFd {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let how = Clone3 { namespaces: UnshareFlags::NEWUSER, cgroup: None, parent: Parent::Caller };
    let ends = write.as_fd();
    let child = spawn(how, || {
        // The copy of the writing end must not keep our own read from ending: wait for a byte.
        let _copy = ends;
        i32::from(rustix::io::read(&read, &mut [0_u8; 1]).is_err())
    })
    .unwrap();
    let proc = format!("/proc/{}", child.pid.as_raw_nonzero());
    std::fs::write(format!("{proc}/uid_map"), format!("0 {HOST} 65536")).unwrap();
    std::fs::write(format!("{proc}/gid_map"), format!("0 {HOST} 65536")).unwrap();
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
    let fd = rustix::fs::open(format!("{proc}/ns/user"), flags, rustix::fs::Mode::empty()).unwrap();
    rustix::io::write(&write, b"x").unwrap();
    waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED).unwrap();
    fd
}

/// Runs `inside` as the root of a user namespace, in a process of its own; gives its status.
/// `inside` must not allocate: other threads may hold the allocator's lock.
pub fn as_root_of(userns: BorrowedFd<'_>, inside: impl FnOnce() -> i32) -> Option<i32> {
    run(|| if enter(userns).is_err() { 99 } else { inside() })
}

/// The same, with `mount` attached in a mount namespace of the process.
pub fn as_root_with_mount(
    userns: BorrowedFd<'_>,
    mount: BorrowedFd<'_>,
    inside: impl FnOnce() -> i32,
) -> Option<i32> {
    let attach = || {
        own_mounts()?;
        mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
        move_mount(mount, c"", CWD, c"/", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
        std::io::Result::Ok(enter(userns)?)
    };
    run(|| if attach().is_err() { 98 } else { inside() })
}

fn run(child: impl FnOnce() -> i32) -> Option<i32> {
    let how = Clone3 { namespaces: UnshareFlags::empty(), cgroup: None, parent: Parent::Caller };
    let child = spawn(how, child).unwrap();
    let status = waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED).unwrap();
    status.unwrap().exit_status()
}

fn enter(userns: BorrowedFd<'_>) -> Result<(), rustix::io::Errno> {
    rustix::thread::move_into_link_name_space(userns, Some(LinkNameSpaceType::User))?;
    let (uid, gid) = (Uid::ROOT, Gid::ROOT);
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)
}
