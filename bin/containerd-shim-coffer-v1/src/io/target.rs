//! Where output goes: what containerd names a process's standard output or error.

use std::os::fd::OwnedFd;

use rustix::fs::{FileType, Mode, OFlags, fstat, open};

use super::IoError;

/// How a URI names a file of the host.
const FILE: &str = "file://";

/// A kind of receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// Nobody listens.
    Nothing,
    /// A fifo that a client of containerd reads.
    Fifo(&'a str),
    /// A file that is written on.
    File(&'a str),
}

impl<'a> Target<'a> {
    /// Reads what containerd gave.
    ///
    /// # Errors
    /// A URI of another kind.
    pub fn parse(named: &'a str) -> Result<Self, IoError> {
        if named.is_empty() {
            return Ok(Self::Nothing);
        }
        if let Some(path) = named.strip_prefix(FILE) {
            return Ok(Self::File(path));
        }
        let path = named.strip_prefix("fifo://").unwrap_or(named);
        if path.contains("://") {
            return Err(IoError::Scheme(named.to_owned()));
        }
        Ok(Self::Fifo(path))
    }

    /// Opens it for writing; `None` where nobody listens.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(self) -> Result<Option<OwnedFd>, IoError> {
        let (path, flags) = match self {
            Self::Nothing => return Ok(None),
            // Open for reading too: it does not wait for a reader, and a client that goes away
            // and comes back does not end the container with a SIGPIPE (man 7 fifo).
            Self::Fifo(path) => (path, OFlags::RDWR),
            Self::File(path) => (path, OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND),
        };
        let failed = |errno: rustix::io::Errno| IoError::Open {
            path: path.to_owned(),
            source: errno.into(),
        };
        let flags = flags | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let file = open(path, flags, Mode::from_raw_mode(0o644)).map_err(failed)?;
        let kind = FileType::from_raw_mode(fstat(&file).map_err(failed)?.st_mode);
        match (self, kind) {
            (Self::Fifo(_), FileType::Fifo) | (Self::File(_), _) => Ok(Some(file)),
            _ => Err(IoError::Scheme(path.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        assert_eq!(Target::parse("").unwrap(), Target::Nothing);
        assert_eq!(Target::parse("/run/x/stdout").unwrap(), Target::Fifo("/run/x/stdout"));
        assert_eq!(Target::parse("fifo:///run/x").unwrap(), Target::Fifo("/run/x"));
        assert_eq!(Target::parse("file:///var/log/x").unwrap(), Target::File("/var/log/x"));
        assert!(Target::parse("binary:///usr/bin/logger?a=b").is_err());
    }

    #[test]
    fn a_file_is_written_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        for text in [b"one\n", b"two\n"] {
            let file = Target::File(path.to_str().unwrap()).open().unwrap().unwrap();
            rustix::io::write(&file, text).unwrap();
        }
        let file = open(&path, OFlags::RDONLY, Mode::empty()).unwrap();
        let mut got = [0; 16];
        assert_eq!(rustix::io::read(&file, &mut got).unwrap(), 8);
    }
}
