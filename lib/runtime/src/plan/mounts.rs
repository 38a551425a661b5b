//! The mounts of a specification as steps.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use coffer_confine::user::Identity;
use coffer_oci::runtime::{Mount, Process, Spec};
use coffer_sys::mount::Reach;
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::mount::MountAttrFlags;
use rustix::thread::{Uid, UnshareFlags};

use super::options::{self, Options};
use super::{
    Authority, Bind, BindSource, CgroupView, DEVICES, Filesystem, Handed, Keep, Plan, PlanError,
    Step, Target, TargetKind, Terminal, text,
};

/// Attributes of the kernel's own file systems: no program, no device, no set-user-id.
const INERT: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID
    .union(MountAttrFlags::MOUNT_ATTR_NODEV)
    .union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

impl Plan {
    /// The mounts, the devices, and the terminal, in the order of the specification.
    pub(super) fn mount_steps(
        &mut self,
        spec: &Spec,
        cgroups: &CgroupView,
    ) -> Result<(), PlanError> {
        for mount in &spec.mounts {
            self.mount(mount, cgroups)?;
        }
        for (keep, missing) in
            [(Keep::Proc, "mount of proc on /proc"), (Keep::Dev, "mount on /dev")]
        {
            if !self.keeps(keep) {
                return Err(PlanError::Missing(missing));
            }
        }
        let terminal = spec.process.as_ref().is_some_and(|process| process.terminal);
        if terminal && !self.keeps(Keep::Pts) {
            return Err(PlanError::Missing("mount of devpts on /dev/pts"));
        }
        if self.handed.len() > crate::launch::MAX_FDS {
            return Err(PlanError::TooManyMounts(self.handed.len()));
        }
        Ok(())
    }

    fn keeps(&self, keep: Keep) -> bool {
        let kept = |step: &Step| matches!(step, Step::Filesystem(fs) if fs.keep == keep);
        self.steps.iter().any(kept)
    }

    /// The steps of one mount.
    fn mount(&mut self, mount: &Mount, cgroups: &CgroupView) -> Result<(), PlanError> {
        if !(mount.uid_mappings.is_empty() && mount.gid_mappings.is_empty()) {
            return Err(PlanError::Unsupported("a mount with id mappings of its own"));
        }
        let target = mount.destination.clone();
        let options = options::parse(&mount.options)
            .map_err(|source| PlanError::Options { target: target.clone(), source })?;
        let bind = matches!(mount.kind.as_str(), "" | "bind" | "none")
            || mount.options.iter().any(|option| option == "bind" || option == "rbind");
        if bind {
            let options = options
                .of_bind()
                .map_err(|source| PlanError::Options { target: target.clone(), source })?;
            return self.bind(mount, &options);
        }
        match mount.kind.as_str() {
            "proc" | "mqueue" | "devpts" | "tmpfs" => self.filesystem(mount, options),
            "sysfs" => self.sysfs(mount, options),
            "cgroup" | "cgroup2" => self.cgroup(mount, cgroups),
            _ => Err(PlanError::Unsupported(
                "a mount that is no bind mount, proc, sysfs, tmpfs, \
                devpts, mqueue or cgroup",
            )),
        }
    }

    /// A file system of the kernel's, and after `/dev` its devices.
    fn filesystem(&mut self, mount: &Mount, options: Options) -> Result<(), PlanError> {
        let path = mount.destination.as_str();
        let keep = match (mount.kind.as_str(), path) {
            ("proc", "/proc") => Keep::Proc,
            ("tmpfs", "/dev") => Keep::Dev,
            ("devpts", "/dev/pts") => Keep::Pts,
            _ => Keep::Nothing,
        };
        let ours = mount.kind != "tmpfs" || path == "/dev" || path.starts_with("/dev/");
        let kind = if ours { TargetKind::Plain } else { TargetKind::Folder };
        self.steps.push(Step::Filesystem(Filesystem {
            kind: text("a kind of file system", &mount.kind)?,
            options: options.data,
            attributes: options.attributes,
            target: Target::new(path, kind)?,
            keep,
        }));
        if keep == Keep::Dev {
            self.steps.extend(DEVICES.map(Step::Device));
            self.steps.push(Step::DeviceLinks);
        }
        Ok(())
    }

    /// sysfs shows the network namespace of whoever mounts it, and only its owner may; where the
    /// container has the host's, the host's own mount is shown instead.
    fn sysfs(&mut self, mount: &Mount, options: Options) -> Result<(), PlanError> {
        let own = self.namespaces.contains(UnshareFlags::NEWNET) || self.ids.is_none();
        if own {
            return self.filesystem(mount, options);
        }
        let attributes = options.attributes | INERT | MountAttrFlags::MOUNT_ATTR_RDONLY;
        let path = c"/sys".to_owned();
        self.steps.push(Step::Bind(Bind {
            source: BindSource::Path { path, attributes, reach: Reach::Tree },
            target: Target::new(&mount.destination, TargetKind::Plain)?,
            subject: PathBuf::from("/sys"),
        }));
        Ok(())
    }

    /// The control groups, read-only.
    fn cgroup(&mut self, mount: &Mount, view: &CgroupView) -> Result<(), PlanError> {
        let at = |path: &str, kind: &str, options, attributes| -> Result<Step, PlanError> {
            Ok(Step::Filesystem(Filesystem {
                kind: text("a kind of file system", kind)?,
                options,
                attributes,
                target: Target::new(path, TargetKind::Plain)?,
                keep: Keep::Nothing,
            }))
        };
        let path = mount.destination.as_str();
        let sealed = INERT | MountAttrFlags::MOUNT_ATTR_RDONLY;
        match view {
            CgroupView::None => {}
            CgroupView::Unified => self.steps.push(at(path, "cgroup2", Vec::new(), sealed)?),
            CgroupView::Legacy(hierarchies) => {
                let mode = vec![(c"mode".to_owned(), Some(c"755".to_owned()))];
                self.steps.push(at(path, "tmpfs", mode, INERT)?);
                for name in hierarchies {
                    let flags: Result<_, _> = name
                        .split(',')
                        .map(|flag| Ok((text("a hierarchy", flag)?, None)))
                        .collect();
                    let flags = flags.map_err(|error: PlanError| error)?;
                    self.steps.push(at(&format!("{path}/{name}"), "cgroup", flags, sealed)?);
                }
                self.steps.push(Step::ReadOnly(text("a mount", path)?));
            }
        }
        Ok(())
    }

    /// A file or folder of the host.
    fn bind(&mut self, mount: &Mount, options: &Options) -> Result<(), PlanError> {
        let subject = PathBuf::from(&mount.source);
        let source = open_source(&subject)?;
        let stat = rustix::fs::fstat(&source)
            .map_err(|source| PlanError::Source { path: subject.clone(), source })?;
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => TargetKind::Folder,
            _ => TargetKind::File,
        };
        let target = Target::new(&mount.destination, kind)?;
        let Options { attributes, reach, .. } = *options;
        let source = match self.authority {
            Authority::Root => {
                let subject = subject.clone();
                self.handed.push(Handed::Bind { source, attributes, reach, subject });
                BindSource::Parent(self.handed.len() - 1)
            }
            Authority::User => BindSource::Path { path: host_path(&subject)?, attributes, reach },
        };
        self.steps.push(Step::Bind(Bind { source, target, subject }));
        Ok(())
    }

    /// A terminal of its own, or the caller's descriptors.
    pub(super) fn stdio_step(
        &mut self,
        process: &Process,
        identity: &Identity,
    ) -> Result<(), PlanError> {
        let owner = Uid::from_raw(identity.uid.number());
        if process.terminal {
            let size = process.console_size.map(|size| (size.height, size.width));
            self.steps.push(Step::Terminal(Terminal { size, owner }));
        } else {
            let given_by_child = self.pipe_owner.is_none() && !owner.is_root();
            self.steps.push(Step::Stdio(given_by_child.then_some(owner)));
        }
        Ok(())
    }
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
