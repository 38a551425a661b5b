//! What the corpus aims at on the host, made for one audit and gone with it.
//!
//! A folder with a secret and a file that must not change; a word in this process's memory and a
//! signal that it never lets in; sockets that nobody else knows; a file in shared memory; keys,
//! and objects of the host's IPC namespace. All of it may be lost. [`Stage::look`] says what has
//! changed since the last look.
#![expect(clippy::disallowed_methods, reason = "the audit's own folder, by the caller's path")]

mod bound;
mod guarded;
mod held;
mod names;
mod objects;
mod tree;

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};

use coffer_sys::signalfd::SignalFd;
use rustix::fs::inotify;
use rustix::process::Signal;
use serde::Serialize;

use crate::answer::Handed;
use crate::place::Place;
use crate::primitive::Held;
pub use names::Names;
use objects::Objects;
pub(crate) use objects::path as queue_path;

/// What an audit aims at.
#[derive(Debug)]
pub struct Stage {
    folder: PathBuf,
    secret: String,
    word: Box<[u8]>,
    shared_memory: Option<PathBuf>,
    abstract_socket: UnixListener,
    port: TcpListener,
    signals: SignalFd,
    objects: Objects,
    /// The mount namespace in which this was made: its number is nobody else's while it is open.
    _mounts: fs::File,
    before: State,
}

/// Something of the host that has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change(String);

impl Change {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is compared from one look to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    files: Vec<String>,
    names: String,
    settings: Vec<String>,
}

/// The stage cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make {what} for the audit to aim at")]
pub struct StageError {
    what: String,
    #[source]
    source: io::Error,
}

/// Settings of the whole host that rows of the corpus write to.
const SETTINGS: [&str; 6] = [
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/kernel/sysrq",
    "/proc/sys/kernel/panic",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/fs/file-max",
];

fn failed(what: impl Into<String>) -> impl FnOnce(io::Error) -> StageError {
    let what = what.into();
    move |source| StageError { what, source }
}

impl Stage {
    /// Makes it in `folder`, which is empty and the caller's alone, with a copy of `program` as the
    /// prober. What lies elsewhere is found by `names`.
    ///
    /// # Errors
    /// A [`StageError`] says what could not be made.
    pub fn new(names: &Names, folder: &Path, program: impl io::Read) -> Result<Self, StageError> {
        let secret = names.secret.clone();
        fs::write(folder.join("secret"), &secret).map_err(failed("a file"))?;
        hand(folder, program).map_err(failed("the prober's folder"))?;
        let shared_memory = names.shared_memory();
        let shared_memory = fs::write(&shared_memory, &secret).ok().map(|()| shared_memory);
        let name = SocketAddr::from_abstract_name(format!("coffer-audit-{}", random_id()));
        let socket = name.and_then(|name| UnixListener::bind_addr(&name));
        let socket = socket.and_then(|s| s.set_nonblocking(true).map(|()| s));
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let port = port.and_then(|p| p.set_nonblocking(true).map(|()| p));
        let signals = SignalFd::new(&[Signal::URG]).map_err(failed("a watch for signals"))?;
        let objects = Objects::new(names);
        let mounts =
            fs::File::open("/proc/self/ns/mnt").map_err(failed("a hold on the host's mounts"))?;
        let mut stage = Self {
            _mounts: mounts,
            objects,
            folder: folder.to_owned(),
            word: secret.clone().into_bytes().into(),
            secret,
            shared_memory,
            abstract_socket: socket.map_err(failed("an abstract socket"))?,
            port: port.map_err(failed("a socket"))?,
            signals,
            before: State { files: Vec::new(), names: String::new(), settings: Vec::new() },
        };
        let handed = stage.handed().and_then(|it| serde_json::to_vec(&it).map_err(io::Error::from));
        handed
            .and_then(|text| fs::write(folder.join("hand/handed.json"), text))
            .map_err(failed("the prober's folder"))?;
        stage.settle();
        Ok(stage)
    }

    /// The folder that the container gets, read-only.
    #[must_use]
    pub fn hand(&self) -> PathBuf {
        self.folder.join("hand")
    }

    /// Words that nobody inside can know: the secret, and where on the host the folder is.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let name = self.folder.file_name().unwrap_or_default().to_string_lossy();
        vec![self.secret.clone(), format!("{name}/hand")]
    }

    /// Whether a process of the host's kernel runs the prober, in whatever namespaces.
    #[must_use]
    pub fn has_prober(&self) -> bool {
        !held::processes(&self.program()).is_empty()
    }

    /// What the host sees that the prober holds, if it is much.
    pub(crate) fn much(&self, what: Held) -> Option<Change> {
        held::much(&self.program(), what)
    }

    /// The most bytes that the prober can take of `what`, where that leaves the host room.
    pub(crate) fn bound(&self, what: Held) -> Option<u64> {
        match what {
            Held::Memory => self.bound_of_memory(),
            Held::Disk => {
                held::processes(&self.program()).iter().find_map(|one| guarded::disk(one))
            }
            Held::Tasks | Held::Files => None,
        }
    }

    fn bound_of_memory(&self) -> Option<u64> {
        let total = memory_line("MemTotal:");
        let processes = held::processes(&self.program());
        let all: Option<Vec<u64>> =
            processes.iter().map(|process| bound::memory(process, total)).collect();
        all?.into_iter().max()
    }

    /// The prober's file.
    fn program(&self) -> PathBuf {
        self.hand().join("coffer")
    }

    /// Takes what is there now as how it should be.
    pub fn settle(&mut self) {
        self.before = self.state();
    }

    /// What has changed since the last look.
    pub fn look(&mut self) -> Vec<Change> {
        let now = self.state();
        let mut seen = Vec::new();
        let mut note = |is_seen: bool, what: &str| {
            if is_seen {
                seen.push(Change::new(what));
            }
        };
        note(now.files != self.before.files, "a file of the host has changed");
        note(now.names != self.before.names, "the host's name has changed");
        note(now.settings != self.before.settings, "a setting of the host has changed");
        note(matches!(self.signals.read(), Ok(Some(_))), "a signal came to a process of the host");
        note(*self.word != *self.secret.as_bytes(), "memory of the host's process has changed");
        note(self.abstract_socket.accept().is_ok(), "an abstract socket of the host was connected");
        note(self.port.accept().is_ok(), "a port of the host's loopback was connected");
        seen.extend(self.objects.look());
        self.before = now;
        self.word = self.secret.clone().into_bytes().into();
        seen
    }

    fn state(&self) -> State {
        let name = rustix::system::uname();
        State {
            files: tree::signature(&self.folder),
            names: format!("{:?} {:?}", name.nodename(), name.domainname()),
            settings: SETTINGS.iter().map(|path| text(Path::new(path))).collect(),
        }
    }

    fn handed(&self) -> io::Result<Handed> {
        let abstract_socket = self.abstract_socket.local_addr().ok();
        let abstract_socket = abstract_socket
            .and_then(|name| Some(String::from_utf8_lossy(name.as_abstract_name()?).into_owned()));
        let root = fs::metadata("/").map(|root| root.dev()).unwrap_or_default();
        Ok(Handed {
            host: Some(Place::here()?),
            keys: self.objects.keys(),
            key: self.objects.name.clone(),
            ipc: self.objects.ipc.0,
            queue: if self.objects.has_queue() { self.objects.name.clone() } else { String::new() },
            pid: rustix::process::getpid().as_raw_pid(),
            address: self.word.as_ptr().addr() as u64,
            length: self.word.len(),
            folder: self.folder.display().to_string(),
            shared_memory: self
                .shared_memory
                .as_deref()
                .and_then(Path::file_name)
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            abstract_socket: abstract_socket.unwrap_or_default(),
            port: self.port.local_addr().map(|address| address.port()).unwrap_or_default(),
            root_device: (rustix::fs::major(root), rustix::fs::minor(root)),
            handle: handle(&self.folder.join("secret")),
            room: memory_line("MemAvailable:"),
        })
    }
}

/// The prober's folder: its program with a set-id bit, what it is told, a file, a device.
fn hand(folder: &Path, mut program: impl io::Read) -> io::Result<()> {
    let hand = folder.join("hand");
    fs::create_dir(&hand)?;
    fs::set_permissions(&hand, fs::Permissions::from_mode(0o755))?;
    let path = hand.join("coffer");
    let mut file = fs::File::create(&path)?;
    io::copy(&mut program, &mut file)?;
    file.flush()?;
    drop(file);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o4755))?;
    fs::write(hand.join("victim"), "untouched\n")?;
    fs::set_permissions(hand.join("victim"), fs::Permissions::from_mode(0o666))?;
    let (kind, mode) = (rustix::fs::FileType::CharacterDevice, rustix::fs::Mode::from(0o666));
    let null = rustix::fs::makedev(1, 3);
    // An ordinary user makes none; the row that needs it says so.
    rustix::fs::mknodat(rustix::fs::CWD, hand.join("device"), kind, mode, null).unwrap_or_default();
    Ok(())
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn handle(path: &Path) -> Option<(i32, Vec<u8>)> {
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).ok()?;
    let handle = coffer_sys::attempt::handle_of(&path).ok()?;
    Some((handle.kind, handle.bytes))
}

/// How many inotify instances this user has left; for that moment it has them all.
pub(crate) fn watches_left() -> usize {
    const MOST: usize = 512;
    let one = |_| inotify::init(inotify::CreateFlags::CLOEXEC).ok();
    (0..MOST).map_while(one).collect::<Vec<_>>().len()
}

/// Bytes of memory in a line of the host's. Source: man 5 proc_meminfo.
fn memory_line(name: &str) -> u64 {
    let text = text(Path::new("/proc/meminfo"));
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0).saturating_mul(1024)
}

fn random() -> io::Result<String> {
    let mut bytes = [0_u8; 16];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A name that is not the secret.
fn random_id() -> String {
    random().unwrap_or_else(|_| std::process::id().to_string())
}
