//! Our own mounts of the kernel's file systems, by where they are.
//!
//! Nobody but this process can have changed anything in them, so that what is directly in one is
//! reached by its name, without a walk.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

/// The mounts, in the order in which they were made.
pub(super) struct Held<'a>(Vec<(&'a CStr, OwnedFd)>);

impl<'a> Held<'a> {
    /// None yet. Allocates for `count` mounts.
    pub(super) fn with_room_for(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    /// Holds what was mounted at `path`, in place of what was there before.
    pub(super) fn hold(&mut self, path: &'a CStr, mount: OwnedFd) {
        self.forget(path);
        self.0.push((path, mount));
    }

    /// Something else was mounted over `path`: what was there is out of sight.
    pub(super) fn forget(&mut self, path: &CStr) {
        self.0.retain(|(held, _)| !is_at_or_below(held.to_bytes(), path.to_bytes()));
    }

    /// The mount at `path`.
    pub(super) fn at(&self, path: &CStr) -> Option<BorrowedFd<'_>> {
        self.0.iter().find(|(held, _)| *held == path).map(|(_, mount)| mount.as_fd())
    }

    /// The same, where it must be there.
    pub(super) fn must(&self, path: &CStr) -> Result<BorrowedFd<'_>, Errno> {
        self.at(path).ok_or(Errno::NODEV)
    }
}

fn is_at_or_below(path: &[u8], top: &[u8]) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any descriptor will do.
    fn mount() -> OwnedFd {
        std::io::pipe().unwrap().0.into()
    }

    #[test]
    fn what_is_covered_is_not_held_any_more() {
        let mut held = Held::with_room_for(3);
        for path in [c"/dev", c"/dev/pts", c"/device"] {
            held.hold(path, mount());
        }
        held.forget(c"/dev");
        assert!(held.at(c"/dev").is_none());
        assert_eq!(held.must(c"/dev/pts").unwrap_err(), Errno::NODEV);
        assert!(held.at(c"/device").is_some());
    }
}
