//! The device filter of a group.

use std::os::fd::AsFd;

use coffer_sys::bpf;

use super::super::CgroupError;
use super::super::device::{Rule, filter};
use super::super::group::Group;

/// Attaches the filter that decides as `rules` do, in the place of an earlier one of ours: there
/// is no moment without a filter. Others' filters stay; a request must pass all.
pub(super) fn set(group: &Group, rules: &[Rule]) -> Result<(), CgroupError> {
    let failed = |source| CgroupError::Filter { path: group.at.path(), source };
    let filter = bpf::load_device_filter(&filter::program(rules)).map_err(failed)?;
    let earlier = bpf::device_filters(group.dir.as_fd()).map_err(failed)?;
    let (replaced, left) = match earlier.split_first() {
        Some((first, rest)) => (Some(first.as_fd()), rest),
        None => (None, [].as_slice()),
    };
    bpf::attach_device_filter(group.dir.as_fd(), filter.as_fd(), replaced).map_err(failed)?;
    // An update that was killed half-way may have left more than one.
    left.iter().try_for_each(|filter| {
        bpf::detach_device_filter(group.dir.as_fd(), filter.as_fd()).map_err(failed)
    })
}
