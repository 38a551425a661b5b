//! Handles of files: a number for a file of a file system, whatever its path. Source: man 2
//! open_by_handle_at.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `MAX_HANDLE_SZ`.
const MOST: usize = 128;

/// `struct file_handle`, with room for the longest there is.
#[repr(C)]
#[derive(Clone, Debug, PartialEq, Eq)]
struct Raw {
    bytes: u32,
    kind: i32,
    handle: [u8; MOST],
}

/// A handle, as one process can tell another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handle {
    /// Its kind, which the file system chooses.
    pub kind: i32,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The handle of the file at `path`, which is a link's own where it is one.
///
/// # Errors
/// What the kernel says; `EOPNOTSUPP` of a file system without handles.
pub fn handle_of(path: &CStr) -> io::Result<Handle> {
    let mut raw = Raw { bytes: 128, kind: 0, handle: [0; MOST] };
    let mut mount: libc::c_int = 0;
    // SAFETY: the kernel reads the path and writes at most as many bytes as `raw.bytes` says
    // behind the two numbers, which is what there is, and one number to `mount`.
    let done = unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            libc::AT_FDCWD,
            path.as_ptr(),
            &raw mut raw,
            &raw mut mount,
            0,
        )
    };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    let length = usize::try_from(raw.bytes).unwrap_or(MOST).min(MOST);
    Ok(Handle { kind: raw.kind, bytes: raw.handle.iter().take(length).copied().collect() })
}

/// Opens the file of this handle for reading, on the file system that `on` lies on.
///
/// # Errors
/// `EPERM` without `CAP_DAC_READ_SEARCH` on the host; `EINVAL` of a handle that is too long.
pub fn open_handle(on: BorrowedFd<'_>, handle: &Handle) -> io::Result<OwnedFd> {
    let length = u32::try_from(handle.bytes.len()).unwrap_or(u32::MAX);
    let mut raw = Raw { bytes: length, kind: handle.kind, handle: [0; MOST] };
    if handle.bytes.len() > MOST {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    raw.handle.iter_mut().zip(&handle.bytes).for_each(|(to, from)| *to = *from);
    let flags = libc::O_RDONLY | libc::O_CLOEXEC;
    // SAFETY: the kernel reads as many bytes behind the two numbers as the first of them says, at
    // most 128, and writes nothing.
    let fd = unsafe {
        libc::syscall(libc::SYS_open_by_handle_at, on.as_raw_fd(), &raw const raw, flags)
    };
    let fd = i32::try_from(fd).unwrap_or(-1);
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_that_is_too_long_is_refused() {
        let folder = tempfile::tempfile().unwrap();
        let long = Handle { kind: 1, bytes: vec![0; 200] };
        let error = open_handle(std::os::fd::AsFd::as_fd(&folder), &long).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
    }
}
