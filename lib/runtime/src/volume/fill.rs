//! What an image has at the place of a volume, copied into it.

use std::fs::File;
use std::io::BufWriter;
use std::os::fd::BorrowedFd;
use std::path::Path;

use coffer_confine::ids;
use coffer_rootfs::{LastLink, OverlayPlan, Stack};
use coffer_sys::thread::own_mounts;
use rustix::fs::Mode;
use rustix::pipe::{PipeFlags, pipe_with};

use super::error::At as _;
use super::{DATA, VolumeError};
use crate::files::{FilesError, Found, How, Into, Modes, Owners, Tree, pack, unpack};
use crate::plan::Authority;

/// The place of a volume in an image.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The image's layers.
    pub stack: &'a Stack,
    /// The data root, where they lie.
    pub root: &'a Path,
    /// Whose rights coffer has.
    pub authority: Authority,
    /// The path inside.
    pub target: &'a str,
}

impl Source<'_> {
    /// Makes `data` in `folder` with all that the image has at the place, and says whether it has a
    /// folder there. A process of its own does it, since two of its threads do: the one reads the
    /// image, mounted and not attached anywhere, and the other writes.
    pub(super) fn fill(
        &self,
        folder: BorrowedFd<'_>,
        authority: Authority,
    ) -> Result<bool, VolumeError> {
        let map = match authority {
            Authority::Root => None,
            Authority::User => Some(ids::of_caller()?),
        };
        let plan = OverlayPlan::new(self.stack, self.root, None, None)?;
        let copy = || {
            rustix::process::umask(Mode::empty());
            if authority == Authority::User {
                own_mounts().at("mount the image for", self.target)?;
            }
            let image = plan.mount(None).at("mount the image for", self.target)?;
            match Tree::new(image).find(self.target.as_bytes(), LastLink::Follow) {
                Ok(found @ Found::Folder(_)) => copy(&found, folder).map(|()| true),
                Ok(_) | Err(FilesError::NoFolder(_) | FilesError::NotFolder(_)) => Ok(false),
                Err(error) => Err(error.into()),
            }
        };
        Ok(ids::beside(map.as_ref(), copy)?.finish()?)
    }
}

/// Copies a folder to `data` in `folder`, with all that it has.
fn copy(found: &Found, folder: BorrowedFd<'_>) -> Result<(), VolumeError> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).at("copy to", DATA)?;
    let parent = folder.try_clone_to_owned().at("open", DATA)?;
    let (path, name) = (DATA.into(), None);
    let found_there = Found::Missing(parent, DATA.into());
    let into = Into::Place { found: found_there, path, name, is_folder: true };
    let how = How { owners: Owners::Archived, modes: Modes::Whole };
    std::thread::scope(|scope| {
        let packing = scope.spawn(|| pack(found, b".", &mut BufWriter::new(File::from(writer))));
        let unpacked = unpack(File::from(reader), into, how);
        let panicked = |_| std::io::Error::other("the thread that reads has panicked");
        let packed = packing.join().map_err(panicked).at("copy to", DATA)?;
        match unpacked {
            Err(error) if !error.is_of_other_side() => Err(error.into()),
            unpacked => Ok(packed.and(unpacked.map(drop))?),
        }
    })
}
