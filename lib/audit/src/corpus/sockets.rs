//! Sockets. A family is asked for by a type that there is not, so that no module is loaded for it.

use coffer_sys::attempt::Call;
use rustix::net::{AddressFamily, SocketType, ipproto, netlink};

use crate::Control::{Capabilities, Filter, NetworkNamespace, Nothing};
use crate::inside::{call, sockets};
use crate::primitive::Judge::Host;
use crate::primitive::{Namespace, Primitive, row};

#[rustfmt::skip]
pub(super) const ROWS: &[Primitive] = &[
    row("net.raw", "open a raw socket", Capabilities, |_| sockets::opens(AddressFamily::INET, SocketType::RAW, Some(ipproto::ICMP))).of(Namespace::Net),
    row("net.raw6", "open a raw socket of IPv6", Capabilities, |_| sockets::opens(AddressFamily::INET6, SocketType::RAW, Some(ipproto::ICMPV6))).of(Namespace::Net),
    row("net.packet", "open a packet socket", Capabilities, |_| sockets::packets()).of(Namespace::Net),
    row("net.route", "ask for interfaces and addresses by netlink", NetworkNamespace, |_| sockets::opens(AddressFamily::NETLINK, SocketType::RAW, None)).of(Namespace::Net).stays("C libraries ask for addresses so; it shows the container's own network namespace"),
    row("net.uevent", "listen to the kernel's device events", Filter, |_| sockets::opens(AddressFamily::NETLINK, SocketType::RAW, Some(netlink::KOBJECT_UEVENT))).of(Namespace::Net),
    row("net.interfaces", "see an interface but loopback", NetworkNamespace, |_| sockets::sees_interfaces()).of(Namespace::Net).reads(),
    row("net.loopback", "connect to the host's loopback", NetworkNamespace, sockets::connects_to_loopback).judged(Host),
    row("net.abstract", "connect to an abstract socket of the host", NetworkNamespace, sockets::connects_by_name).judged(Host),
    row("net.abstract-list", "see the host's abstract sockets (CVE-2020-15257)", NetworkNamespace, sockets::sees_sockets).of(Namespace::Net).reads(),
    row("net.low-port", "listen on port 80", Nothing, |_| sockets::listens_low()).of(Namespace::Net).meant(),
    row("net.family-ax25", "reach the socket family ax25 (3)", Filter, |_| call(Call::socket(3, 0))),
    row("net.family-ipx", "reach the socket family ipx (4)", Filter, |_| call(Call::socket(4, 0))),
    row("net.family-appletalk", "reach the socket family appletalk (5)", Filter, |_| call(Call::socket(5, 0))),
    row("net.family-x25", "reach the socket family x25 (9)", Filter, |_| call(Call::socket(9, 0))),
    row("net.family-key", "reach the socket family key (15)", Filter, |_| call(Call::socket(15, 0))),
    row("net.family-packet", "reach the socket family packet (17)", Filter, |_| call(Call::socket(17, 0))),
    row("net.family-ash", "reach the socket family ash (20)", Filter, |_| call(Call::socket(20, 0))),
    row("net.family-rds", "reach the socket family rds (21)", Filter, |_| call(Call::socket(21, 0))),
    row("net.family-pppox", "reach the socket family pppox (24)", Filter, |_| call(Call::socket(24, 0))),
    row("net.family-llc", "reach the socket family llc (26)", Filter, |_| call(Call::socket(26, 0))),
    row("net.family-can", "reach the socket family can (29)", Filter, |_| call(Call::socket(29, 0))),
    row("net.family-tipc", "reach the socket family tipc (30)", Filter, |_| call(Call::socket(30, 0))),
    row("net.family-bluetooth", "reach the socket family bluetooth (31)", Filter, |_| call(Call::socket(31, 0))),
    row("net.family-rxrpc", "reach the socket family rxrpc (33)", Filter, |_| call(Call::socket(33, 0))),
    row("net.family-phonet", "reach the socket family phonet (35)", Filter, |_| call(Call::socket(35, 0))),
    row("net.family-ieee802154", "reach the socket family ieee802154 (36)", Filter, |_| call(Call::socket(36, 0))),
    row("net.family-caif", "reach the socket family caif (37)", Filter, |_| call(Call::socket(37, 0))),
    row("net.family-alg", "reach the socket family alg (38)", Filter, |_| call(Call::socket(38, 0))),
    row("net.family-nfc", "reach the socket family nfc (39)", Filter, |_| call(Call::socket(39, 0))),
    row("net.family-vsock", "reach the socket family vsock (40)", Filter, |_| call(Call::socket(40, 0))),
    row("net.family-kcm", "reach the socket family kcm (41)", Filter, |_| call(Call::socket(41, 0))),
    row("net.family-qipcrtr", "reach the socket family qipcrtr (42)", Filter, |_| call(Call::socket(42, 0))),
    row("net.family-smc", "reach the socket family smc (43)", Filter, |_| call(Call::socket(43, 0))),
    row("net.family-xdp", "reach the socket family xdp (44)", Filter, |_| call(Call::socket(44, 0))),
    row("net.family-mctp", "reach the socket family mctp (45)", Filter, |_| call(Call::socket(45, 0))),
    row("net.netlink-sock-diag", "reach netlink's sock-diag (4)", Filter, |_| call(Call::socket(16, 4))),
    row("net.netlink-xfrm", "reach netlink's xfrm (6)", Filter, |_| call(Call::socket(16, 6))),
    row("net.netlink-selinux", "reach netlink's selinux (7)", Filter, |_| call(Call::socket(16, 7))),
    row("net.netlink-iscsi", "reach netlink's iscsi (8)", Filter, |_| call(Call::socket(16, 8))),
    row("net.netlink-audit", "reach netlink's audit (9)", Filter, |_| call(Call::socket(16, 9))),
    row("net.netlink-connector", "reach netlink's connector (11)", Filter, |_| call(Call::socket(16, 11))),
    row("net.netlink-netfilter", "reach netlink's netfilter (12)", Filter, |_| call(Call::socket(16, 12))),
    row("net.netlink-uevent", "reach netlink's uevent (15)", Filter, |_| call(Call::socket(16, 15))),
    row("net.netlink-generic", "reach netlink's generic (16)", Filter, |_| call(Call::socket(16, 16))),
    row("net.netlink-scsi", "reach netlink's scsi (18)", Filter, |_| call(Call::socket(16, 18))),
    row("net.netlink-rdma", "reach netlink's rdma (20)", Filter, |_| call(Call::socket(16, 20))),
    row("net.netlink-crypto", "reach netlink's crypto (21)", Filter, |_| call(Call::socket(16, 21))),
];
