//! Devices of a bundle's configuration. Source: runtime-spec config-linux.md, "Devices".

use std::ffi::CStr;

use coffer_confine::confinement::{DeviceKind, HostDevice};
use coffer_oci::runtime::{self, Spec};
use rustix::fs::{FileType, Mode};
use rustix::thread::{Gid, Uid};

use super::mounts::host_path;
use super::{
    Authority, DEVICES, Device, Handed, Node, Origin, Plan, PlanError, Step, Target, TargetKind,
    text,
};

/// Permission bits of a node for which none are given. Source: as runc does it.
const MODE: u32 = 0o666;

/// The device that makes terminals. Source: man 4 pts, linux/Documentation/filesystems/devpts.rst.
const PTMX: (&CStr, (u32, u32)) = (c"/dev/ptmx", (5, 2));

impl Plan {
    /// The devices of every container, in its own `/dev`.
    pub(super) fn device_steps(&mut self) -> Result<(), PlanError> {
        let origin = self.device_origin()?;
        for device in DEVICES {
            let origin = match (origin, self.authority) {
                (Origin::Host, Authority::Root) => {
                    self.handed.push(Handed::Device(device.path));
                    Origin::Handed(self.handed.len() - 1)
                }
                _ => origin,
            };
            self.steps.push(Step::Device(Device { origin, ..device }));
        }
        self.steps.push(Step::DeviceLinks);
        Ok(())
    }

    /// The nodes that the configuration lists, after everything is mounted.
    pub(super) fn node_steps(&mut self, spec: &Spec) -> Result<(), PlanError> {
        let Some(linux) = spec.linux.as_ref().filter(|linux| !linux.devices.is_empty()) else {
            return Ok(());
        };
        let bound = self.device_origin()? == Origin::Host;
        for (place, device) in linux.devices.iter().enumerate() {
            let node = node(device, bound)
                .map_err(|error| error.at(&format!("linux.devices[{place}]")))?;
            if !self.has_already(&node) {
                self.steps.push(Step::Node(node));
            }
        }
        Ok(())
    }

    /// The devices of the host that the container is given, over everything that is mounted. They
    /// keep their owners; what may be done with them is the control group's.
    pub(super) fn given_steps(&mut self, given: &[HostDevice]) -> Result<(), PlanError> {
        for device in given {
            self.steps.push(Step::Node(Node {
                target: Target::new(&device.target, TargetKind::File)?,
                kind: match device.kind {
                    DeviceKind::Character => FileType::CharacterDevice,
                    DeviceKind::Block => FileType::BlockDevice,
                },
                number: (device.major, device.minor),
                mode: Mode::from_raw_mode(MODE),
                owner: (Uid::ROOT, Gid::ROOT),
                host: Some(host_path(&device.source)?),
            }));
        }
        Ok(())
    }

    /// Which nodes a container gets: who is root on the host as well may change what he sees, so
    /// they are its own wherever nodes can be made.
    pub(super) fn device_origin(&self) -> Result<Origin, PlanError> {
        let mapped = self.ids.is_some() || self.authority == Authority::User;
        Ok(if mapped || !may_make_nodes()? { Origin::Host } else { Origin::Own })
    }

    /// Whether a node is one of those that every container has.
    fn has_already(&self, node: &Node) -> bool {
        let path = node.target.path.as_c_str();
        // `--privileged` lists the host's: here it is a link into the container's own devpts.
        if path == PTMX.0 && (node.kind, node.number) == (FileType::CharacterDevice, PTMX.1) {
            return self.steps.iter().any(|step| matches!(step, Step::DeviceLinks));
        }
        let same = |step: &Step| matches!(step, Step::Device(device) if device.path == path);
        DEVICES.iter().any(|device| device.path == path && device.number == node.number)
            && self.steps.iter().any(same)
    }
}

/// Whether this process is in the first user namespace: only there nodes can be made.
fn may_make_nodes() -> Result<bool, PlanError> {
    coffer_sys::userns::is_first().map_err(PlanError::OwnNamespaces)
}

fn node(device: &runtime::Device, bound: bool) -> Result<Node, PlanError> {
    let kind = match device.kind.as_str() {
        "c" | "u" => FileType::CharacterDevice,
        "b" => FileType::BlockDevice,
        "p" => FileType::Fifo,
        _ => return Err(PlanError::field("type", "is none of c, b, u and p")),
    };
    let number = |name, number: i64| {
        u32::try_from(number).map_err(|_| PlanError::field(name, "is no device number"))
    };
    let number = match kind {
        FileType::Fifo => (0, 0),
        _ => (number("major", device.major)?, number("minor", device.minor)?),
    };
    let host = bound && kind != FileType::Fifo;
    Ok(Node {
        target: Target::new(&device.path, TargetKind::File)?,
        kind,
        number,
        mode: Mode::from_raw_mode(device.file_mode.unwrap_or(MODE) & 0o7777),
        owner: (
            Uid::from_raw(device.uid.unwrap_or_default()),
            Gid::from_raw(device.gid.unwrap_or_default()),
        ),
        host: if host { Some(text("a device's path", &device.path)?) } else { None },
    })
}
