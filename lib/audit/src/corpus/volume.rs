//! A folder of the host that was handed in read-only.

use crate::Control::{Capabilities, Volume};
use crate::inside::{mounts, programs, volume};
use crate::primitive::Judge::Host;
use crate::primitive::{Primitive, row};

#[rustfmt::skip]
pub(super) const ROWS: &[Primitive] = &[
    row("volume.write", "write to a file", Volume, |_| volume::writes("/coffer-audit/victim")).judged(Host),
    row("volume.makes", "make a file", Volume, |_| volume::makes()).judged(Host),
    row("volume.removes", "remove a file", Volume, |_| volume::removes()).judged(Host),
    row("volume.renames", "rename a file", Volume, |_| volume::renames()).judged(Host),
    row("volume.changes-mode", "give a file a set-id bit", Volume, |_| volume::changes_mode()).judged(Host),
    row("volume.changes-owner", "give a file another owner", Volume, |_| volume::changes_owner()).judged(Host),
    row("volume.changes-times", "give a file other times", Volume, |_| volume::changes_times()).judged(Host),
    row("volume.adds-attribute", "give a file an attribute", Volume, |_| volume::adds_attribute()).judged(Host),
    row("volume.changes-flags", "give a file other flags of its file system", Volume, |_| volume::changes_flags()).judged(Host),
    row("volume.links", "link a file", Volume, |_| volume::links()).judged(Host),
    row("volume.reopens", "open a file anew for writing", Volume, |_| volume::reopens()).judged(Host),
    row("volume.truncates", "shorten a file", Volume, |_| volume::truncates()).judged(Host),
    row("volume.splices", "write to a page that a pipe shares (CVE-2022-0847)", Volume, |_| volume::splices()).judged(Host),
    row("volume.runtime", "overwrite coffer's own binary (CVE-2019-5736)", Volume, |_| volume::writes("/coffer-audit/coffer")).judged(Host),
    row("volume.exe", "overwrite the running program through /proc/self/exe (CVE-2019-5736)", Volume, |_| volume::writes("/proc/self/exe")).judged(Host),
    row("volume.init-exe", "overwrite the first process's program (CVE-2019-5736)", Volume, |_| programs::overwrites_program("/proc/1/exe")).of_host(),
    row("volume.remount", "make the volume writable", Capabilities, |_| mounts::writable("/coffer-audit")),
];
