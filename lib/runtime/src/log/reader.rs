//! Reads a log over its rotated files, and follows it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::os::fd::BorrowedFd;

use jiff::Timestamp;
use rustix::fs::{self as rfs, Mode, OFlags};
use rustix::io::Errno;

use super::writer::name;
use super::{Line, LogError, Tag};
use crate::state::{BootId, Folder, Running, StateError, Status, Watch};

/// How many rotated files are looked for; [`super::Rotation::files`] is far below.
const MOST_FILES: u32 = 100;

/// Which lines to read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query {
    /// Only so many of the last lines.
    pub tail: Option<u64>,
    /// Only what was written at this time or later.
    pub since: Option<Timestamp>,
    /// Only what was written before this time.
    pub until: Option<Timestamp>,
    /// What to do at the end of the log.
    pub follow: Follow,
}

/// What to do at the end of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Follow {
    /// Stop.
    #[default]
    No,
    /// Wait for more until the container has stopped.
    UntilStopped,
}

/// Passes the lines of the container's log that `query` asks for to `sink`, in their order. Where
/// the log is followed and the container's monitor has gone, `orphaned` is called: this is the time
/// to make another.
///
/// # Errors
/// [`LogError`]; an error of `sink` ends the reading and is passed on as [`LogError::Sink`], one
/// of `orphaned` as [`LogError::Monitor`].
pub fn read(
    folder: &Folder,
    boot: &BootId,
    query: &Query,
    sink: &mut dyn FnMut(&Line<'_>) -> io::Result<()>,
    orphaned: &mut dyn FnMut() -> io::Result<()>,
) -> Result<(), LogError> {
    // The watch comes first: what is written after it is announced.
    let watch = match query.follow {
        Follow::No => None,
        Follow::UntilStopped => Some(Watch::new(folder)?),
    };
    let mut files = open_all(folder.dir())?;
    let mut skip = match query.tail {
        Some(tail) => count(&mut files, query)?.saturating_sub(tail),
        None => 0,
    };
    let mut pass = |line: &Line<'_>| {
        if !matches(line, query)? {
            return Ok(());
        }
        if skip > 0 {
            skip -= u64::from(line.tag == Tag::Full);
            return Ok(());
        }
        sink(line).map_err(LogError::Sink)
    };
    let newest = files.pop();
    for mut file in files {
        file.lines(&mut pass)?;
    }
    match (watch, newest) {
        (None, Some(mut newest)) => newest.lines(&mut pass),
        (None, None) => Ok(()),
        (Some(watch), newest) => {
            let mut at = Followed { folder, boot, watch, newest };
            while let Some(running) = at.turn(&mut pass)? {
                if at.wait(&running)? == Attended::ByNobody {
                    orphaned().map_err(LogError::Monitor)?;
                }
            }
            Ok(())
        }
    }
}

/// One file of the log. What follows its last newline is being written and is left for later.
struct LogFile {
    reader: BufReader<File>,
    line: Vec<u8>,
}

type Pass<'a> = dyn FnMut(&Line<'_>) -> Result<(), LogError> + 'a;

impl LogFile {
    fn lines(&mut self, pass: &mut Pass<'_>) -> Result<(), LogError> {
        loop {
            self.reader.read_until(b'\n', &mut self.line).map_err(LogError::Read)?;
            let Some(text) = self.line.strip_suffix(b"\n") else { return Ok(()) };
            pass(&Line::parse(text)?)?;
            self.line.clear();
        }
    }

    fn inode(&self) -> Result<(u64, u64), LogError> {
        let stat = rfs::fstat(self.reader.get_ref()).map_err(|e| LogError::Read(e.into()))?;
        Ok((stat.st_dev, stat.st_ino))
    }

    /// Whether the file has no name any more: rotation has dropped it.
    fn is_dropped(&self) -> Result<bool, LogError> {
        let stat = rfs::fstat(self.reader.get_ref()).map_err(|e| LogError::Read(e.into()))?;
        Ok(stat.st_nlink == 0)
    }
}

fn open(dir: BorrowedFd<'_>, name: &str) -> Result<Option<LogFile>, LogError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rfs::openat(dir, name, flags, Mode::empty()) {
        Ok(fd) => Ok(Some(LogFile { reader: BufReader::new(File::from(fd)), line: Vec::new() })),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(LogError::Read(errno.into())),
    }
}

/// All files, the oldest first, as they were when the newest of them was opened.
fn open_all(dir: BorrowedFd<'_>) -> Result<Vec<LogFile>, LogError> {
    loop {
        let files = gather(&mut |number| open(dir, &name(number)))?;
        // A newest file that was rotated away and dropped meanwhile stands before what came after
        // it: one looks anew.
        match files.last() {
            Some(newest) if newest.is_dropped()? => {}
            _ => return Ok(files),
        }
    }
}

/// Opens files from the newest on, as rotation renames them the other way: one that is renamed
/// meanwhile is met again under a later name, and known by its inode. Whatever was met since its
/// first name is newer than it or is met again, and is let go. A name that is missing ends
/// nothing: while the writer renames, one is.
fn gather(
    open: &mut dyn FnMut(u32) -> Result<Option<LogFile>, LogError>,
) -> Result<Vec<LogFile>, LogError> {
    let mut files: Vec<LogFile> = Vec::new();
    let mut inodes = Vec::new();
    for number in 0..MOST_FILES {
        let Some(file) = open(number)? else { continue };
        let inode = file.inode()?;
        if let Some(known) = inodes.iter().position(|known| *known == inode) {
            files.truncate(known + 1);
            inodes.truncate(known + 1);
        } else {
            files.push(file);
            inodes.push(inode);
        }
    }
    files.reverse();
    Ok(files)
}

/// How many whole lines match, over all files; they are rewound afterwards.
fn count(files: &mut [LogFile], query: &Query) -> Result<u64, LogError> {
    let mut count = 0;
    for file in files {
        file.lines(&mut |line| {
            count += u64::from(line.tag == Tag::Full && matches(line, query)?);
            Ok(())
        })?;
        file.line.clear();
        file.reader.seek(SeekFrom::Start(0)).map_err(LogError::Read)?;
    }
    Ok(count)
}

fn matches(line: &Line<'_>, query: &Query) -> Result<bool, LogError> {
    if query.since.is_none() && query.until.is_none() {
        return Ok(true);
    }
    let at = line.timestamp()?;
    Ok(query.since.is_none_or(|since| at >= since) && query.until.is_none_or(|until| at < until))
}

/// A log that is read on at each change in the folder, until the container has stopped.
struct Followed<'a> {
    folder: &'a Folder,
    boot: &'a BootId,
    watch: Watch,
    newest: Option<LogFile>,
}

/// Whether somebody writes the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attended {
    /// The container's parent.
    ByParent,
    /// Its parent was killed.
    ByNobody,
}

impl Followed<'_> {
    /// Reads what there is. Says by whom more can come.
    fn turn(&mut self, pass: &mut Pass<'_>) -> Result<Option<Running>, LogError> {
        // Asked before reading: whoever records the end has written the whole log before.
        let running = self.running()?;
        drain(self.folder.dir(), &mut self.newest, pass)?;
        Ok(running)
    }

    /// Waits until something happens.
    fn wait(&mut self, running: &Running) -> Result<Attended, LogError> {
        self.watch.wait(&[&running.init, &running.parent], self.boot)?;
        match running.parent.open(self.boot).map_err(LogError::Read)? {
            Some(_) => Ok(Attended::ByParent),
            None => Ok(Attended::ByNobody),
        }
    }

    fn running(&self) -> Result<Option<Running>, LogError> {
        match self.folder.status(self.boot) {
            Ok((_, Status::Running(running))) => Ok(Some(running)),
            Ok(_) | Err(StateError::Gone { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Reads to the end of the newest file, and on through those that were begun since.
fn drain(
    dir: BorrowedFd<'_>,
    newest: &mut Option<LogFile>,
    pass: &mut Pass<'_>,
) -> Result<(), LogError> {
    // Looked for first: once there is a newer file, nothing is added to this one.
    let mut newer = match newest {
        Some(file) if is_newest(dir, file)? => Vec::new(),
        _ => open_all(dir)?,
    };
    if let Some(file) = newest {
        file.lines(pass)?;
        let inode = file.inode()?;
        for at in (0..newer.len()).rev() {
            if newer[at].inode()? == inode {
                newer.drain(..=at);
                break;
            }
        }
    }
    for mut file in newer {
        file.lines(pass)?;
        *newest = Some(file);
    }
    Ok(())
}

/// Whether nothing was rotated since `file` was opened: the cheap question, asked at each change.
fn is_newest(dir: BorrowedFd<'_>, file: &LogFile) -> Result<bool, LogError> {
    match open(dir, &name(0))? {
        Some(newest) => Ok(newest.inode()? == file.inode()?),
        None => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use coffer_sys::dir;

    use super::*;
    use crate::log::{Rotation, Stream, Writer};

    /// The lines of all files that are met where `writes` lines are written between the first name
    /// and the second, and `before` lines before; each line makes a file of its own.
    fn met(files: u32, before: u32, writes: u32) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let dir = dir::open(folder.path()).unwrap();
        let mut writer = Writer::new(dir.try_clone().unwrap(), Rotation { bytes: 1, files });
        let mut lines = 0..;
        let mut write = |count| {
            for line in lines.by_ref().take(count as usize) {
                writer.write(Stream::Stdout, format!("{line}\n").as_bytes()).unwrap();
            }
        };
        write(before);
        let mut writes = writes;
        let met = gather(&mut |number| {
            if number == 1 {
                write(std::mem::take(&mut writes));
            }
            open(dir.as_fd(), &name(number))
        });
        let mut texts = Vec::new();
        for mut file in met.unwrap() {
            let mut pass = |line: &Line<'_>| {
                texts.push(String::from_utf8_lossy(line.bytes).into_owned());
                Ok(())
            };
            file.lines(&mut pass).unwrap();
        }
        texts
    }

    #[test]
    fn files_that_are_rotated_meanwhile_are_met_once_and_in_their_order() {
        for writes in 0..9 {
            assert_eq!(met(50, 3, writes), ["0", "1", "2"], "{writes}");
        }
    }

    #[test]
    fn a_newest_file_that_is_dropped_meanwhile_has_no_name() {
        let folder = tempfile::tempdir().unwrap();
        let dir = dir::open(folder.path()).unwrap();
        let mut writer = Writer::new(dir.try_clone().unwrap(), Rotation { bytes: 1, files: 2 });
        writer.write(Stream::Stdout, b"one\n").unwrap();
        let one = open(dir.as_fd(), &name(0)).unwrap().unwrap();
        assert!(!one.is_dropped().unwrap());
        writer.write(Stream::Stdout, b"two\n").unwrap();
        writer.write(Stream::Stdout, b"three\n").unwrap();
        assert!(one.is_dropped().unwrap());
        assert_eq!(open_all(dir.as_fd()).unwrap().len(), 2);
    }
}
