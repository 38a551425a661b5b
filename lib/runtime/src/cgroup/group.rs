//! The groups of one container.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use coffer_sys::dir;
use rustix::fs::{self as rfs, Access, AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::path::Arg;
use rustix::process::Pid;

use super::place::Existing;
use super::scope::Scope;
use super::systemd::SystemdError;
use super::{CgroupError, Controller, GroupPath, Missing, Owner, Place, Settings, Version, v1, v2};

/// `CGROUP_SUPER_MAGIC`, linux/magic.h.
pub(super) const V1_MAGIC: i64 = 0x0027_e0eb;
/// `CGROUP2_SUPER_MAGIC`, linux/magic.h.
pub(super) const V2_MAGIC: i64 = 0x6367_7270;
/// The longest file of a group that is read (4 MiB: a list of 500,000 processes).
const LIMIT: u64 = 4 * 1024 * 1024;

/// The groups of one container, open.
#[derive(Debug)]
pub struct Cgroup {
    pub(super) groups: Vec<Group>,
    /// Where systemd makes them.
    pub(super) scope: Option<Scope>,
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
    /// Refuses groups of a bundle that somebody is in already. It is asked before anything is
    /// written: what is recorded as a container's groups is killed with it. All of them have the
    /// same processes, so one is looked at.
    ///
    /// # Errors
    /// [`CgroupError::Populated`] and [`CgroupError::Frozen`].
    pub fn check_unused(&self) -> Result<(), CgroupError> {
        match (self.existing, self.groups.first()) {
            (Existing::UsedIfEmpty, Some(at)) => Group::check_unused(at),
            _ => Ok(()),
        }
    }

    /// Makes the groups and sets what is to be set. Of groups that are there already, those of
    /// coffer's own were left by an earlier command that was killed, and are taken away first; a
    /// bundle's are used if nothing is in them. Where systemd makes them, that happens in
    /// [`Cgroup::enter`].
    ///
    /// # Errors
    /// What the kernel refused, [`CgroupError::Populated`] and [`CgroupError::Frozen`]; what was
    /// made is removed again then.
    pub fn create(&self, settings: &Settings) -> Result<Cgroup, CgroupError> {
        if let Some(scope) = self.future_scope(settings) {
            return Ok(Cgroup { groups: Vec::new(), scope: Some(scope) });
        }
        let mut groups = Vec::with_capacity(self.groups.len());
        let mut make = || {
            for at in &self.groups {
                groups.push(Group::make(at, self.existing, settings)?);
            }
            groups.iter().try_for_each(|(group, _)| group.set(settings))
        };
        let made = make();
        match made {
            Ok(()) => Ok(Cgroup::of(groups.into_iter().map(|(group, _)| group).collect())),
            Err(error) => {
                let ours = groups.into_iter().filter(|(_, made)| *made == Made::New);
                Cgroup::of(ours.map(|(group, _)| group).collect()).remove()?;
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
        Ok(Cgroup { groups, scope: self.scope() })
    }
}

impl Cgroup {
    /// Groups that coffer makes.
    fn of(groups: Vec<Group>) -> Self {
        Self { groups, scope: None }
    }

    /// How a new process gets in, but for what [`Cgroup::enter`] does.
    ///
    /// # Errors
    /// Where a `tasks` file cannot be opened.
    pub fn entry(&self) -> Result<Entry, CgroupError> {
        if self.scope.as_ref().is_some_and(Scope::takes_in) {
            return Ok(Entry::Nowhere);
        }
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

    /// Moves a process of the caller's in, which has not started to do anything.
    ///
    /// # Errors
    /// What the kernel refuses, and as [`Cgroup::enter`].
    pub fn take_in(&mut self, pid: Pid) -> Result<(), CgroupError> {
        self.enter(pid)?;
        let number = pid.as_raw_pid().to_string();
        self.groups.iter().try_for_each(|group| group.write("cgroup.procs", &number))
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

    /// Sets what `settings` name and leaves the rest as it is.
    ///
    /// # Errors
    /// What the kernel refused, and [`CgroupError::Invalid`] for what these groups have no file
    /// for.
    pub fn update(&self, settings: &Settings) -> Result<(), CgroupError> {
        for group in &self.groups {
            settings.check_for(group.at.version)?;
        }
        let lacks = |c: &Controller| self.with(*c).is_none() && *c != Controller::PerfEvent;
        let asked = self.groups.first().map_or_else(Vec::new, |group| match group.at.version {
            Version::V1 => v1::asked(settings),
            Version::V2 => v2::asked(settings),
        });
        if let Some((controller, flag)) = asked.into_iter().find(|(c, _)| lacks(c)) {
            let why = Missing::Controller(controller);
            return Err(CgroupError::NoController { flag, why });
        }
        if let Some(scope) = &self.scope {
            scope.set(settings)?;
        }
        self.groups.iter().try_for_each(|group| group.update(settings))
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
    fn make(
        at: &GroupPath,
        existing: Existing,
        settings: &Settings,
    ) -> Result<(Self, Made), CgroupError> {
        let mount = open_mount(&at.mount, at.version)?;
        let failed = |source| CgroupError::Make { path: at.path(), source };
        let mut errno = Errno::NOENT;
        for _ in 0..TRIES {
            let Some(parent) = Self::make_parent(at, &mount, settings)? else { continue };
            errno = match rfs::mkdirat(&parent, at.name.as_str(), GROUP_MODE) {
                Ok(()) => {
                    let dir = dir::open_at(parent.as_fd(), &at.name).map_err(failed)?;
                    return Ok((Self { at: at.clone(), parent, dir }, Made::New));
                }
                // Somebody has just removed the last other group in it, and then it too.
                Err(errno @ (Errno::NOENT | Errno::NODEV)) => errno,
                Err(errno @ Errno::EXIST) => match (Self::open(at)?, existing) {
                    (None, _) => errno,
                    (Some(left), Existing::Replaced) => {
                        Cgroup::of(vec![left]).remove()?;
                        errno
                    }
                    (Some(group), Existing::UsedIfEmpty) => {
                        return group.unused().map(|group| (group, Made::Before));
                    }
                },
                Err(errno) => return Err(failed(errno.into())),
            };
        }
        Err(failed(errno.into()))
    }

    /// As runc: in a group with processes, or one that is frozen, no container is started.
    fn unused(self) -> Result<Self, CgroupError> {
        let count = self.pids()?.len();
        if count > 0 {
            return Err(CgroupError::Populated { path: self.at.path(), count });
        }
        let has_freezer = self.has(Controller::Freezer) || self.at.version == Version::V2;
        if has_freezer && self.is_frozen()? {
            return Err(CgroupError::Frozen { path: self.at.path() });
        }
        Ok(self)
    }

    /// Makes what is missing of the groups above; `None` where one is removed meanwhile.
    fn make_parent(
        at: &GroupPath,
        mount: &OwnedFd,
        settings: &Settings,
    ) -> Result<Option<OwnedFd>, CgroupError> {
        let failed = |errno: Errno| CgroupError::Make {
            path: at.mount.join(&at.parent),
            source: errno.into(),
        };
        match make_all(mount.as_fd(), &at.parent) {
            Ok(()) => {}
            Err(Errno::NOENT | Errno::NODEV) => return Ok(None),
            Err(errno) => return Err(failed(errno)),
        }
        if at.version == Version::V2 {
            v2::enable(mount, at, &at.wanted(settings), settings)?;
        }
        match beneath(mount.as_fd(), &at.parent) {
            Ok(parent) => Ok(Some(parent)),
            Err(Errno::NOENT | Errno::NODEV) => Ok(None),
            Err(errno) => Err(failed(errno)),
        }
    }

    pub(super) fn open(at: &GroupPath) -> Result<Option<Self>, CgroupError> {
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

    /// The group `name` in `parent`, which is a path below this one.
    pub(super) fn below(&self, parent: &Path, name: &str) -> Result<Self, CgroupError> {
        let at = GroupPath {
            parent: self.at.parent.join(&self.at.name).join(parent),
            name: name.to_owned(),
            above: Owner::Other,
            ..self.at.clone()
        };
        let missing = || CgroupError::Enter { path: at.path(), source: Errno::NOENT.into() };
        Self::open(&at)?.ok_or_else(missing)
    }

    /// Refuses one that somebody is in already.
    pub(super) fn check_unused(at: &GroupPath) -> Result<(), CgroupError> {
        match Self::open(at)? {
            Some(group) => group.unused().map(|_| ()),
            None => Ok(()),
        }
    }

    fn set(&self, settings: &Settings) -> Result<(), CgroupError> {
        match self.at.version {
            Version::V1 => v1::set(self, settings),
            Version::V2 => v2::set(self, settings),
        }
    }

    fn update(&self, settings: &Settings) -> Result<(), CgroupError> {
        match self.at.version {
            Version::V1 => v1::update(self, settings),
            Version::V2 => v2::set(self, settings),
        }
    }

    /// The sizes of huge pages that are counted here, by the names of the files.
    pub(super) fn huge_page_sizes(&self) -> Result<Vec<String>, CgroupError> {
        if !self.has(Controller::Hugetlb) {
            return Ok(Vec::new());
        }
        let entries = dir::entries(self.dir.as_fd()).map_err(|e| self.read_error("", e))?;
        let names = entries.iter().filter_map(|entry| entry.name.to_str());
        let size = |name: &str| {
            let rest = name.strip_prefix("hugetlb.")?;
            let size = rest.strip_suffix(".max").or(rest.strip_suffix(".limit_in_bytes"))?;
            (!size.contains('.')).then(|| size.to_owned())
        };
        Ok(names.filter_map(size).collect())
    }

    /// Whether there is a file of this name.
    pub(super) fn has_file(&self, name: &str) -> bool {
        rfs::accessat(&self.dir, name, Access::EXISTS, AtFlags::empty()).is_ok()
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

    /// What the file `name` of the group above holds. Where it is empty there, it gets what the
    /// next one above holds, from the top down.
    pub(super) fn fill_above(&self, name: &str) -> Result<String, CgroupError> {
        let text = read_text(self.parent.as_fd(), &self.at.mount, Path::new(name))?;
        if !text.trim().is_empty() {
            return Ok(text.trim().to_owned());
        }
        let top = open_mount(&self.at.mount, self.at.version)?;
        let mut above: Vec<&Path> = self.at.parent.ancestors().collect();
        above.reverse();
        let mut value = String::new();
        for group in above {
            let file = group.join(name);
            let text = read_text(top.as_fd(), &self.at.mount, &file)?;
            match text.trim() {
                "" => {
                    write_at(top.as_fd(), &file, &value).map_err(|source| CgroupError::Write {
                        path: self.at.mount.join(&file),
                        value: value.clone(),
                        source,
                    })?
                }
                text => value = text.to_owned(),
            }
        }
        Ok(value)
    }

    /// As [`Self::read`], and `None` where there is no such file, or no group any more.
    pub(super) fn try_read(&self, name: &str) -> Result<Option<String>, CgroupError> {
        match self.read(name) {
            Err(CgroupError::File { source, .. }) if is_removed(&source) => Ok(None),
            read => read.map(Some),
        }
    }

    fn pids(&self) -> Result<Vec<i32>, CgroupError> {
        pids(self.dir.as_fd(), &self.at.path())
    }

    pub(super) fn read_error(&self, name: &str, source: io::Error) -> CgroupError {
        CgroupError::File { path: self.at.path().join(name), source }
    }
}

/// The group of the scope `unit` that systemd has made with the process `pid` in it, set.
pub(super) fn made_by_systemd(
    at: &GroupPath,
    pid: Pid,
    unit: &str,
    settings: &Settings,
) -> Result<Vec<Group>, CgroupError> {
    let pid = pid.as_raw_nonzero().get();
    let not_moved = || SystemdError::NotMoved { pid, unit: unit.to_owned() };
    let mount = open_mount(&at.mount, at.version)?;
    let group = Group::open(at)?.ok_or_else(not_moved)?;
    if !group.pids()?.contains(&pid) {
        return Err(not_moved().into());
    }
    // systemd has switched on those that it knows of.
    v2::enable(&mount, at, &at.wanted(settings), settings)?;
    group.set(settings)?;
    Ok(vec![group])
}

/// How often a group is made anew whose parent is removed meanwhile.
const TRIES: u32 = 100;

/// Whether a group is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Made {
    New,
    Before,
}

/// Makes the groups of `path` that are missing.
fn make_all(mount: BorrowedFd<'_>, path: &Path) -> Result<(), Errno> {
    let make = |path: &Path| match rfs::mkdirat(mount, path, GROUP_MODE) {
        Err(Errno::EXIST) => Ok(()),
        made => made,
    };
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    match make(path) {
        Err(Errno::NOENT) => {}
        made => return made,
    }
    let mut above: Vec<&Path> = path.ancestors().filter(|p| !p.as_os_str().is_empty()).collect();
    above.reverse();
    above.into_iter().try_for_each(make)
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
    dir::open_within(dir, path, flags, Mode::empty(), resolve)
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
pub(super) fn write_at(dir: BorrowedFd<'_>, name: impl Arg, value: &str) -> io::Result<()> {
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
