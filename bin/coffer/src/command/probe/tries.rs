//! What is tried, and what is predicted of it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

use coffer_sys::attempt::{Call, attempt};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::mount::{MountFlags, mount};
use rustix::net::{AddressFamily, SocketType};

/// One try.
pub(super) struct Try {
    /// In a few words.
    pub(super) what: &'static str,
    /// What should become of it.
    pub(super) expected: Fate,
    /// Does it, and says how it succeeded.
    pub(super) run: fn() -> io::Result<String>,
}

/// What became of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It worked.
    Reached,
    /// It did not.
    Blocked,
}

impl Fate {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Reached => "reached",
            Self::Blocked => "blocked",
        }
    }
}

const fn blocked(what: &'static str, run: fn() -> io::Result<String>) -> Try {
    Try { what, expected: Fate::Blocked, run }
}

const fn reached(what: &'static str, run: fn() -> io::Result<String>) -> Try {
    Try { what, expected: Fate::Reached, run }
}

/// All tries, in order. What would change the process comes last.
#[rustfmt::skip]
pub(super) const TRIES: &[Try] = &[
    reached("read its own files",            || read("/etc/passwd")),
    reached("write to its own root",         || write("/written-by-the-demo")),
    reached("be user 0, in its own range",   own_range),
    reached("see its own processes",         || count_processes(|others| others == 0)),
    blocked("see the host's processes",      || count_processes(|others| others > 0)),
    blocked("read the host's passwords",     || read("/etc/shadow")),
    blocked("… by way of /proc/1/root",      || read("/proc/1/root/../../etc/shadow")),
    blocked("see a network but loopback",    other_interfaces),
    blocked("open a raw socket",             || socket(AddressFamily::INET, SocketType::RAW)),
    blocked("open a packet socket",          || socket(AddressFamily::PACKET, SocketType::RAW)),
    blocked("open a disk",                   || device(FileType::BlockDevice, 8, 0)),
    blocked("open the host's memory",        || device(FileType::CharacterDevice, 1, 1)),
    blocked("read the kernel's memory",      || read("/proc/kcore")),
    blocked("mount a file system",           mount_tmpfs),
    blocked("open a file system",            || call(Call::OPEN_FILE_SYSTEM)),
    blocked("change the root mount",         || call(Call::PIVOT_ROOT)),
    blocked("change the core pattern",       || open_to_write("/proc/sys/kernel/core_pattern")),
    blocked("trigger sysrq",                 || open_to_write("/proc/sysrq-trigger")),
    blocked("write below /sys",              || open_to_write("/sys/kernel/uevent_helper")),
    blocked("leave its cgroup",              make_cgroup),
    blocked("rename the machine",            rename_host),
    blocked("gain rights by a setuid file",  gain_rights),
    blocked("load a kernel module",          || call(Call::LOAD_MODULE)),
    blocked("restart the machine",           || call(Call::REBOOT)),
    blocked("set the clock",                 || call(Call::SET_CLOCK)),
    blocked("add swap",                      || call(Call::SWAP_ON)),
    blocked("load a BPF program",            || call(Call::BPF_MAP)),
    blocked("watch the CPU's counters",      || call(Call::PERF_SELF)),
    blocked("reach the kernel's keys",       || call(Call::KEYS)),
    blocked("handle page faults",            || call(Call::PAGE_FAULTS)),
    blocked("queue calls by io_uring",       || call(Call::IO_URING)),
    blocked("read the kernel's log",         || call(Call::KERNEL_LOG)),
    blocked("make a user namespace",         || call(Call::UNSHARE_USER)),
];

fn call(what: Call) -> io::Result<String> {
    attempt(what).map(|()| "the kernel took the call".to_owned())
}

#[expect(clippy::disallowed_methods, reason = "the demo looks at its own container by path")]
fn open(path: &str) -> io::Result<File> {
    File::open(path)
}

fn read(path: &str) -> io::Result<String> {
    let mut start = [0; 64];
    let count = open(path)?.read(&mut start)?;
    if count == 0 {
        return Err(io::Error::other("it reads as empty"));
    }
    Ok(format!("{count} bytes of {path}"))
}

fn write(path: &str) -> io::Result<String> {
    OpenOptions::new().create_new(true).write(true).open(path)?;
    Ok(format!("made {path}"))
}

/// Opens only: nothing is written even where it could be.
fn open_to_write(path: &str) -> io::Result<String> {
    OpenOptions::new().write(true).open(path)?;
    Ok(format!("opened {path} for writing"))
}

fn own_range() -> io::Result<String> {
    let mut map = String::new();
    open("/proc/self/uid_map")?.take(4096).read_to_string(&mut map)?;
    let mut words = map.split_whitespace();
    match (words.next(), words.next()) {
        (Some("0"), Some(host)) if host != "0" => Ok(format!("the host sees user {host}")),
        _ => Err(io::Error::other("ids are the host's own")),
    }
}

fn count_processes(is_met: fn(usize) -> bool) -> io::Result<String> {
    #[expect(clippy::disallowed_methods, reason = "the demo looks at its own container by path")]
    let entries = std::fs::read_dir("/proc")?;
    let is_pid = |name: &str| name.bytes().all(|b| b.is_ascii_digit());
    let pids =
        entries.filter_map(Result::ok).filter(|entry| is_pid(&entry.file_name().to_string_lossy()));
    let others = pids.count().saturating_sub(1);
    if is_met(others) { Ok(format!("{others} others")) } else { Err(none()) }
}

fn none() -> io::Error {
    io::Error::other("there are none")
}

fn other_interfaces() -> io::Result<String> {
    let mut text = String::new();
    open("/proc/net/dev")?.take(65536).read_to_string(&mut text)?;
    let names = text.lines().filter_map(|line| Some(line.split_once(':')?.0.trim()));
    names.filter(|name| *name != "lo").map(str::to_owned).next().ok_or_else(none)
}

fn socket(family: AddressFamily, kind: SocketType) -> io::Result<String> {
    rustix::net::socket(family, kind, None)?;
    Ok("opened".to_owned())
}

/// Makes a device node and opens it.
fn device(kind: FileType, major: u32, minor: u32) -> io::Result<String> {
    let path = "/device-of-the-demo";
    let number = rustix::fs::makedev(major, minor);
    rustix::fs::mknodat(CWD, path, kind, Mode::RUSR, number)?;
    let opened = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    rustix::fs::unlinkat(CWD, path, AtFlags::empty())?;
    opened.map(|_| format!("opened device {major}:{minor}")).map_err(io::Error::from)
}

fn mount_tmpfs() -> io::Result<String> {
    mount("none", "/tmp", "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, None)?;
    Ok("a tmpfs on /tmp".to_owned())
}

fn make_cgroup() -> io::Result<String> {
    let roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified"];
    let mut last = none();
    for root in roots {
        let path = Path::new(root).join("demo");
        match rustix::fs::mkdirat(CWD, &path, Mode::RWXU) {
            Ok(()) => return Ok(format!("made {}", path.display())),
            Err(errno) => last = errno.into(),
        }
    }
    Err(last)
}

fn rename_host() -> io::Result<String> {
    rustix::system::sethostname(b"renamed-by-the-demo")?;
    Ok("renamed".to_owned())
}

fn gain_rights() -> io::Result<String> {
    if rustix::thread::no_new_privs()? {
        return Err(io::Error::other("no_new_privs is set"));
    }
    Ok("no_new_privs is not set".to_owned())
}
