//! Mounts, by the older and by the newer calls. Nothing is mounted where a later row looks.

use coffer_sys::attempt::Call;

use crate::Control::{Capabilities, Filter};
use crate::inside::{call, mounts};
use crate::primitive::{Primitive, row};

#[rustfmt::skip]
pub(super) const ROWS: &[Primitive] = &[
    row("mount.tmpfs", "mount a tmpfs", Capabilities, |_| mounts::of_kind("tmpfs", c"")),
    row("mount.proc", "mount a /proc without masks", Capabilities, |_| mounts::of_kind("proc", c"")),
    row("mount.sysfs", "mount a /sys that can be written", Capabilities, |_| mounts::of_kind("sysfs", c"")),
    row("mount.cgroup2", "mount control groups", Capabilities, |_| mounts::of_kind("cgroup2", c"")),
    row("mount.overlay", "mount an overlay", Capabilities, |_| mounts::of_kind("overlay", c"lowerdir=/proc:/sys")),
    row("mount.devpts", "mount terminals", Capabilities, |_| mounts::of_kind("devpts", c"newinstance")),
    row("mount.mqueue", "mount message queues", Capabilities, |_| mounts::of_kind("mqueue", c"")),
    row("mount.debugfs", "mount the kernel's debug files", Capabilities, |_| mounts::of_kind("debugfs", c"")).of_host(),
    row("mount.tracefs", "mount the kernel's trace files", Capabilities, |_| mounts::of_kind("tracefs", c"")).of_host(),
    row("mount.securityfs", "mount the security modules' files", Capabilities, |_| mounts::of_kind("securityfs", c"")).of_host(),
    row("mount.bpf", "mount pinned BPF objects", Capabilities, |_| mounts::of_kind("bpf", c"")),
    row("mount.bind", "show a folder at another place", Capabilities, |_| mounts::bind()),
    row("mount.sys-writable", "make /sys writable", Capabilities, |_| mounts::writable("/sys")),
    row("mount.proc-sys-writable", "make /proc/sys writable", Capabilities, |_| mounts::writable("/proc/sys")),
    row("mount.cgroup-writable", "make control groups writable", Capabilities, |_| mounts::writable("/sys/fs/cgroup")),
    row("mount.uncover-timers", "uncover /proc/timer_list", Capabilities, |_| mounts::uncover("/proc/timer_list")).of_host().reads(),
    row("mount.uncover-keys", "uncover /proc/keys", Capabilities, |_| mounts::uncover("/proc/keys")).of_host().reads(),
    row("mount.share", "have mounts travel between namespaces", Capabilities, |_| mounts::share()),
    row("mount.unmount", "unmount a folder", Capabilities, |_| call(Call::UNMOUNT)),
    row("mount.pivot", "change the root mount", Capabilities, |_| call(Call::PIVOT_ROOT)),
    row("mount.chroot", "change the root folder", Capabilities, |_| mounts::changes_root()),
    row("mount.fsopen", "open a file system by the newer calls", Capabilities, |_| call(Call::OPEN_FILE_SYSTEM)),
    row("mount.fsmount", "make a tmpfs by the newer calls", Capabilities, |_| mounts::new_api("tmpfs")),
    row("mount.fspick", "reconfigure the root's file system", Capabilities, |_| call(Call::PICK_FILE_SYSTEM)),
    row("mount.open-tree", "copy the root's mount", Capabilities, |_| call(Call::COPY_TREE)),
    row("mount.open-tree-attr", "copy it with other attributes", Capabilities, |_| call(Call::COPY_TREE_ATTR)),
    row("mount.move", "attach a mount by the newer calls", Capabilities, |_| call(Call::MOVE_MOUNT)),
    row("mount.setattr", "change attributes of the root's mount", Capabilities, |_| call(Call::MOUNT_ATTRIBUTES)),
    row("mount.list", "list mounts by number", Filter, |_| call(Call::LIST_MOUNTS)),
    row("mount.about", "ask about a mount by its number", Filter, |_| call(Call::ABOUT_MOUNT)),
];
