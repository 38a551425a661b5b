//! Groups that a container has made below its own, for processes that join it.
//!
//! A group of v2 that has given controllers to groups below it takes no more processes itself:
//! a container with a service manager is like that. Source: admin-guide/cgroup-v2.rst, "No
//! Internal Process Constraint".

use std::path::{Path, PathBuf};

use rustix::process::Pid;

use super::bundle::split;
use super::group::Group;
use super::layout::own_group;
use super::{Cgroup, CgroupError, Version};

impl Cgroup {
    /// The groups that `paths` name: one path for all, or for each some controllers of v1 before a
    /// colon (`cpu,cpuacct:below`). Source: runc-exec(8), `--cgroup`.
    ///
    /// # Errors
    /// As [`Cgroup::below`]; [`CgroupError::Invalid`] for a controller that is not there.
    pub fn below_each(mut self, paths: &[&str]) -> Result<Self, CgroupError> {
        if let [path] = paths
            && !path.contains(':')
        {
            return self.below(path);
        }
        for each in paths {
            let Some((controllers, path)) = each.split_once(':') else {
                return Err(invalid(&format!("{each} (missing <controller>: prefix)")));
            };
            for controller in controllers.split(',') {
                let own = |group: &&mut Group| {
                    group.at.version == Version::V1 && is_of(&group.at.mount, controller)
                };
                let group = self.groups.iter_mut().find(own).ok_or_else(|| {
                    invalid(&format!("{each}: unknown controller {controller} in it"))
                })?;
                if let Some((parent, name)) = place(path)? {
                    *group = group.below(&parent, &name)?;
                }
            }
        }
        Ok(self)
    }

    /// The groups at `path` below these.
    ///
    /// # Errors
    /// [`CgroupError::Invalid`] for a path that leads elsewhere, [`CgroupError::File`] where
    /// there is none.
    pub fn below(mut self, path: &str) -> Result<Self, CgroupError> {
        let Some((parent, name)) = place(path)? else { return Ok(self) };
        let below = |group: &Group| group.below(&parent, &name);
        self.groups = self.groups.iter().map(below).collect::<Result<_, _>>()?;
        if let Some(scope) = &mut self.scope {
            scope.narrow(&parent.join(&name));
        }
        Ok(self)
    }

    /// These groups, or where they take no processes the one that the container's first process
    /// `init` is in.
    ///
    /// # Errors
    /// Where the kernel's files cannot be read.
    pub fn beside(self, init: Pid) -> Result<Self, CgroupError> {
        let Some(group) = self.groups.first().filter(|g| g.at.version == Version::V2) else {
            return Ok(self);
        };
        if group.read("cgroup.subtree_control")?.trim().is_empty() {
            return Ok(self);
        }
        let own = Path::new("/").join(&group.at.parent).join(&group.at.name);
        let of_init = own_group(init)?;
        match of_init.as_ref().and_then(|path| path.strip_prefix(own).ok()?.to_str()) {
            Some(below) => self.below(below),
            None => Ok(self),
        }
    }
}

/// Whether a hierarchy of v1 has this controller, by the name of its mount (`cpu,cpuacct`).
fn is_of(mount: &Path, controller: &str) -> bool {
    let name = mount.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.split(',').any(|one| one == controller)
}

/// Where a path leads below a container's groups; `None` for those themselves.
fn place(path: &str) -> Result<Option<(PathBuf, String)>, CgroupError> {
    if path.split('/').all(|part| matches!(part, "" | ".")) {
        return Ok(None);
    }
    split(path).map(Some).map_err(|why| invalid(&format!("bad sub cgroup path {path}: {why}")))
}

fn invalid(why: &str) -> CgroupError {
    CgroupError::Invalid { path: "--cgroup".into(), why: why.into() }
}
