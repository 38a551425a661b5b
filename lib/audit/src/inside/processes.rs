//! The host's process, and what of it can be reached from here.

use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;

use coffer_sys::attempt::{Call, attempt, read_memory, trace, write_memory};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use super::{Tried, files, refused, untried};
use crate::answer::Handed;

/// `SIGURG`, which nobody minds.
const SIGNAL: i32 = 23;

fn pid(handed: &Handed) -> Result<Pid, super::Stop> {
    Pid::from_raw(handed.pid).map_or_else(|| untried("the host told no process"), Ok)
}

/// Sends it a signal.
pub(crate) fn signals(handed: &Handed) -> Tried {
    coffer_sys::signal::send(pid(handed)?, SIGNAL)?;
    Ok("sent a signal".to_owned())
}

/// Sends it one by descriptor.
pub(crate) fn signals_by_fd(handed: &Handed) -> Tried {
    let fd = pidfd_open(pid(handed)?, PidfdFlags::empty())?;
    coffer_sys::signal::send_to(fd.as_fd(), SIGNAL)?;
    Ok("sent a signal".to_owned())
}

/// Sends it one through its folder in /proc.
pub(crate) fn signals_by_folder(handed: &Handed) -> Tried {
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY;
    let path = format!("/proc/{}", handed.pid);
    let folder = rustix::fs::open(path, flags, rustix::fs::Mode::empty())?;
    coffer_sys::signal::send_to(folder.as_fd(), SIGNAL)?;
    Ok("sent a signal".to_owned())
}

/// Reads its memory.
pub(crate) fn reads(handed: &Handed) -> Tried {
    let bytes = read_memory(handed.pid, handed.address, handed.length)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Writes its memory.
pub(crate) fn writes(handed: &Handed) -> Tried {
    write_memory(handed.pid, handed.address, b"audit")?;
    Ok("wrote".to_owned())
}

/// Reads its memory through /proc.
pub(crate) fn reads_by_file(handed: &Handed) -> Tried {
    let mut file = std::fs::File::open(format!("/proc/{}/mem", handed.pid))?;
    file.seek(SeekFrom::Start(handed.address))?;
    let mut bytes = vec![0; handed.length];
    file.read_exact(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Writes its memory through /proc.
pub(crate) fn writes_by_file(handed: &Handed) -> Tried {
    let path = format!("/proc/{}/mem", handed.pid);
    let mut file = std::fs::OpenOptions::new().write(true).open(path)?;
    file.seek(SeekFrom::Start(handed.address))?;
    file.write_all(b"audit")?;
    Ok("wrote".to_owned())
}

/// Traces it.
pub(crate) fn traces(handed: &Handed) -> Tried {
    traces_shortly(handed.pid)?;
    Ok("traced it".to_owned())
}

/// Traces a process from a thread that ends, and lets it go: a signal would stop it otherwise.
fn traces_shortly(pid: i32) -> std::io::Result<()> {
    let ended = std::thread::spawn(move || trace(pid)).join();
    ended.map_err(|_| std::io::Error::other("the thread that traces has panicked"))?
}

/// Traces a process of its own container: the prober that started this one.
pub(crate) fn traces_parent() -> Tried {
    let parent = rustix::process::getppid().map_or(0, Pid::as_raw_pid);
    traces_shortly(parent)?;
    Ok("traced the prober".to_owned())
}

/// Reads memory of a process of its own container.
pub(crate) fn reads_parent() -> Tried {
    let parent = rustix::process::getppid().map_or(0, Pid::as_raw_pid);
    match read_memory(parent, 1, 1) {
        // There is no memory at that address: it was looked at.
        Err(error) if error.raw_os_error() == Some(14) => Ok("may read the prober".to_owned()),
        Err(error) => Err(error.into()),
        Ok(_) => Ok("read the prober".to_owned()),
    }
}

/// Takes a descriptor of it.
pub(crate) fn takes_descriptor(handed: &Handed) -> Tried {
    let fd = pidfd_open(pid(handed)?, PidfdFlags::empty())?;
    pidfd_getfd(&fd, 1, PidfdGetfdFlags::empty())?;
    Ok("took its standard output".to_owned())
}

/// Takes a descriptor of a process of its own container.
pub(crate) fn takes_parents_descriptor() -> Tried {
    let Some(parent) = rustix::process::getppid() else { return untried("there is no parent") };
    let fd = pidfd_open(parent, PidfdFlags::empty())?;
    pidfd_getfd(&fd, 1, PidfdGetfdFlags::empty())?;
    Ok("took the prober's standard output".to_owned())
}

/// Learns what it shares.
pub(crate) fn compares(handed: &Handed) -> Tried {
    attempt(Call::compare(handed.pid))?;
    Ok("compared".to_owned())
}

/// Learns what a process of its own shares.
pub(crate) fn compares_itself() -> Tried {
    attempt(Call::compare(rustix::process::getpid().as_raw_pid()))?;
    Ok("compared".to_owned())
}

/// The host's folder as that process sees it.
pub(crate) fn file_of(handed: &Handed, link: &str) -> Tried {
    let path = format!("/proc/{}/{link}{}/secret", handed.pid, handed.folder);
    Ok(files::read(&path, 256)?)
}

/// What its folder in /proc says.
pub(crate) fn about(handed: &Handed, name: &str) -> Tried {
    files::says(&format!("/proc/{}/{name}", handed.pid))
}

/// Where a link in its folder leads.
pub(crate) fn link_of(handed: &Handed, name: &str) -> Tried {
    Ok(files::link(&format!("/proc/{}/{name}", handed.pid))?)
}

/// Sees more than this container's processes: a first process that is not of its own.
pub(crate) fn sees_others(handed: &Handed) -> Tried {
    let text = files::read(&format!("/proc/{}/cmdline", handed.pid), 4096)?;
    // The host's process is called with this word, and nothing in the container is.
    if text.contains("--probe") { Ok(text) } else { refused("it is another process") }
}
