//! Counters of the rdma and misc controllers. Source: the kernel's cgroup-v1/rdma.rst and
//! cgroup-v2.rst; both versions write alike.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::CgroupError;
use super::super::group::Group;
use super::numbers;

/// Remote memory access through one device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rdma {
    /// Handles in use.
    pub handles: u32,
    /// Objects in use.
    pub objects: u32,
    /// The limit on handles.
    pub handles_limit: Option<u32>,
    /// The limit on objects.
    pub objects_limit: Option<u32>,
}

/// One countable resource of another kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Misc {
    /// How much is in use.
    pub used: u64,
    /// How often the limit was hit.
    pub refused: u64,
}

/// By device.
pub(super) fn rdma(group: &Group) -> Result<BTreeMap<String, Rdma>, CgroupError> {
    let used = group.try_read("rdma.current")?.unwrap_or_default();
    let limits = group.try_read("rdma.max")?.unwrap_or_default();
    Ok(devices(&used, &limits))
}

/// By name.
pub(super) fn misc(group: &Group) -> Result<BTreeMap<String, Misc>, CgroupError> {
    let used = numbers(group, "misc.current")?;
    let events = numbers(group, "misc.events")?;
    let refused = |name: &str| events.get(&format!("{name}.max")).copied().unwrap_or(0);
    let each = used.into_iter().map(|(name, used)| {
        let refused = refused(&name);
        (name, Misc { used, refused })
    });
    Ok(each.collect())
}

/// Lines such as `mlx4_0 hca_handle=2 hca_object=2000`, or with `max` for a limit that there is
/// not.
fn devices(used: &str, limits: &str) -> BTreeMap<String, Rdma> {
    let field = |line: &str, name: &str| {
        let mut fields = line.split_ascii_whitespace();
        fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
    };
    let mut devices: BTreeMap<String, Rdma> = BTreeMap::new();
    for line in used.lines() {
        let device = line.split(' ').next().unwrap_or_default().to_owned();
        let (handles, objects) = (field(line, "hca_handle"), field(line, "hca_object"));
        let (handles, objects) = (handles.unwrap_or(0), objects.unwrap_or(0));
        devices.insert(device, Rdma { handles, objects, ..Rdma::default() });
    }
    for line in limits.lines() {
        if let Some(rdma) = devices.get_mut(line.split(' ').next().unwrap_or_default()) {
            rdma.handles_limit = field(line, "hca_handle");
            rdma.objects_limit = field(line, "hca_object");
        }
    }
    devices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_its_use_and_its_limits() {
        let found = devices(
            "mlx4_0 hca_handle=2 hca_object=20\nocrdma1 hca_handle=1 hca_object=3\n",
            "mlx4_0 hca_handle=3 hca_object=max\ngone hca_handle=1 hca_object=1\n",
        );
        let first = Rdma { handles: 2, objects: 20, handles_limit: Some(3), objects_limit: None };
        let second = Rdma { handles: 1, objects: 3, ..Rdma::default() };
        assert_eq!(found, [("mlx4_0".into(), first), ("ocrdma1".into(), second)].into());
    }
}
