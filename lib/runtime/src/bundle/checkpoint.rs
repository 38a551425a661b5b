//! `checkpoint`: what a container is doing is written down, and it ends or goes on.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use coffer_confine::confinement::Confinement;
use coffer_oci::runtime::NamespaceKind;
use coffer_sys::dir;
use rustix::process::Pid;

use super::{BundleError, Folder, Saved, State, Status};
use crate::criu::{self, CriuError, Dump, Folders, Manifest, Options};

/// A checkpoint.
#[derive(Debug)]
pub struct Checkpoint<'a> {
    /// CRIU's program.
    pub program: &'a Path,
    /// Where images and log go.
    pub folders: Folders<'a>,
    /// What CRIU is told.
    pub options: &'a Options,
    /// Images of an earlier checkpoint, relative to these.
    pub parent: Option<&'a str>,
    /// What follows.
    pub after: After,
    /// Gets a zero byte, and is closed, as soon as memory can be asked for.
    pub status: Option<OwnedFd>,
}

/// What becomes of a container that was checkpointed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It has ended.
    Ends,
    /// It goes on (`--leave-running`).
    GoesOn,
    /// It goes on, and only its memory was written (`--pre-dump`).
    MemoryOnly,
}

/// Writes images of the container of `folder`. One that does not go on is the caller's to delete.
///
/// # Errors
/// [`BundleError::WrongStatus`] where it neither runs nor is paused, and [`CriuError`].
pub fn checkpoint(folder: Folder, wanted: Checkpoint<'_>) -> Result<(), BundleError> {
    let locked = folder.lock()?;
    let id = locked.id().clone();
    let (state, status) = locked.status_now()?;
    let (Some(state), Some(saved), Status::Running | Status::Paused) =
        (state, locked.saved()?, status)
    else {
        let (verb, needed) = ("checkpoint", "running");
        return Err(BundleError::WrongStatus { id, status, verb, needed });
    };
    let init = locked.init(&state)?.ok_or_else(|| BundleError::NotRunning(id.clone()))?;
    dump(&state, &saved, wanted)?;
    drop(init);
    Ok(())
}

fn dump(state: &State, saved: &Saved, wanted: Checkpoint<'_>) -> Result<(), BundleError> {
    if let Some(at) = &saved.lost {
        return Err(CriuError::Lost { at: at.clone() }.into());
    }
    let gone = || BundleError::NotRunning(state.id.clone());
    let pid = Pid::from_raw(state.init.pid).ok_or_else(gone)?;
    let manifest = Manifest::of(pid, &saved.outside).map_err(CriuError::from)?;
    let namespaces = shared(pid, &saved.confinement).map_err(BundleError::process(&state.id))?;
    let path = wanted.folders.images;
    let images =
        dir::open(path).map_err(|source| CriuError::Folder { path: path.to_owned(), source })?;
    // Where memory follows lazily, the restore begins before the dump has ended. From memory alone
    // there is no restore.
    if wanted.after != After::MemoryOnly {
        manifest.write(images.as_fd(), path).map_err(CriuError::from)?;
    }
    let freezer = state.cgroup.open()?.freezer_path();
    let dump = Dump {
        program: wanted.program,
        folders: wanted.folders,
        pid,
        rootfs: &state.rootfs,
        namespaces,
        manifest: &manifest,
        options: wanted.options,
        parent: wanted.parent,
        memory_only: wanted.after == After::MemoryOnly,
        leave_running: wanted.after == After::GoesOn,
        freezer: freezer.as_deref(),
    };
    Ok(criu::dump(&dump, wanted.status)?)
}

/// CRIU's names for the namespaces that others keep, as runc gives them.
fn shared(pid: Pid, confinement: &Confinement) -> std::io::Result<Vec<String>> {
    let joined = confinement.namespaces.iter().filter(|namespace| !namespace.path.is_empty());
    let kinds = joined.filter_map(|namespace| key(namespace.kind));
    kinds
        .map(|(file, key)| {
            let path = format!("/proc/{}/ns/{file}", pid.as_raw_pid());
            Ok(format!("{file}[{}]:{key}", rustix::fs::stat(path)?.st_ino))
        })
        .collect()
}

/// A kind of namespace that CRIU finds by a descriptor: its file, and the name for it.
pub(super) fn key(kind: NamespaceKind) -> Option<(&'static str, &'static str)> {
    match kind {
        NamespaceKind::Network => Some(("net", "extRootNetNS")),
        NamespaceKind::Pid => Some(("pid", "extRootPidNS")),
        _ => None,
    }
}
