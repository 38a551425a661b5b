//! The groups of one container.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use coffer_sys::dir;
use rustix::fs::{self as rfs, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::{CgroupError, Controller, GroupPath, Limits, Place, Version, v1, v2};

/// `CGROUP_SUPER_MAGIC`, linux/magic.h.
const V1_MAGIC: i64 = 0x0027_e0eb;
/// `CGROUP2_SUPER_MAGIC`, linux/magic.h.
const V2_MAGIC: i64 = 0x6367_7270;
/// The longest file of a group that is read (4 MiB: a list of 500,000 processes).
const LIMIT: u64 = 4 * 1024 * 1024;

/// The groups of one container, open.
#[derive(Debug)]
pub struct Cgroup {
    pub(super) groups: Vec<Group>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) at: GroupPath,
    pub(super) parent: OwnedFd,
    pub(super) dir: OwnedFd,
}

/// How a new process gets into the groups.
#[derive(Debug)]
pub enum Entry {
    /// There are none.
    Nowhere,
    /// It is born there: the fd goes into `clone_args.cgroup`, with `CLONE_INTO_CGROUP`.
    Clone(OwnedFd),
    /// It writes `0` into each of these itself, before it unshares its cgroup namespace.
    Tasks(Vec<OwnedFd>),
}

impl Place {
    /// Makes the groups and sets the limits. An empty group that an earlier command left here when
    /// it was killed is taken away first.
    ///
    /// # Errors
    /// What the kernel refused; what was made is removed again then.
    pub fn create(&self, limits: &Limits) -> Result<Cgroup, CgroupError> {
        let mut cgroup = Cgroup { groups: Vec::with_capacity(self.groups.len()) };
        let mut made = || {
            for at in &self.groups {
                let group = Group::make(at, limits)?;
                cgroup.groups.push(group);
            }
            cgroup.groups.iter().try_for_each(|group| group.set(limits))
        };
        match made() {
            Ok(()) => Ok(cgroup),
            Err(error) => {
                cgroup.remove()?;
                Err(error)
            }
        }
    }

    /// Opens the groups that are still there.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn open(&self) -> Result<Cgroup, CgroupError> {
        let mut groups = Vec::with_capacity(self.groups.len());
        for at in &self.groups {
            groups.extend(Group::open(at)?);
        }
        Ok(Cgroup { groups })
    }
}

impl Cgroup {
    /// How a new process gets in.
    ///
    /// # Errors
    /// Where a `tasks` file cannot be opened.
    pub fn entry(&self) -> Result<Entry, CgroupError> {
        let mut tasks = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            match group.at.version {
                Version::V2 => {
                    let dir = group.dir.try_clone().map_err(|e| group.read_error("", e))?;
                    return Ok(Entry::Clone(dir));
                }
                Version::V1 => tasks.push(group.open_to_write("tasks")?),
            }
        }
        Ok(if tasks.is_empty() { Entry::Nowhere } else { Entry::Tasks(tasks) })
    }

    /// The group that has this controller.
    pub(super) fn with(&self, controller: Controller) -> Option<&Group> {
        self.groups.iter().find(|group| group.at.controllers.contains(&controller))
    }

    /// The pids of all processes in it, as the host sees them; none where there is no group.
    ///
    /// # Errors
    /// Where `cgroup.procs` cannot be read.
    pub fn pids(&self) -> Result<Vec<i32>, CgroupError> {
        self.groups.first().map_or(Ok(Vec::new()), Group::pids)
    }

    /// How often the kernel killed something in it for want of memory.
    ///
    /// # Errors
    /// Where the memory controller's file cannot be read.
    pub fn oom_kills(&self) -> Result<u64, CgroupError> {
        let Some(group) = self.with(Controller::Memory) else { return Ok(0) };
        let name = match group.at.version {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        };
        // Kernels before 4.13 do not count, and a v2 group may have the controller switched off.
        Ok(group.try_read(name)?.and_then(|text| keyed(&text, "oom_kill")).unwrap_or(0))
    }
}

impl Group {
    fn make(at: &GroupPath, limits: &Limits) -> Result<Self, CgroupError> {
        let mount = open_mount(&at.mount, at.version)?;
        let parent = Self::make_parent(at, &mount, limits)?;
        let failed = |source| CgroupError::Make { path: at.path(), source };
        match rfs::mkdirat(&parent, at.name.as_str(), GROUP_MODE) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                if let Some(left) = Self::open(at)? {
                    Cgroup { groups: vec![left] }.remove()?;
                }
                rfs::mkdirat(&parent, at.name.as_str(), GROUP_MODE)
                    .map_err(|errno| failed(errno.into()))?;
            }
            Err(errno) => return Err(failed(errno.into())),
        }
        let dir = dir::open_at(parent.as_fd(), &at.name).map_err(failed)?;
        Ok(Self { at: at.clone(), parent, dir })
    }

    fn make_parent(
        at: &GroupPath,
        mount: &OwnedFd,
        limits: &Limits,
    ) -> Result<OwnedFd, CgroupError> {
        let failed = |errno: Errno| CgroupError::Make {
            path: at.mount.join(&at.parent),
            source: errno.into(),
        };
        match rfs::mkdirat(mount, &at.parent, GROUP_MODE) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(failed(errno)),
        }
        if at.version == Version::V2 {
            v2::enable(mount, at, limits)?;
        }
        beneath(mount.as_fd(), &at.parent).map_err(failed)
    }

    fn open(at: &GroupPath) -> Result<Option<Self>, CgroupError> {
        let mount = open_mount(&at.mount, at.version)?;
        let failed = |errno: Errno| CgroupError::File { path: at.path(), source: errno.into() };
        let parent = match beneath(mount.as_fd(), &at.parent) {
            Ok(parent) => parent,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(failed(errno)),
        };
        match beneath(parent.as_fd(), Path::new(&at.name)) {
            Ok(dir) => Ok(Some(Self { at: at.clone(), parent, dir })),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(failed(errno)),
        }
    }

    fn set(&self, limits: &Limits) -> Result<(), CgroupError> {
        match self.at.version {
            Version::V1 => v1::set(self, limits),
            Version::V2 => v2::set(self, limits),
        }
    }

    pub(super) fn has(&self, controller: Controller) -> bool {
        self.at.controllers.contains(&controller)
    }

    pub(super) fn open_to_write(&self, name: &str) -> Result<OwnedFd, CgroupError> {
        rfs::openat(&self.dir, name, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| self.read_error(name, errno.into()))
    }

    /// Writes `value` to the file `name`. A limit is one write: the kernel takes it whole.
    pub(super) fn write(&self, name: &str, value: &str) -> Result<(), CgroupError> {
        match self.try_write(name, value) {
            Ok(()) => Ok(()),
            Err(source) => Err(CgroupError::Write {
                path: self.at.path().join(name),
                value: value.to_owned(),
                source,
            }),
        }
    }

    pub(super) fn try_write(&self, name: &str, value: &str) -> io::Result<()> {
        write_at(self.dir.as_fd(), name, value)
    }

    pub(super) fn read(&self, name: &str) -> Result<String, CgroupError> {
        read_text(self.dir.as_fd(), &self.at.path(), Path::new(name))
    }

    /// What the file `name` of the group above holds.
    pub(super) fn read_above(&self, name: &str) -> Result<String, CgroupError> {
        let text = read_text(self.parent.as_fd(), &self.at.mount, Path::new(name))?;
        Ok(text.trim().to_owned())
    }

    /// What the file `name` at the top of the hierarchy holds.
    pub(super) fn read_top(&self, name: &str) -> Result<String, CgroupError> {
        let top = open_mount(&self.at.mount, self.at.version)?;
        let text = read_text(top.as_fd(), &self.at.mount, Path::new(name))?;
        Ok(text.trim().to_owned())
    }

    /// Writes `value` to the file `name` of the group above.
    pub(super) fn write_above(&self, name: &str, value: &str) -> Result<(), CgroupError> {
        write_at(self.parent.as_fd(), name, value).map_err(|source| CgroupError::Write {
            path: self.at.mount.join(&self.at.parent).join(name),
            value: value.to_owned(),
            source,
        })
    }

    /// As [`Self::read`], and `None` where there is no such file.
    pub(super) fn try_read(&self, name: &str) -> Result<Option<String>, CgroupError> {
        match self.read(name) {
            Err(CgroupError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            read => read.map(Some),
        }
    }

    fn pids(&self) -> Result<Vec<i32>, CgroupError> {
        pids(self.dir.as_fd(), &self.at.path())
    }

    fn read_error(&self, name: &str, source: io::Error) -> CgroupError {
        CgroupError::File { path: self.at.path().join(name), source }
    }
}

/// What groups are made with; the kernel gives the files modes of their own.
const GROUP_MODE: Mode = Mode::from_bits_retain(0o755);

/// Opens the top of a hierarchy, and checks that it is one: what /proc named may be mounted over.
pub(super) fn open_mount(mount: &Path, version: Version) -> Result<OwnedFd, CgroupError> {
    let failed = |source| CgroupError::File { path: mount.to_owned(), source };
    let fd = dir::open(mount).map_err(failed)?;
    let magic = rfs::fstatfs(&fd).map_err(|errno| failed(errno.into()))?.f_type;
    let expected = match version {
        Version::V1 => V1_MAGIC,
        Version::V2 => V2_MAGIC,
    };
    if magic == expected { Ok(fd) } else { Err(CgroupError::NotCgroup { path: mount.to_owned() }) }
}

/// Opens the folder `path` below `dir`, without links and without leaving the hierarchy.
pub(super) fn beneath(dir: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    rfs::openat2(dir, path, flags, Mode::empty(), resolve)
}

/// Reads the file `name` below `dir`, which lies at `shown`.
pub(super) fn read_text(
    dir: BorrowedFd<'_>,
    shown: &Path,
    name: &Path,
) -> Result<String, CgroupError> {
    let read = || -> io::Result<String> {
        let fd = rfs::openat(dir, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut text = String::new();
        File::from(fd).take(LIMIT).read_to_string(&mut text)?;
        Ok(text)
    };
    read().map_err(|source| CgroupError::File { path: shown.join(name), source })
}

/// Writes `value` to the file `name` in the group `dir`.
pub(super) fn write_at(dir: BorrowedFd<'_>, name: &str, value: &str) -> io::Result<()> {
    let fd = rfs::openat(dir, name, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    File::from(fd).write_all(value.as_bytes())
}

/// The number after `key` in a file of lines `KEY NUMBER`.
pub(super) fn keyed(text: &str, key: &str) -> Option<u64> {
    let value = |line: &str| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok();
    text.lines().find_map(value)
}

/// The processes in the group `dir`, which lies at `shown`; none where it has been removed.
pub(super) fn pids(dir: BorrowedFd<'_>, shown: &Path) -> Result<Vec<i32>, CgroupError> {
    let text = match read_text(dir, shown, Path::new("cgroup.procs")) {
        Err(CgroupError::File { source, .. }) if is_removed(&source) => return Ok(Vec::new()),
        read => read?,
    };
    let bad = |_| CgroupError::Content { path: shown.join("cgroup.procs") };
    text.split_ascii_whitespace().map(|pid| pid.parse().map_err(bad)).collect()
}

/// A file of a group that was removed while its folder was open reads as one of these.
fn is_removed(error: &io::Error) -> bool {
    [Errno::NODEV, Errno::NOENT].iter().any(|e| error.raw_os_error() == Some(e.raw_os_error()))
}

/// Where a file of this group lies, for messages.
pub(super) fn shown(group: &Group, name: &str) -> PathBuf {
    group.at.path().join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_whole_word() {
        let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        assert_eq!(keyed(text, "oom_kill"), Some(3));
        assert_eq!(keyed(text, "oom"), None);
        assert_eq!(keyed("max x\n", "max"), None);
    }

    #[test]
    fn a_folder_is_no_hierarchy() {
        let folder = tempfile::tempdir().unwrap();
        let opened = open_mount(folder.path(), Version::V2);
        assert!(matches!(opened, Err(CgroupError::NotCgroup { .. })));
    }
}
