//! Groups that a container has made below its own, for processes that join it.
//!
//! A group of v2 that has given controllers to groups below it takes no more processes itself:
//! a container with a service manager is like that. Source: admin-guide/cgroup-v2.rst, "No
//! Internal Process Constraint".

use std::path::Path;

use rustix::process::Pid;

use super::bundle::split;
use super::group::Group;
use super::layout::own_group;
use super::{Cgroup, CgroupError, Version};

impl Cgroup {
    /// The groups at `path` below these.
    ///
    /// # Errors
    /// [`CgroupError::Invalid`] for a path that leads elsewhere, [`CgroupError::File`] where
    /// there is none.
    pub fn below(mut self, path: &str) -> Result<Self, CgroupError> {
        if path.split('/').all(|part| matches!(part, "" | ".")) {
            return Ok(self);
        }
        let invalid = |why: &str| CgroupError::Invalid { path: "--cgroup".into(), why: why.into() };
        let (parent, name) = split(path).map_err(invalid)?;
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
