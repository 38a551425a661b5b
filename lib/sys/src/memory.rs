//! The memory of this process.

use std::ffi::c_void;

use crate::segment::segments;

/// Gives back what a process does not need while it waits: freed memory, and its own program's
/// pages, which come back from the file when they are used again. For a process that stays long
/// after it has done something large.
///
/// Source: man 3 `malloc_trim`, man 2 madvise.
pub fn settle() {
    trim();
    for segment in segments().iter().filter(|segment| !segment.writable) {
        let (start, size) = (segment.start as *mut c_void, segment.size);
        // SAFETY: a segment that cannot be written has not been changed since it was mapped from
        // the program's file (there are no text relocations in a position-independent program, and
        // what relocation touches lies in a writable segment), so that the file gives its pages
        // back as they were. Advice that the kernel does not take changes nothing.
        unsafe { libc::madvise(start, size, libc::MADV_DONTNEED) };
    }
}

#[cfg(target_env = "gnu")]
fn trim() {
    // SAFETY: the call takes a number only, and touches nothing but memory that is free.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(target_env = "musl")]
fn trim() {
    crate::heap::HEAP.trim();
}

#[cfg(test)]
mod tests {
    use rustix::process::{WaitOptions, waitpid};

    use super::*;

    /// KiB of the program's pages that are mapped, after `each` was called with the place and the
    /// size of each of its segments that cannot be written.
    #[expect(clippy::disallowed_methods, reason = "reads /proc")]
    fn mapped(mut each: impl FnMut(usize, usize)) -> u64 {
        let program = std::env::current_exe().unwrap();
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let (mut ours, mut sum) = (false, 0);
        for line in maps.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["Rss:", kib, _] if ours => {
                    sum += kib.parse::<u64>().unwrap();
                }
                [range, rights, .., path] if range.contains('-') => {
                    ours = *path == program.to_str().unwrap();
                    if ours && rights.starts_with("r-") {
                        let (start, end) = range.split_once('-').unwrap();
                        let [start, end] =
                            [start, end].map(|n| usize::from_str_radix(n, 16).unwrap());
                        each(start, end - start);
                    }
                }
                [range, ..] if range.contains('-') => ours = false,
                _ => {}
            }
        }
        sum
    }

    /// In a process of its own: the other tests' threads would have pages mapped meanwhile.
    #[test]
    fn what_waits_holds_little_of_its_program() {
        let child = crate::userns::fork(|| {
            mapped(|start, size| {
                // SAFETY: this changes no page: it has all of a mapped segment read in.
                unsafe { libc::madvise(start as *mut c_void, size, libc::MADV_POPULATE_READ) };
            });
            let before = mapped(|_, _| ());
            settle();
            i32::from(mapped(|_, _| ()) >= before)
        });
        let (_, status) = waitpid(Some(child.unwrap()), WaitOptions::empty()).unwrap().unwrap();
        assert_eq!(status.exit_status(), Some(0), "all of it is held still");
    }
}
