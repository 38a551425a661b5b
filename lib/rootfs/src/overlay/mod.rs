//! The stack of an image's layers, and a container's own on top, mounted as one.
//!
//! Everything that can be known before is computed by [`OverlayPlan::new`]; [`OverlayPlan::mount`]
//! is a short line of system calls that can be made between clone and exec. The mount it gives is
//! attached nowhere.
//!
//! As root, the layers and the container's own folder are seen through one id-mapped mount each,
//! so that files on disk keep the image's ids in every container. As an ordinary user, the mount
//! is made inside the user namespace, where the files have the right ids already, with overlay's
//! marks in `user.*` attributes.
//!
//! Detached mounts as layers need Linux 6.15, and layers by fd 6.13. Older kernels take another
//! way: see the private module `attached`. Which one is decided by the kernel's version when the plan is
//! made, never by trying.

mod attached;
mod detached;
mod upper;

use std::ffi::{CString, NulError};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use coffer_sys::owner::{Files, as_owner};
use rustix::fs::{self as rfs, Mode, OFlags};

use crate::layers::EMPTY;
use crate::{Flavour, Stack};

pub use upper::{LaterUpper, Upper, UpperError};

/// A mount of overlay, ready to be made.
#[derive(Debug)]
pub struct OverlayPlan {
    /// The data root by its path: the child of a new mount namespace cannot use fds from before.
    root: CString,
    /// Device and inode of the data root, so that it is the same one then.
    identity: (u64, u64),
    /// The trees from the `layers` folder, the topmost first.
    lowers: Vec<CString>,
    upper: Option<Paths>,
    flavour: Flavour,
    /// Who makes files in the upper folder on behalf of overlay: the user and group on the host
    /// that the container's root is. Needed where ids are mapped.
    owner: Option<(u32, u32)>,
    /// The container's own folders, where the mount is to make them first.
    making: Option<LaterUpper>,
    /// The SELinux context of all files that it shows.
    context: Option<CString>,
    way: Way,
}

/// A container's own folders.
#[derive(Debug)]
struct Paths {
    /// The container's folder from the data root.
    folder: CString,
    /// In it: what the container writes.
    upper: CString,
    /// In it: overlay's own.
    work: CString,
}

/// What the kernel can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Layers by fd, detached ones too.
    Detached,
    /// Layers by path, attached ones only.
    Attached,
}

/// Why a mount cannot be planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A path has a NUL byte.
    #[error("a path of the data root holds a NUL byte")]
    Nul(#[from] NulError),
    /// The data root cannot be looked at.
    #[error("cannot look at the data root {}", root.display())]
    Root {
        /// Where it is.
        root: std::path::PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl OverlayPlan {
    /// Plans the mount of `stack`, whose data root is at the absolute path `root`, under `upper`;
    /// without an upper the mount is read-only.
    ///
    /// `owner` is the host's user and group that is the container's root, where ids are mapped.
    pub fn new(
        stack: &Stack,
        root: &Path,
        upper: Option<&Upper>,
        owner: Option<(u32, u32)>,
    ) -> Result<Self, PlanError> {
        let failed = |errno: rustix::io::Errno| PlanError::Root {
            root: root.to_owned(),
            source: errno.into(),
        };
        let stat = rfs::stat(root).map_err(failed)?;
        let layers = stack.layers().iter().rev();
        let mut lowers: Vec<CString> =
            layers.map(|layer| CString::new(layer.name.as_str())).collect::<Result<_, _>>()?;
        if upper.is_none() && lowers.len() == 1 {
            // Without an upper overlay wants two lower folders.
            lowers.push(CString::new(EMPTY)?);
        }
        Ok(Self {
            root: CString::new(root.as_os_str().as_bytes())?,
            identity: (stat.st_dev, stat.st_ino),
            lowers,
            upper: upper.map(Upper::paths).transpose()?,
            flavour: stack.flavour(),
            owner,
            making: None,
            context: None,
            way: Way::of_kernel(rustix::system::uname().release().to_bytes()),
        })
    }

    /// Makes the mount. With `idmap`, the user namespace by which owners are mapped.
    ///
    /// # Errors
    /// What the kernel says; `ESTALE` where the data root is not the one of the plan any more.
    pub fn mount(&self, idmap: Option<BorrowedFd<'_>>) -> io::Result<OwnedFd> {
        self.mount_sparing(idmap, &mut Vec::new())
    }

    /// The same, and puts what is not needed any more into `spent`. To close a detached mount
    /// takes 0.1 to 0.7 ms, for which nobody has to wait.
    ///
    /// # Errors
    /// As [`Self::mount`].
    pub fn mount_sparing(
        &self,
        idmap: Option<BorrowedFd<'_>>,
        spent: &mut Vec<OwnedFd>,
    ) -> io::Result<OwnedFd> {
        if let Some(upper) = &self.making {
            upper.make()?;
        }
        match self.way {
            Way::Detached => self.mount_detached(idmap, spent),
            Way::Attached => self.mount_attached(idmap),
        }
    }

    /// The same, and makes the container's own folders first: for an ordinary user, in whose
    /// namespace the mount is made anyway. One user namespace less is worth 20 ms, which
    /// `newuidmap` and `newgidmap` take.
    #[must_use]
    pub fn making(self, upper: LaterUpper) -> Self {
        Self { making: Some(upper), ..self }
    }

    /// The same, where all files have the SELinux context `context`; an empty one is none.
    ///
    /// # Errors
    /// It holds a NUL byte.
    pub fn labelled(self, context: &str) -> Result<Self, PlanError> {
        let context = if context.is_empty() { None } else { Some(CString::new(context)?) };
        Ok(Self { context, ..self })
    }

    /// The same mount made in the way that works on kernels before 6.15 too: slower, with a thread
    /// as root, and with at most about 220 layers.
    #[must_use]
    pub fn for_older_kernels(self) -> Self {
        Self { way: Way::Attached, ..self }
    }

    /// Makes the mount by `make`. overlay keeps the credentials of whoever mounts it and makes its
    /// own files with them: the working folder, whiteouts. Through an id-mapped upper, host root is
    /// nobody (`EOVERFLOW`), so the container's root makes it, as what it is on the host.
    fn as_owner<T>(
        &self,
        idmap: Option<BorrowedFd<'_>>,
        make: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        match self.owner.filter(|_| idmap.is_some()) {
            Some(owner) => as_owner(owner, Files::Owners, make),
            None => make(),
        }
    }

    /// Opens the data root, which must still be the same folder.
    fn open_root(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rfs::open(&self.root, flags, Mode::empty())?;
        let stat = rfs::fstat(&root)?;
        if (stat.st_dev, stat.st_ino) == self.identity {
            Ok(root)
        } else {
            Err(rustix::io::Errno::STALE.into())
        }
    }

    /// The options that do not name folders. What an attribute of a layer could ask for, overlay
    /// is told not to do; without these, that would depend on how the kernel was built.
    fn options(&self) -> &'static [(&'static str, &'static str)] {
        match self.flavour {
            Flavour::Root => &[("redirect_dir", "nofollow"), ("metacopy", "off"), ("index", "off")],
            // With userxattr all of these are off, and cannot be named on older kernels.
            Flavour::User => &[],
        }
    }
}

impl Way {
    /// Source: Linux 6.15, "fs: allow detached mounts in clone_private_mount()".
    fn of_kernel(release: &[u8]) -> Self {
        let mut numbers = release.split(|byte| !byte.is_ascii_digit()).map(|digits| {
            digits.iter().fold(0_u32, |value, digit| {
                value.saturating_mul(10).saturating_add(u32::from(digit - b'0'))
            })
        });
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if version >= (6, 15) { Self::Detached } else { Self::Attached }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_decides_the_way() {
        for (release, way) in [
            (&b"6.1.0-30-amd64"[..], Way::Attached),
            (b"6.14.9", Way::Attached),
            (b"6.15.0-rc1", Way::Detached),
            (b"6.18", Way::Detached),
            (b"7.0.1", Way::Detached),
            (b"5.19", Way::Attached),
            (b"odd", Way::Attached),
        ] {
            assert_eq!(Way::of_kernel(release), way, "{}", release.escape_ascii());
        }
    }
}
