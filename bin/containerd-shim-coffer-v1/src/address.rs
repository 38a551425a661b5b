//! The socket of a shim: one for each container, or for each group of containers.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, unlinkat};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// Where containerd's shims have their sockets (containerd runtime/v2/shim/util_unix.go).
const FOLDER: &str = "/run/containerd/s";
/// What an address begins with.
const SCHEME: &str = "unix://";

/// Why a shim's socket cannot be had.
#[derive(Debug, Error)]
#[error("the shim's socket {path}: {step}")]
pub struct AddressError {
    /// The socket.
    path: PathBuf,
    /// What was tried.
    step: &'static str,
    /// The system's reason.
    #[source]
    source: io::Error,
}

/// The place of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    path: PathBuf,
}

/// Who answers at an address.
#[derive(Debug)]
pub enum Seat {
    /// Nobody did; here is the socket to answer on.
    Free(OwnedFd),
    /// A shim of the same group.
    Taken,
}

impl Address {
    /// The socket for `group` in containerd's `namespace`. The containerd that listens on
    /// `containerd` is part of it, since two of them may run on a host.
    #[must_use]
    pub fn of(containerd: &str, namespace: &str, group: &str) -> Self {
        let mut hasher = Sha256::new();
        for part in ["coffer", containerd, namespace, group] {
            hasher.update(part);
            hasher.update([0]); // in no part: containerd's ids and namespaces are words
        }
        let name: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Self { path: Path::new(FOLDER).join(name) }
    }

    /// The place that `uri` names.
    #[must_use]
    pub fn parse(uri: &str) -> Option<Self> {
        uri.trim().strip_prefix(SCHEME).map(|path| Self { path: path.into() })
    }

    /// As containerd wants to read it.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("{SCHEME}{}", self.path.display())
    }

    /// Listens there, unless a shim already does. What a killed shim left is replaced.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn claim(&self) -> Result<Seat, AddressError> {
        self.make_folder()?;
        match self.listen() {
            Ok(socket) => return Ok(Seat::Free(socket)),
            Err(Errno::ADDRINUSE) => {}
            Err(errno) => return Err(self.failed("listen", errno)),
        }
        if self.answers() {
            return Ok(Seat::Taken);
        }
        self.remove()?;
        self.listen().map(Seat::Free).map_err(|errno| self.failed("listen", errno))
    }

    /// Whether somebody listens there.
    #[must_use]
    pub fn answers(&self) -> bool {
        let Ok(address) = SocketAddrUnix::new(&*self.path) else { return false };
        stream().is_ok_and(|socket| connect(&socket, &address).is_ok())
    }

    /// Removes the socket's file, if it is there.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(&self) -> Result<(), AddressError> {
        match unlinkat(CWD, &self.path, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(self.failed("remove", errno)),
        }
    }

    fn make_folder(&self) -> Result<(), AddressError> {
        for folder in [Path::new("/run/containerd"), Path::new(FOLDER)] {
            match rustix::fs::mkdir(folder, Mode::from_raw_mode(0o711)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(self.failed("make its folder", errno)),
            }
        }
        Ok(())
    }

    fn listen(&self) -> rustix::io::Result<OwnedFd> {
        let socket = stream()?;
        bind(&socket, &SocketAddrUnix::new(&*self.path)?)?;
        // Who may connect is root's containerd alone (man 7 unix, "Pathname socket ownership").
        rustix::fs::chmod(&self.path, Mode::from_raw_mode(0o600))?;
        listen(&socket, 16)?;
        Ok(socket)
    }

    fn failed(&self, step: &'static str, errno: Errno) -> AddressError {
        AddressError { path: self.path.clone(), step, source: errno.into() }
    }
}

fn stream() -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_has_its_own() {
        let address = Address::of("/run/containerd/containerd.sock", "k8s.io", "pod");
        assert_ne!(address, Address::of("/run/containerd/containerd.sock", "k8s.io", "other"));
        assert_ne!(address, Address::of("/run/containerd/containerd.sock", "default", "pod"));
        assert_eq!(Address::parse(&address.uri()), Some(address));
    }

    #[test]
    fn a_dead_shims_socket_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let address = Address { path: folder.path().join("socket") };
        drop(address.listen().unwrap());
        assert!(!address.answers());
        address.remove().unwrap();
        let _listens = address.listen().unwrap();
        assert!(address.answers());
        assert_eq!(address.listen().unwrap_err(), Errno::ADDRINUSE);
    }
}
