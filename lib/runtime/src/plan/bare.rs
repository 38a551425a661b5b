//! The host's own views of its kernel, which a container must not keep.
//!
//! A user namespace may mount proc or sysfs anew where a mount of it is there that hides nothing:
//! the kernel takes what is seen already for granted. With `pivot_root` the host's are gone; where
//! the root is only moved they stay below, and would give away what the masks hide.
//! Source: linux/fs/namespace.c, `mount_too_revealing`.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read as _};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::PlanError;
use super::mounts::host_path;
use crate::cgroup::unescape;

/// Where proc and sysfs are mounted on the host, what is mounted last first.
pub(super) fn places() -> Result<Vec<CString>, PlanError> {
    let open = || {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = rustix::fs::open(c"/proc/self/mountinfo", flags, Mode::empty())?;
        let mut table = Vec::new();
        File::from(file).read_to_end(&mut table)?;
        Ok(table)
    };
    let table = open()
        .map_err(|error: io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
        .map_err(PlanError::OwnNamespaces)?;
    Ok(read(&table))
}

fn read(table: &[u8]) -> Vec<CString> {
    let mut places: Vec<CString> = table.split(|byte| *byte == b'\n').filter_map(place).collect();
    places.reverse();
    places
}

/// The mount point in a line about proc or sysfs. Source: man 5 proc_pid_mountinfo.
fn place(line: &[u8]) -> Option<CString> {
    let mut words = line.split(|byte| *byte == b' ');
    let place = words.nth(4)?;
    let kind = words.skip_while(|word| *word != b"-").nth(1)?;
    matches!(kind, b"proc" | b"sysfs").then(|| host_path(&unescape(place)?).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_file_systems_are_found_the_last_first() {
        let table = b"22 1 0:20 / /sys rw,nosuid shared:2 - sysfs sysfs rw\n\
            23 1 0:21 / /proc rw - proc proc rw\n\
            24 1 0:22 / /tmp rw - tmpfs proc rw\n\
            25 1 0:21 / /a\\040b/proc rw master:1 shared:3 - proc none rw\n";
        assert_eq!(read(table), [c"/a b/proc", c"/proc", c"/sys"].map(ToOwned::to_owned));
    }
}
