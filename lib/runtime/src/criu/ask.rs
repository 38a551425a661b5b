//! What is asked of CRIU for a dump and for a restore. Source: criu's images/rpc.proto.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use coffer_sys::dir;
use rustix::fs::{Mode, OFlags};
use rustix::mount::MountAttrFlags;
use rustix::process::Pid;

use super::message::{
    CgroupRoot, DUMP, ExtMount, InheritFd, JoinNamespace, Opts, PRE_DUMP, PageServerInfo, RESTORE,
};
use super::service::{Listener, NOT_STARTED, Restored, Service};
use super::{CriuError, Folders, Groups, Manifest, Options, strangers};

/// So much of a log is looked at (16 MiB).
const LOG: u64 = 16 * 1024 * 1024;

/// A dump.
#[derive(Debug)]
pub(crate) struct Dump<'a> {
    /// The program.
    pub(crate) program: &'a Path,
    /// Images and log.
    pub(crate) folders: Folders<'a>,
    /// The container's first process.
    pub(crate) pid: Pid,
    /// Its root on the host.
    pub(crate) rootfs: &'a Path,
    /// Namespaces that are not the container's own: CRIU's names for them.
    pub(crate) namespaces: Vec<String>,
    /// What is outside.
    pub(crate) manifest: &'a Manifest,
    /// What else.
    pub(crate) options: &'a Options,
    /// Images of an earlier dump, relative to these.
    pub(crate) parent: Option<&'a str>,
    /// Whether memory alone is written.
    pub(crate) memory_only: bool,
    /// Whether the container goes on.
    pub(crate) leave_running: bool,
    /// The group that all of its processes are in, where it can be frozen meanwhile.
    pub(crate) freezer: Option<&'a Path>,
}

/// A restore.
#[derive(Debug)]
pub(crate) struct Restoring<'a> {
    /// The program.
    pub(crate) program: &'a Path,
    /// Images and log.
    pub(crate) folders: Folders<'a>,
    /// The container's root, open.
    pub(crate) rootfs: BorrowedFd<'a>,
    /// Attributes of its mount, which CRIU leaves as it finds it.
    pub(crate) attributes: MountAttrFlags,
    /// An empty folder, where CRIU finds that root.
    pub(crate) root: &'a Path,
    /// What is outside.
    pub(crate) manifest: &'a Manifest,
    /// Where each mount of the manifest comes from, by its destination.
    pub(crate) sources: &'a [(String, String)],
    /// Namespaces that CRIU finds by a descriptor: its names, and they.
    pub(crate) inherited: Vec<(String, OwnedFd)>,
    /// Namespaces to be joined: kind and path.
    pub(crate) joined: Vec<(String, String)>,
    /// What else.
    pub(crate) options: &'a Options,
}

/// Writes images of a container. `status` gets a zero byte, and is closed, as soon as memory can be
/// asked for.
///
/// # Errors
/// A [`CriuError`].
pub(crate) fn dump(wanted: &Dump<'_>, status: Option<OwnedFd>) -> Result<(), CriuError> {
    check(wanted)?;
    let service = Service::start(wanted.program, &wanted.folders, None, &[])?;
    let kind = if wanted.memory_only { PRE_DUMP } else { DUMP };
    let ended = service.talk(kind, wanted.options(&service), &mut Dumping { status });
    // After a memory dump CRIU waits for the next one, which would be another command's.
    let status = service.end();
    match ended {
        Ok(_) => forget_strangers(wanted.folders.images),
        Err(error) => Err(explain(error, status, wanted.program, wanted.folders.log(), "dump.log")),
    }
}

fn forget_strangers(images: &Path) -> Result<(), CriuError> {
    let forget = || strangers::forget(dir::open(images)?.as_fd());
    forget().map_err(|source| CriuError::Folder { path: images.to_owned(), source })
}

/// Makes a container from images.
///
/// # Errors
/// A [`CriuError`].
pub(crate) fn restore(
    wanted: &Restoring<'_>,
    listener: &mut dyn Listener,
) -> Result<Restored, CriuError> {
    let fds: Vec<BorrowedFd<'_>> = wanted.inherited.iter().map(|(_, fd)| fd.as_fd()).collect();
    let shown = Some((wanted.rootfs, wanted.attributes, wanted.root));
    let service = Service::start(wanted.program, &wanted.folders, shown, &fds)?;
    let told = listener.started(service.cloned.pid).map_err(CriuError::Meanwhile);
    let asked = told.and_then(|()| {
        let cg_root = groups(service.cloned.pid)?;
        check_groups(wanted.options.groups, &cg_root)?;
        let options = Opts { cg_root, ..wanted.options(&service) };
        service.talk(RESTORE, options, listener)
    });
    let status = service.end();
    asked
        .map_err(|error| {
            explain(error, status, wanted.program, wanted.folders.log(), "restore.log")
        })?
        .ok_or(CriuError::Broken { log: None })
}

/// Refuses what the kernel cannot do, before CRIU stumbles over it.
fn check(wanted: &Dump<'_>) -> Result<(), CriuError> {
    let tracked = wanted.memory_only || wanted.parent.is_some();
    if !tracked && !wanted.options.lazy_pages {
        return Ok(());
    }
    let service = Service::start(wanted.program, &wanted.folders, None, &[])?;
    let asked = service.features();
    let status = service.end();
    let features = asked.map_err(|error| {
        explain(error, status, wanted.program, wanted.folders.log(), "criu.log")
    })?;
    let lacks = |feature: Option<bool>| feature != Some(true);
    if tracked && lacks(features.mem_track) {
        return Err(CriuError::Kernel { what: "track which memory changes (pre-dump)" });
    }
    if wanted.options.lazy_pages && lacks(features.lazy_pages) {
        return Err(CriuError::Kernel { what: "give memory when it is wanted (lazy pages)" });
    }
    Ok(())
}

impl Dump<'_> {
    fn options(&self, service: &Service) -> Opts {
        let mut external = self.namespaces.clone();
        let streams = self.manifest.streams.iter().flatten();
        external.extend(streams.filter(|stream| stream.starts_with("file")).cloned());
        let mounts = self.manifest.external.iter();
        let server = self.options.page_server.as_ref();
        Opts {
            pid: Some(self.pid.as_raw_pid()),
            leave_running: Some(self.leave_running),
            log_file: Some("dump.log".to_owned()),
            root: Some(self.rootfs.to_string_lossy().into_owned()),
            parent_img: self.parent.map(str::to_owned),
            track_mem: self.parent.is_some().then_some(true),
            ext_mnt: mounts
                .map(|m| ExtMount { key: m.place.clone(), val: m.place.clone() })
                .collect(),
            external,
            freeze_cgroup: self.freezer.map(|path| path.to_string_lossy().into_owned()),
            ps: server.map(|server| PageServerInfo {
                address: Some(server.address.clone()),
                port: Some(server.port.into()),
            }),
            ..service.options(self.options)
        }
    }
}

impl Restoring<'_> {
    fn options(&self, service: &Service) -> Opts {
        let source = |destination: &str| self.sources.iter().find(|(at, _)| at == destination);
        let mounts = self.manifest.external.iter().filter_map(|mount| {
            let (_, source) = source(&mount.destination)?;
            Some(ExtMount { key: mount.place.clone(), val: source.clone() })
        });
        let streams = (0..).zip(&self.manifest.streams);
        let streams = streams.filter_map(|(fd, key)| Some(InheritFd { key: key.clone()?, fd }));
        let namespaces = self
            .inherited
            .iter()
            .map(|(key, fd)| InheritFd { key: key.clone(), fd: fd.as_raw_fd() });
        let joined = self.joined.iter().cloned();
        Opts {
            evasive_devices: Some(true),
            rst_sibling: Some(true),
            log_file: Some("restore.log".to_owned()),
            root: Some(self.root.to_string_lossy().into_owned()),
            ext_mnt: mounts.collect(),
            inherit_fd: streams.chain(namespaces).collect(),
            join_ns: joined.map(|(ns, ns_file)| JoinNamespace { ns, ns_file }).collect(),
            ..service.options(self.options)
        }
    }
}

/// Settings go to all groups of the container: none may be the top of a hierarchy, which is the
/// host's own. It is where hybrid hosts leave containers on v2.
fn check_groups(mode: Groups, roots: &[CgroupRoot]) -> Result<(), CriuError> {
    match mode == Groups::Full && roots.iter().any(|root| root.path == "/") {
        true => {
            let why = "a hierarchy has no control group of the container's own, and the host's \
                       would be set";
            Err(CriuError::Groups { mode: "full", why })
        }
        false => Ok(()),
    }
}

/// The groups of a process, as CRIU names the tops of those that it restores.
fn groups(pid: Pid) -> Result<Vec<CgroupRoot>, CriuError> {
    let path = format!("/proc/{}/cgroup", pid.as_raw_pid());
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty())
        .map_err(|errno| CriuError::Channel(errno.into()))?;
    let text = io::read_to_string(File::from(file)).map_err(CriuError::Channel)?;
    let root = |line: &str| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (ctrl, path) = (fields.next()?.to_owned(), fields.next()?.to_owned());
        Some(CgroupRoot { ctrl: Some(ctrl), path })
    };
    Ok(text.lines().filter_map(root).collect())
}

/// What is done while a container is dumped.
struct Dumping {
    /// Who waits for memory.
    status: Option<OwnedFd>,
}

impl Listener for Dumping {
    fn started(&mut self, _: Pid) -> io::Result<()> {
        Ok(())
    }

    fn namespaces(&mut self, _: Pid) -> io::Result<()> {
        Ok(())
    }

    fn restored(&mut self, _: Pid) -> io::Result<()> {
        Ok(())
    }

    fn serves(&mut self) -> io::Result<()> {
        match self.status.take() {
            Some(status) => File::from(status).write_all(&[0]),
            None => Ok(()),
        }
    }
}

/// The better word for an error, by how CRIU ended and what it wrote.
fn explain(
    error: CriuError,
    status: Option<i32>,
    program: &Path,
    folder: &Path,
    name: &str,
) -> CriuError {
    match (error, status) {
        (CriuError::Broken { .. }, Some(NOT_STARTED)) => {
            let program = program.to_owned();
            CriuError::Start { program, source: io::ErrorKind::NotFound.into() }
        }
        (CriuError::Broken { .. }, _) => CriuError::Broken { log: first_fault(folder, name) },
        (CriuError::Failed { errno, .. }, _) => {
            CriuError::Failed { errno, log: first_fault(folder, name) }
        }
        (error, _) => error,
    }
}

/// The first line of a log that speaks of an error, and not of what CRIU only tries.
fn first_fault(folder: &Path, name: &str) -> Option<String> {
    let folder_fd = dir::open(folder).ok()?;
    let text = dir::read(folder_fd.as_fd(), name, LOG).ok()??;
    let text = String::from_utf8_lossy(&text);
    let harmless = |line: &str| line.contains("rlimit: ") || line.contains("tun: ");
    let is_fault = |line: &&str| line.contains("Error (") && !harmless(line);
    let line = text.lines().find(is_fault)?;
    let words = line.split_once("Error ").map_or(line, |(_, words)| words);
    Some(format!("{words} (see {})", folder.join(name).display()))
}
