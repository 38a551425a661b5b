//! Block devices. Source: admin-guide/cgroup-v1/blkio-controller.rst.

use coffer_oci::runtime::ThrottleDevice;

use super::super::Controller;
use super::super::settings::{File, Need, Settings};

/// The weights. Kernels since 5.0 have them with the BFQ scheduler only, under names of its own;
/// `has_bfq` tells whether the group has these.
pub(super) fn weights(settings: &Settings, has_bfq: impl Fn() -> bool) -> Vec<File> {
    let Some(block) = &settings.resources.block_io else { return Vec::new() };
    let mut lines = Vec::new();
    let given = |weight: Option<u16>| weight.filter(|weight| *weight != 0);
    if let Some(weight) = given(block.weight) {
        lines.push(("weight", weight.to_string(), "linux.resources.blockIO.weight"));
    }
    if let Some(weight) = given(block.leaf_weight) {
        lines.push(("leaf_weight", weight.to_string(), "linux.resources.blockIO.leafWeight"));
    }
    let asker = "linux.resources.blockIO.weightDevice";
    for device in &block.weight_device {
        let line = |weight| format!("{}:{} {weight}", device.major, device.minor);
        lines.extend(given(device.weight).map(|w| ("weight_device", line(w), asker)));
        lines.extend(given(device.leaf_weight).map(|w| ("leaf_weight_device", line(w), asker)));
    }
    if lines.is_empty() {
        return Vec::new();
    }
    let prefix = if has_bfq() { "blkio.bfq." } else { "blkio." };
    let file = |(name, value, asker)| File {
        controller: Controller::Blkio,
        name: format!("{prefix}{name}").into(),
        value,
        asker,
        need: Need::Must,
    };
    lines.into_iter().map(file).collect()
}

/// The rates, one line for each device.
pub(super) fn throttles(settings: &Settings) -> Vec<File> {
    let Some(block) = &settings.resources.block_io else { return Vec::new() };
    let mut files = Vec::new();
    let mut add = |name: &'static str, devices: &[ThrottleDevice], asker| {
        files.extend(devices.iter().map(|device| File {
            controller: Controller::Blkio,
            name: name.into(),
            value: format!("{}:{} {}", device.major, device.minor, device.rate),
            asker,
            need: Need::Must,
        }));
    };
    add(
        "blkio.throttle.read_bps_device",
        &block.throttle_read_bps_device,
        "linux.resources.blockIO.throttleReadBpsDevice",
    );
    add(
        "blkio.throttle.write_bps_device",
        &block.throttle_write_bps_device,
        "linux.resources.blockIO.throttleWriteBpsDevice",
    );
    add(
        "blkio.throttle.read_iops_device",
        &block.throttle_read_iops_device,
        "linux.resources.blockIO.throttleReadIOPSDevice",
    );
    add(
        "blkio.throttle.write_iops_device",
        &block.throttle_write_iops_device,
        "linux.resources.blockIO.throttleWriteIOPSDevice",
    );
    files
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_device_is_a_line() {
        let device = json!([{"major": 8, "minor": 0, "rate": 7, "weight": 20}]);
        let resources = json!({"blockIO": {
            "weight": 10, "weightDevice": device, "throttleWriteIOPSDevice": device,
        }});
        let settings = Settings::of_bundle(&serde_json::from_value(resources).unwrap()).unwrap();
        let line = |file: &File| format!("{}={}", file.name, file.value);
        let weights: Vec<_> = weights(&settings, || true).iter().map(line).collect();
        assert_eq!(weights, ["blkio.bfq.weight=10", "blkio.bfq.weight_device=8:0 20"]);
        let rates: Vec<_> = throttles(&settings).iter().map(line).collect();
        assert_eq!(rates, ["blkio.throttle.write_iops_device=8:0 7"]);
    }
}
