//! Using up what the host has, within bounds that hurt nobody.

use std::thread::Builder;

use rustix::fs::inotify::{CreateFlags, init};
use rustix::fs::{CWD, FallocateFlags, Mode, OFlags, fallocate};
use rustix::process::{Resource, getrlimit};

use super::{Stop, Tried, refused, untried};
use crate::answer::Handed;

const MIB: u64 = 1 << 20;

/// Whether the host had so much memory available as the audit began that a row hurts nobody.
fn spares(handed: &Handed, bytes: u64) -> Result<(), Stop> {
    if handed.room < bytes {
        return untried(format!("the host has no {} MiB of memory to spare", bytes >> 20));
    }
    Ok(())
}

/// Has more processes than the default limit; each waits until this one ends.
pub(crate) fn processes(handed: &Handed) -> Tried {
    const MANY: usize = 2_500;
    spares(handed, 256 * MIB)?;
    for count in 0..MANY {
        let thread = Builder::new().stack_size(16 << 10).spawn(std::thread::park);
        if thread.is_err() {
            return refused(format!("no more than {count}"));
        }
    }
    Ok(format!("{MANY} tasks"))
}

/// Uses memory.
pub(crate) fn memory(handed: &Handed) -> Tried {
    spares(handed, 2048 * MIB)?;
    let size = usize::try_from(512 * MIB).unwrap_or(usize::MAX);
    let memory = vec![1_u8; size];
    // The host looks while it is there.
    Ok(format!("{} MiB", std::hint::black_box(memory).leak().len() >> 20))
}

/// Fills a file system that lies in memory.
pub(crate) fn shared_memory(path: &str) -> Tried {
    fills(path, 128 * MIB)
}

/// Fills the disk that the root lies on.
pub(crate) fn disk(handed: &Handed) -> Tried {
    spares(handed, 2048 * MIB)?;
    // So far above what anybody keeps of it that nobody is hurt, nor ended.
    let about = rustix::fs::statvfs("/")?;
    if about.f_bavail.saturating_mul(about.f_frsize) < 2048 * MIB {
        return untried("the disk has no 2048 MiB to spare");
    }
    fills("/", 256 * MIB)
}

fn fills(folder: &str, bytes: u64) -> Tried {
    let path = format!("{}/coffer-audit-filler", folder.trim_end_matches('/'));
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = rustix::fs::openat(CWD, &path, flags, Mode::RUSR | Mode::WUSR)?;
    // Its name goes now, its bytes when this process ends.
    std::fs::remove_file(&path)?;
    fallocate(&file, FallocateFlags::empty(), 0, bytes)?;
    // The host looks while the bytes are there.
    std::mem::forget(file);
    Ok(format!("{} MiB in {folder}", bytes >> 20))
}

/// How many inotify instances are taken: a part of what a user may have, so that nobody else is
/// left without.
pub(crate) const WATCHES: usize = 32;

/// Has inotify instances.
pub(crate) fn watches() -> Tried {
    let mut held = Vec::new();
    for _ in 0..WATCHES {
        held.push(init(CreateFlags::CLOEXEC)?);
    }
    // The host looks while they are there.
    std::mem::forget(held);
    Ok(format!("{WATCHES} instances"))
}

/// Has more open files than a container needs.
pub(crate) fn descriptors() -> Tried {
    const MANY: u64 = 1 << 20;
    match getrlimit(Resource::Nofile).maximum {
        Some(most) if most <= MANY => refused(format!("no more than {most}")),
        Some(most) => Ok(format!("{most} open files")),
        None => Ok("any number of open files".to_owned()),
    }
}
