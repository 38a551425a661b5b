//! System calls that a contained process should not get through with, tried without harm.
//!
//! Each is called so that nothing changes even where it is allowed: either the kernel checks the
//! right to call first and the arguments after, and the arguments are ones that it refuses, or
//! what the call makes ends with the calling process. It may change that process, which is to be
//! one that was made for it.

mod calls;
mod entry;
mod file;
mod ipc;
mod keys;
mod process;
mod terminal;

use std::ffi::CStr;
use std::io;

use libc::c_long;

pub use entry::by_32_bit_entry;
pub use file::{Handle, handle_of, open_handle};
pub use ipc::{IpcKey, Messages, Queue, Segment, Semaphore};
pub use keys::{
    Keyring, Serial, add_key, find_key, hold_user_keyring, link_key, open_to_user, read_key,
    unlink_key, update_key,
};
pub use process::{read_memory, trace, write_memory};
pub use terminal::{Request, ask_terminal};

/// A call to try, with its arguments.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    number: c_long,
    args: [Arg; 6],
    past: Past,
}

/// An argument of a call.
#[derive(Clone, Copy, Debug)]
enum Arg {
    /// A number, a null pointer, or an address that is in no process (1).
    Number(i64),
    /// The address of [`ROOM`] words of memory, of which these are the first.
    Words(&'static [u64]),
    /// The address of a text.
    Text(&'static CStr),
}

/// When a call counts as having got past the fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Past {
    /// It succeeded.
    Done,
    /// The kernel looked at its arguments, and refused those.
    Looked,
}

/// How many words a call may read or write at each address: 512 bytes.
const ROOM: usize = 64;

/// Tries it, and says whether it got past the fence: `Ok` where it did, otherwise the error with
/// which it was stopped. A descriptor that it makes stays open until the process ends.
///
/// # Errors
/// `EPERM`, `EACCES` or `ENOSYS`, by which capabilities, security modules and seccomp refuse; of a
/// call that does something harmless, whatever it failed by.
pub fn attempt(call: Call) -> io::Result<()> {
    let mut rooms = [[0_u64; ROOM]; 6];
    let mut args = [0_i64; 6];
    for ((value, arg), room) in args.iter_mut().zip(call.args).zip(&mut rooms) {
        *value = match arg {
            Arg::Number(number) => number,
            Arg::Text(text) => text.as_ptr().expose_provenance() as i64,
            Arg::Words(words) => {
                room.iter_mut().zip(words).for_each(|(to, from)| *to = *from);
                room.as_mut_ptr().expose_provenance() as i64
            }
        };
    }
    let [a, b, c, d, e, f] = args;
    // SAFETY: an address among the arguments is 0 or 1, which the kernel answers with EFAULT, or
    // that of a text that the call only reads, or of 512 bytes of `rooms`, alive during the call;
    // `calls` lists no call that reads or writes more than that at any of its addresses, and none
    // that changes other memory of this process.
    let result = unsafe { libc::syscall(call.number, a, b, c, d, e, f) };
    if result >= 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES | libc::ENOSYS) => Err(error),
        // A filter's word for a family, a protocol or handles that there are not.
        Some(libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT | libc::EOPNOTSUPP) => Err(error),
        _ if call.past == Past::Looked => Ok(()),
        _ => Err(error),
    }
}
