//! `--device`. Source: docker's `run` reference, "Add host device to container".

use std::path::PathBuf;

use coffer_confine::confinement::{AccessError, DeviceAccess};
use coffer_runtime::spec::DeviceRequest;

use super::mount::{MountError, absolute};

/// Why a device has the wrong form.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DeviceFlagError {
    /// It has too many parts, or none.
    #[error("a device looks like /dev/fuse, /dev/fuse:/dev/fuse or /dev/fuse:/dev/fuse:rw")]
    Form,
    /// A path is not absolute.
    #[error("{0:?} is not an absolute path without \"..\"")]
    Relative(String),
    /// Where it would stand in the container.
    #[error(transparent)]
    Place(#[from] MountError),
    /// What may be done with it.
    #[error(transparent)]
    Access(#[from] AccessError),
}

/// `--device SOURCE[:TARGET][:rwm]`.
pub(crate) fn device(text: &str) -> Result<DeviceRequest, DeviceFlagError> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, access) = match parts[..] {
        [source] => (source, source, None),
        [source, access] if !access.starts_with('/') => (source, source, Some(access)),
        [source, target] => (source, target, None),
        [source, target, access] => (source, target, Some(access)),
        _ => return Err(DeviceFlagError::Form),
    };
    if !source.starts_with('/') || source.split('/').any(|part| part == "..") {
        return Err(DeviceFlagError::Relative(source.to_owned()));
    }
    let target = absolute(target)?;
    let access = access.map(|letters| DeviceAccess::try_from(letters.to_owned())).transpose()?;
    Ok(DeviceRequest { source: PathBuf::from(source), target, access: access.unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_dockers() {
        let read = |text: &str| {
            let device = device(text).map(|d| (d.source, d.target, d.access.letters().to_owned()));
            device.map(|(source, target, access)| format!("{} {target} {access}", source.display()))
        };
        assert_eq!(read("/dev/fuse").as_deref(), Ok("/dev/fuse /dev/fuse rwm"));
        assert_eq!(read("/dev/fuse:r").as_deref(), Ok("/dev/fuse /dev/fuse r"));
        assert_eq!(read("/dev/a:/dev/b:rw").as_deref(), Ok("/dev/a /dev/b rw"));
        for bad in [
            "",
            "fuse",
            "/dev/a:/dev/b:x",
            "/dev/a:/dev/b:r:w",
            "/dev/../etc/x",
            "/dev/a:",
            "/dev/a:/",
            "/dev/a:/proc/x",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
