//! Mount options. Source: runtime-spec config.md, "Linux mount options".

use std::ffi::CString;

use coffer_sys::mount::Reach;
use rustix::mount::MountAttrFlags;

/// The options of one mount, understood.
#[derive(Debug)]
pub(super) struct Options {
    /// Attributes of the mount.
    pub(super) attributes: MountAttrFlags,
    /// Whether mounts below a bind mount's source come along.
    pub(super) reach: Reach,
    /// What is left for the file system.
    pub(super) data: Vec<(CString, Option<CString>)>,
}

/// Why an option is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// Nobody knows it, or it belongs to the file system and this is a bind mount.
    #[error("option {0:?} is unknown")]
    Unknown(String),
    /// Mounts of a container do not travel.
    #[error("option {0:?} would let mounts travel between host and container")]
    Propagation(String),
    /// It cannot be passed to the kernel.
    #[error("option {0:?} contains a null byte")]
    NullByte(String),
}

/// Reads the options of a mount.
pub(super) fn parse(options: &[String]) -> Result<Options, OptionError> {
    let mut parsed =
        Options { attributes: MountAttrFlags::empty(), reach: Reach::One, data: Vec::new() };
    for option in options {
        parsed.add(option)?;
    }
    Ok(parsed)
}

impl Options {
    fn add(&mut self, option: &str) -> Result<(), OptionError> {
        if let Some(attribute) = attribute(option) {
            self.attributes |= attribute;
            return Ok(());
        }
        match option {
            "rw" => self.attributes -= MountAttrFlags::MOUNT_ATTR_RDONLY,
            "suid" => self.attributes -= MountAttrFlags::MOUNT_ATTR_NOSUID,
            "dev" => self.attributes -= MountAttrFlags::MOUNT_ATTR_NODEV,
            "exec" => self.attributes -= MountAttrFlags::MOUNT_ATTR_NOEXEC,
            "rbind" => self.reach = Reach::Tree,
            // "bind" is said by the kind, and private is what every mount is here; so relatime.
            "bind" | "private" | "rprivate" | "relatime" | "defaults" => {}
            "shared" | "rshared" | "slave" | "rslave" | "unbindable" | "runbindable" => {
                return Err(OptionError::Propagation(option.to_owned()));
            }
            _ => self.data.push(data(option)?),
        }
        Ok(())
    }

    /// The options of a bind mount, to which no file system listens.
    pub(super) fn of_bind(self) -> Result<Self, OptionError> {
        match self.data.first() {
            None => Ok(self),
            Some((key, _)) => Err(OptionError::Unknown(key.to_string_lossy().into_owned())),
        }
    }
}

fn attribute(option: &str) -> Option<MountAttrFlags> {
    Some(match option {
        "ro" => MountAttrFlags::MOUNT_ATTR_RDONLY,
        "nosuid" => MountAttrFlags::MOUNT_ATTR_NOSUID,
        "nodev" => MountAttrFlags::MOUNT_ATTR_NODEV,
        "noexec" => MountAttrFlags::MOUNT_ATTR_NOEXEC,
        "noatime" => MountAttrFlags::MOUNT_ATTR_NOATIME,
        "strictatime" => MountAttrFlags::MOUNT_ATTR_STRICTATIME,
        "nodiratime" => MountAttrFlags::MOUNT_ATTR_NODIRATIME,
        "nosymfollow" => MountAttrFlags::MOUNT_ATTR_NOSYMFOLLOW,
        _ => return None,
    })
}

fn data(option: &str) -> Result<(CString, Option<CString>), OptionError> {
    let text =
        |text: &str| CString::new(text).map_err(|_| OptionError::NullByte(option.to_owned()));
    match option.split_once('=') {
        Some((key, value)) => Ok((text(key)?, Some(text(value)?))),
        None => Ok((text(option)?, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &str) -> Vec<String> {
        list.split(',').map(str::to_owned).collect()
    }

    #[test]
    fn attributes_and_data_are_told_apart() {
        let parsed = parse(&words("rbind,ro,nosuid,rw,size=64k,newinstance")).unwrap();
        assert_eq!(parsed.attributes, MountAttrFlags::MOUNT_ATTR_NOSUID);
        assert_eq!(parsed.reach, Reach::Tree);
        assert_eq!(parsed.data.len(), 2);
        assert_eq!(parsed.of_bind().unwrap_err(), OptionError::Unknown("size".to_owned()));
    }

    #[test]
    fn mounts_do_not_travel() {
        let refused = parse(&words("bind,rshared")).unwrap_err();
        assert_eq!(refused, OptionError::Propagation("rshared".to_owned()));
    }
}
