//! Rights that programs gain or files carry.

use crate::Control::{Capabilities, Filter, NoNewPrivileges, Nothing, UserNamespace};
use crate::inside::programs;
use crate::primitive::{Namespace, Primitive, row};

#[rustfmt::skip]
pub(super) const ROWS: &[Primitive] = &[
    row("setid.program", "run a set-id program of root's as another user", NoNewPrivileges, |_| programs::set_id()).of(Namespace::User),
    row("setid.may-gain", "gain rights when a program is executed", NoNewPrivileges, |_| programs::may_gain()).of(Namespace::User),
    row("setid.file-capability", "give a file of its own capabilities", Capabilities, |_| programs::file_capability()).of(Namespace::User),
    row("setid.host-root", "be the host's user 0", UserNamespace, |_| programs::is_hosts_root()).of_host(),
    row("setid.own-file", "give a file of its own a set-id bit", Nothing, |_| programs::own_set_id()).meant(),
    row("setid.own-owner", "give a file of its own to another user inside", Nothing, |_| programs::own_owner()).meant(),
    row("setid.become", "become another user inside", Nothing, |_| programs::becomes_user()).meant(),
    row("setid.memory", "run a program that lies in memory alone", Filter, |_| programs::from_memory()).stays("runtimes and compilers run code that they made; it can do no more than any program inside"),
];
