//! Reaching into another process. Sources: man 2 process_vm_readv, man 2 ptrace.

use std::io;

use libc::{c_void, iovec, pid_t};

/// Reads `length` bytes, at most 4096, of a process's memory.
///
/// # Errors
/// What the kernel says; `ESRCH` where there is no such process.
pub fn read_memory(pid: i32, address: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length.min(4096)];
    let local = iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    let remote = iovec { iov_base: at(address), iov_len: bytes.len() };
    // SAFETY: the kernel writes at most `iov_len` bytes to `bytes`, and checks the other
    // process's address itself.
    let count =
        unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
    let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
    bytes.truncate(count);
    Ok(bytes)
}

/// Writes `bytes` into a process's memory, which is to be another process's.
///
/// # Errors
/// As [`read_memory`].
pub fn write_memory(pid: i32, address: u64, bytes: &[u8]) -> io::Result<()> {
    if pid == rustix::process::getpid().as_raw_pid() {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let local = iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let remote = iovec { iov_base: at(address), iov_len: bytes.len() };
    // SAFETY: the kernel reads `bytes` alone. What is written belongs to a process that is not
    // this one, so nothing that this program relies on changes.
    let count =
        unsafe { libc::process_vm_writev(pid, &raw const local, 1, &raw const remote, 1, 0) };
    if count < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Traces a process without stopping it (`PTRACE_SEIZE`); it is let go when the calling
/// thread ends.
///
/// # Errors
/// As [`read_memory`].
pub fn trace(pid: pid_t) -> io::Result<()> {
    // SAFETY: the request takes no address and changes no memory of either process.
    let done = unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, 0, 0) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn at(address: u64) -> *mut c_void {
    let address = usize::try_from(address).unwrap_or(0);
    std::ptr::without_provenance_mut(address)
}
