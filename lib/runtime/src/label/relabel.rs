//! `:z` and `:Z`: the SELinux context of a volume's files, changed by fd.
//!
//! The walk stays on the volume: links are labelled and never followed, and what is mounted below
//! keeps its labels. Sources: man 2 openat2; docker's documentation of bind mounts, "Configure the
//! SELinux label".

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use coffer_confine::confinement::Labels;
use coffer_confine::ids::{IdMap, in_user_namespace};
use coffer_confine::selinux as context;
use coffer_rootfs::{Layer, Stack};
use coffer_sys::dir;
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, XattrFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::{LabelError, selinux};
use crate::spec::{MountRequest, Request, Sharers};

/// Something of the host's that gets another context as the container starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relabel {
    /// Where it is.
    pub path: PathBuf,
    /// The context of all its files.
    pub context: String,
}

/// Folders that a host needs as they are; what go-selinux refuses too.
const OF_HOST: [&str; 18] = [
    "/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/opt", "/proc", "/root",
    "/run", "/sbin", "/srv", "/sys", "/tmp", "/usr", "/var",
];

/// How many folders deep a volume may be.
const DEEPEST: usize = 512;

/// Where a file system keeps the context of a file.
const ATTRIBUTE: &str = "security.selinux";

/// The volumes that are to be relabelled for a container with these labels. Nothing where SELinux does not hold it.
///
/// # Errors
/// The host's policy has no context for shared files.
pub(crate) fn wanted(request: &Request, labels: &Labels) -> Result<Vec<Relabel>, LabelError> {
    if labels.mounts.is_empty() {
        return Ok(Vec::new());
    }
    let own = |path: PathBuf| Relabel { path, context: labels.mounts.clone() };
    let mut all = Vec::new();
    for mount in &request.mounts {
        let MountRequest::Bind(bind) = mount else { continue };
        match bind.sharers {
            Sharers::AsLabelled => {}
            Sharers::None => all.push(own(bind.source.clone())),
            Sharers::Containers => {
                let shared = context::shared_files();
                selinux::known(&shared)?;
                all.push(Relabel { path: bind.source.clone(), context: shared.to_string() });
            }
        }
    }
    Ok(all)
}

/// Gives all files of a volume their context.
///
/// # Errors
/// It is a folder of the host's own, or cannot be relabelled; what was relabelled stays so.
pub(super) fn relabel(volume: &Relabel) -> Result<(), LabelError> {
    let failed =
        |errno: Errno| LabelError::Relabel { path: volume.path.clone(), source: errno.into() };
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let top = rustix::fs::openat(CWD, &volume.path, flags, Mode::empty()).map_err(failed)?;
    let real = rustix::fs::readlinkat(CWD, magic(top.as_fd()), Vec::new()).map_err(failed)?;
    if OF_HOST.iter().any(|path| path.as_bytes() == real.as_bytes()) {
        return Err(LabelError::OfHost(volume.path.clone()));
    }
    let mut context = volume.context.clone().into_bytes();
    context.push(0);
    tree(top.as_fd(), &context, DEEPEST).map_err(failed)
}

/// Gives the layers of an image their context, which they get once; `ids` are the container's.
///
/// # Errors
/// They cannot be relabelled.
pub(super) fn layers(stack: &Stack, ids: Option<&IdMap>) -> Result<(), LabelError> {
    let context = format!("{}\0", context::layers()).into_bytes();
    let bare: Vec<BorrowedFd<'_>> =
        stack.layers().iter().map(Layer::tree).filter(|tree| !has(*tree, &context)).collect();
    let all = || bare.iter().try_for_each(|tree| self::tree(*tree, &context, DEEPEST));
    match ids {
        _ if bare.is_empty() => Ok(()),
        // They belong to sub-ids: only where these are its own may somebody relabel their files.
        Some(ids) if !rustix::process::geteuid().is_root() => Ok(in_user_namespace(ids, all)?),
        _ => all().map_err(|errno| LabelError::Relabel {
            path: PathBuf::from("layers"),
            source: errno.into(),
        }),
    }
}

/// Whether a file has this context.
fn has(file: BorrowedFd<'_>, context: &[u8]) -> bool {
    let mut found = vec![0; context.len()];
    let length = rustix::fs::getxattr(magic(file), ATTRIBUTE, &mut found[..]);
    length.is_ok_and(|length| found.get(..length) == Some(context))
}

/// One file, or a folder and all below it: itself last, so that it says whether all are done.
fn tree(top: BorrowedFd<'_>, context: &[u8], depth: usize) -> Result<(), Errno> {
    let stat = rustix::fs::fstat(top)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        let depth = depth.checked_sub(1).ok_or(Errno::NAMETOOLONG)?;
        inside(top, context, depth)?;
    }
    // The magic link leads to what is open, a link itself included, whatever becomes of its name.
    rustix::fs::setxattr(magic(top), ATTRIBUTE, context, XattrFlags::empty())
}

fn inside(top: BorrowedFd<'_>, context: &[u8], depth: usize) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(top, c".", flags, Mode::empty())?;
    let entries = dir::entries(folder.as_fd());
    for entry in entries.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))? {
        match below(folder.as_fd(), &entry.name) {
            Ok(entry) => tree(entry.as_fd(), context, depth)?,
            // Gone meanwhile, or another mount.
            Err(Errno::NOENT | Errno::XDEV) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn below(folder: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let stay = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_MAGICLINKS;
    dir::open_within(folder, name, flags, Mode::empty(), stay)
}

/// The name of an fd, for calls that take paths alone.
fn magic(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}
