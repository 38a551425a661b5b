//! Making one layer, once, whoever else wants it and whenever one is killed.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_oci::Digest;
use coffer_sys::{dir, tree};
use rustix::fs::{self as rfs, AtFlags, FlockOperation, Mode, RenameFlags};
use rustix::io::Errno;

use super::{BASE, LayersError, TEMPORARY, TREE, durable, folder_error};

/// Where a doubtful layer goes before it is removed.
const DOUBTFUL: &str = "doubtful";

/// A layer's temporary folder, locked: nobody else makes the same layer.
pub(super) struct Claim<'a> {
    layers: BorrowedFd<'a>,
    name: String,
    temporary: String,
    /// The lock goes when this is closed.
    folder: OwnedFd,
}

impl<'a> Claim<'a> {
    /// Waits until nobody else makes the layer `id`. `None` where it is there then.
    pub(super) fn take(layers: BorrowedFd<'a>, id: &Digest) -> Result<Option<Self>, LayersError> {
        let name = id.hex().to_owned();
        let temporary = format!("{TEMPORARY}{name}");
        loop {
            let doubtful = durable::is_doubtful(layers, &name)?;
            if !doubtful && exists(layers, &name)? {
                return Ok(None);
            }
            dir::make(layers, &temporary, Mode::RWXU).map_err(folder_error("make", &temporary))?;
            let folder = match dir::open_at(layers, &temporary) {
                Ok(folder) => folder,
                // Renamed by who made it, just now.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(folder_error("open", &temporary)(error)),
            };
            lock(&folder, &temporary)?;
            if is_still(layers, &temporary, &folder)? {
                let claim = Self { layers, name, temporary, folder };
                claim.take_doubtful()?;
                claim.clear()?;
                return Ok(Some(claim));
            }
        }
    }

    /// The empty tree to unpack into.
    pub(super) fn tree(&self) -> Result<OwnedFd, LayersError> {
        dir::make(self.folder.as_fd(), TREE, Mode::RWXU)
            .and_then(|_| dir::open_at(self.folder.as_fd(), TREE))
            .map_err(folder_error("make", &self.temporary))
    }

    /// The layer is whole: gives it its name.
    pub(super) fn publish(self, base: Base) -> Result<(), LayersError> {
        let failed = |errno: Errno| folder_error("rename", &self.temporary)(errno.into());
        durable::mark(self.folder.as_fd()).map_err(folder_error("mark", &self.temporary))?;
        if base == Base::Yes {
            rfs::renameat(&self.folder, TREE, &self.folder, BASE).map_err(failed)?;
        }
        let flags = RenameFlags::NOREPLACE;
        rfs::renameat_with(self.layers, &self.temporary, self.layers, &self.name, flags)
            .map_err(failed)
    }

    /// The layer cannot be made: leaves nothing.
    pub(super) fn give_up(self) -> Result<(), LayersError> {
        self.clear()?;
        rfs::unlinkat(self.layers, &self.temporary, AtFlags::REMOVEDIR)
            .map_err(|errno| folder_error("remove", &self.temporary)(errno.into()))
    }

    /// Takes a layer that a power failure may have damaged out of the way. Under the lock, nobody
    /// else gives the layer its name.
    fn take_doubtful(&self) -> Result<(), LayersError> {
        if !durable::is_doubtful(self.layers, &self.name)? {
            return Ok(());
        }
        tree::remove(self.folder.as_fd(), DOUBTFUL.as_ref())
            .and_then(|_| Ok(rfs::renameat(self.layers, &self.name, &self.folder, DOUBTFUL)?))
            .map_err(folder_error("move away", &self.name))
    }

    fn clear(&self) -> Result<(), LayersError> {
        tree::empty(self.folder.as_fd(), &|_| false).map_err(folder_error("empty", &self.temporary))
    }
}

/// Whether nothing of the layers below shows through a layer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    Yes,
    No,
}

/// Whether nobody makes the temporary folder `name` any more.
pub(super) fn abandoned(layers: BorrowedFd<'_>, name: &str) -> Result<bool, LayersError> {
    let folder = dir::open_at(layers, name).map_err(folder_error("open", name))?;
    match rfs::flock(&folder, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(folder_error("lock", name)(errno.into())),
    }
}

fn lock(folder: &OwnedFd, name: &str) -> Result<(), LayersError> {
    loop {
        match rfs::flock(folder, FlockOperation::LockExclusive) {
            Err(Errno::INTR) => {}
            done => return done.map_err(|errno| folder_error("lock", name)(errno.into())),
        }
    }
}

fn exists(layers: BorrowedFd<'_>, name: &str) -> Result<bool, LayersError> {
    match rfs::statat(layers, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(folder_error("look at", name)(errno.into())),
    }
}

/// Whether `name` is still the folder that was opened: its maker may have renamed it, or given up
/// and removed it, while we waited for the lock.
fn is_still(layers: BorrowedFd<'_>, name: &str, folder: &OwnedFd) -> Result<bool, LayersError> {
    let failed = |errno: Errno| folder_error("look at", name)(errno.into());
    let ours = rfs::fstat(folder).map_err(failed)?;
    match rfs::statat(layers, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(named) => Ok((named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(failed(errno)),
    }
}
