//! Where the control groups of this host are mounted, and in which one the caller is.
//!
//! Sources: man 5 `proc_pid_mountinfo`, man 7 cgroups ("/proc files").

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{self as rfs, Mode, OFlags};
use rustix::process::Pid;

use super::group::{V1_MAGIC, V2_MAGIC};
use super::{CgroupError, Controller};

/// The longest table of mounts that is read (16 MiB).
const LIMIT: u64 = 16 * 1024 * 1024;

/// Where v2 is on a host that has nothing else, and the v1 hierarchies are on others.
const UNIFIED: &str = "/sys/fs/cgroup";
/// The number of the topmost folder of a hierarchy.
const TOP: u64 = 1;
/// The number of the namespace in which groups have their full paths. Source: linux/proc_ns.h,
/// `PROC_CGROUP_INIT_INO`.
const FIRST_NAMESPACE: u64 = 0xefff_fffb;

/// The hierarchies of this host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The v1 hierarchies, one for each mount.
    pub v1: Vec<V1>,
    /// The v2 hierarchy. On a hybrid host it is there too, with few controllers or none.
    pub v2: Option<V2>,
}

/// One v1 hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V1 {
    /// Where it is mounted.
    pub mount: PathBuf,
    /// The controllers in it that coffer uses.
    pub controllers: Vec<Controller>,
}

/// The v2 hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V2 {
    /// Where it is mounted.
    pub mount: PathBuf,
    /// The caller's own group, as a path below the mount; empty at its top.
    pub own: PathBuf,
}

/// What kind of host this is, in words for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No control groups are mounted.
    None,
    /// v1 alone.
    V1,
    /// v1 for the controllers, v2 beside it.
    Hybrid,
    /// v2 alone.
    V2,
}

impl Layout {
    /// Reads this process's tables.
    ///
    /// # Errors
    /// Where /proc cannot be read, or holds a line that the manual does not allow.
    pub fn discover() -> Result<Self, CgroupError> {
        let groups = read("/proc/self/cgroup")?;
        // A host may have thousands of mounts, and the kernel writes each of them out.
        match is_unified() {
            true => Self::unified(&groups),
            false => match Self::usual(&groups)? {
                Some(layout) => Ok(layout),
                None => Self::parse(&read("/proc/self/mountinfo")?, &groups),
            },
        }
    }

    /// The layout of a host with v1 whose every hierarchy is where systemd mounts it: under the
    /// names of its controllers, and v2 as `unified`. `None` where one is not there.
    fn usual(cgroup: &[u8]) -> Result<Option<Self>, CgroupError> {
        let mut layout = Self::default();
        for line in lines(cgroup) {
            let mut fields = line.splitn(3, |b| *b == b':');
            let (hierarchy, names) = (fields.next(), fields.next().unwrap_or_default());
            if hierarchy == Some(b"0") {
                let mount = Path::new(UNIFIED).join("unified");
                if !is_whole_v2(&mount) {
                    return Ok(None);
                }
                layout.add_v2(Path::new("/"), mount, own_v2(cgroup)?.as_deref());
            } else {
                let folder = names.strip_prefix(b"name=").unwrap_or(names);
                let mount = Path::new(UNIFIED).join(OsStr::from_bytes(folder));
                if !rfs::statfs(&mount).is_ok_and(|fs| fs.f_type == V1_MAGIC) {
                    return Ok(None);
                }
                layout.add_v1(mount, names);
            }
        }
        Ok(Some(layout))
    }

    /// The layout of a host with v2 at its own place, from its top. A v1 hierarchy that somebody
    /// has mounted elsewhere is passed over.
    fn unified(cgroup: &[u8]) -> Result<Self, CgroupError> {
        let mut layout = Self::default();
        layout.add_v2(Path::new("/"), PathBuf::from(UNIFIED), own_v2(cgroup)?.as_deref());
        Ok(layout)
    }

    /// The layout that the contents of `mountinfo` and `cgroup` describe.
    ///
    /// Lines about other file systems are passed over; a line about control groups that does not
    /// have the manual's form is an error, for what would be read into it is a guess.
    ///
    /// # Errors
    /// [`CgroupError::Table`].
    pub fn parse(mountinfo: &[u8], cgroup: &[u8]) -> Result<Self, CgroupError> {
        let own = own_v2(cgroup)?;
        let mounts = lines(mountinfo).map(Mounted::parse).collect::<Result<Vec<_>, _>>()?;
        let mut layout = Self::default();
        for mounted in mounts.iter().filter(|m| m.is_cgroup() && !m.is_hidden(&mounts)) {
            let bad = || mounted.bad();
            let mount = unescape(mounted.mount).ok_or_else(bad)?;
            if mounted.kind == b"cgroup" {
                layout.add_v1(mount, mounted.options.ok_or_else(bad)?);
            } else {
                let root = unescape(mounted.root).ok_or_else(bad)?;
                layout.add_v2(&root, mount, own.as_deref());
            }
        }
        Ok(layout)
    }

    /// A hierarchy that is mounted twice counts once, where it was mounted first.
    fn add_v1(&mut self, mount: PathBuf, options: &[u8]) {
        let controllers: Vec<Controller> = options
            .split(|b| *b == b',')
            .filter_map(Controller::named)
            .filter(|c| self.v1_with(*c).is_none())
            .collect();
        if !controllers.is_empty() {
            self.v1.push(V1 { mount, controllers });
        }
    }

    /// A mount that does not show the caller's own group is of no use.
    fn add_v2(&mut self, root: &Path, mount: PathBuf, own: Option<&Path>) {
        if let (None, Some(own)) = (&self.v2, own.and_then(|own| own.strip_prefix(root).ok())) {
            self.v2 = Some(V2 { mount, own: own.to_owned() });
        }
    }

    /// The v1 hierarchy that has this controller.
    pub fn v1_with(&self, controller: Controller) -> Option<&V1> {
        self.v1.iter().find(|v1| v1.controllers.contains(&controller))
    }

    /// What kind of host this is. A v1 hierarchy that controls nothing does not count.
    pub fn kind(&self) -> Kind {
        let controls = |v1: &V1| v1.controllers != [Controller::Systemd];
        match (!self.v1.iter().any(controls), &self.v2) {
            (true, None) => Kind::None,
            (true, Some(_)) => Kind::V2,
            (false, None) => Kind::V1,
            (false, Some(_)) => Kind::Hybrid,
        }
    }
}

/// Whether v2 is where systemd mounts it, whole, and paths are those from its top. Where anything
/// is not as it should be, the table of mounts says more.
fn is_unified() -> bool {
    is_whole_v2(Path::new(UNIFIED))
}

fn is_whole_v2(mount: &Path) -> bool {
    let number = |path: &Path| rfs::stat(path).map(|stat| stat.st_ino);
    rfs::statfs(mount).is_ok_and(|fs| fs.f_type == V2_MAGIC)
        && number(mount) == Ok(TOP)
        && number(Path::new("/proc/self/ns/cgroup")) == Ok(FIRST_NAMESPACE)
}

/// The fields of one line of `mountinfo` that matter here, as they are written.
struct Mounted<'a> {
    line: &'a [u8],
    id: &'a [u8],
    parent: &'a [u8],
    root: &'a [u8],
    mount: &'a [u8],
    kind: &'a [u8],
    options: Option<&'a [u8]>,
}

impl<'a> Mounted<'a> {
    fn parse(line: &'a [u8]) -> Result<Self, CgroupError> {
        let bad = || table(line);
        let fields: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
        let dash = fields.iter().position(|f| *f == b"-").ok_or_else(bad)?;
        let kind = *fields.get(dash + 1).ok_or_else(bad)?;
        let [id, parent, _, root, mount, ..] = fields[..dash] else { return Err(bad()) };
        Ok(Self { line, id, parent, root, mount, kind, options: fields.get(dash + 3).copied() })
    }

    fn bad(&self) -> CgroupError {
        table(self.line)
    }

    fn is_cgroup(&self) -> bool {
        matches!(self.kind, b"cgroup" | b"cgroup2")
    }

    /// Whether its path leads to another mount: one on top of it, or one on a folder above it
    /// that came later. (What comes first on that folder has it, or its parent, as a child.)
    fn is_hidden(&self, mounts: &[Self]) -> bool {
        let on_top = |m: &Self| m.parent == self.id && m.mount == self.mount;
        mounts.iter().any(on_top) || self.is_cut_off(mounts)
    }

    fn is_cut_off(&self, mounts: &[Self]) -> bool {
        let below = |m: &Self| {
            let rest = self.mount.strip_prefix(m.mount);
            rest.is_some_and(|rest| rest.starts_with(b"/") || m.mount == b"/")
        };
        let siblings = mounts.iter().filter(|m| m.parent == self.parent && m.id != self.id);
        siblings.filter(|m| m.mount != self.mount).any(below)
            || mounts
                .iter()
                .find(|m| {
                    m.id == self.parent && m.id != self.id && m.mount.len() < self.mount.len()
                })
                .is_some_and(|parent| parent.is_cut_off(mounts))
    }
}

fn table(line: &[u8]) -> CgroupError {
    CgroupError::Table { line: String::from_utf8_lossy(line).into_owned() }
}

/// The path in the line `0::PATH`; a host without v2 has none.
fn own_v2(cgroup: &[u8]) -> Result<Option<PathBuf>, CgroupError> {
    for line in lines(cgroup) {
        let bad = || table(line);
        let mut fields = line.splitn(3, |b| *b == b':');
        let (Some(hierarchy), Some(_), Some(path)) = (fields.next(), fields.next(), fields.next())
        else {
            return Err(bad());
        };
        if hierarchy == b"0" {
            let path = PathBuf::from(OsString::from_vec(path.to_vec()));
            return if is_plain(&path) { Ok(Some(path)) } else { Err(bad()) };
        }
    }
    Ok(None)
}

/// Absolute and without `..`, which the kernel writes for what lies outside a cgroup namespace.
fn is_plain(path: &Path) -> bool {
    path.is_absolute() && !path.components().any(|c| c == Component::ParentDir)
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|b| *b == b'\n').filter(|line| !line.is_empty())
}

/// Undoes the octal escapes of blank, tab, newline and backslash.
pub(crate) fn unescape(field: &[u8]) -> Option<PathBuf> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        (rest, _) = match (first, tail) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..]) => {
                (tail, bytes.push(((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0')))
            }
            (b'\\', _) => return None,
            _ => (tail, bytes.push(*first)),
        };
    }
    Some(PathBuf::from(OsString::from_vec(bytes)))
}

/// The v2 group of the process `pid`, below the top of the caller's namespace.
pub(super) fn own_group(pid: Pid) -> Result<Option<PathBuf>, CgroupError> {
    own_v2(&read(&format!("/proc/{}/cgroup", pid.as_raw_nonzero()))?)
}

fn read(path: &str) -> Result<Vec<u8>, CgroupError> {
    let read = || -> io::Result<Vec<u8>> {
        let fd = rfs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut text = Vec::with_capacity(8192);
        std::fs::File::from(fd).take(LIMIT).read_to_end(&mut text)?;
        Ok(text)
    };
    read().map_err(|source| CgroupError::File { path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HYBRID: &[u8] = b"31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
42 23 0:32 / /mnt/a\\040b rw,relatime - cgroup cgroup rw,memory,pids
";

    #[test]
    fn a_hybrid_host_is_read() {
        let layout = Layout::parse(HYBRID, b"2:cpu,cpuacct:/x\n1:memory:/y\n0::/\n").unwrap();
        assert_eq!(layout.kind(), Kind::Hybrid);
        let cpu = layout.v1_with(Controller::Cpu).unwrap();
        assert_eq!(cpu.mount, Path::new("/sys/fs/cgroup/cpu,cpuacct"));
        assert_eq!(cpu.controllers, [Controller::Cpu, Controller::Cpuacct]);
        let memory = layout.v1_with(Controller::Memory).unwrap();
        assert_eq!(memory.mount, Path::new("/sys/fs/cgroup/memory"));
        assert_eq!(layout.v1_with(Controller::Pids).unwrap().mount, Path::new("/mnt/a b"));
        assert_eq!(layout.v1_with(Controller::Devices), None);
        assert_eq!(layout.v2.unwrap().own, Path::new(""));
    }

    #[test]
    fn a_hierarchy_under_a_later_mount_is_not_there() {
        let over = b"99 31 0:60 / /sys/fs/cgroup rw - cgroup2 none rw\n";
        let covered = [HYBRID, over].concat();
        let layout = Layout::parse(&covered, b"0::/\n").unwrap();
        assert_eq!(layout.v2.as_ref().unwrap().mount, Path::new("/sys/fs/cgroup"));
        assert_eq!(layout.v1.len(), 1, "what is mounted elsewhere, too, is still reached there");
        assert_eq!(layout.v1_with(Controller::Memory).unwrap().mount, Path::new("/mnt/a b"));
        let on_top = b"99 41 0:60 / /sys/fs/cgroup/unified rw - tmpfs none rw\n";
        let covered = [HYBRID, on_top].concat();
        assert_eq!(Layout::parse(&covered, b"0::/\n").unwrap().v2, None);
    }

    #[test]
    fn the_own_group_is_found_below_the_root_of_the_mount() {
        let mounts = b"30 23 0:26 /user /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let layout = Layout::parse(mounts, b"0::/user/a/b\n").unwrap();
        assert_eq!(layout.kind(), Kind::V2);
        assert_eq!(layout.v2.unwrap().own, Path::new("a/b"));
        assert_eq!(Layout::parse(mounts, b"0::/other\n").unwrap().kind(), Kind::None);
    }

    #[test]
    fn a_host_with_v2_alone_is_the_same_without_its_table() {
        let mounts = b"30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        for groups in [&b"0::/\n"[..], b"1:name=systemd:/\n0::/a/b\n", b""] {
            let read = Layout::parse(mounts, groups).unwrap();
            assert_eq!(Layout::unified(groups).unwrap(), read);
        }
        assert!(Layout::unified(b"0::/..\n").is_err());
    }

    #[test]
    fn what_the_manual_does_not_allow_is_an_error() {
        for (mounts, groups) in [
            (&b"30 23 0:26 / /sys rw cgroup2\n"[..], &b"0::/\n"[..]),
            (b"30 23 - cgroup2 a b\n", b"0::/\n"),
            (b"30 23 0:26 / /s\\9 rw - cgroup2 a rw\n", b"0::/\n"),
            (b"", b"0::/../..\n"),
            (b"", b"0:/\n"),
        ] {
            assert!(Layout::parse(mounts, groups).is_err(), "{mounts:?} {groups:?}");
        }
    }

    /// Whatever this host is like: both ways lead to the same hierarchies, each where it is.
    #[test]
    fn this_host_is_the_same_without_its_table() {
        let groups = read("/proc/self/cgroup").unwrap();
        let Some(mut usual) = Layout::usual(&groups).unwrap() else { return };
        let table = read("/proc/self/mountinfo").unwrap();
        let mut parsed = Layout::parse(&table, &groups).unwrap();
        for layout in [&mut usual, &mut parsed] {
            layout.v1.sort_by(|a, b| a.mount.cmp(&b.mount));
        }
        assert_eq!(usual, parsed);
    }

    #[test]
    fn a_hierarchy_that_is_elsewhere_is_looked_for_in_the_table() {
        assert_eq!(Layout::usual(b"1:no,such:/\n").unwrap(), None);
        assert_eq!(Layout::usual(b"1:../../../proc:/\n").unwrap(), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            mounts in "([0-9 /:a-z\\\\-]{0,60}( - cgroup2? x (rw,memory)?)?\n){0,5}",
            groups in "([0-9]:[a-z,]{0,5}:[/a.]{0,9}\n){0,4}",
        ) {
            if let Ok(layout) = Layout::parse(mounts.as_bytes(), groups.as_bytes()) {
                prop_assert!(layout.v1.iter().all(|v1| !v1.controllers.is_empty()));
            }
        }
    }
}
