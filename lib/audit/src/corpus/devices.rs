//! Device nodes: those that are there, and those that could be made. They are opened, and not read.

use crate::Control::{Capabilities, Devices, Volume};
use crate::inside::devices;
use crate::primitive::{Primitive, row};

#[rustfmt::skip]
pub(super) const ROWS: &[Primitive] = &[
    row("dev.node-mem", "make and open the device of the machine's memory", Capabilities, |_| devices::character(1, 1)).of_host(),
    row("dev.node-port", "make and open the device of I/O ports", Capabilities, |_| devices::character(1, 4)).of_host(),
    row("dev.node-kmsg", "make and open the device of the kernel's log", Capabilities, |_| devices::character(1, 11)).of_host(),
    row("dev.node-loop-control", "make and open the device of loop devices", Capabilities, |_| devices::character(10, 237)).of_host(),
    row("dev.node-tun", "make and open the device of network tunnels", Capabilities, |_| devices::character(10, 200)).of_host(),
    row("dev.node-fuse", "make and open the device of file systems of its own", Capabilities, |_| devices::character(10, 229)).of_host(),
    row("dev.node-kvm", "make and open the device of virtual machines", Capabilities, |_| devices::character(10, 232)).of_host(),
    row("dev.node-btrfs", "make and open the device of btrfs's control", Capabilities, |_| devices::character(10, 234)).of_host(),
    row("dev.node-mapper", "make and open the device of the device mapper", Capabilities, |_| devices::character(10, 236)).of_host(),
    row("dev.node-uinput", "make and open the device of key presses", Capabilities, |_| devices::character(10, 223)).of_host(),
    row("dev.node-console", "make and open the device of the console", Capabilities, |_| devices::character(5, 1)).of_host(),
    row("dev.node-tty1", "make and open the device of the first terminal of the machine", Capabilities, |_| devices::character(4, 1)).of_host(),
    row("dev.node-root", "make and open the disk that the host's root lies on", Capabilities, |handed| devices::block(handed.root_device)).of_host(),
    row("dev.node-sda", "make and open the first disk", Capabilities, |_| devices::block((8, 0))).of_host(),
    row("dev.node-vda", "make and open the first virtual disk", Capabilities, |_| devices::block((254, 0))).of_host(),
    row("dev.volume", "open a device node that lies on a volume", Volume, |_| devices::of_volume()).of_host(),
    row("dev.there-mem", "open /dev/mem", Devices, |_| devices::opens("/dev/mem")).of_host(),
    row("dev.there-kmsg", "open /dev/kmsg", Devices, |_| devices::opens("/dev/kmsg")).of_host(),
    row("dev.there-fuse", "open /dev/fuse", Devices, |_| devices::opens("/dev/fuse")).of_host(),
    row("dev.there-kvm", "open /dev/kvm", Devices, |_| devices::opens("/dev/kvm")).of_host(),
    row("dev.there-tun", "open /dev/net/tun", Devices, |_| devices::opens("/dev/net/tun")).of_host(),
    row("dev.there-loop", "open /dev/loop-control", Devices, |_| devices::opens("/dev/loop-control")).of_host(),
    row("dev.there-sda", "open /dev/sda", Devices, |_| devices::opens("/dev/sda")).of_host(),
    row("dev.there-vda", "open /dev/vda", Devices, |_| devices::opens("/dev/vda")).of_host(),
    row("dev.there-vhost", "open /dev/vhost-net", Devices, |_| devices::opens("/dev/vhost-net")).of_host(),
    row("dev.there-dri", "open /dev/dri/card0", Devices, |_| devices::opens("/dev/dri/card0")).of_host(),
    row("dev.there-input", "open /dev/input/event0", Devices, |_| devices::opens("/dev/input/event0")).of_host(),
    row("dev.there-hpet", "open /dev/hpet", Devices, |_| devices::opens("/dev/hpet")).of_host(),
    row("dev.there-vcs", "open /dev/vcs", Devices, |_| devices::opens("/dev/vcs")).of_host(),
];
