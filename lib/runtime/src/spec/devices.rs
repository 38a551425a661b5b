//! `--device`: which devices of the host a container is given.

use std::path::{Path, PathBuf};

use coffer_confine::confinement::{DeviceAccess, DeviceKind, HostDevice};
use coffer_confine::ids::{HostGid, HostUid, IdMap};
use coffer_oci::runtime::DeviceRule;
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

/// A device of the host that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRequest {
    /// On the host, absolute.
    pub source: PathBuf,
    /// In the container, absolute.
    pub target: String,
    /// What may be done with it.
    pub access: DeviceAccess,
}

/// Why a device cannot be given.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// It cannot be looked at.
    #[error("the device {} cannot be given to the container", path.display())]
    Look {
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Errno,
    },
    /// It is something else.
    #[error("{} is no device", path.display())]
    NoDevice {
        /// Where.
        path: PathBuf,
    },
    /// The container's ids may not open it.
    #[error("the container could not open {}: it belongs to {uid}:{gid} with mode {mode:o}", path.display())]
    Closed {
        /// Where.
        path: PathBuf,
        /// Its owner.
        uid: u32,
        /// Its group.
        gid: u32,
        /// Its mode.
        mode: u32,
    },
}

impl DeviceError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Look { .. } => {
                Some("name a device that the host has, or leave --device out".into())
            }
            Self::NoDevice { .. } => {
                Some("folders and files are shared with -v; devices are named one by one".into())
            }
            Self::Closed { path, .. } => Some(format!(
                "let others open it, which is for all of the host: chmod o+rw {}; or give the \
                 container the host's ids: --userns host",
                path.display()
            )),
        }
    }
}

/// Looks at the devices on the host.
///
/// # Errors
/// A [`DeviceError`] for the first that is none, or that the container's ids could not open.
pub fn devices(
    asked: &[DeviceRequest],
    ids: Option<&IdMap>,
) -> Result<Vec<HostDevice>, DeviceError> {
    asked.iter().map(|request| device(request, ids)).collect()
}

fn device(asked: &DeviceRequest, ids: Option<&IdMap>) -> Result<HostDevice, DeviceError> {
    let path = || asked.source.clone();
    let stat = rustix::fs::stat(&asked.source)
        .map_err(|source| DeviceError::Look { path: path(), source })?;
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::CharacterDevice => DeviceKind::Character,
        FileType::BlockDevice => DeviceKind::Block,
        _ => return Err(DeviceError::NoDevice { path: path() }),
    };
    if let Some(ids) = ids {
        check_open(&asked.source, &stat, ids)?;
    }
    Ok(HostDevice {
        source: path(),
        target: asked.target.clone(),
        kind,
        major: rustix::fs::major(stat.st_rdev),
        minor: rustix::fs::minor(stat.st_rdev),
        access: asked.access.clone(),
    })
}

/// A device keeps its owner: what the container's ids may not open would be there in vain.
fn check_open(path: &Path, stat: &Stat, ids: &IdMap) -> Result<(), DeviceError> {
    let owner = ids.container_uid(HostUid::new(stat.st_uid)).is_some();
    let group = ids.container_gid(HostGid::new(stat.st_gid)).is_some();
    let opens = |bits: u32| stat.st_mode & bits != 0;
    if opens(0o006) || (owner && opens(0o600)) || (group && opens(0o060)) {
        return Ok(());
    }
    let (path, mode) = (path.to_owned(), stat.st_mode & 0o7777);
    Err(DeviceError::Closed { path, uid: stat.st_uid, gid: stat.st_gid, mode })
}

/// What the control group lets through of them.
pub(super) fn rules(devices: &[HostDevice]) -> Vec<DeviceRule> {
    let rule = |device: &HostDevice| DeviceRule {
        allow: true,
        kind: device.kind.letter().to_owned(),
        major: Some(device.major.into()),
        minor: Some(device.minor.into()),
        access: device.access.letters().to_owned(),
    };
    devices.iter().map(rule).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(source: &str) -> DeviceRequest {
        let (source, access) = (PathBuf::from(source), DeviceAccess::default());
        DeviceRequest { source, target: "/dev/it".to_owned(), access }
    }

    #[test]
    fn a_device_is_known_by_its_number() {
        let found = devices(&[asked("/dev/null")], None).unwrap();
        assert_eq!((found[0].kind, found[0].major, found[0].minor), (DeviceKind::Character, 1, 3));
        assert_eq!(rules(&found)[0].access, "rwm");
    }

    #[test]
    fn what_is_no_device_is_refused() {
        assert!(matches!(devices(&[asked("/")], None), Err(DeviceError::NoDevice { .. })));
        assert!(matches!(devices(&[asked("/dev/none")], None), Err(DeviceError::Look { .. })));
    }
}
