//! Block devices. Source: admin-guide/cgroup-v2.rst, "IO Interface Files".

use coffer_oci::runtime::ThrottleDevice;

use super::super::Controller;
use super::super::settings::{File, Need, Settings};

/// The weights. The BFQ scheduler has files of its own in v1's scale; `has_bfq` tells whether the
/// group has these.
pub(super) fn weights(settings: &Settings, has_bfq: impl Fn() -> bool) -> Vec<File> {
    let Some(block) = &settings.resources.block_io else { return Vec::new() };
    let given = |weight: Option<u16>| weight.filter(|weight| *weight != 0);
    let mut lines = Vec::new();
    lines.extend(given(block.weight).map(|w| (String::new(), w, "linux.resources.blockIO.weight")));
    for device in &block.weight_device {
        let asker = "linux.resources.blockIO.weightDevice";
        let name = format!("{}:{} ", device.major, device.minor);
        lines.extend(given(device.weight).map(|w| (name, w, asker)));
    }
    if lines.is_empty() {
        return Vec::new();
    }
    let (name, scaled): (_, fn(u16) -> u16) =
        if has_bfq() { ("io.bfq.weight", |w| w) } else { ("io.weight", weight) };
    let file = |(device, weight, asker): (String, u16, _)| File {
        controller: Controller::Io,
        name: name.into(),
        value: format!("{device}{}", scaled(weight)),
        asker,
        need: Need::Must,
    };
    lines.into_iter().map(file).collect()
}

/// v1's weight (10 to 1000) as v2's (1 to 10000), by the straight line that runc and crun draw.
fn weight(weight: u16) -> u16 {
    let scaled = 1 + (u32::from(weight.clamp(10, 1000)) - 10) * 9_999 / 990;
    u16::try_from(scaled).unwrap_or(10_000)
}

/// The rates, one line for each device and kind.
pub(super) fn throttles(settings: &Settings) -> Vec<File> {
    let Some(block) = &settings.resources.block_io else { return Vec::new() };
    let mut files = Vec::new();
    let mut add = |key: &str, devices: &[ThrottleDevice], asker| {
        files.extend(devices.iter().map(|device| File {
            controller: Controller::Io,
            name: "io.max".into(),
            value: format!("{}:{} {key}={}", device.major, device.minor, rate(device.rate)),
            asker,
            need: Need::Must,
        }));
    };
    add("rbps", &block.throttle_read_bps_device, "linux.resources.blockIO.throttleReadBpsDevice");
    add("wbps", &block.throttle_write_bps_device, "linux.resources.blockIO.throttleWriteBpsDevice");
    add(
        "riops",
        &block.throttle_read_iops_device,
        "linux.resources.blockIO.throttleReadIOPSDevice",
    );
    add(
        "wiops",
        &block.throttle_write_iops_device,
        "linux.resources.blockIO.throttleWriteIOPSDevice",
    );
    files
}

/// On v1 a rate of zero takes a limit away.
fn rate(rate: u64) -> String {
    if rate == 0 { "max".to_owned() } else { rate.to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_ends_of_both_scales_meet() {
        assert_eq!([weight(10), weight(500), weight(1000)], [1, 4950, 10_000]);
    }

    #[test]
    fn each_device_is_a_line() {
        let device = json!([{"major": 8, "minor": 0, "rate": 0, "weight": 1000}]);
        let resources = json!({"blockIO": {
            "weight": 10, "weightDevice": device, "throttleReadIOPSDevice": device,
        }});
        let settings = Settings::of_bundle(&serde_json::from_value(resources).unwrap()).unwrap();
        let line = |file: &File| format!("{}={}", file.name, file.value);
        let weights: Vec<_> = weights(&settings, || false).iter().map(line).collect();
        assert_eq!(weights, ["io.weight=1", "io.weight=8:0 10000"]);
        let rates: Vec<_> = throttles(&settings).iter().map(line).collect();
        assert_eq!(rates, ["io.max=8:0 riops=max"]);
    }
}
