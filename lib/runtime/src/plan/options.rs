//! Mount options. Source: runtime-spec config.md, "Linux mount options".

use std::ffi::CString;

use coffer_sys::mount::{Reach, Travel};
use rustix::mount::MountAttrFlags;

use super::Look;

/// The options of one mount, understood.
#[derive(Debug)]
pub(super) struct Options {
    /// Attributes of the mount itself.
    pub(super) attributes: MountAttrFlags,
    /// Attributes that it loses, which it may have from where it comes.
    pub(super) cleared: MountAttrFlags,
    /// Attributes that it and all mounts below it get (`rro`).
    pub(super) tree_set: MountAttrFlags,
    /// Attributes that it and all mounts below it lose (`rrw`).
    pub(super) tree_clear: MountAttrFlags,
    /// Whether mounts below a bind mount's source come along.
    pub(super) reach: Reach,
    /// How it travels, and whether those below do too.
    pub(super) travel: (Travel, Reach),
    /// Whose owners are mapped.
    pub(super) idmap: Option<Reach>,
    /// What a tmpfs has in it at first.
    pub(super) contents: Contents,
    /// Whether it is a bind mount, whatever its kind says.
    pub(super) shows: Shows,
    /// What is left for the file system.
    pub(super) data: Vec<(CString, Option<CString>)>,
}

/// What a new tmpfs has in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contents {
    /// Nothing.
    Nothing,
    /// A copy of the folder that it covers.
    Copied,
}

/// Where the mode of a new file system's root comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModeOf {
    /// From its options, or it is the kernel's own choice.
    Options,
    /// From the folder that it covers, where there is one.
    Covered,
}

/// What a mount shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shows {
    /// A file system of its own, as far as the options say.
    Filesystem,
    /// A part of another one.
    Part,
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
    let none = MountAttrFlags::empty();
    let mut parsed = Options {
        attributes: none,
        cleared: none,
        tree_set: none,
        tree_clear: none,
        reach: Reach::One,
        travel: (Travel::Private, Reach::Tree),
        idmap: None,
        contents: Contents::Nothing,
        shows: Shows::Filesystem,
        data: Vec::new(),
    };
    for option in options {
        parsed.add(option)?;
    }
    Ok(parsed)
}

/// Whether an option is one of every mount, and not left to the file system.
pub fn knows_option(option: &str) -> bool {
    parse(&[option.to_owned()]).is_ok_and(|options| options.data.is_empty())
}

impl Options {
    fn add(&mut self, option: &str) -> Result<(), OptionError> {
        if self.add_attribute(option) || self.add_travel(option) {
            return Ok(());
        }
        match option {
            "bind" => self.shows = Shows::Part,
            "rbind" => (self.shows, self.reach) = (Shows::Part, Reach::Tree),
            "idmap" => self.idmap = Some(Reach::One),
            "ridmap" => self.idmap = Some(Reach::Tree),
            "tmpcopyup" => self.contents = Contents::Copied,
            // What every mount is here, and how loudly the kernel would speak.
            "defaults" | "silent" | "loud" => {}
            "remount" => return Err(OptionError::Unknown(option.to_owned())),
            _ => self.data.push(data(option)?),
        }
        Ok(())
    }

    /// Takes an attribute: of the mount itself, or, with an `r` before it, of the whole tree.
    fn add_attribute(&mut self, option: &str) -> bool {
        if let Some((attribute, sense)) = attribute(option) {
            match sense {
                Sense::Set => {
                    self.attributes = with(self.attributes, attribute);
                    self.cleared -= attribute;
                }
                Sense::Clear => {
                    self.attributes -= attribute;
                    self.cleared |= attribute;
                }
            }
            return true;
        }
        let Some((attribute, sense)) = option.strip_prefix('r').and_then(attribute) else {
            return false;
        };
        match sense {
            Sense::Set => {
                self.tree_set = with(self.tree_set, attribute);
                self.tree_clear -= attribute;
            }
            Sense::Clear => {
                self.tree_set -= attribute;
                self.tree_clear |= attribute;
            }
        }
        true
    }

    fn add_travel(&mut self, option: &str) -> bool {
        let (name, reach) = match option.strip_prefix('r') {
            Some(name) => (name, Reach::Tree),
            None => (option, Reach::One),
        };
        let Some(travel) = travel(name) else { return false };
        self.travel = (travel, reach);
        true
    }

    /// The options of a bind mount, to which no file system listens.
    pub(super) fn of_bind(self) -> Result<Self, OptionError> {
        match self.data.first() {
            None => Ok(self),
            Some((key, _)) => Err(OptionError::Unknown(key.to_string_lossy().into_owned())),
        }
    }

    /// The same, for a mount of coffer's own, which never travels.
    pub(super) fn at_home(self) -> Result<Self, OptionError> {
        match self.travel.0 {
            Travel::Unchanged | Travel::Private => Ok(self),
            other => Err(OptionError::Propagation(format!("{other:?}").to_ascii_lowercase())),
        }
    }

    /// How a bind mount with these options differs from what it shows.
    pub(super) fn look(&self) -> Look {
        Look {
            reach: self.reach,
            alone: self.attributes,
            alone_clear: self.cleared,
            tree_set: self.tree_set,
            tree_clear: self.tree_clear,
            travel: self.travel,
            idmap: self.idmap,
        }
    }
}

/// How a mount of this name travels: the names without the `r` for the whole tree.
pub(super) fn travel(name: &str) -> Option<Travel> {
    Some(match name {
        "private" => Travel::Private,
        "slave" => Travel::Slave,
        "shared" => Travel::Shared,
        "unbindable" => Travel::Unbindable,
        _ => return None,
    })
}

/// `attributes` and one more; of those of access times the last one counts.
fn with(attributes: MountAttrFlags, one: MountAttrFlags) -> MountAttrFlags {
    let times = MountAttrFlags::MOUNT_ATTR_NOATIME | MountAttrFlags::MOUNT_ATTR_STRICTATIME;
    let kept = if times.contains(one) { attributes - times } else { attributes };
    kept | one
}

#[derive(Clone, Copy)]
enum Sense {
    Set,
    Clear,
}

fn attribute(option: &str) -> Option<(MountAttrFlags, Sense)> {
    use MountAttrFlags as A;
    use Sense::{Clear, Set};
    let times = A::MOUNT_ATTR_NOATIME | A::MOUNT_ATTR_STRICTATIME;
    Some(match option {
        "ro" => (A::MOUNT_ATTR_RDONLY, Set),
        "rw" => (A::MOUNT_ATTR_RDONLY, Clear),
        "nosuid" => (A::MOUNT_ATTR_NOSUID, Set),
        "suid" => (A::MOUNT_ATTR_NOSUID, Clear),
        "nodev" => (A::MOUNT_ATTR_NODEV, Set),
        "dev" => (A::MOUNT_ATTR_NODEV, Clear),
        "noexec" => (A::MOUNT_ATTR_NOEXEC, Set),
        "exec" => (A::MOUNT_ATTR_NOEXEC, Clear),
        "noatime" => (A::MOUNT_ATTR_NOATIME, Set),
        "atime" => (A::MOUNT_ATTR_NOATIME, Clear),
        "strictatime" => (A::MOUNT_ATTR_STRICTATIME, Set),
        "nostrictatime" => (A::MOUNT_ATTR_STRICTATIME, Clear),
        // What is left when the other two are off.
        "relatime" => (times, Clear),
        "norelatime" => (A::MOUNT_ATTR_STRICTATIME, Set),
        "nodiratime" => (A::MOUNT_ATTR_NODIRATIME, Set),
        "diratime" => (A::MOUNT_ATTR_NODIRATIME, Clear),
        "nosymfollow" => (A::MOUNT_ATTR_NOSYMFOLLOW, Set),
        "symfollow" => (A::MOUNT_ATTR_NOSYMFOLLOW, Clear),
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
    fn the_whole_tree_has_options_of_its_own() {
        let parsed = parse(&words("rbind,rro,rexec,noatime,relatime,rslave,ridmap")).unwrap();
        assert_eq!(parsed.attributes, MountAttrFlags::empty());
        assert_eq!(parsed.tree_set, MountAttrFlags::MOUNT_ATTR_RDONLY);
        assert_eq!(parsed.tree_clear, MountAttrFlags::MOUNT_ATTR_NOEXEC);
        assert_eq!(parsed.travel, (Travel::Slave, Reach::Tree));
        assert_eq!(parsed.idmap, Some(Reach::Tree));
        assert!(parse(&words("remount")).is_err());
    }

    #[test]
    fn mounts_of_our_own_do_not_travel() {
        let refused = parse(&words("bind,rshared")).unwrap().at_home().unwrap_err();
        assert_eq!(refused, OptionError::Propagation("shared".to_owned()));
        assert!(parse(&words("bind,rprivate")).unwrap().at_home().is_ok());
    }
}
