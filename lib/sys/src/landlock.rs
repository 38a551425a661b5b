//! Landlock: what a process may write and execute, where it may bind and connect, whom it may
//! signal. Source: man 7 landlock; linux/landlock.h.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `LANDLOCK_RULE_PATH_BENEATH`.
const PATH_BENEATH: libc::c_int = 1;
/// `LANDLOCK_RULE_NET_PORT`.
const NET_PORT: libc::c_int = 2;
/// `LANDLOCK_CREATE_RULESET_VERSION`.
const VERSION: libc::c_int = 1;

/// A set of `LANDLOCK_ACCESS_FS_*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Files(u64);

impl Files {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Executing a file.
    pub const EXECUTE: Self = Self(1);
    /// Renames and links between folders. Every ruleset takes it away that does not give it.
    pub const REFER: Self = Self(1 << 13);
    /// Writing a file, and cutting it short.
    pub const WRITE_FILE: Self = Self(1 << 1 | 1 << 14);
    /// Writing files, and making, removing and moving whatever there is.
    pub const WRITE: Self = Self(Self::WRITE_FILE.0 | Self::REFER.0 | 0b1_1111_1111_0000);
    /// What there is of it for something that is no folder.
    const OF_FILE: Self = Self(Self::EXECUTE.0 | Self::WRITE_FILE.0);

    /// These and `other`.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those of these that something which is no folder can have.
    #[must_use]
    pub const fn of_file(self) -> Self {
        Self(self.0 & Self::OF_FILE.0)
    }
}

/// A set of `LANDLOCK_ACCESS_NET_*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ports(u64);

impl Ports {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Binding a TCP socket.
    pub const BIND: Self = Self(1);
    /// Connecting a TCP socket.
    pub const CONNECT: Self = Self(1 << 1);

    /// These and `other`.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A set of `LANDLOCK_SCOPE_*`: what reaches nobody outside any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u64);

impl Scopes {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Connections to abstract sockets.
    pub const ABSTRACT_SOCKETS: Self = Self(1);
    /// Signals.
    pub const SIGNALS: Self = Self(1 << 1);

    /// These and `other`.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// `struct landlock_ruleset_attr`. An older kernel takes it as long as what it does not know is 0.
#[repr(C)]
struct Attributes {
    files: u64,
    ports: u64,
    scopes: u64,
}

/// `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
struct Beneath {
    allowed: u64,
    parent: i32,
}

/// `struct landlock_net_port_attr`.
#[repr(C)]
struct Port {
    allowed: u64,
    port: u64,
}

/// The version of Landlock that the kernel has; 0 is none.
pub fn abi() -> u32 {
    let none = std::ptr::null::<Attributes>();
    // SAFETY: with this flag the kernel wants no attributes, reads nothing and answers a number.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, none, 0, VERSION) };
    u32::try_from(version).unwrap_or(0)
}

/// Rules that are not in force yet.
#[derive(Debug)]
pub struct Ruleset(OwnedFd);

impl Ruleset {
    /// Rules that take all of this away, but for what is allowed after.
    ///
    /// # Errors
    /// `ENOSYS` or `EOPNOTSUPP` where the kernel has no Landlock or does not use it; `EINVAL` or
    /// `E2BIG` for what it is too old for; `ENOMSG` where nothing is taken away.
    pub fn new(files: Files, ports: Ports, scopes: Scopes) -> io::Result<Self> {
        let attributes = Attributes { files: files.0, ports: ports.0, scopes: scopes.0 };
        let size = size_of::<Attributes>();
        // SAFETY: the kernel reads `size` bytes of a live, repr(C) struct of that size, and answers
        // with a new descriptor or an error.
        let made = unsafe {
            libc::syscall(libc::SYS_landlock_create_ruleset, &raw const attributes, size, 0)
        };
        let made = i32::try_from(check(made)?).map_err(|_| io::ErrorKind::InvalidData)?;
        // SAFETY: the kernel has just made this descriptor, and nobody else knows of it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(made) }))
    }

    /// Allows `files` at and beneath `place`.
    ///
    /// # Errors
    /// `EINVAL` for more than the ruleset takes away, or than a file can have; `EBADFD` for what
    /// is no file.
    pub fn allow_beneath(&self, place: BorrowedFd<'_>, files: Files) -> io::Result<()> {
        let beneath = Beneath { allowed: files.0, parent: place.as_raw_fd() };
        let (fd, kind) = (self.0.as_raw_fd(), PATH_BENEATH);
        // SAFETY: `beneath` has the layout that PATH_BENEATH names and is only read; both
        // descriptors are open during the call, one owned by `self` and one borrowed.
        let added =
            unsafe { libc::syscall(libc::SYS_landlock_add_rule, fd, kind, &raw const beneath, 0) };
        check(added).map(|_| ())
    }

    /// Allows `ports` for this TCP port.
    ///
    /// # Errors
    /// `EINVAL` for more than the ruleset takes away.
    pub fn allow_port(&self, port: u16, ports: Ports) -> io::Result<()> {
        let port = Port { allowed: ports.0, port: port.into() };
        let (fd, kind) = (self.0.as_raw_fd(), NET_PORT);
        // SAFETY: `port` has the layout that NET_PORT names and is only read; the descriptor is
        // owned by `self`.
        let added =
            unsafe { libc::syscall(libc::SYS_landlock_add_rule, fd, kind, &raw const port, 0) };
        check(added).map(|_| ())
    }

    /// Puts the rules in force for this thread and its children, for good. It needs no_new_privs.
    ///
    /// # Errors
    /// `EPERM` without no_new_privs, `E2BIG` behind sixteen other rulesets.
    pub fn restrict(self) -> io::Result<()> {
        // SAFETY: takes a descriptor that `self` owns and a number, and only takes rights away.
        let done =
            unsafe { libc::syscall(libc::SYS_landlock_restrict_self, self.0.as_raw_fd(), 0) };
        check(done).map(|_| ())
    }
}

/// From here on, this thread and its children execute nothing but what lies beneath `root`, by
/// whatever name they reach it. It cannot be undone, and needs no_new_privs.
///
/// # Errors
/// As [`Ruleset::new`]; `EINVAL` before Linux 5.19.
pub fn execute_only_beneath(root: BorrowedFd<'_>) -> io::Result<()> {
    let files = Files::EXECUTE.and(Files::REFER);
    let ruleset = Ruleset::new(files, Ports::NONE, Scopes::NONE)?;
    ruleset.allow_beneath(root, files)?;
    ruleset.restrict()
}

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::path::Path;

    /// A ruleset binds its thread and the children of that, so a thread is a safe place.
    fn behind<T: Send + 'static>(
        ruleset: impl FnOnce() -> io::Result<Ruleset> + Send + 'static,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let run = std::thread::spawn(move || {
            rustix::thread::set_no_new_privs(true).unwrap();
            ruleset().unwrap().restrict().unwrap();
            work()
        });
        run.join().unwrap()
    }

    #[test]
    fn what_lies_elsewhere_is_not_executed() {
        let run = std::thread::spawn(|| {
            let folder = crate::dir::open(Path::new("/proc")).unwrap();
            rustix::thread::set_no_new_privs(true).unwrap();
            execute_only_beneath(folder.as_fd()).unwrap();
            std::process::Command::new("/bin/true").status()
        });
        let refused = run.join().unwrap().unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn only_what_is_allowed_is_written() {
        let (open, shut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (inside, outside) = (open.path().join("f"), shut.path().join("f"));
        let folder = crate::dir::open(open.path()).unwrap();
        let rules = move || {
            let ruleset = Ruleset::new(Files::WRITE, Ports::NONE, Scopes::NONE)?;
            ruleset.allow_beneath(folder.as_fd(), Files::WRITE)?;
            Ok(ruleset)
        };
        let made = behind(rules, move || {
            #[expect(clippy::disallowed_methods, reason = "a test's own folders")]
            [inside, outside].map(|path| std::fs::File::create(path).map(drop))
        });
        assert!(made[0].is_ok());
        assert_eq!(made[1].as_ref().unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn only_ports_that_are_allowed_are_connected() {
        if abi() < 4 {
            return println!("skipped: this kernel's Landlock has no ports");
        }
        let [one, other] = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = [one, other].map(|listener| (listener.local_addr().unwrap(), listener));
        let (open, shut) = (ports[0].0, ports[1].0);
        let rules = move || {
            let ruleset = Ruleset::new(Files::NONE, Ports::CONNECT, Scopes::NONE)?;
            ruleset.allow_port(open.port(), Ports::CONNECT)?;
            Ok(ruleset)
        };
        let connect = move || [open, shut].map(|at| TcpStream::connect(at).map(drop));
        let made = behind(rules, connect);
        assert!(made[0].is_ok());
        assert_eq!(made[1].as_ref().unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        drop(ports);
    }
}
