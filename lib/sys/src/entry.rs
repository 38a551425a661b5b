//! The way into a program that lives for a millisecond.
//!
//! Before `main` the standard library asks for the bounds of the stack, which the C library reads
//! from `/proc/self/maps`, and makes a second stack on which it tells of an overflow of the first:
//! twenty system calls at each start. Here is what else it does there. Without the second stack
//! an overflow still ends the program, by the kernel's guard gap, and without words.
//! Source: the standard library's `sys/pal/unix/mod.rs`, `init`.

use std::io;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::retry_on_intr;

/// Makes `$main`, which gives the exit status, the program's entry. For a crate with `no_main`.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        /// What the C library calls.
        // SAFETY: a program has one `main`; with `no_main` the compiler makes none. The standard
        // library takes the words from the C library by itself.
        #[unsafe(no_mangle)]
        #[expect(unsafe_code, reason = "the name is the C library's")]
        extern "C" fn main(
            _count: ::std::ffi::c_int,
            _words: *const *const ::std::ffi::c_char,
        ) -> ::std::ffi::c_int {
            $crate::entry::enter($main)
        }
    };
}

/// Prepares the process, and ends it with the status that `main` gives.
pub fn enter(main: fn() -> u8) -> ! {
    if fill_standard().is_err() {
        std::process::abort();
    }
    crate::signal::ignore_broken_pipes();
    // Writes out what standard output still holds.
    std::process::exit(main().into())
}

/// Opens the null device for each of 0, 1 and 2 that the caller has closed: what is opened later
/// must not become somebody's output. The lowest number that is free is taken. Source: man 2 open.
fn fill_standard() -> io::Result<()> {
    let standard = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
    let mut looked = standard.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::empty()));
    let now = rustix::event::Timespec::default();
    if retry_on_intr(|| poll(&mut looked, Some(&now)))? == 0 {
        return Ok(());
    }
    for _ in looked.iter().filter(|fd| fd.revents().contains(PollFlags::NVAL)) {
        // It stays open.
        std::mem::forget(rustix::fs::open(c"/dev/null", OFlags::RDWR, Mode::empty())?);
    }
    Ok(())
}
