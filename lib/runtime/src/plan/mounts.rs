//! The mounts of a specification as steps.

use std::ffi::{CStr, CString};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use coffer_confine::confinement;
use coffer_confine::user::Identity;
use coffer_oci::runtime::{Mount, NamespaceKind, Process, Spec};
use coffer_sys::mount::{INERT, Reach, Travel};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;
use rustix::thread::{Uid, UnshareFlags};

use super::options::{self, Contents, Options, Shows};
use super::{
    Authority, Bind, BindSource, Bundle, CgroupView, Filesystem, Given, Handed, Keep, Look, ModeOf,
    Plan, PlanError, Step, Target, TargetKind, Terminal, bundle, made_up, text, tuning,
};

/// What a mount may be held by, and how man 3 statvfs tells of it. Source: linux/statfs.h.
const LOCKED: [(MountAttrFlags, u64); 5] = [
    (MountAttrFlags::MOUNT_ATTR_RDONLY, 0x1),
    (MountAttrFlags::MOUNT_ATTR_NOSUID, 0x2),
    (MountAttrFlags::MOUNT_ATTR_NODEV, 0x4),
    (MountAttrFlags::MOUNT_ATTR_NOEXEC, 0x8),
    (MountAttrFlags::MOUNT_ATTR_NOSYMFOLLOW, 0x2000),
];

/// The options that name a hierarchy of v1, by the name of its mount on the host.
fn flags(name: &str) -> Result<Vec<(CString, Option<CString>)>, PlanError> {
    if name == "systemd" {
        return Ok(vec![(c"name".to_owned(), Some(c"systemd".to_owned()))]);
    }
    name.split(',').map(|flag| Ok((text("a hierarchy", flag)?, None))).collect()
}

/// A group of the host's as the container sees it.
fn group(path: &str, group: &Path, attributes: MountAttrFlags) -> Result<Step, PlanError> {
    let look = Look::of_ours(attributes, Reach::One);
    Ok(Step::Bind(Bind {
        source: BindSource::Path { path: host_path(group)?, look },
        target: Target::new(path, TargetKind::Plain)?,
        subject: group.to_owned(),
    }))
}

impl Plan {
    /// The mounts, the devices, and the terminal, in the order of the specification.
    pub(super) fn mount_steps(
        &mut self,
        spec: &Spec,
        cgroups: &CgroupView,
        given: Given<'_>,
        bundle: Option<&Bundle<'_>>,
    ) -> Result<(), PlanError> {
        self.mount_label = tuning::mount_label(spec)?;
        let dev = spec.mounts.iter().any(|mount| names_dev(&mount.destination));
        if bundle.is_some() && !dev {
            self.own_dev()?;
        }
        let kernels = made_up::first_of_caller(&spec.mounts);
        for (place, mount) in spec.mounts.iter().enumerate() {
            if place == kernels {
                self.own_file_steps(given.files)?;
            }
            self.place_step(mount, bundle);
            let made = match given.memory {
                Some(memory) if normal(&mount.destination) == "/dev/shm" => {
                    self.show_joined(mount, memory)
                }
                _ => self.mount(mount, cgroups, bundle),
            };
            made.map_err(|error| match bundle {
                Some(_) => error.at(&format!("mounts[{place}]")),
                None => error,
            })?;
        }
        if kernels == spec.mounts.len() {
            self.own_file_steps(given.files)?;
        }
        self.check_mounts(spec, bundle)?;
        self.node_steps(spec)
    }

    /// Whether what every container needs is there.
    fn check_mounts(&self, spec: &Spec, bundle: Option<&Bundle<'_>>) -> Result<(), PlanError> {
        for (keep, missing) in
            [(Keep::Proc, "mount of proc on /proc"), (Keep::Dev, "mount on /dev")]
        {
            if bundle.is_none() && !self.keeps(keep) {
                return Err(PlanError::Missing(missing));
            }
        }
        let terminal = spec.process.as_ref().is_some_and(|process| process.terminal);
        if bundle.is_none() && terminal && !self.keeps(Keep::Pts) {
            return Err(PlanError::Missing("mount of devpts on /dev/pts"));
        }
        match self.handed.len() > crate::launch::MAX_FDS {
            true => Err(PlanError::TooManyMounts(self.handed.len())),
            false => Ok(()),
        }
    }

    /// A `/dev` of our own, where the bundle mounts none: devices are never put into an image's.
    fn own_dev(&mut self) -> Result<(), PlanError> {
        let options = ["nosuid", "strictatime", "mode=755", "size=65536k"];
        let mount = Mount {
            destination: "/dev".to_owned(),
            kind: "tmpfs".to_owned(),
            source: "tmpfs".to_owned(),
            options: options.map(str::to_owned).to_vec(),
            ..Mount::default()
        };
        let options = options::parse(&mount.options)
            .map_err(|source| PlanError::Options { target: mount.destination.clone(), source })?;
        self.filesystem(&mount, options, None)
    }

    /// What was mounted writable to be filled, and is to be read-only: when the terminal is there.
    pub(super) fn seal_steps(
        &mut self,
        spec: &Spec,
        bundle: Option<&Bundle<'_>>,
    ) -> Result<(), PlanError> {
        if bundle.is_none() {
            return Ok(());
        }
        for mount in spec.mounts.iter().filter(|mount| mount.kind == "tmpfs") {
            if mount.options.iter().rev().find(|o| matches!(o.as_str(), "ro" | "rw"))
                == Some(&"ro".to_owned())
            {
                let target = Target::folder(&mount.destination)?;
                self.steps.push(Step::SealMount(target));
            }
        }
        Ok(())
    }

    fn keeps(&self, keep: Keep) -> bool {
        let kept = |step: &Step| match step {
            Step::Filesystem(fs) => fs.keep == keep,
            Step::Bind(bind) => keep == Keep::Proc && bind.target.path.as_c_str() == c"/proc",
            _ => false,
        };
        self.steps.iter().any(kept)
    }

    /// The steps of one mount.
    fn mount(
        &mut self,
        mount: &Mount,
        cgroups: &CgroupView,
        bundle: Option<&Bundle<'_>>,
    ) -> Result<(), PlanError> {
        let target = mount.destination.clone();
        let wrong = |source| PlanError::Options { target: target.clone(), source };
        let options = options::parse(&mount.options).map_err(wrong)?;
        let options = match bundle {
            Some(_) => options,
            None => options.at_home().map_err(wrong)?,
        };
        let part = options.shows == Shows::Part;
        if part || matches!(mount.kind.as_str(), "" | "bind" | "none") {
            let options = options.of_bind().map_err(wrong)?;
            return self.bind(mount, &options, bundle);
        }
        if !(mount.uid_mappings.is_empty() && mount.gid_mappings.is_empty()) {
            return Err(PlanError::field("uidMappings", "are for bind mounts only"));
        }
        match mount.kind.as_str() {
            "sysfs" => self.sysfs(mount, options, bundle),
            "cgroup" | "cgroup2" => self.cgroup(mount, &options, cgroups, bundle),
            "proc" | "mqueue" | "devpts" | "tmpfs" => self.filesystem(mount, options, bundle),
            _ if bundle.is_some() => self.filesystem(mount, options, bundle),
            _ => Err(PlanError::Unsupported(
                "a mount that is no bind mount, proc, sysfs, tmpfs, \
                devpts, mqueue or cgroup",
            )),
        }
    }

    /// A file system of the kernel's, and after `/dev` its devices.
    fn filesystem(
        &mut self,
        mount: &Mount,
        mut options: Options,
        bundle: Option<&Bundle<'_>>,
    ) -> Result<(), PlanError> {
        let path = normal(&mount.destination);
        if let (None, Some(shared)) = (bundle, self.shared(&mount.kind, &path)) {
            return self.show_hosts(mount, &options, shared);
        }
        let keep = match (mount.kind.as_str(), path.as_str()) {
            ("proc", "/proc") => Keep::Proc,
            ("tmpfs", "/dev") => Keep::Dev,
            ("devpts", "/dev/pts") => Keep::Pts,
            _ => Keep::Nothing,
        };
        let tmpfs = mount.kind == "tmpfs";
        let plain = matches!(mount.kind.as_str(), "proc" | "sysfs" | "mqueue" | "devpts")
            || path == "/dev"
            || path.starts_with("/dev/");
        let kind = if plain { TargetKind::Plain } else { TargetKind::Folder };
        if bundle.is_some() && tmpfs {
            // It is filled first, and sealed after: see `seal_steps`.
            options.attributes -= MountAttrFlags::MOUNT_ATTR_RDONLY;
        }
        if bundle.is_some() && !mount.source.is_empty() {
            let source = text("a mount's source", &mount.source)?;
            options.data.insert(0, (c"source".to_owned(), Some(source)));
        }
        // As runc does it: what the kernel labels itself is left to it.
        let labelled = !matches!(mount.kind.as_str(), "proc" | "sysfs" | "mqueue");
        if let Some(label) = self.mount_label.as_ref().filter(|_| labelled) {
            options.data.push((c"context".to_owned(), Some(label.clone())));
        }
        let target = match bundle {
            Some(_) => Target::of_bundle(&mount.destination, kind)?,
            None => Target::new(&mount.destination, kind)?,
        };
        // As runc does it: without a mode of its own it has that of the folder that it covers.
        let says_mode = options.data.iter().any(|(key, _)| key.as_c_str() == c"mode");
        let mode =
            if bundle.is_some() && tmpfs && !says_mode { ModeOf::Covered } else { ModeOf::Options };
        self.steps.push(Step::Filesystem(Filesystem {
            kind: text("a kind of file system", &mount.kind)?,
            mode,
            contents: options.contents,
            travel: options.travel.0,
            attributes: options.attributes | options.tree_set,
            options: options.data,
            target,
            keep,
        }));
        if keep == Keep::Dev {
            self.device_steps()?;
        }
        Ok(())
    }

    /// sysfs shows the network namespace of whoever mounts it, and only its owner may; where the
    /// container has the host's, the host's own mount is shown instead.
    fn sysfs(
        &mut self,
        mount: &Mount,
        options: Options,
        bundle: Option<&Bundle<'_>>,
    ) -> Result<(), PlanError> {
        let own = self.fresh.contains(UnshareFlags::NEWNET) || self.ids.is_none();
        if own {
            return self.filesystem(mount, options, bundle);
        }
        let sealed = INERT | MountAttrFlags::MOUNT_ATTR_RDONLY;
        let options = Options { attributes: options.attributes | sealed, ..options };
        self.show_hosts(mount, &options, c"/sys")
    }

    /// The host's mount that shows what the container shares with the host: only the owner of a
    /// namespace may mount a file system that shows it. Shared memory is the one with the keys.
    fn shared(&self, kind: &str, path: &str) -> Option<&'static CStr> {
        let (pid, ipc) = (UnshareFlags::NEWPID, UnshareFlags::NEWIPC);
        match (kind, path) {
            ("proc", "/proc") if self.ids.is_some() && !self.own.contains(pid) => Some(c"/proc"),
            ("mqueue", "/dev/mqueue") if !self.own.contains(ipc) => Some(c"/dev/mqueue"),
            ("tmpfs", "/dev/shm") if !self.own.contains(ipc) => Some(c"/dev/shm"),
            _ => None,
        }
    }

    /// Shows the host's own mount, with the host's owners. Where the host has none there is none
    /// to share.
    fn show_hosts(
        &mut self,
        mount: &Mount,
        options: &Options,
        host: &CStr,
    ) -> Result<(), PlanError> {
        let subject = PathBuf::from(host.to_string_lossy().into_owned());
        match rustix::fs::stat(host) {
            Err(Errno::NOENT) => return Ok(()),
            stat => stat.map_err(|source| PlanError::Source { path: subject.clone(), source })?,
        };
        let look = Look { idmap: None, ..Look::of_ours(options.attributes | INERT, Reach::Tree) };
        self.steps.push(Step::Bind(Bind {
            source: BindSource::Path { path: host.to_owned(), look },
            target: Target::new(&mount.destination, TargetKind::Plain)?,
            subject,
        }));
        Ok(())
    }

    /// Shows the shared memory of the container that is joined.
    fn show_joined(&mut self, mount: &Mount, memory: BorrowedFd<'_>) -> Result<(), PlanError> {
        let memory = rustix::io::fcntl_dupfd_cloexec(memory, 3).map_err(PlanError::Keep)?;
        self.steps.push(Step::Bind(Bind {
            source: BindSource::Parent(self.handed.len()),
            target: Target::new(&mount.destination, TargetKind::Plain)?,
            subject: PathBuf::from("/dev/shm"),
        }));
        self.handed.push(Handed::Made(memory));
        Ok(())
    }

    /// The control groups: read-only, or in a bundle as its options say.
    fn cgroup(
        &mut self,
        mount: &Mount,
        options: &Options,
        view: &CgroupView,
        bundle: Option<&Bundle<'_>>,
    ) -> Result<(), PlanError> {
        let at = |path: &str, kind: &str, options, attributes| -> Result<Step, PlanError> {
            Ok(Step::Filesystem(Filesystem {
                kind: text("a kind of file system", kind)?,
                options,
                attributes,
                contents: Contents::Nothing,
                mode: ModeOf::Options,
                travel: Travel::Private,
                target: Target::new(path, TargetKind::Plain)?,
                keep: Keep::Nothing,
            }))
        };
        let path = mount.destination.as_str();
        let sealed = match bundle {
            Some(_) => options.attributes | options.tree_set,
            None => INERT | MountAttrFlags::MOUNT_ATTR_RDONLY,
        };
        match view {
            CgroupView::None => {}
            CgroupView::Unified if bundle.is_some() && !self.has_own_groups() => {
                self.steps.push(group(path, Path::new("/sys/fs/cgroup"), sealed)?);
            }
            CgroupView::Unified => self.steps.push(at(path, "cgroup2", Vec::new(), sealed)?),
            CgroupView::Legacy(hierarchies) => {
                let mode = vec![(c"mode".to_owned(), Some(c"755".to_owned()))];
                self.steps.push(at(path, "tmpfs", mode, INERT)?);
                for hierarchy in hierarchies {
                    let path = format!("{path}/{}", hierarchy.name);
                    self.steps.push(match self.has_own_groups() {
                        true => at(&path, "cgroup", flags(&hierarchy.name)?, sealed)?,
                        false => group(&path, &hierarchy.group, sealed)?,
                    });
                }
                if sealed.contains(MountAttrFlags::MOUNT_ATTR_RDONLY) {
                    self.steps.push(Step::ReadOnly(text("a mount", path)?));
                }
            }
        }
        Ok(())
    }

    /// Whether the container's process is in a cgroup namespace of the container's. Who is not would
    /// see all groups of the host in a mount of his own, and may make none in a user namespace: on
    /// v1 he is shown his own groups, as by runc and crun, on v2 the host's mount.
    fn has_own_groups(&self) -> bool {
        let own = |step: &Step| match step {
            Step::CgroupNamespace => true,
            Step::Enter(entered) => entered.kind == NamespaceKind::Cgroup,
            _ => false,
        };
        self.steps.iter().any(own)
    }

    /// A file or folder of the host.
    fn bind(
        &mut self,
        mount: &Mount,
        options: &Options,
        bundle: Option<&Bundle<'_>>,
    ) -> Result<(), PlanError> {
        let subject = bundle::source(bundle, &mount.source).into_owned();
        let source = open_source(&subject)?;
        let stat = rustix::fs::fstat(&source)
            .map_err(|source| PlanError::Source { path: subject.clone(), source })?;
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => TargetKind::Folder,
            _ => TargetKind::File,
        };
        let destination = &mount.destination;
        let (target, (look, mapped_by)) = match bundle {
            Some(_) => {
                let look = self.locked(&source, options.look())?;
                (Target::of_bundle(destination, kind)?, self.mapped(mount, look)?)
            }
            None => {
                let look = Look::of_ours(options.attributes, options.reach);
                (Target::new(destination, kind)?, (look, None))
            }
        };
        let source = match self.authority {
            Authority::Root => {
                let subject = subject.clone();
                self.handed.push(Handed::Bind { source, look, mapped_by, subject });
                BindSource::Parent(self.handed.len() - 1)
            }
            Authority::User => BindSource::Path { path: host_path(&subject)?, look },
        };
        self.steps.push(Step::Bind(Bind { source, target, subject }));
        Ok(())
    }

    /// What holds a mount of the host's stays locked in a user namespace, where its own root could
    /// not take it away either: access times stay as they are, and to ask for more is refused.
    /// Source: man 7 mount_namespaces, "Restrictions on mount namespaces".
    fn locked(&self, source: &OwnedFd, look: Look) -> Result<Look, PlanError> {
        if self.ids.is_none() {
            return Ok(look);
        }
        let held = rustix::fs::fstatvfs(source).map_err(PlanError::Keep)?.f_flag.bits();
        let taken = LOCKED
            .iter()
            .find(|(attribute, flag)| look.alone_clear.contains(*attribute) && held & flag != 0);
        match taken {
            Some(_) => Err(PlanError::field(
                "options",
                "take away what the source is mounted with, and a user namespace may not",
            )),
            None => Ok(Look { alone_clear: MountAttrFlags::empty(), ..look }),
        }
    }

    /// Whose ids map the owners of a bind mount: the mount's own map, or with `idmap` alone the
    /// container's. Source: runtime-spec config.md, "Linux mount options".
    fn mapped(&self, mount: &Mount, look: Look) -> Result<(Look, Option<OwnedFd>), PlanError> {
        let own = confinement::id_map(&mount.uid_mappings, &mount.gid_mappings);
        let Some(own) = own else {
            let container = self.ids.is_some() || look.idmap.is_none();
            let why = "asks for the container's ids, and there is no user namespace";
            return if container {
                Ok((look, None))
            } else {
                Err(PlanError::field("options", why))
            };
        };
        if self.authority == Authority::User {
            return Err(PlanError::field("uidMappings", "only root can map the owners of a mount"));
        }
        let look = Look { idmap: look.idmap.or(Some(Reach::One)), ..look };
        let own = crate::launch::user_namespace_of(&own).map_err(PlanError::Mapping)?;
        Ok((look, Some(own)))
    }

    /// A terminal of its own, or the caller's descriptors.
    pub(super) fn stdio_step(
        &mut self,
        process: &Process,
        identity: &Identity,
        bundle: Option<&Bundle<'_>>,
    ) -> Result<(), PlanError> {
        let owner = Uid::from_raw(identity.uid.number());
        if process.terminal {
            let size = process.console_size.map(|size| (size.height, size.width));
            let lines = bundle.map(|bundle| bundle.lines).unwrap_or_default();
            self.steps.push(Step::Terminal(Terminal { size, owner, lines }));
        } else {
            let given_by_child = self.pipe_owner.is_none() && !owner.is_root();
            self.steps.push(Step::Stdio(given_by_child.then_some(owner)));
        }
        Ok(())
    }
}

/// A destination without doubled and trailing slashes.
fn normal(destination: &str) -> String {
    let parts = destination.split('/').filter(|part| !matches!(*part, "" | "."));
    parts.fold(String::new(), |path, part| path + "/" + part)
}

fn names_dev(destination: &str) -> bool {
    normal(destination) == "/dev"
}

/// Opens what is to be mounted, by the caller's own path.
pub(super) fn open_source(path: &Path) -> Result<OwnedFd, PlanError> {
    rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(|source| PlanError::Source { path: path.to_owned(), source })
}

/// A path of the caller's on the host.
pub(super) fn host_path(path: &Path) -> Result<CString, PlanError> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|source| PlanError::NullByte { subject: "a path", source })
}
