//! The root of a container: what a snapshotter prepared, mounted on the bundle's `rootfs`.
//!
//! The bundle and the mounts are containerd's own, not the image's: nothing below the mounted tree
//! is ever resolved here.

use std::ffi::CString;
use std::io;

use rustix::fs::{Mode, mkdirat};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use thiserror::Error;

use crate::bundle::Bundle;
use crate::wire::common::Mount;

/// The folder in a bundle.
const NAME: &str = "rootfs";
/// The longest options that mount(2) takes, in bytes, the final zero included.
const LONGEST: usize = 4096;

/// Why a root could not be mounted or unmounted.
#[derive(Debug, Error)]
pub enum RootfsError {
    /// The folder cannot be made.
    #[error("{0}/rootfs cannot be made")]
    Folder(String, #[source] io::Error),
    /// One of the mounts failed.
    #[error("mount {source_path} ({kind}) on {target}")]
    Mount {
        /// What was to be mounted.
        source_path: String,
        /// Its file system type.
        kind: String,
        /// Where.
        target: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// An option that the shim does not know how to give to the kernel.
    #[error("mount option {option} of {source_path}: {reason}")]
    Option {
        /// The option.
        option: String,
        /// Whose.
        source_path: String,
        /// What is the matter.
        reason: &'static str,
    },
    /// The root cannot be unmounted.
    #[error("{0}/rootfs cannot be unmounted")]
    Unmount(String, #[source] io::Error),
}

/// The options of one mount, as mount(2) takes them.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    flags: MountFlags,
    propagation: Option<MountPropagationFlags>,
    data: Vec<String>,
}

/// Mounts `mounts` in their order. After an error nothing stays mounted.
///
/// # Errors
/// See [`RootfsError`].
pub fn mount(bundle: &Bundle, mounts: &[Mount]) -> Result<(), RootfsError> {
    match mkdirat(bundle, NAME, Mode::from_raw_mode(0o711)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(RootfsError::Folder(bundle.path().to_owned(), errno.into())),
    }
    for one in mounts {
        if let Err(error) = mount_one(bundle, one) {
            unmount(bundle)?;
            return Err(error);
        }
    }
    Ok(())
}

/// Unmounts all that is mounted on the root, however often; nothing where nothing is.
///
/// # Errors
/// The kernel refuses for another reason than that.
pub fn unmount(bundle: &Bundle) -> Result<(), RootfsError> {
    let target = target(bundle);
    loop {
        match rustix::mount::unmount(&*target, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            Ok(()) => {}
            Err(Errno::INVAL | Errno::NOENT) => return Ok(()),
            Err(errno) => {
                return Err(RootfsError::Unmount(bundle.path().to_owned(), errno.into()));
            }
        }
    }
}

fn target(bundle: &Bundle) -> String {
    format!("{}/{NAME}", bundle.path())
}

fn mount_one(bundle: &Bundle, asked: &Mount) -> Result<(), RootfsError> {
    let options = parse(asked)?;
    let target = target(bundle);
    let failed = |errno: Errno| RootfsError::Mount {
        source_path: asked.source.clone(),
        kind: asked.kind.clone(),
        target: target.clone(),
        source: errno.into(),
    };
    let data = options.data.join(",");
    if data.len() >= LONGEST {
        return Err(refused(asked, &data, "all together are longer than a page"));
    }
    let data = CString::new(data).map_err(|_| refused(asked, "", "holds a zero byte"))?;
    if options.flags.contains(MountFlags::BIND) {
        bind(asked, &target, options.flags).map_err(failed)?;
    } else {
        rustix::mount::mount(&*asked.source, &*target, &*asked.kind, options.flags, &*data)
            .map_err(failed)?;
    }
    match options.propagation {
        Some(flags) => rustix::mount::mount_change(&*target, flags).map_err(failed),
        None => Ok(()),
    }
}

/// A bind mount takes its other flags in a second call (man 2 mount, "Creating a bind mount").
fn bind(asked: &Mount, target: &str, flags: MountFlags) -> rustix::io::Result<()> {
    match flags.contains(MountFlags::REC) {
        true => rustix::mount::mount_bind_recursive(&*asked.source, target)?,
        false => rustix::mount::mount_bind(&*asked.source, target)?,
    }
    let others = flags.difference(MountFlags::BIND | MountFlags::REC);
    match others.is_empty() {
        true => Ok(()),
        false => rustix::mount::mount_remount(target, MountFlags::BIND | others, c""),
    }
}

/// Sorts fstab's words into flags and data (containerd mount/mount_linux.go knows the same).
fn parse(asked: &Mount) -> Result<Options, RootfsError> {
    let mut options = Options { flags: MountFlags::empty(), propagation: None, data: Vec::new() };
    if asked.kind == "bind" {
        options.flags |= MountFlags::BIND;
    }
    if !asked.target.is_empty() {
        return Err(refused(asked, &asked.target, "mounts below the root are not implemented"));
    }
    for word in &asked.options {
        match &**word {
            "bind" => options.flags |= MountFlags::BIND,
            "rbind" => options.flags |= MountFlags::BIND | MountFlags::REC,
            "defaults" | "rw" => {}
            "loop" => return Err(refused(asked, word, "loop devices are not implemented")),
            word => match (flag(word), propagation(word)) {
                (Some(flag), _) => options.flags |= flag,
                (None, Some(change)) => options.propagation = Some(change),
                (None, None) => options.data.push(word.to_owned()),
            },
        }
    }
    Ok(options)
}

fn flag(word: &str) -> Option<MountFlags> {
    Some(match word {
        "ro" => MountFlags::RDONLY,
        "nosuid" => MountFlags::NOSUID,
        "nodev" => MountFlags::NODEV,
        "noexec" => MountFlags::NOEXEC,
        "noatime" => MountFlags::NOATIME,
        "nodiratime" => MountFlags::NODIRATIME,
        "relatime" => MountFlags::RELATIME,
        "strictatime" => MountFlags::STRICTATIME,
        "sync" => MountFlags::SYNCHRONOUS,
        "dirsync" => MountFlags::DIRSYNC,
        _ => return None,
    })
}

fn propagation(word: &str) -> Option<MountPropagationFlags> {
    use MountPropagationFlags as Flags;
    Some(match word {
        "private" => Flags::PRIVATE,
        "rprivate" => Flags::PRIVATE | Flags::REC,
        "slave" => Flags::DOWNSTREAM,
        "rslave" => Flags::DOWNSTREAM | Flags::REC,
        "shared" => Flags::SHARED,
        "rshared" => Flags::SHARED | Flags::REC,
        "unbindable" => Flags::UNBINDABLE,
        "runbindable" => Flags::UNBINDABLE | Flags::REC,
        _ => return None,
    })
}

fn refused(asked: &Mount, option: &str, reason: &'static str) -> RootfsError {
    let source_path = asked.source.clone();
    RootfsError::Option { option: option.to_owned(), source_path, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount_of(kind: &str, options: &[&str]) -> Mount {
        let options = options.iter().map(|word| (*word).to_owned()).collect();
        Mount { kind: kind.into(), source: kind.into(), target: String::new(), options }
    }

    #[test]
    fn overlays_options_are_data() {
        let options = ["index=off", "workdir=/w", "upperdir=/u", "lowerdir=/a:/b", "ro"];
        let parsed = parse(&mount_of("overlay", &options)).unwrap();
        assert_eq!(parsed.flags, MountFlags::RDONLY);
        assert_eq!(parsed.data, ["index=off", "workdir=/w", "upperdir=/u", "lowerdir=/a:/b"]);
    }

    #[test]
    fn binds_are_flags() {
        let parsed = parse(&mount_of("bind", &["rbind", "ro", "rprivate"])).unwrap();
        assert_eq!(parsed.flags, MountFlags::BIND | MountFlags::REC | MountFlags::RDONLY);
        assert!(parsed.data.is_empty() && parsed.propagation.is_some());
    }

    #[test]
    fn what_cannot_be_mounted_is_refused() {
        assert!(parse(&mount_of("ext4", &["loop"])).is_err());
        let below = Mount { target: "/below".into(), ..mount_of("bind", &["bind"]) };
        assert!(parse(&below).is_err());
    }
}
