//! Which system calls change something that outlives the process, or that another one sees.

use nix::libc::{
    self, SYS_bpf, SYS_clone, SYS_clone3, SYS_connect, SYS_copy_file_range, SYS_execve,
    SYS_execveat, SYS_exit_group, SYS_fallocate, SYS_fchmod, SYS_fchmodat, SYS_fchown,
    SYS_fchownat, SYS_fdatasync, SYS_flock, SYS_fremovexattr, SYS_fsetxattr, SYS_fsync,
    SYS_ftruncate, SYS_kill, SYS_linkat, SYS_lremovexattr, SYS_lsetxattr, SYS_mkdirat, SYS_mknodat,
    SYS_mount, SYS_mount_setattr, SYS_move_mount, SYS_pidfd_send_signal, SYS_pivot_root,
    SYS_pwrite64, SYS_pwritev, SYS_renameat, SYS_renameat2, SYS_sendfile, SYS_sendmsg, SYS_sendto,
    SYS_setxattr, SYS_shutdown, SYS_symlinkat, SYS_tgkill, SYS_truncate, SYS_umount2, SYS_unlinkat,
    SYS_utimensat, SYS_write, SYS_writev, c_long,
};
use nix::sys::ptrace;
use nix::unistd::Pid;

/// Those that always do. What only the process itself has (namespaces that it enters, mounts that
/// are attached nowhere, sockets) goes with it.
const ALWAYS: &[c_long] = &[
    SYS_bpf,
    SYS_clone,
    SYS_clone3,
    SYS_connect,
    SYS_copy_file_range,
    SYS_execve,
    SYS_execveat,
    // Nothing is lost or left where everything was done.
    SYS_exit_group,
    SYS_fallocate,
    SYS_fchmod,
    SYS_fchmodat,
    SYS_fchown,
    SYS_fchownat,
    SYS_fdatasync,
    SYS_flock,
    SYS_fremovexattr,
    SYS_fsetxattr,
    SYS_fsync,
    SYS_ftruncate,
    SYS_kill,
    SYS_linkat,
    SYS_lremovexattr,
    SYS_lsetxattr,
    SYS_mkdirat,
    SYS_mknodat,
    SYS_mount,
    SYS_mount_setattr,
    SYS_move_mount,
    SYS_pidfd_send_signal,
    SYS_pivot_root,
    SYS_pwrite64,
    SYS_pwritev,
    SYS_renameat,
    SYS_renameat2,
    SYS_sendfile,
    SYS_sendmsg,
    SYS_sendto,
    SYS_setxattr,
    SYS_shutdown,
    SYS_symlinkat,
    SYS_tgkill,
    SYS_truncate,
    SYS_umount2,
    SYS_unlinkat,
    SYS_utimensat,
    SYS_write,
    SYS_writev,
];

/// The older calls, which newer machines have not.
#[cfg(target_arch = "x86_64")]
const OLDER: &[c_long] = &[
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_creat,
    libc::SYS_fork,
    libc::SYS_lchown,
    libc::SYS_link,
    libc::SYS_mkdir,
    libc::SYS_mknod,
    libc::SYS_rename,
    libc::SYS_rmdir,
    libc::SYS_symlink,
    libc::SYS_unlink,
    libc::SYS_vfork,
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[c_long] = &[];

/// Makes an overlay, which has a folder of its own on disk from then on. Source: linux/mount.h.
const FSCONFIG_CMD_CREATE: u64 = 6;

/// Whether `thread`, which is stopped at a system call, is about to change something.
pub(super) fn is_change(thread: Pid) -> bool {
    // Who was killed meanwhile does nothing more.
    let Ok(info) = ptrace::syscall_info(thread) else { return false };
    let Ok((number, second, third)) = call(thread) else { return false };
    if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
        return false;
    }
    match number {
        libc::SYS_openat => makes_file(third),
        // The flags are the first word of what is pointed to: man 2 openat2.
        libc::SYS_openat2 => {
            ptrace::read(thread, third as *mut _).is_ok_and(|how| makes_file(how as u64))
        }
        libc::SYS_fsconfig => second == FSCONFIG_CMD_CREATE,
        libc::SYS_fcntl => [libc::F_SETLK, libc::F_SETLKW, libc::F_OFD_SETLK, libc::F_OFD_SETLKW]
            .iter()
            .any(|lock| u64::try_from(*lock) == Ok(second)),
        number => ALWAYS.contains(&number) || OLDER.contains(&number),
    }
}

fn makes_file(flags: u64) -> bool {
    let makes = libc::O_CREAT | libc::O_TRUNC | (libc::O_TMPFILE & !libc::O_DIRECTORY);
    i32::try_from(flags & 0x7fff_ffff).is_ok_and(|flags| flags & makes != 0)
}

/// The number of the call, and its second and third argument.
#[cfg(target_arch = "x86_64")]
fn call(thread: Pid) -> nix::Result<(c_long, u64, u64)> {
    let regs = ptrace::getregs(thread)?;
    Ok((regs.orig_rax.cast_signed(), regs.rsi, regs.rdx))
}

/// The same.
#[cfg(target_arch = "aarch64")]
fn call(thread: Pid) -> nix::Result<(c_long, u64, u64)> {
    let regs = ptrace::getregs(thread)?.regs;
    Ok((regs[8].cast_signed(), regs[1], regs[2]))
}
