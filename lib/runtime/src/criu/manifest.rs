//! What has to be known at the restore and is not in CRIU's images.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use coffer_sys::dir::{self, Durability};
use rustix::fs::{
    self as rfs, AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, StatxAttributes, StatxFlags,
};
use rustix::io::Errno;
use rustix::process::Pid;
use serde::{Deserialize, Serialize};

/// Its name among the images.
const NAME: &str = "coffer.json";
/// A longer one is none of ours (4 MiB).
const LIMIT: u64 = 4 * 1024 * 1024;
/// The longest file of `/proc` that is read (16 MiB: 100,000 mounts).
const LONGEST: u64 = 16 * 1024 * 1024;

/// Why the file beside the images cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The process cannot be looked at.
    #[error("cannot look at process {pid}")]
    Process {
        /// Which.
        pid: i32,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It cannot be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is none.
    #[error("{} holds no checkpoint of this runtime: there is no {NAME}", path.display())]
    Missing {
        /// The folder of images.
        path: PathBuf,
    },
    /// It makes no sense.
    #[error("{} cannot be understood", path.display())]
    Parse {
        /// Where.
        path: PathBuf,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// A mount of the images has no place in the root, or a link stands there.
    #[error("{} is no place to mount on in the container's root", path.display())]
    Place {
        /// The path inside.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// The names by which CRIU's images call what is outside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Standard input, output and error; none where the container has that from itself.
    pub(crate) streams: [Option<String>; 3],
    /// Mounts whose source is outside: where the bundle has them, and where they are.
    pub(crate) external: Vec<External>,
    /// All places that something is mounted on in the root itself.
    pub(crate) places: Vec<Place>,
}

/// A mount whose source is outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct External {
    /// Its place, as the bundle says.
    pub(crate) destination: String,
    /// Its place without links, as the images say.
    pub(crate) place: String,
}

/// A place to mount on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Its path inside, without links.
    pub(crate) path: String,
    /// Whether it is a folder.
    pub(crate) folder: bool,
}

/// A line of `/proc/PID/mountinfo`.
struct Mounted {
    id: u64,
    place: String,
}

impl Manifest {
    /// Looks at the container whose first process is `pid`, with these mounts from outside.
    ///
    /// # Errors
    /// [`ManifestError::Process`].
    pub(crate) fn of(pid: Pid, outside: &[String]) -> Result<Self, ManifestError> {
        let number = pid.as_raw_pid();
        look(number, outside).map_err(|source| ManifestError::Process { pid: number, source })
    }

    /// Writes it among the images.
    ///
    /// # Errors
    /// [`ManifestError::File`].
    pub(crate) fn write(&self, images: BorrowedFd<'_>, path: &Path) -> Result<(), ManifestError> {
        let path = path.join(NAME);
        let bytes = serde_json::to_vec(self)
            .map_err(|source| ManifestError::Parse { path: path.clone(), source })?;
        let mode = Mode::RUSR | Mode::WUSR;
        dir::write_whole(images, NAME, &bytes, mode, Durability::Process)
            .map_err(|source| ManifestError::File { path, source })
    }

    /// Reads the one among the images.
    ///
    /// # Errors
    /// [`ManifestError::Missing`], [`ManifestError::File`] and [`ManifestError::Parse`].
    pub(crate) fn read(images: BorrowedFd<'_>, path: &Path) -> Result<Self, ManifestError> {
        let file = path.join(NAME);
        match dir::read(images, NAME, LIMIT) {
            Ok(Some(bytes)) => serde_json::from_slice(&bytes)
                .map_err(|source| ManifestError::Parse { path: file, source }),
            Ok(None) => Err(ManifestError::Missing { path: path.to_owned() }),
            Err(source) => Err(ManifestError::File { path: file, source }),
        }
    }

    /// Makes sure that `root` has every place that the images mount on, and that no link stands
    /// there: CRIU goes by paths.
    ///
    /// # Errors
    /// [`ManifestError::Place`].
    pub(crate) fn prepare(&self, root: BorrowedFd<'_>) -> Result<(), ManifestError> {
        self.places.iter().try_for_each(|place| {
            make_place(root, place)
                .map_err(|source| ManifestError::Place { path: place.path.clone().into(), source })
        })
    }
}

fn look(pid: i32, outside: &[String]) -> io::Result<Manifest> {
    let mounts = mounts(pid)?;
    let root =
        rfs::open(format!("/proc/{pid}/root"), OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let mut external = Vec::with_capacity(outside.len());
    for destination in outside {
        let Some(id) = mount_at(root.as_fd(), destination)? else { continue };
        if let Some(mount) = mounts.iter().find(|mount| mount.id == id) {
            let (destination, place) = (destination.clone(), mount.place.clone());
            external.push(External { destination, place });
        }
    }
    let mut places = Vec::new();
    for mount in mounts.iter().filter(|mount| lies_in_root(mount, &mounts)) {
        let stat = match rfs::statat(&root, relative(&mount.place), AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => continue,
            stat => stat?,
        };
        let folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        places.push(Place { path: mount.place.clone(), folder });
    }
    let mut streams = [None, None, None];
    for (number, stream) in streams.iter_mut().enumerate() {
        *stream = stream_of(pid, number, &mounts)?;
    }
    Ok(Manifest { streams, external, places })
}

/// Whether a mount lies on the root file system, and not on another mount.
fn lies_in_root(mount: &Mounted, all: &[Mounted]) -> bool {
    let below = |other: &Mounted| {
        other.place != "/"
            && mount.place.strip_prefix(&other.place).is_some_and(|r| r.starts_with('/'))
    };
    mount.place != "/" && !all.iter().any(below)
}

fn relative(path: &str) -> &str {
    path.trim_start_matches('/')
}

/// The mounts of a process. Source: man 5 proc_pid_mountinfo.
fn mounts(pid: i32) -> io::Result<Vec<Mounted>> {
    let line = |line: &str| {
        let mut fields = line.split(' ');
        let id = fields.next()?.parse().ok()?;
        Some(Mounted { id, place: plain(fields.nth(3)?) })
    };
    let text = proc_text(&format!("/proc/{pid}/mountinfo"))?;
    Ok(text.lines().filter_map(line).collect())
}

/// A path without mountinfo's octal escapes.
fn plain(path: &str) -> String {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(path.to_owned(), |path, (from, to)| path.replace(from, to))
}

/// The number of the mount that is mounted where `path` leads to, if there is one.
fn mount_at(root: BorrowedFd<'_>, path: &str) -> io::Result<Option<u64>> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let file = match dir::open_within(root, path, flags, Mode::empty(), resolve) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
        file => file?,
    };
    let stat = rfs::statx(&file, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?;
    let is_mount = stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT);
    Ok(is_mount.then_some(stat.stx_mnt_id))
}

/// CRIU's name for a standard stream that comes from outside. Source: criu(8), `--external` and
/// `--inherit-fd`.
fn stream_of(pid: i32, number: usize, mounts: &[Mounted]) -> io::Result<Option<String>> {
    let link = match rfs::readlinkat(CWD, format!("/proc/{pid}/fd/{number}"), Vec::new()) {
        Err(Errno::NOENT) => return Ok(None),
        link => link?,
    };
    let link = link.to_string_lossy().into_owned();
    if link.starts_with("pipe:") {
        return Ok(Some(link));
    }
    if !link.starts_with('/') {
        return Ok(None);
    }
    let stat = rfs::stat(format!("/proc/{pid}/fd/{number}"))?;
    let info = proc_text(&format!("/proc/{pid}/fdinfo/{number}"))?;
    let id = info.lines().find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok());
    let id: u64 = id.ok_or(io::ErrorKind::InvalidData)?;
    let is_inside = mounts.iter().any(|mount| mount.id == id);
    Ok((!is_inside).then(|| format!("file[{id:x}:{:x}]", stat.st_ino)))
}

fn proc_text(path: &str) -> io::Result<String> {
    let fd = rfs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut text = String::new();
    File::from(fd).take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

/// Finds or makes a place, level by level, without following a link.
fn make_place(root: BorrowedFd<'_>, place: &Place) -> io::Result<()> {
    let mut folder = root.try_clone_to_owned()?;
    let parts: Vec<&str> = place.path.split('/').filter(|part| !part.is_empty()).collect();
    let Some((last, above)) = parts.split_last() else { return Ok(()) };
    if parts.iter().any(|part| matches!(*part, "." | "..")) {
        return Err(Errno::INVAL.into());
    }
    for part in above {
        folder = enter(folder.as_fd(), part)?;
    }
    if place.folder {
        return enter(folder.as_fd(), last).map(drop);
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    match rfs::openat(&folder, *last, flags, Mode::from_raw_mode(0o644)) {
        Ok(_) => Ok(()),
        Err(Errno::EXIST) => {
            let stat = rfs::statat(&folder, *last, AtFlags::SYMLINK_NOFOLLOW)?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Symlink | FileType::Directory => Err(Errno::LOOP.into()),
                _ => Ok(()),
            }
        }
        Err(errno) => Err(errno.into()),
    }
}

fn enter(folder: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd> {
    match rfs::mkdirat(folder, name, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST | Errno::ROFS) => dir::open_at(folder, name),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &str, folder: bool) -> Place {
        Place { path: path.to_owned(), folder }
    }

    #[test]
    fn places_are_made_and_links_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = dir::open(folder.path()).unwrap();
        let manifest = Manifest {
            places: vec![place("/a/b", true), place("/a/c", false), place("/a/b", true)],
            ..Manifest::default()
        };
        manifest.prepare(root.as_fd()).unwrap();
        assert!(rfs::statat(&root, "a/c", AtFlags::empty()).is_ok());
        rfs::symlinkat("/etc", &root, "link").unwrap();
        for hostile in [
            place("/link", true),
            place("/link/x", true),
            place("/link", false),
            place("/..", true),
        ] {
            let manifest = Manifest { places: vec![hostile], ..Manifest::default() };
            assert!(matches!(manifest.prepare(root.as_fd()), Err(ManifestError::Place { .. })));
        }
    }

    #[test]
    fn escapes_of_mountinfo_are_undone() {
        assert_eq!(plain("/a\\040b\\134"), "/a b\\");
    }
}
