//! The running program's own file, out of reach of those who look it up (CVE-2019-5736).
//!
//! `/proc/PID/exe` stands for the file *on the mount that it was executed from*, so the attributes
//! of that mount hold for whoever opens or executes the link. The program runs a second time, from
//! a mount of its file that nobody else has, on which nothing can be written and, once it runs,
//! nothing can be executed. The mount's number and the program's name are what the second run is
//! called by: `7/coffer-oci`. Sources: man 2 open_tree, man 2 mount_setattr, man 2 execveat.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;

use rustix::fs::{CWD, StatVfsMountFlags};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::mount::{MountAttrFlags, OpenTreeFlags, open_tree};

use crate::exec::{Strings, execute_file};
use crate::mount::{Change, Reach, set_attributes};

/// Which run of the program this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Run {
    /// As the caller has started it.
    First,
    /// From its own mount; with the name that [`run_again`] was given.
    Second(String),
}

/// Finds out by the name that the program is called by. In the second run the mount is shut: from
/// here on nobody can execute the program by it, or change it, for its descriptor is closed.
///
/// # Errors
/// `EBADF` where the name begins with a number that is no descriptor from outside, `EINVAL` where
/// that is no mount which this program runs from and nobody can write.
pub fn settle(name: &OsStr) -> io::Result<Run> {
    let Some((number, name)) = name.to_str().and_then(|name| name.split_once('/')) else {
        return Ok(Run::First);
    };
    let Ok(number) = number.parse() else { return Ok(Run::First) };
    let mount = inherited(number)?;
    set_attributes(&mount, Change::set(MountAttrFlags::MOUNT_ATTR_NOEXEC, Reach::One))?;
    // Kernels before 6.14 name the process by the number of the descriptor that was executed.
    rustix::thread::set_name(&CString::new(name)?)?;
    Ok(Run::Second(name.to_owned()))
}

/// Runs the program a second time, called by `name`, with these words and this environment
/// (`NAME=VALUE` each). Comes back where no such mount can be made: without the right to mount, in
/// another mount namespace than the program was executed from, before Linux 5.12.
pub fn run_again(name: &str, words: &[String], environment: impl Iterator<Item = OsString>) {
    let Ok(mount) = own_mount() else { return };
    let name = format!("{}/{name}", mount.as_raw_fd());
    let argv = std::iter::once(&name).chain(words).map(|word| CString::new(&**word));
    let envp = environment.map(|variable| CString::new(variable.into_vec()));
    if let (Ok(argv), Ok(envp)) = (argv.collect(), envp.collect())
        && fcntl_setfd(&mount, FdFlags::empty()).is_ok()
    {
        execute_file(mount.as_fd(), &Strings::new(argv), &Strings::new(envp));
    }
}

/// A mount of the running program's file alone, which is attached nowhere and cannot be written.
fn own_mount() -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let mount = open_tree(CWD, c"/proc/self/exe", flags)?;
    set_attributes(&mount, Change::set(MountAttrFlags::MOUNT_ATTR_RDONLY, Reach::One))?;
    Ok(mount)
}

/// The mount that [`run_again`] handed over by this number.
fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    let mount = crate::inherited::take(number)?;
    let [there, here] =
        [rustix::fs::fstat(&mount)?, rustix::fs::stat(c"/proc/self/exe")?].map(identity);
    let is_read_only = rustix::fs::fstatvfs(&mount)?.f_flag.contains(StatVfsMountFlags::RDONLY);
    if there != here || !is_read_only {
        return Err(Errno::INVAL.into());
    }
    Ok(mount)
}

fn identity(stat: rustix::fs::Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_handed_over_is_not_taken() {
        let file = std::mem::ManuallyDrop::new(rustix::fs::open(
            c"/dev/null",
            rustix::fs::OFlags::RDONLY,
            rustix::fs::Mode::empty(),
        ));
        let number = file.as_ref().unwrap().as_raw_fd();
        let settled = |name: String| settle(OsStr::new(&name)).map_err(|e| e.raw_os_error());
        assert_eq!(settled(format!("{number}/coffer-oci")), Err(Some(libc::EINVAL)));
        assert_eq!(settled("1/coffer-oci".to_owned()), Err(Some(libc::EBADF)));
        assert_eq!(settled("/usr/bin/coffer-oci".to_owned()), Ok(Run::First));
        assert_eq!(settled("coffer-oci".to_owned()), Ok(Run::First));
    }
}
