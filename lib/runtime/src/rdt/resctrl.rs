//! The file system, by its descriptor.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use coffer_sys::dir;
use rustix::fs::{self as rfs, AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::RdtError;

/// Where it is mounted. Source: the kernel's filesystems/resctrl.rst.
pub(super) const ROOT: &str = "/sys/fs/resctrl";
/// Its magic number. Source: linux/magic.h, `RDTGROUP_SUPER_MAGIC`.
const MAGIC: u64 = 0x0765_5821;
/// A longer file is none of its (64 KiB).
const LIMIT: u64 = 64 * 1024;

/// The file system, open.
#[derive(Debug)]
pub struct Resctrl {
    root: OwnedFd,
    /// What the kernel puts into a new folder, where a test's folder stands in for it.
    #[cfg(test)]
    born: Option<fn(BorrowedFd<'_>)>,
}

impl Resctrl {
    /// The host's.
    ///
    /// # Errors
    /// [`RdtError::NotMounted`].
    pub fn host() -> Result<Self, RdtError> {
        Self::mounted_at(Path::new(ROOT))
    }

    fn mounted_at(path: &Path) -> Result<Self, RdtError> {
        let root = dir::open(path).map_err(|_| RdtError::NotMounted)?;
        match rfs::fstatfs(&root) {
            Ok(stat) if u64::try_from(stat.f_type) == Ok(MAGIC) => Ok(Self {
                root,
                #[cfg(test)]
                born: None,
            }),
            _ => Err(RdtError::NotMounted),
        }
    }

    /// The class `name`; the default one, which is the root, where the name is empty.
    pub(super) fn class(&self, name: &str) -> io::Result<Option<OwnedFd>> {
        match name {
            "" => self.root.try_clone().map(Some),
            name => below(self.root.as_fd(), name),
        }
    }

    /// Makes the folder `name` in `parent`, or in the root. It may not be there.
    pub(super) fn make(
        &self,
        parent: Option<BorrowedFd<'_>>,
        name: &str,
    ) -> Result<OwnedFd, RdtError> {
        let parent = parent.unwrap_or(self.root.as_fd());
        let mode = Mode::from_raw_mode(0o755);
        let made = rfs::mkdirat(parent, name, mode).map_err(io::Error::from);
        let folder = made.and_then(|()| dir::open_at(parent, name));
        #[cfg(test)]
        if let (Ok(folder), Some(born)) = (&folder, self.born) {
            born(folder.as_fd());
        }
        folder.map_err(|source| self.refused(format!("make {name}"), source))
    }

    /// Removes the folder `name` in `parent`, or in the root; its tasks go back to what is above.
    pub(super) fn remove(
        &self,
        parent: Option<BorrowedFd<'_>>,
        name: &str,
    ) -> Result<(), RdtError> {
        let parent = parent.unwrap_or(self.root.as_fd());
        #[cfg(test)]
        if let (Some(_), Ok(folder)) = (self.born, dir::open_at(parent, name)) {
            // The kernel's folders are removed with what it has put there.
            drop(coffer_sys::tree::empty(folder.as_fd(), &|_| false));
        }
        match rfs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(self.refused(format!("remove {name}"), errno.into())),
        }
    }

    /// Writes `text` to the file `name` of a folder in one go, as the kernel wants it.
    pub(super) fn write(
        &self,
        folder: BorrowedFd<'_>,
        name: &str,
        text: &str,
    ) -> Result<(), RdtError> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rfs::openat(folder, name, flags, Mode::empty())
            .map_err(io::Error::from)
            .and_then(|fd| File::from(fd).write_all(text.as_bytes()))
            .map_err(|source| self.refused(format!("write {text:?} to {name}"), source))
    }

    /// Reads the file `name` of a folder.
    pub(super) fn read(&self, folder: BorrowedFd<'_>, name: &str) -> Result<String, RdtError> {
        text(folder, name).map_err(|source| self.refused(format!("read {name}"), source))
    }

    /// A failure, with what the kernel has to say about it.
    fn refused(&self, what: String, source: io::Error) -> RdtError {
        let status = dir::open_at(self.root.as_fd(), "info")
            .and_then(|info| text(info.as_fd(), "last_cmd_status"))
            .ok()
            .map(|status| status.trim().to_owned())
            .filter(|status| !status.is_empty() && status != "ok");
        RdtError::Refused { what, status, source }
    }

    /// A folder of a test's in its place.
    #[cfg(test)]
    pub(super) fn stand_in(root: OwnedFd, born: fn(BorrowedFd<'_>)) -> Self {
        Self { root, born: Some(born) }
    }
}

/// The folder `name` in `parent`, if there is one.
pub(super) fn below(parent: BorrowedFd<'_>, name: &str) -> io::Result<Option<OwnedFd>> {
    match dir::open_at(parent, name) {
        Ok(folder) => Ok(Some(folder)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn text(folder: BorrowedFd<'_>, name: &str) -> io::Result<String> {
    let bytes = dir::read(folder, name, LIMIT)?.ok_or(io::ErrorKind::NotFound)?;
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_file_system_is_none() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path(), &folder.path().join("missing")] {
            let said = Resctrl::mounted_at(path).unwrap_err().to_string();
            assert!(said.contains("linux.intelRdt: no resctrl is mounted"), "{said}");
            assert!(said.contains("mount -t resctrl resctrl /sys/fs/resctrl"), "{said}");
        }
    }
}
