//! The mounts that a caller asks for: `-v`, `--mount` and `--tmpfs`.

use std::path::PathBuf;

use coffer_confine::ids::{ContainerGid, ContainerUid};

use crate::volume::VolumeName;

/// One mount asked for. All are nosuid and nodev, whatever the flag says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountRequest {
    /// A file or folder of the host: `-v /host:/in`, `--mount type=bind`, or a volume's folder.
    Bind(BindMount),
    /// Memory: `--tmpfs`, `--mount type=tmpfs`.
    Tmpfs(TmpfsMount),
    /// A volume: `-v name:/in`, `-v /in`, `--mount type=volume`.
    Volume(VolumeMount),
}

impl MountRequest {
    /// Where it is mounted in the container.
    pub fn target(&self) -> &str {
        match self {
            Self::Bind(bind) => &bind.target,
            Self::Tmpfs(tmpfs) => &tmpfs.target,
            Self::Volume(volume) => &volume.target,
        }
    }
}

/// A file or folder of the host, with its ids kept: id 5 inside is id 5 on the volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindMount {
    /// On the host, absolute.
    pub source: PathBuf,
    /// In the container, absolute.
    pub target: String,
    /// Whether it can be written.
    pub access: Access,
    /// Whether mounts below the source come along.
    pub recursion: Recursion,
    /// Whose it is to SELinux.
    pub sharers: Sharers,
    /// What happens where the source does not exist.
    pub missing: MissingSource,
}

/// A volume of the data root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeMount {
    /// Its name; without one it is made for this container.
    pub name: Option<VolumeName>,
    /// In the container, absolute.
    pub target: String,
    /// Whether it can be written.
    pub access: Access,
    /// Whose it is to SELinux.
    pub sharers: Sharers,
    /// What an empty one gets.
    pub copy: Copy,
}

/// What a volume gets that is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Copy {
    /// What the image has at its place.
    #[default]
    OfImage,
    /// Nothing: `nocopy`.
    Nothing,
}

/// Whether volumes that are not there are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Making {
    /// They are.
    #[default]
    Make,
    /// Nothing is made beside the container (`--dry-run`).
    Leave,
}

/// Memory as a file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TmpfsMount {
    /// In the container, absolute.
    pub target: String,
    /// How much it holds in bytes; half of the memory where none is given.
    pub size: Option<u64>,
    /// Permission bits of its root; 1777 where none are given.
    pub mode: Option<u32>,
    /// Who its root belongs to, by ids inside; root where none are given.
    pub uid: Option<ContainerUid>,
    /// The group of its root, likewise.
    pub gid: Option<ContainerGid>,
    /// Whether it can be written.
    pub access: Access,
    /// Whether files on it can be executed. docker's default is that they cannot.
    pub exec: Exec,
}

/// Whether a mount can be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// It can.
    #[default]
    ReadWrite,
    /// It cannot.
    ReadOnly,
}

/// Whether files of a mount can be executed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exec {
    /// They cannot.
    #[default]
    Refused,
    /// They can.
    Allowed,
}

/// Whether mounts below the source of a bind mount come along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recursion {
    /// They do (docker's default).
    #[default]
    Recursive,
    /// They do not: `bind-recursive=disabled`.
    Single,
}

/// Which containers SELinux lets at a volume. Without SELinux all are alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharers {
    /// Its files keep the labels that they have.
    #[default]
    AsLabelled,
    /// `:z`: every container.
    Containers,
    /// `:Z`: this one alone.
    None,
}

/// What happens where the source of a bind mount does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingSource {
    /// It is an error (`--mount`).
    #[default]
    Refuse,
    /// A folder is made (`-v`).
    MakeFolder,
}
