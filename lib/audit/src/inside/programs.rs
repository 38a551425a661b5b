//! Programs: set-id bits, capabilities of files, descriptors and folders that were left open.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::fs::{CWD, MemfdFlags, Mode, OFlags, XattrFlags};

use super::{Tried, files, refused, untried};
use crate::answer::Handed;
use crate::prober::{PROGRAM, VERB};

/// Becomes another user and runs a program of root's with a set-id bit.
pub(crate) fn set_id() -> Tried {
    if !rustix::process::geteuid().is_root() {
        return ran(&mut Command::new(PROGRAM));
    }
    ran(Command::new(PROGRAM).uid(1000).gid(1000))
}

fn ran(command: &mut Command) -> Tried {
    let output = command.args([VERB, "--whoami"]).output()?;
    match String::from_utf8_lossy(&output.stdout).trim() {
        "0" => Ok("the program ran as root".to_owned()),
        "" => refused(format!("it did not run: {}", output.status)),
        user => refused(format!("it ran as user {user}")),
    }
}

/// Whether a program can gain anything when it is executed.
pub(crate) fn may_gain() -> Tried {
    if rustix::thread::no_new_privs()? {
        return refused("no_new_privs is set");
    }
    Ok("no_new_privs is not set".to_owned())
}

/// Gives a file of its own capabilities (version 3, for the root of a namespace: `NET_RAW`).
pub(crate) fn file_capability() -> Tried {
    let (path, file) = own_file()?;
    let value: [u32; 6] = [0x0200_0001, 1 << 13, 0, 0, 0, 0];
    let bytes: Vec<u8> = value.iter().take(5).flat_map(|word| word.to_le_bytes()).collect();
    let set = rustix::fs::fsetxattr(&file, "security.capability", &bytes, XattrFlags::empty());
    std::fs::remove_file(path)?;
    set?;
    Ok("the file has NET_RAW".to_owned())
}

/// Gives a file of its own a set-id bit.
pub(crate) fn own_set_id() -> Tried {
    let (path, file) = own_file()?;
    let set = rustix::fs::fchmod(&file, Mode::from(0o4755));
    std::fs::remove_file(path)?;
    set?;
    Ok("its own file is set-id".to_owned())
}

/// Gives a file of its own to somebody else inside.
pub(crate) fn own_owner() -> Tried {
    let (path, file) = own_file()?;
    let user = rustix::fs::Uid::from_raw(1000);
    let set = rustix::fs::fchown(&file, Some(user), None);
    std::fs::remove_file(path)?;
    set?;
    Ok("its own file is user 1000's".to_owned())
}

fn own_file() -> Result<(&'static str, OwnedFd), super::Stop> {
    let path = "/tmp/coffer-audit-own";
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    Ok((path, rustix::fs::open(path, flags, Mode::RWXU)?))
}

/// Becomes another user inside.
pub(crate) fn becomes_user() -> Tried {
    let status = Command::new(PROGRAM).args([VERB, "--whoami"]).uid(1000).output()?;
    match String::from_utf8_lossy(&status.stdout).trim() {
        "" => refused("it did not run"),
        user => Ok(format!("user {user}")),
    }
}

/// Is the host's user 0.
pub(crate) fn is_hosts_root() -> Tried {
    let map = files::says("/proc/self/uid_map")?;
    let first: Vec<&str> = map.split_whitespace().take(2).collect();
    match first.as_slice() {
        ["0", "0"] => Ok("user 0 is the host's".to_owned()),
        _ => refused("user 0 is another's on the host"),
    }
}

/// Runs a program that lies in no file system.
pub(crate) fn from_memory() -> Tried {
    let memory = rustix::fs::memfd_create("audit", MemfdFlags::empty())?;
    let mut file = std::fs::File::from(memory);
    std::io::copy(&mut std::fs::File::open(PROGRAM)?, &mut file)?;
    let output = Command::new(format!("/proc/self/fd/{}", file.as_raw_fd()))
        .args([VERB, "--whoami"])
        .output()?;
    if output.stdout.is_empty() { refused("it did not run") } else { Ok("it ran".to_owned()) }
}

/// Overwrites the program of the first process, which a runtime may still be (CVE-2019-5736).
pub(crate) fn overwrites_program(path: &str) -> Tried {
    files::opens_to_write(path)
}

/// Something open beyond the three streams.
pub(crate) fn open_descriptors() -> Tried {
    let listed = files::lists("/proc/1/fd")?;
    let is_extra = |name: &&str| name.parse::<u32>().is_ok_and(|number| number > 2);
    let targets = listed.split(' ').filter(is_extra).filter_map(|number| {
        let target = files::link(&format!("/proc/1/fd/{number}")).ok()?;
        // The prober's own: pipes to a row's process, and its view of that folder.
        let own = ["pipe:", "anon_inode:", "/proc", "socket:", "/dev/null"];
        (!own.iter().any(|start| target.starts_with(start))).then_some(target)
    });
    match targets.reduce(|all, one| format!("{all} {one}")) {
        Some(targets) => Ok(targets),
        None => refused("the three streams alone"),
    }
}

/// A folder of the host through a descriptor that was left open (CVE-2024-21626).
pub(crate) fn through_descriptors(handed: &Handed) -> Tried {
    let up = "../".repeat(32);
    for number in 0..64 {
        let path = format!("/proc/1/fd/{number}/{up}{}/secret", handed.folder);
        if let Ok(text) = files::read(&path, 256) {
            return Ok(text);
        }
    }
    refused("no descriptor leads there")
}

/// A folder of the host above the working folder.
pub(crate) fn through_folder(handed: &Handed, from: &str) -> Tried {
    let up = "../".repeat(32);
    Ok(files::read(&format!("{from}{up}{}/secret", handed.folder), 256)?)
}

/// A working folder that is outside of the root.
pub(crate) fn outside_folder() -> Tried {
    let folder = rustix::process::getcwd(Vec::new())?;
    match folder.to_str() {
        Ok(path) if path.starts_with('/') => refused(format!("it is {path}")),
        _ => Ok(format!("{folder:?}")),
    }
}

/// The host's environment.
pub(crate) fn environment() -> Tried {
    files::says("/proc/1/environ")
}

/// The host's file by its own path.
pub(crate) fn by_path(handed: &Handed) -> Tried {
    Ok(files::read(&format!("{}/secret", handed.folder), 256)?)
}

/// A file in the host's shared memory.
pub(crate) fn shared_memory(handed: &Handed) -> Tried {
    if handed.shared_memory.is_empty() {
        return untried("the host has no /dev/shm");
    }
    Ok(files::read(&format!("/dev/shm/{}", handed.shared_memory), 256)?)
}

/// Makes a file and removes it, as root of its own root.
pub(crate) fn writes_root() -> Tried {
    files::makes("/coffer-audit-made")
}

/// A link that leads out, followed by name.
pub(crate) fn through_link(handed: &Handed) -> Tried {
    let path = "/tmp/coffer-audit-link";
    let up = "../".repeat(32);
    rustix::fs::symlinkat(format!("{up}{}/secret", handed.folder), CWD, path)?;
    let text = files::read(path, 256);
    std::fs::remove_file(path)?;
    Ok(text?)
}
