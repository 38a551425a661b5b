//! Files of /proc and /sys that show the host.

use crate::Control::{ControlGroups, SystemPaths};
use crate::inside::{files, settings};
use crate::primitive::Judge::{SameText, Secret};
use crate::primitive::{Primitive, row};

/// How big the host is.
const SIZE: &[&str] = &["/proc/meminfo", "/proc/cpuinfo"];
/// How long it runs, and how busy it is.
const ACTIVITY: &[&str] = &["/proc/uptime", "/proc/loadavg", "/proc/stat", "/proc/vmstat"];

/// What the whole host waits for.
const PRESSURE: &[&str] = &["/proc/pressure/cpu", "/proc/pressure/io", "/proc/pressure/memory"];
/// Devices by bus.
const BUS: &[&str] = &["/proc/bus/pci/devices", "/proc/bus/input/devices"];
/// A number made at each boot.
const BOOT: &[&str] = &["/proc/sys/kernel/random/boot_id"];

#[rustfmt::skip]
pub(super) const ROWS: &[Primitive] = &[
    row("read.cmdline", "read how the host was started in /proc/cmdline", SystemPaths, |_| files::says("/proc/cmdline")).judged(SameText(&["/proc/cmdline"])),
    row("read.config", "read how the kernel was built in /proc/config.gz", SystemPaths, |_| files::says("/proc/config.gz")).of_host().reads(),
    row("read.diskstats", "read what the host's disks do in /proc/diskstats", SystemPaths, |_| files::says("/proc/diskstats")).judged(SameText(&["/proc/diskstats"])),
    row("read.interrupts", "read the timing of devices in /proc/interrupts", SystemPaths, |_| files::says("/proc/interrupts")).judged(SameText(&["/proc/interrupts"])),
    row("read.softirqs", "read the timing of the kernel in /proc/softirqs", SystemPaths, |_| files::says("/proc/softirqs")).judged(SameText(&["/proc/softirqs"])),
    row("read.keys", "read keys in /proc/keys", SystemPaths, |_| files::says("/proc/keys")).of_host().reads(),
    row("read.key-users", "read whose keys there are in /proc/key-users", SystemPaths, |_| files::says("/proc/key-users")).of_host().reads(),
    row("read.timer-list", "read the timers of all processes in /proc/timer_list", SystemPaths, |_| files::says("/proc/timer_list")).of_host().reads(),
    row("read.sched-debug", "read all processes in /proc/sched_debug", SystemPaths, |_| files::says("/proc/sched_debug")).of_host().reads(),
    row("read.latency", "read what processes wait for in /proc/latency_stats", SystemPaths, |_| files::says("/proc/latency_stats")).of_host().reads(),
    row("read.modules", "read loaded modules in /proc/modules", SystemPaths, |_| files::says("/proc/modules")).judged(SameText(&["/proc/modules"])),
    row("read.partitions", "read disks in /proc/partitions", SystemPaths, |_| files::says("/proc/partitions")).judged(SameText(&["/proc/partitions"])),
    row("read.slabinfo", "read what the kernel has allocated in /proc/slabinfo", SystemPaths, |_| files::says("/proc/slabinfo")).judged(SameText(&["/proc/slabinfo"])),
    row("read.vmalloc", "read where the kernel has memory in /proc/vmallocinfo", SystemPaths, |_| files::says("/proc/vmallocinfo")).judged(SameText(&["/proc/vmallocinfo"])),
    row("read.pagetypes", "read the kinds of pages in /proc/pagetypeinfo", SystemPaths, |_| files::says("/proc/pagetypeinfo")).judged(SameText(&["/proc/pagetypeinfo"])),
    row("read.acpi", "read what wakes the machine in /proc/acpi/wakeup", SystemPaths, |_| files::says("/proc/acpi/wakeup")).of_host().reads(),
    row("read.asound", "read sound cards in /proc/asound/cards", SystemPaths, |_| files::says("/proc/asound/cards")).of_host().reads(),
    row("read.scsi", "read SCSI disks in /proc/scsi/scsi", SystemPaths, |_| files::says("/proc/scsi/scsi")).of_host().reads(),
    row("read.mdstat", "read disk arrays in /proc/mdstat", SystemPaths, |_| files::says("/proc/mdstat")).judged(SameText(&["/proc/mdstat"])),
    row("read.kpagecount", "read who maps which page in /proc/kpagecount", SystemPaths, |_| files::says("/proc/kpagecount")).of_host().reads(),
    row("read.swaps", "read where the host swaps in /proc/swaps", SystemPaths, |_| files::says("/proc/swaps")).judged(SameText(&["/proc/swaps"])),
    row("read.locks", "read locks of all processes in /proc/locks", SystemPaths, |_| files::says("/proc/locks")).judged(SameText(&["/proc/locks"])),
    row("read.powercap", "read the power meter (CVE-2020-8694) in /sys/class/powercap/intel-rapl:0/energy_uj", SystemPaths, |_| files::says("/sys/class/powercap/intel-rapl:0/energy_uj")).of_host().reads(),
    row("read.dmi", "read the machine's serial number in /sys/devices/virtual/dmi/id/product_uuid", SystemPaths, |_| files::says("/sys/devices/virtual/dmi/id/product_uuid")).of_host().reads(),
    row("read.firmware", "read firmware tables in /sys/firmware/acpi/tables/DSDT", SystemPaths, |_| files::says("/sys/firmware/acpi/tables/DSDT")).of_host().reads(),
    row("read.notes", "read the kernel's build id in /sys/kernel/notes", SystemPaths, |_| files::says("/sys/kernel/notes")).of_host().reads(),
    row("read.vmcoreinfo", "read where the kernel's crash notes lie in /sys/kernel/vmcoreinfo", SystemPaths, |_| files::says("/sys/kernel/vmcoreinfo")).of_host().reads(),
    row("read.irq", "count interrupts in /sys/kernel/irq", SystemPaths, |_| files::lists("/sys/kernel/irq")).of_host().reads(),
    row("read.slab", "list what the kernel has allocated in /sys/kernel/slab", SystemPaths, |_| files::lists("/sys/kernel/slab")).of_host().reads(),
    row("read.module", "list what the kernel has loaded in /sys/module", SystemPaths, |_| files::lists("/sys/module")).of_host().reads(),
    row("read.loop", "list loop devices and the host's files behind them in /sys/devices/virtual/block", SystemPaths, |_| files::lists("/sys/devices/virtual/block")).of_host().reads(),
    row("read.devices", "list the host's disks and cards in /sys/class/block and /sys/bus/pci", SystemPaths, |_| files::lists("/sys/class/block")).of_host().reads().stays("the kernel has one tree of devices, and databases look up their disk in it"),
    row("read.kallsyms", "read addresses of the kernel's functions in /proc/kallsyms", SystemPaths, |_| files::shows_addresses("/proc/kallsyms")).of_host().reads(),
    row("read.iomem", "read addresses of memory in /proc/iomem", SystemPaths, |_| files::shows_addresses("/proc/iomem")).of_host().reads(),
    row("read.modules-at", "read addresses of modules in /proc/modules", SystemPaths, |_| files::shows_addresses("/proc/modules")).of_host().reads(),
    row("read.kcore", "open the kernel's memory in /proc/kcore", SystemPaths, |_| files::says("/proc/kcore")).of_host(),
    row("read.debugfs", "list the kernel's debug files", SystemPaths, |_| files::lists("/sys/kernel/debug")).of_host().reads(),
    row("read.tracefs", "list the kernel's trace files", SystemPaths, |_| files::lists("/sys/kernel/tracing")).of_host().reads(),
    row("read.securityfs", "list the security modules' files", SystemPaths, |_| files::lists("/sys/kernel/security")).of_host().reads(),
    row("read.bpffs", "list pinned BPF objects", SystemPaths, |_| files::lists("/sys/fs/bpf")).of_host().reads(),
    row("read.efivars", "list the firmware's variables", SystemPaths, |_| files::lists("/sys/firmware/efi/efivars")).of_host().reads(),
    row("read.zoneinfo", "read where the host's memory lies in /proc/zoneinfo", SystemPaths, |_| files::says("/proc/zoneinfo")).judged(SameText(&["/proc/zoneinfo"])),
    row("read.buddyinfo", "read what memory is free in /proc/buddyinfo", SystemPaths, |_| files::says("/proc/buddyinfo")).judged(SameText(&["/proc/buddyinfo"])),
    row("read.pressure", "read what the host waits for in /proc/pressure", SystemPaths, |_| files::say(PRESSURE)).judged(SameText(PRESSURE)),
    row("read.schedstat", "read what its processors do in /proc/schedstat", SystemPaths, |_| files::says("/proc/schedstat")).judged(SameText(&["/proc/schedstat"])),
    row("read.bus", "read the host's devices in /proc/bus", SystemPaths, |_| files::say(BUS)).judged(SameText(BUS)),
    row("read.ioports", "read the host's I/O ports in /proc/ioports", SystemPaths, |_| files::says("/proc/ioports")).of_host().reads(),
    row("read.identity", "read which boot of the host this is in /proc/sys/kernel/random/boot_id", SystemPaths, |_| files::say(BOOT)).judged(SameText(BOOT)),
    row("read.size", "read how big the host is in /proc/meminfo and cpuinfo", SystemPaths, |_| files::say(SIZE)).judged(SameText(SIZE)).stays("runtimes size their heaps and pools by it, and sysinfo(2) says it too"),
    row("read.activity", "read how long and how busy the host is in /proc/uptime, loadavg, stat and vmstat", SystemPaths, |_| files::say(ACTIVITY)).judged(SameText(ACTIVITY)).stays("top and its like read it, and sysinfo(2) says most of it too"),
    row("read.mountinfo", "read where on the host a volume lies in /proc/self/mountinfo", SystemPaths, |_| files::says("/proc/self/mountinfo")).judged(Secret).reads().stays("the kernel names the folder that a volume is of its file system"),
    row("read.cgroup-path", "read its path among the host's control groups", ControlGroups, |_| settings::sees_its_group()).of_host().reads(),
];
