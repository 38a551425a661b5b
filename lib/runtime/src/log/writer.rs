//! Writes a log and rotates its files.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_sys::dir;
use jiff::Timestamp;
use rustix::fs::{self as rfs, Mode, OFlags};
use rustix::io::Errno;

use super::line::{encode, time};
use super::{NEWEST, Stream};

/// How many bytes are collected before they are written: short lines grow by their heads.
const FLUSH: usize = 32 * 1024;

/// How large a log may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// How many bytes one file may have.
    pub bytes: u64,
    /// How many files there may be.
    pub files: u32,
}

impl Default for Rotation {
    /// 10 MiB in each of 3 files.
    fn default() -> Self {
        Self { bytes: 10 * 1024 * 1024, files: 3 }
    }
}

/// Writes the log in one container's folder.
#[derive(Debug)]
pub struct Writer {
    dir: OwnedFd,
    rotation: Rotation,
    newest: Option<(File, u64)>,
    lines: Vec<u8>,
}

impl Writer {
    /// A writer into the folder `dir`. No file is made before there is something to write.
    pub fn new(dir: OwnedFd, rotation: Rotation) -> Self {
        Self { dir, rotation, newest: None, lines: Vec::new() }
    }

    /// Writes what the container has written to `stream` just now.
    ///
    /// # Errors
    /// What the file system says; these bytes are lost then, and the file is as it was before.
    pub fn write(&mut self, stream: Stream, written: &[u8]) -> io::Result<()> {
        let time = time(Timestamp::now());
        for line in written.split_inclusive(|b| *b == b'\n') {
            encode(&mut self.lines, &time, stream, line);
            if self.lines.len() >= FLUSH {
                self.flush()?;
            }
        }
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let added = self.lines.len() as u64;
        let written = self.append();
        self.lines.clear();
        if let (Err(_), Some((file, size))) = (&written, &self.newest) {
            // A line that was written in part would spoil the next one.
            rfs::ftruncate(file, *size)?;
        }
        written?;
        if let Some((_, size)) = &mut self.newest {
            *size += added;
        }
        Ok(())
    }

    fn append(&mut self) -> io::Result<()> {
        if let Some((_, size)) = &self.newest
            && *size > 0
            && *size + self.lines.len() as u64 > self.rotation.bytes
        {
            self.rotate()?;
        }
        let file = match &mut self.newest {
            Some((file, _)) => file,
            none => &mut none.insert(open(self.dir.as_fd())?).0,
        };
        file.write_all(&self.lines)
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.newest = None;
        for number in (1..self.rotation.files).rev() {
            let older = name(number);
            match rfs::renameat(&self.dir, name(number - 1), &self.dir, older) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        if self.rotation.files <= 1 {
            dir::remove_file(self.dir.as_fd(), NEWEST)?;
        }
        Ok(())
    }
}

/// The name of the file that is `number` rotations old.
pub(super) fn name(number: u32) -> String {
    if number == 0 { NEWEST.to_owned() } else { format!("{NEWEST}.{number}") }
}

fn open(dir: BorrowedFd<'_>) -> io::Result<(File, u64)> {
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(rfs::openat(dir, NEWEST, flags, Mode::RUSR | Mode::WUSR)?);
    let size = file.metadata()?.len();
    Ok((file, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_rotated_and_the_oldest_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let dir = dir::open(folder.path()).unwrap();
        let rotation = Rotation { bytes: 200, files: 3 };
        let mut writer = Writer::new(dir.try_clone().unwrap(), rotation);
        for n in 0..20 {
            writer.write(Stream::Stdout, format!("line {n}\n").as_bytes()).unwrap();
        }
        let read = |name| dir::read(dir.as_fd(), name, 999).unwrap();
        assert!(String::from_utf8(read("log").unwrap()).unwrap().ends_with("line 19\n"));
        assert!(read("log.1").is_some());
        assert!(read("log.2").is_some_and(|bytes| bytes.len() <= 200));
        assert!(read("log.3").is_none());
    }

    #[test]
    fn no_output_makes_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let dir = dir::open(folder.path()).unwrap();
        Writer::new(dir.try_clone().unwrap(), Rotation::default())
            .write(Stream::Stdout, b"")
            .unwrap();
        assert!(dir::entries(dir.as_fd()).unwrap().is_empty());
    }
}
