//! New namespaces, above all user namespaces, which open most of the kernel to their maker.

use coffer_sys::attempt::Call;

use crate::Control::Filter;
use crate::inside::{call, calls, mounts};
use crate::primitive::{Primitive, row};

#[rustfmt::skip]
pub(super) const ROWS: &[Primitive] = &[
    row("ns.unshare-user", "make a user namespace", Filter, |_| call(Call::UNSHARE_USER)),
    row("ns.unshare-mount", "make a mount namespace", Filter, |_| call(Call::UNSHARE_MOUNT)),
    row("ns.unshare-pid", "make a pid namespace", Filter, |_| call(Call::UNSHARE_PID)),
    row("ns.unshare-net", "make a network namespace", Filter, |_| call(Call::UNSHARE_NET)),
    row("ns.unshare-ipc", "make an IPC namespace", Filter, |_| call(Call::UNSHARE_IPC)),
    row("ns.unshare-uts", "make a UTS namespace", Filter, |_| call(Call::UNSHARE_UTS)),
    row("ns.unshare-cgroup", "make a control group namespace", Filter, |_| call(Call::UNSHARE_CGROUP)),
    row("ns.unshare-time", "make a time namespace", Filter, |_| call(Call::UNSHARE_TIME)),
    row("ns.clone-user", "fork into a user namespace", Filter, |_| call(Call::CLONE_USER)),
    row("ns.clone3", "fork by a call whose flags hide from filters", Filter, |_| call(Call::CLONE3)),
    row("ns.nested-root", "be root with every capability in a nested user namespace", Filter, |_| mounts::maps_itself()),
    row("ns.join-user", "join the first process's user namespace", Filter, |_| mounts::joins("user")),
    row("ns.join-mnt", "join the first process's mnt namespace", Filter, |_| mounts::joins("mnt")),
    row("ns.join-pid", "join the first process's pid namespace", Filter, |_| mounts::joins("pid")),
    row("ns.join-net", "join the first process's net namespace", Filter, |_| mounts::joins("net")),
    row("ns.join-ipc", "join the first process's ipc namespace", Filter, |_| mounts::joins("ipc")),
    row("ns.join-uts", "join the first process's uts namespace", Filter, |_| mounts::joins("uts")),
    row("ns.join-cgroup", "join the first process's cgroup namespace", Filter, |_| mounts::joins("cgroup")),
    row("ns.user-then-fsopen", "open a file system in a new user namespace (CVE-2022-0185)", Filter, |_| mounts::opened_as_new_user()),
    row("ns.user-then-overlay", "mount overlay in a new user namespace (CVE-2021-3493, CVE-2023-0386)", Filter, |_| mounts::as_new_user("overlay", c"lowerdir=/proc:/sys")),
    row("ns.user-then-cgroup", "mount control groups in a new user namespace (CVE-2022-0492)", Filter, |_| mounts::as_new_user("cgroup2", c"")),
    row("ns.user-then-netfilter", "reach netfilter in a new user namespace (CVE-2021-22555, CVE-2024-1086)", Filter, |_| calls(Call::UNSHARE_USER_NET, Call::socket(16, 12))),
    row("ns.user-then-packet", "reach packet sockets in a new user namespace (CVE-2020-14386)", Filter, |_| calls(Call::UNSHARE_USER_NET, Call::socket(17, 0))),
];
