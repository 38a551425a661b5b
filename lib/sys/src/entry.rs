//! The way into a program that lives for a millisecond.
//!
//! Before `main` the standard library asks for the bounds of the stack, which the C library reads
//! from `/proc/self/maps`, and makes a second stack on which it tells of an overflow of the first:
//! twenty system calls at each start. Here is what else it does there. Without the second stack
//! an overflow still ends the program, by the kernel's guard gap, and without words. What the
//! program is called with comes to `main` as the C library gives it: the standard library would
//! know of it with one C library (glibc) and not with another (musl).
//! Source: the standard library's `sys/pal/unix/mod.rs`, `init`, and `sys/args/unix.rs`.

use std::ffi::{CStr, OsStr, OsString, c_char, c_int};
use std::io;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::retry_on_intr;

/// Makes `$main`, which takes the words that the program is called with (the first is its name)
/// and gives the exit status, the program's entry. For a crate with `no_main`.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        /// What the C library calls.
        // SAFETY: a program has one `main`; with `no_main` the compiler makes none.
        #[unsafe(no_mangle)]
        #[expect(unsafe_code, reason = "the name and the arguments are the C library's")]
        extern "C" fn main(
            count: ::std::ffi::c_int,
            words: *const *const ::std::ffi::c_char,
        ) -> ::std::ffi::c_int {
            // SAFETY: the C library gives `count` strings that stay where they are.
            unsafe { $crate::entry::enter($main, count, words) }
        }
    };
}

/// Where the words lie that the program is called with, as the kernel shows them in
/// `/proc/PID/cmdline`, and how many bytes they are; none before [`enter`].
static WORDS: (AtomicPtr<u8>, AtomicUsize) =
    (AtomicPtr::new(std::ptr::null_mut()), AtomicUsize::new(0));

/// Shows `name`, or as much of it as there is room for, in `/proc/PID/cmdline` instead of the words
/// that the program was called with. For a process that stays where others can see it: everybody
/// may read that file. Source: man 5 proc_pid_cmdline.
pub fn show_as(name: &str) {
    let (start, length) = (WORDS.0.load(Ordering::Relaxed), WORDS.1.load(Ordering::Relaxed));
    if start.is_null() {
        return;
    }
    // SAFETY: the kernel has put that many bytes there, for the program to do with as it likes;
    // nothing of ours points to them once `enter` has copied the words.
    let words = unsafe { std::slice::from_raw_parts_mut(start, length) };
    words.fill(0);
    // The last byte stays zero: otherwise the kernel reads on, into the environment.
    for (place, byte) in words.iter_mut().rev().skip(1).rev().zip(name.bytes()) {
        *place = byte;
    }
}

/// Where the words and the environment lie that the process was called with. Where the C library's
/// own entry was taken, or somebody else has put them, both are empty, on the stack.
pub(crate) fn called_with() -> (Range<usize>, Range<usize>) {
    let (start, length) = (WORDS.0.load(Ordering::Relaxed), WORDS.1.load(Ordering::Relaxed));
    if start.is_null() {
        let here = (&raw const length).addr();
        return (here..here, here..here);
    }
    // The kernel puts the environment behind the words, and behind that the name of the file.
    // SAFETY: the call takes a number, and looks it up in what the kernel has given.
    let file = unsafe { libc::getauxval(libc::AT_EXECFN) };
    let end = start.addr() + length;
    (start.addr()..end, end..end.max(file as usize))
}

/// Prepares the process, and ends it with the status that `main` gives.
///
/// # Safety
/// `words` points to `count` strings that end with a zero byte and do not change meanwhile.
pub unsafe fn enter(main: fn(Vec<OsString>) -> u8, count: c_int, words: *const *const c_char) -> ! {
    if fill_standard().is_err() {
        std::process::abort();
    }
    crate::signal::ignore_broken_pipes();
    let count = usize::try_from(count).unwrap_or_default();
    // SAFETY: as the caller promises; no strings are an array too.
    let words = unsafe { std::slice::from_raw_parts(words, count) };
    let words = words.iter().map(|word| {
        // SAFETY: as the caller promises.
        unsafe { CStr::from_ptr(*word) }
    });
    let words: Vec<&CStr> = words.collect();
    remember(&words);
    let words = words.iter().map(|word| OsStr::from_bytes(word.to_bytes()).to_owned()).collect();
    // Writes out what standard output still holds.
    std::process::exit(main(words).into())
}

/// Keeps where the words lie. The kernel puts them one behind the other; words that do not lie so
/// are somebody else's.
fn remember(words: &[&CStr]) {
    let Some(first) = words.first() else { return };
    let mut length = 0;
    for word in words {
        if word.as_ptr().addr() != first.as_ptr().addr() + length {
            return;
        }
        length += word.count_bytes() + 1;
    }
    WORDS.0.store(first.as_ptr().cast_mut().cast(), Ordering::Relaxed);
    WORDS.1.store(length, Ordering::Relaxed);
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
