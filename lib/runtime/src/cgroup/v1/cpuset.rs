//! CPUs and memory nodes. Source: man 7 cpuset.

use super::super::CgroupError;
use super::super::group::Group;
use super::super::settings::Settings;

/// A new cpuset is empty and takes no process before both of its lists are set, in every group
/// from the top down. What nobody asked for is as in the group above.
pub(super) fn inherit(group: &Group, settings: &Settings) -> Result<(), CgroupError> {
    let cpu = settings.resources.cpu.as_ref();
    let asked = [
        ("cpuset.cpus", cpu.is_some_and(|cpu| !cpu.cpus.is_empty())),
        ("cpuset.mems", cpu.is_some_and(|cpu| !cpu.mems.is_empty())),
    ];
    for (name, is_asked) in asked {
        let above = group.fill_above(name)?;
        if !is_asked && group.read(name)?.trim().is_empty() {
            group.write(name, &above)?;
        }
    }
    Ok(())
}
