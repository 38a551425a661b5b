//! The volumes that containers use: made with them, kept while they are there.

use std::borrow::Cow;
use std::collections::BTreeMap;

use coffer_oci::ImageConfig;
use coffer_rootfs::Stack;
use coffer_sys::dir::Durability;

use super::{ContainerError, DataRoot};
use crate::spec::{
    Access, BindMount, Copy, MissingSource, MountRequest, Recursion, Request, Sharers,
};
use crate::state::ContainerId;
use crate::volume::{About, DATA, FOLDER, Kind, Source, Use, VolumeError, VolumeName, Volumes};

/// A volume that a container is to have.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) volume: Use,
    copy: Copy,
}

/// The request with folders in the place of volumes, and the volumes: those that it names, those
/// that it leaves without a name, and those of the image that nothing else stands at.
///
/// # Errors
/// Where no name can be had.
pub(super) fn settle<'a>(
    root: &DataRoot,
    image: &ImageConfig,
    request: &'a Request,
) -> Result<(Cow<'a, Request>, Vec<Wanted>), ContainerError> {
    let is_volume = |mount: &MountRequest| matches!(mount, MountRequest::Volume(_));
    if image.config.volumes.is_empty() && !request.mounts.iter().any(is_volume) {
        return Ok((Cow::Borrowed(request), Vec::new()));
    }
    let mut wanted = Vec::new();
    let mut settled = request.clone();
    for mount in &mut settled.mounts {
        let MountRequest::Volume(asked) = mount else { continue };
        let kind = if asked.name.is_some() { Kind::Named } else { Kind::Anonymous };
        let name = asked.name.clone().map_or_else(random, Ok)?;
        let target = asked.target.clone();
        let bind = folder(root, &name, &target, asked.access, asked.sharers);
        wanted.push(Wanted { volume: Use { name, kind, target }, copy: asked.copy });
        *mount = MountRequest::Bind(bind);
    }
    for target in image.config.volumes.keys().filter(|path| can_be_mounted(path)) {
        if settled.mounts.iter().any(|mount| parts(mount.target()).eq(parts(target))) {
            continue;
        }
        let name = random()?;
        let bind = folder(root, &name, target, Access::ReadWrite, Sharers::None);
        settled.mounts.push(MountRequest::Bind(bind));
        let volume = Use { name, kind: Kind::Anonymous, target: target.clone() };
        wanted.push(Wanted { volume, copy: Copy::OfImage });
    }
    // What is mounted below another comes after it.
    settled.mounts.sort_by_key(|mount| parts(mount.target()).count());
    Ok((Cow::Owned(settled), wanted))
}

fn random() -> Result<VolumeName, ContainerError> {
    VolumeName::random().map_err(|source| {
        let (doing, what) = ("name", "a volume".to_owned());
        VolumeError::System { doing, what, source }.into()
    })
}

fn folder(
    root: &DataRoot,
    name: &VolumeName,
    target: &str,
    access: Access,
    sharers: Sharers,
) -> BindMount {
    BindMount {
        source: root.path().join(FOLDER).join(name.as_str()).join(DATA),
        target: target.to_owned(),
        access,
        recursion: Recursion::Single,
        sharers,
        missing: MissingSource::Refuse,
    }
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}

/// Whether an image's volume can have a place. What cannot stays a folder of the container's own.
fn can_be_mounted(path: &str) -> bool {
    path.starts_with('/')
        && parts(path).all(|part| part != "..")
        && parts(path).next().is_some_and(|first| first != "proc" && first != "sys")
}

/// Makes what is wanted and not there. The container's record names all of it already.
///
/// # Errors
/// What could not be made; those that were made stay the container's.
pub(super) fn ensure(
    root: &DataRoot,
    container: &ContainerId,
    stack: &Stack,
    wanted: &[Wanted],
    durability: Durability,
) -> Result<(), VolumeError> {
    if wanted.is_empty() {
        return Ok(());
    }
    let volumes = Volumes::make(root.dir(), root.authority())?;
    // Whoever removes one looks at records under the lock: once it is free, ours are seen.
    drop(volumes.lock()?);
    for Wanted { volume, copy } in wanted {
        let source = Source {
            stack,
            root: root.path(),
            authority: root.authority(),
            target: &volume.target,
        };
        let source = (*copy == Copy::OfImage).then_some(source);
        // One with a name is everybody's, whatever becomes of this container.
        let durability = if volume.kind == Kind::Named { Durability::Disk } else { durability };
        let about = About::now(volume.kind, BTreeMap::new());
        if volumes.find(&volume.name)?.is_none()
            && volumes.create(&volume.name, &about, source.as_ref(), durability)?
        {
            continue;
        }
        let locked = volumes.lock()?;
        if let Some(source) = source
            && root.users(&volume.name, Some(container))?.is_empty()
        {
            locked.fill(&volume.name, &source)?;
        }
    }
    Ok(())
}

impl DataRoot {
    /// Its volumes; `None` where there never was one.
    ///
    /// # Errors
    /// Where they cannot be opened.
    pub fn volumes(&self) -> Result<Option<Volumes>, VolumeError> {
        Volumes::open(self.dir(), self.authority())
    }

    /// Makes a volume without anything in it. Says whether there was none of its name.
    ///
    /// # Errors
    /// What could not be made.
    pub fn create_volume(&self, name: &VolumeName, about: &About) -> Result<bool, VolumeError> {
        let volumes = Volumes::make(self.dir(), self.authority())?;
        if volumes.find(name)?.is_some() {
            return Ok(false);
        }
        volumes.create(name, about, None, Durability::Disk)
    }

    /// Removes the volume of this name.
    ///
    /// # Errors
    /// [`VolumeError::InUse`], [`VolumeError::NotFound`], and what could not be removed.
    pub fn remove_volume(&self, name: &VolumeName) -> Result<(), VolumeError> {
        let missing = || VolumeError::NotFound(name.clone());
        let volumes = self.volumes()?.ok_or_else(missing)?;
        let locked = volumes.lock()?;
        let by = self.users(name, None)?;
        if !by.is_empty() {
            return Err(VolumeError::InUse { name: name.clone(), by });
        }
        if locked.remove(name)? { Ok(()) } else { Err(missing()) }
    }

    /// The names of the containers that use a volume, but for `except`.
    ///
    /// # Errors
    /// Where they cannot be listed.
    pub fn users(
        &self,
        volume: &VolumeName,
        except: Option<&ContainerId>,
    ) -> Result<Vec<String>, VolumeError> {
        let list = self.containers().list().map_err(|error| VolumeError::System {
            doing: "look for users of",
            what: volume.to_string(),
            source: std::io::Error::other(error),
        })?;
        let others = list.into_iter().filter(|listed| Some(&listed.id) != except);
        let records = others.filter_map(|listed| listed.record);
        let users = records.filter(|record| record.volumes.iter().any(|used| used.name == *volume));
        Ok(users.map(|record| record.name.to_string()).collect())
    }

    /// Removes the volumes without a name that a container has had alone.
    ///
    /// # Errors
    /// What could not be removed.
    pub(super) fn drop_anonymous(
        &self,
        container: &ContainerId,
        used: &[Use],
    ) -> Result<(), VolumeError> {
        for volume in used.iter().filter(|volume| volume.kind == Kind::Anonymous) {
            let Some(volumes) = self.volumes()? else { continue };
            let locked = volumes.lock()?;
            if self.users(&volume.name, Some(container))?.is_empty() {
                locked.remove(&volume.name)?;
            }
        }
        Ok(())
    }
}
