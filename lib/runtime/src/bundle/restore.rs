//! `restore`: a container goes on from the images of a checkpoint.
//!
//! All that `create` decides is decided here too, and nothing is written before. Then CRIU does
//! what the steps of a plan do otherwise.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use coffer_confine::confinement::Warning;
use coffer_oci::runtime::NamespaceKind;
use coffer_sys::spawn::{self, Clone3, Parent};
use coffer_sys::{dir, loopback};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::mount::MountAttrFlags;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::thread::{ThreadNameSpaceType, UnshareFlags, move_into_thread_name_spaces};

use super::create::{self, Decided};
use super::{BundleError, Create, Folder, Home, Locked, State};
use crate::cgroup::Cgroup;
use crate::criu::{self, CriuError, Folders, Groups, Listener, Manifest, Options, Restoring};
use crate::launch::collect;

/// The folder in which CRIU finds the container's root.
const ROOT: &str = "root";

/// A restore.
#[derive(Debug)]
pub struct Restore<'a> {
    /// The container, as for `create`.
    pub create: Create<'a>,
    /// CRIU's program.
    pub program: &'a Path,
    /// Where images are, and where the log goes.
    pub folders: Folders<'a>,
    /// What CRIU is told.
    pub options: &'a Options,
}

/// A container that goes on. Its process is the caller's child.
#[derive(Debug)]
pub struct Restored {
    /// Its folder.
    pub folder: Folder,
    /// The number of its first process.
    pub pid: Pid,
    /// That process.
    pub process: OwnedFd,
    /// The master side of its terminal, where it has one.
    pub terminal: Option<OwnedFd>,
    /// What of the bundle means nothing on this host and was passed over.
    pub warnings: Vec<Warning>,
}

/// Restores a container.
///
/// # Errors
/// A [`BundleError`] for the first thing that is wrong; nothing is left then.
pub fn restore(wanted: &Restore<'_>) -> Result<Restored, BundleError> {
    let decided = create::decide(&wanted.create)?;
    let ready = Ready::new(wanted, &decided)?;
    let home = wanted.create.home;
    let locked = home.add(wanted.create.id)?;
    let (gate, mut cgroup) = match create::prepare(&wanted.create, &decided, &locked) {
        Ok(prepared) => prepared,
        Err(error) => {
            drop(home.remove(locked));
            return Err(error);
        }
    };
    // Nobody waits at the gate: what is restored was let through long ago.
    drop(gate);
    match run(wanted, &decided, ready, &locked, &mut cgroup) {
        Ok(criu::Restored { pid, pidfd, terminal }) => {
            let (folder, warnings) = (locked.unlock()?, decided.warnings);
            Ok(Restored { folder, pid, process: pidfd, terminal, warnings })
        }
        Err(error) => {
            if decided.undo_groups(cgroup).is_ok() {
                drop(home.remove(locked));
            }
            Err(error)
        }
    }
}

/// What is opened and checked before anything is written.
struct Ready {
    manifest: Manifest,
    rootfs: OwnedFd,
    inherited: Vec<(String, OwnedFd)>,
    joined: Vec<(String, String)>,
}

impl Ready {
    fn new(wanted: &Restore<'_>, decided: &Decided) -> Result<Self, BundleError> {
        if let Some(at) = &decided.saved.lost {
            return Err(CriuError::Lost { at: at.clone() }.into());
        }
        if wanted.options.groups == Groups::Strict {
            let why =
                "none of the container's control groups may be there, and they are made first";
            return Err(CriuError::Groups { mode: "strict", why }.into());
        }
        let folder = |path: &Path| {
            let path = path.to_owned();
            dir::open(&path).map_err(|source| CriuError::Folder { path, source })
        };
        let images = folder(wanted.folders.images)?;
        let manifest = Manifest::read(images.as_fd(), wanted.folders.images);
        let manifest = manifest.map_err(CriuError::from)?;
        let (mut inherited, mut joined) = (Vec::new(), Vec::new());
        for namespace in decided.saved.confinement.namespaces.iter().filter(|n| !n.path.is_empty())
        {
            match super::checkpoint::key(namespace.kind) {
                Some((_, key)) => inherited.push((key.to_owned(), open(&namespace.path)?)),
                None => joined.push((kind(namespace.kind).to_owned(), namespace.path.clone())),
            }
        }
        Ok(Self { manifest, rootfs: folder(decided.rootfs())?, inherited, joined })
    }
}

fn open(path: &str) -> Result<OwnedFd, CriuError> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| CriuError::Folder { path: path.into(), source: errno.into() })
}

/// CRIU's word for a kind of namespace that it joins by a path.
fn kind(kind: NamespaceKind) -> &'static str {
    match kind {
        NamespaceKind::Uts => "uts",
        _ => "ipc",
    }
}

/// Has CRIU make the processes.
fn run(
    wanted: &Restore<'_>,
    decided: &Decided,
    ready: Ready,
    locked: &Locked,
    cgroup: &mut Cgroup,
) -> Result<criu::Restored, BundleError> {
    let bad = BundleError::folder(locked.id());
    ready.manifest.prepare(ready.rootfs.as_fd()).map_err(CriuError::from)?;
    dir::make(locked.dir(), ROOT, Mode::RWXU).map_err(&bad)?;
    let sources: Vec<(String, String)> = decided.plan.outside().collect();
    let root = place(wanted.create.home, locked).map_err(&bad)?;
    let readonly = wanted.create.bundle.spec.root.as_ref().is_some_and(|root| root.readonly);
    let attributes =
        if readonly { MountAttrFlags::MOUNT_ATTR_RDONLY } else { MountAttrFlags::empty() };
    let mut beside = Beside { wanted, decided, locked, cgroup };
    let restored = criu::restore(
        &Restoring {
            program: wanted.program,
            folders: wanted.folders,
            rootfs: ready.rootfs.as_fd(),
            attributes,
            root: &root,
            manifest: &ready.manifest,
            sources: &sources,
            inherited: ready.inherited,
            joined: ready.joined,
            options: wanted.options,
        },
        &mut beside,
    )?;
    rustix::fs::unlinkat(locked.dir(), ROOT, AtFlags::REMOVEDIR).map_err(|e| bad(e.into()))?;
    Ok(restored)
}

fn place(home: &Home, locked: &Locked) -> io::Result<std::path::PathBuf> {
    Ok(std::path::absolute(home.path())?.join(locked.id().as_str()).join(ROOT))
}

/// What the runtime does while CRIU restores.
struct Beside<'a> {
    wanted: &'a Restore<'a>,
    decided: &'a Decided,
    locked: &'a Locked,
    cgroup: &'a mut Cgroup,
}

impl Beside<'_> {
    fn state(&self, init: Pid) -> io::Result<State> {
        self.decided.state_of(&self.wanted.create, init)
    }
}

impl Listener for Beside<'_> {
    fn started(&mut self, criu: Pid) -> io::Result<()> {
        self.cgroup.take_in(criu).map_err(io::Error::other)?;
        // What it makes is born there.
        match &self.decided.rdt {
            Some(rdt) => rdt.enter(criu).map_err(io::Error::other),
            None => Ok(()),
        }
    }

    fn namespaces(&mut self, init: Pid) -> io::Result<()> {
        create::run_hooks(&self.state(init)?).map_err(io::Error::other)
    }

    fn restored(&mut self, init: Pid) -> io::Result<()> {
        let own = |n: &coffer_oci::runtime::Namespace| {
            n.kind == NamespaceKind::Network && n.path.is_empty()
        };
        if self.decided.saved.confinement.namespaces.iter().any(own) {
            raise_loopback(init)?;
        }
        self.locked.save_state(&self.state(init)?).map_err(io::Error::other)
    }

    fn serves(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Brings up the loopback interface of a process: its namespace is a new one, as at its start.
fn raise_loopback(init: Pid) -> io::Result<()> {
    let target = pidfd_open(init, PidfdFlags::empty())?;
    let how = Clone3 { namespaces: UnshareFlags::empty(), cgroup: None, parent: Parent::Caller };
    let cloned = spawn::spawn(how, || {
        let network = ThreadNameSpaceType::NETWORK;
        let done = move_into_thread_name_spaces(target.as_fd(), network)
            .map_err(io::Error::from)
            .and_then(|()| loopback::up());
        i32::from(done.is_err())
    })?;
    match collect(&cloned.pidfd) {
        Some(0) => Ok(()),
        _ => Err(io::Error::other("the loopback interface stays down")),
    }
}
