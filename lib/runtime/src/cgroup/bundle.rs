//! Where a bundle's groups go, as its `linux.cgroupsPath` says.
//!
//! Source: runtime-spec config-linux.md, "Cgroups Path". An absolute path is one below the top of
//! each hierarchy; a relative one is below coffer's own group, and so is the container's id where
//! there is no path. All hierarchies of v1 are joined, for clients find the counters by them.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Access, AtFlags, accessat};
use rustix::io::Errno;

use super::group::{beneath, open_mount};
use super::place::{Caller, Existing, missing};
use super::{
    Bus, CgroupError, Controller, GroupPath, Kind, Manager, Missing, Owner, Place, ServiceManager,
    Settings, SystemdError, Unit, V1, V2, Version, systemd, v1, v2,
};
use crate::plan::Authority;

/// Who makes a bundle's groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Driver {
    /// Coffer itself, as folders.
    #[default]
    Cgroupfs,
    /// The systemd on this bus, as a scope.
    Systemd(Bus),
    /// Nobody: the container stays in its caller's groups.
    Disabled,
}

/// What a bundle says about its groups.
#[derive(Clone, Copy, Debug)]
pub struct OfBundle<'a> {
    /// Who makes them.
    pub driver: &'a Driver,
    /// `linux.cgroupsPath`.
    pub cgroups_path: &'a str,
    /// `linux.resources`.
    pub settings: &'a Settings,
    /// `annotations`, some of which are for systemd.
    pub annotations: &'a BTreeMap<String, String>,
    /// The container's id.
    pub id: &'a str,
    /// Whose rights its maker has.
    pub authority: Authority,
}

/// The longest name of a group. Source: `NAME_MAX`, linux/limits.h.
const NAME_MAX: usize = 255;

/// Where a path leads.
struct Below {
    parent: PathBuf,
    name: String,
    above: Owner,
}

impl Manager {
    /// Decides where the groups of a bundle go, and checks that its settings can be held there.
    /// Makes nothing.
    ///
    /// Where an ordinary user may make no groups, and nothing was asked for, there are none; nor
    /// where root of an ordinary user's namespace is told no path.
    ///
    /// # Errors
    /// [`CgroupError::Invalid`] with a JSON path; [`CgroupError::NoController`] where something
    /// was asked for that nothing can hold; [`CgroupError::Systemd`] where nobody is on its bus.
    pub fn of_bundle(self, wanted: OfBundle<'_>) -> Result<Place, CgroupError> {
        let OfBundle { driver, cgroups_path, settings, id, .. } = wanted;
        let caller = match wanted.authority {
            Authority::Root if cgroups_path.is_empty() && self.is_anothers() => Caller::User,
            Authority::Root => Caller::Root,
            Authority::User => Caller::User,
        };
        let manager = Self { caller, ..self };
        match driver {
            Driver::Disabled => manager.nowhere(settings),
            Driver::Cgroupfs => manager.folders(cgroups_path, settings, id),
            Driver::Systemd(bus) => manager.scope(bus, &wanted),
        }
    }

    /// Whether the hierarchies are not this root's: that of an engine's user namespace, as podman's
    /// for an ordinary user, is no more than that user there. (A hierarchy that is read-only says
    /// something else, and the root of the host can make its groups anywhere.)
    fn is_anothers(&self) -> bool {
        let v2 = self.layout.v2.iter().map(|v2| (&v2.mount, Version::V2));
        let v1 = self.layout.v1.iter().map(|v1| (&v1.mount, Version::V1));
        let top = v1.chain(v2).next().and_then(|(mount, version)| open_mount(mount, version).ok());
        let may = |top| accessat(top, c".", Access::WRITE_OK, AtFlags::EACCESS);
        top.is_some_and(|top| may(top) == Err(Errno::ACCESS))
    }

    /// A scope of the manager on `bus`, which is asked only where its own group is.
    fn scope(self, bus: &Bus, wanted: &OfBundle<'_>) -> Result<Place, CgroupError> {
        let (caller, slice) = match bus.manager {
            ServiceManager::System => (self.caller, "system.slice"),
            ServiceManager::User => (Caller::User, "user.slice"),
        };
        let named = systemd::parse(wanted.cgroups_path, slice, wanted.id);
        let systemd::Named { slice, scope } = named.map_err(|why| path_error(&why))?;
        let below = systemd::group(&slice).map_err(|why| path_error(&why))?;
        let properties = systemd::annotated(wanted.annotations).map_err(|(key, why)| {
            CgroupError::Invalid { path: format!("annotations.{key}"), why }
        })?;
        let manager = Self { caller, ..self };
        let (Kind::V2, Some(v2)) = (manager.layout.kind(), &manager.layout.v2) else {
            return Err(SystemdError::NoV2.into());
        };
        wanted.settings.check_for(Version::V2)?;
        let top = systemd::top(bus)?;
        let mount = open_mount(&v2.mount, Version::V2)?;
        let group = GroupPath {
            version: Version::V2,
            mount: v2.mount.clone(),
            controllers: manager.controllers_in(v2, &mount, &top)?,
            parent: top.join(below),
            name: scope.clone(),
            above: Owner::Other,
        };
        let groups = vec![group];
        manager.check(&groups, wanted.settings)?;
        let unit = Some(Unit { name: scope, slice, bus: bus.clone(), properties });
        Ok(Place { missing: missing(&groups), groups, existing: Existing::UsedIfEmpty, unit })
    }

    fn folders(&self, path: &str, settings: &Settings, id: &str) -> Result<Place, CgroupError> {
        let groups = match (self.layout.kind(), &self.layout.v2) {
            (Kind::V2, Some(v2)) => {
                settings.check_for(Version::V2)?;
                self.folder_v2(v2, path, id)?.into_iter().collect()
            }
            (Kind::V1 | Kind::Hybrid, _) if self.caller == Caller::Root => {
                settings.check_for(Version::V1)?;
                v1::devices::check(settings.devices.as_deref().unwrap_or_default())?;
                let below = self.below_top(path, id)?;
                self.layout.v1.iter().map(|v1| folder_v1(v1, &below)).collect()
            }
            _ => {
                self.below_top(path, id)?;
                Vec::new()
            }
        };
        if groups.is_empty() {
            return self.nowhere(settings);
        }
        self.check(&groups, settings)?;
        let (missing, existing) = (missing(&groups), Existing::UsedIfEmpty);
        Ok(Place { missing, groups, existing, unit: None })
    }

    /// No groups, which is right only where nothing was asked for.
    fn nowhere(&self, settings: &Settings) -> Result<Place, CgroupError> {
        let asked = match self.layout.kind() {
            Kind::V2 => v2::asked(settings),
            Kind::V1 | Kind::Hybrid | Kind::None => v1::asked(settings),
        };
        match asked.first() {
            Some((_, flag)) => Err(CgroupError::NoController { flag, why: Missing::Groups }),
            None => Ok(Place { missing: missing(&[]), ..Place::default() }),
        }
    }

    /// Below the top of a hierarchy of v1, or of v2 where root asks.
    fn below_top(&self, path: &str, id: &str) -> Result<Below, CgroupError> {
        let asked = if path.is_empty() { id } else { path };
        let (parent, name) = split(asked).map_err(path_error)?;
        Ok(if asked.starts_with('/') {
            Below { parent, name, above: Owner::Other }
        } else {
            let own = parent.as_os_str().is_empty();
            let above = if own { Owner::Coffer } else { Owner::Other };
            Below { parent: Path::new(&self.parent).join(parent), name, above }
        })
    }

    fn folder_v2(&self, v2: &V2, path: &str, id: &str) -> Result<Option<GroupPath>, CgroupError> {
        let Below { parent, name, above } = self.below_top(path, id)?;
        let (parent, controllers) = if path.starts_with('/') {
            let Some(controllers) = self.controllers_near(v2, &parent)? else { return Ok(None) };
            (parent, controllers)
        } else {
            let Some((top, controllers)) = self.at_hand(v2)? else { return Ok(None) };
            (top.join(parent), controllers)
        };
        let (version, mount) = (Version::V2, v2.mount.clone());
        Ok(Some(GroupPath { version, mount, parent, name, controllers, above }))
    }

    /// The controllers that groups in `parent` can have, as far as it is there; `None` where the
    /// caller may make none.
    fn controllers_near(
        &self,
        v2: &V2,
        parent: &Path,
    ) -> Result<Option<Vec<Controller>>, CgroupError> {
        let mount = open_mount(&v2.mount, Version::V2)?;
        let is_there = |path: &&Path| beneath(mount.as_fd(), path).is_ok();
        let near = parent.ancestors().find(is_there).unwrap_or(Path::new(""));
        if self.caller == Caller::User && !super::place::may_write(&mount, near) {
            return Ok(None);
        }
        self.controllers_in(v2, &mount, near).map(Some)
    }
}

fn folder_v1(v1: &V1, below: &Below) -> GroupPath {
    GroupPath {
        version: Version::V1,
        mount: v1.mount.clone(),
        parent: below.parent.clone(),
        name: below.name.clone(),
        controllers: v1.controllers.clone(),
        above: below.above,
    }
}

/// The groups above and the group itself, without `.` and empty parts; `..` is refused.
pub(super) fn split(path: &str) -> Result<(PathBuf, String), &'static str> {
    let mut names = Vec::new();
    for part in Path::new(path).components() {
        match part {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => match name.to_str() {
                Some(name) if name.len() <= NAME_MAX && !name.contains(['\0', '\n']) => {
                    names.push(name);
                }
                _ => return Err("it has a part that is no name of a group"),
            },
            Component::ParentDir | Component::Prefix(_) => {
                return Err("it has a part \"..\"");
            }
        }
    }
    match names.pop() {
        Some(name) => Ok((names.into_iter().collect(), name.to_owned())),
        None => Err("it is the top of the hierarchy"),
    }
}

fn path_error(why: &str) -> CgroupError {
    CgroupError::Invalid { path: "linux.cgroupsPath".to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Layout;
    use super::*;

    fn manager(caller: Caller) -> Manager {
        let mounts = b"32 31 0:29 / /c/memory rw - cgroup cgroup rw,memory
33 31 0:30 / /c/freezer rw - cgroup cgroup rw,freezer
34 31 0:31 / /c/systemd rw - cgroup cgroup rw,name=systemd
";
        let layout = Layout::parse(mounts, b"").unwrap();
        Manager { layout, parent: "coffer".to_owned(), caller }
    }

    fn place(path: &str, json: &str, authority: Authority) -> Result<Place, CgroupError> {
        let settings = Settings::of_bundle(&serde_json::from_str(json).unwrap()).unwrap();
        manager(Caller::Root).of_bundle(OfBundle {
            driver: &Driver::Cgroupfs,
            cgroups_path: path,
            settings: &settings,
            annotations: &BTreeMap::new(),
            id: "web",
            authority,
        })
    }

    fn paths(path: &str) -> Vec<PathBuf> {
        let place = place(path, "{}", Authority::Root).unwrap();
        place.groups.iter().map(GroupPath::path).collect()
    }

    #[test]
    fn the_path_decides() {
        let all = |below: &str| {
            ["memory", "freezer", "systemd"].map(|top| Path::new("/c").join(top).join(below))
        };
        assert_eq!(paths("/docker/abc"), all("docker/abc"));
        assert_eq!(paths("//docker/./abc/"), all("docker/abc"));
        assert_eq!(paths("pod/abc"), all("coffer/pod/abc"));
        assert_eq!(paths(""), all("coffer/web"));
        for bad in ["/", "/a/../b", "..", "./"] {
            let error = place(bad, "{}", Authority::Root).unwrap_err().to_string();
            assert!(error.starts_with("linux.cgroupsPath: "), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_held_is_refused_before_anything_is_made() {
        let asked = r#"{"pids": {"limit": 5}}"#;
        let error = place("/a", asked, Authority::Root).unwrap_err();
        assert_eq!(
            error.to_string(),
            "linux.resources.pids.limit cannot be enforced: this host has no pids controller"
        );
        assert!(place("/a", asked, Authority::User).is_err());
        assert!(place("/a", "{}", Authority::User).unwrap().groups.is_empty());
        assert!(place("/a", r#"{"unified": {"memory.high": "1"}}"#, Authority::Root).is_err());
    }

    proptest! {
        #[test]
        fn no_path_leaves_the_hierarchy(path in "[a./]{0,12}") {
            if let Ok((parent, name)) = split(&path) {
                let whole = parent.join(name);
                let is_plain = |c| matches!(c, Component::Normal(_));
                prop_assert!(whole.components().all(is_plain));
            }
        }
    }
}
