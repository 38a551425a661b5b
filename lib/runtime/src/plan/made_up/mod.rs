//! Files that coffer makes up: its own in `/etc`, and those of `/proc` and `/sys` that say how
//! large the machine is, where a limit says how large it is for the container.
//!
//! They are written once, into a file system of the container's own that nothing but binds of its
//! files shows. Nobody has to live for them to be read; what they count stands still. Limits do
//! not change while a container runs, and a container that starts again has them made anew.

mod memory;
mod processors;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_confine::confinement::Confinement;
use coffer_confine::paths::MadeUp as Kind;
use coffer_oci::runtime::{Mount, NamespaceKind};
use coffer_sys::dir;
use rustix::rand::{GetRandomFlags, getrandom};
use rustix::time::{ClockId, clock_gettime};

use super::{Bundle, Named, Plan, PlanError, Step, Target, TargetKind, tuning};
use crate::cgroup::Limits;
use crate::hosts::OwnFile;
use memory::Memory;
use processors::Processors;

/// The most bytes that are read of a file of `/proc`: 10,000 processors have so many.
const LIMIT: u64 = 16 << 20;

/// What a container that coffer makes itself is given beside its specification.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given<'a> {
    /// Files of coffer's own.
    pub files: &'a [OwnFile],
    /// The limits that made-up files follow; none are made up without.
    pub limits: Option<&'a Limits>,
    /// The `/dev/shm` of another container, attached nowhere.
    pub memory: Option<BorrowedFd<'a>>,
    /// What a listener of its system call filter is told of it.
    pub named: Option<Named<'a>>,
}

/// A file with its contents, and where it is seen.
#[derive(Debug)]
pub(crate) struct MadeUp {
    /// Its name among those that are made up.
    pub(crate) name: std::ffi::CString,
    /// What it says.
    pub(crate) text: Box<[u8]>,
    /// Where it goes.
    pub(crate) target: Target,
}

impl MadeUp {
    fn new(path: &str, text: String, kind: TargetKind) -> Result<Self, PlanError> {
        let target = match kind {
            TargetKind::Kernel => Target::of_kernel(path)?,
            kind => Target::new(path, kind)?,
        };
        let name = target.levels.last().map(|level| level.name.clone()).unwrap_or_default();
        Ok(Self { name, text: text.into_bytes().into(), target })
    }
}

impl Plan {
    /// The place for made-up files, before devpts is mounted over it.
    pub(super) fn place_step(&mut self, mount: &Mount, bundle: Option<&Bundle<'_>>) {
        if bundle.is_none() && mount.kind == "devpts" {
            self.steps.push(Step::PlaceMadeUp(self.mount_label.clone()));
        }
    }

    /// Coffer's own files, before what the caller mounts: that may cover them.
    pub(super) fn own_file_steps(&mut self, files: &[OwnFile]) -> Result<(), PlanError> {
        if !self.steps.iter().any(|step| matches!(step, Step::PlaceMadeUp(_))) {
            return match files {
                [] => Ok(()),
                _ => Err(PlanError::Missing("mount of devpts on /dev/pts")),
            };
        }
        for file in files {
            let made = MadeUp::new(&file.path, file.text.clone(), TargetKind::File)?;
            self.steps.push(Step::OwnFile(made));
        }
        Ok(())
    }

    /// The files that follow limits.
    pub(super) fn made_up_steps(
        &mut self,
        confinement: &Confinement,
        given: Given<'_>,
    ) -> Result<(), PlanError> {
        let (Some(limits), false) = (given.limits, confinement.made_up.is_empty()) else {
            return Ok(());
        };
        let of_boot = Kind::Boot.paths().iter().map(|path| Ok((*path, boot()?)));
        let host = HostFiles(tuning::host_proc()?);
        let wanted = |path: &&str| confinement.made_up.iter().any(|made| made == path);
        let wants = |kind: Kind| kind.paths().iter().any(wanted);
        let mut made: Vec<(&str, String)> = Vec::new();
        if wants(Kind::Boot) {
            made.extend(of_boot.collect::<Result<Vec<_>, PlanError>>()?);
        }
        if wants(Kind::Memory) {
            made.extend(Memory::new(host.read("meminfo")?, limits).files());
        }
        if wants(Kind::Processors) {
            made.extend(Processors::new(host.read("cpuinfo")?, limits).files());
        }
        let made = made.into_iter().map(|(path, text)| MadeUp::new(path, text, TargetKind::Kernel));
        self.steps.push(Step::MadeUp(made.collect::<Result<_, _>>()?));
        Ok(())
    }

    /// A time namespace whose boot is now, so that `/proc/uptime` and the times of processes count
    /// from the container's start. Source: man 7 time_namespaces.
    pub(super) fn uptime_step(&mut self, confinement: &Confinement) -> Result<(), PlanError> {
        let time = confinement.namespaces.iter().find(|n| n.kind == NamespaceKind::Time);
        if time.is_some_and(|time| time.path.is_empty()) {
            let since = clock_gettime(ClockId::Boottime).tv_sec;
            let offsets = format!("boottime -{since} 0\n");
            self.steps.push(Step::Uptime { proc: tuning::host_proc()?, offsets });
        }
        Ok(())
    }
}

/// A boot that nobody else had: a random UUID, as the kernel writes its own. Source: RFC 9562,
/// "UUID Version 4".
fn boot() -> Result<String, PlanError> {
    let mut bytes = [0_u8; 16];
    getrandom(&mut bytes, GetRandomFlags::empty()).map_err(PlanError::Random)?;
    let number = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0x3 << 62) | 4 << 76 | 2 << 62;
    let digits = format!("{number:032x}");
    let part = |from, to| digits.get(from..to).unwrap_or_default();
    let parts = [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)];
    Ok(format!("{}\n", parts.join("-")))
}

/// Which mount is the first that is not of the kernel's file systems.
pub(super) fn first_of_caller(mounts: &[Mount]) -> usize {
    let kernels = |mount: &Mount| {
        let path = mount.destination.as_str();
        ["/proc", "/dev", "/sys"].iter().any(|top| {
            path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    mounts.iter().position(|mount| !kernels(mount)).unwrap_or(mounts.len())
}

/// The host's own proc.
struct HostFiles(OwnedFd);

impl HostFiles {
    fn read(&self, name: &'static str) -> Result<String, PlanError> {
        let failed = |source| PlanError::HostFile { name, source };
        let bytes = dir::read(self.0.as_fd(), name, LIMIT).map_err(failed)?;
        Ok(String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_boot_is_another_in_the_kernels_form() {
        let (one, two) = (boot().unwrap(), boot().unwrap());
        assert_ne!(one, two);
        let lengths: Vec<usize> = one.trim_end().split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!(one.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&one.as_bytes()[19]), "{one}");
    }
}
