//! A secret in a file of the host.

use crate::Control::{Capabilities, Descriptors, IpcNamespace, Nothing, Root};
use crate::inside::{mounts, programs, volume};
use crate::primitive::Judge::Secret;
use crate::primitive::{Primitive, row};

#[rustfmt::skip]
pub(super) const ROWS: &[Primitive] = &[
    row("root.path", "read it by its path", Root, programs::by_path).judged(Secret),
    row("root.dotdot", "climb out of the root", Root, |handed| programs::through_folder(handed, "/")).judged(Secret),
    row("root.cwd", "climb out of the working folder (CVE-2024-21626)", Root, |handed| programs::through_folder(handed, "./")).judged(Secret),
    row("root.cwd-outside", "start in a folder outside of the root", Root, |_| programs::outside_folder()).of_host(),
    row("root.init-root", "read it through /proc/1/root", Root, |handed| programs::through_folder(handed, "/proc/1/root/")).judged(Secret),
    row("root.init-cwd", "read it through /proc/1/cwd", Root, |handed| programs::through_folder(handed, "/proc/1/cwd/")).judged(Secret),
    row("root.link", "follow a link out of the root", Root, programs::through_link).judged(Secret),
    row("root.volume", "climb out of a volume", Root, |handed| programs::through_folder(handed, "/coffer-audit/")).judged(Secret),
    row("root.chroot", "leave by another root", Capabilities, |handed| mounts::leaves_root(&format!("{}/secret", handed.folder))).judged(Secret),
    row("root.descriptors", "find a descriptor that was left open", Descriptors, |_| programs::open_descriptors()).of_host(),
    row("root.through-descriptors", "read it through a descriptor that was left open", Descriptors, programs::through_descriptors).judged(Secret),
    row("root.environment", "find it in the environment", Root, |_| programs::environment()).judged(Secret),
    row("root.shared-memory", "read it in the host's shared memory", IpcNamespace, programs::shared_memory).judged(Secret),
    row("root.handle", "open it by its handle (shocker)", Capabilities, volume::opens_by_handle).judged(Secret),
    row("root.own", "write to its own root", Nothing, |_| programs::writes_root()).meant(),
];
