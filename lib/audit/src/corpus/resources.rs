//! What the host has a bounded amount of. Each use is bounded too, and ends with its process.

use crate::Control::{Capabilities, Limits, UserNamespace};
use crate::inside::{resources, settings};
use crate::primitive::Held::{Disk, Files, Memory, Tasks};
use crate::primitive::Judge::{Held, Quota};
use crate::primitive::{Primitive, row};

#[rustfmt::skip]
pub(super) const ROWS: &[Primitive] = &[
    row("use.tasks", "have 2,500 tasks", Limits, resources::processes).judged(Held(Tasks)).stays_of_users("without a delegated control group nothing but the user's own limit counts"),
    row("use.memory", "use 512 MiB of memory, with no limit that leaves the host room", Limits, resources::memory).judged(Held(Memory)).meant().stays_of_users("without a delegated control group nothing but the user's own limit counts"),
    row("use.disk", "use 256 MiB of disk, with nobody who keeps the host room", Limits, resources::disk).judged(Held(Disk)).meant(),
    row("use.shm", "use 128 MiB of /dev/shm", Limits, |_| resources::shared_memory("/dev/shm")).judged(Held(Files)),
    row("use.dev", "use 128 MiB of /dev", Limits, |_| resources::shared_memory("/dev")).judged(Held(Files)),
    row("use.inotify", "use up inotify instances of the host's user", UserNamespace, |_| resources::watches()).judged(Quota).stays_of_users("what the user's containers use is the user's"),
    row("use.descriptors", "have more than a million open files", Limits, |_| resources::descriptors()).of_host(),
    row("use.raise-limit", "raise a hard limit", Capabilities, |_| settings::raises_limit()).of_host(),
    row("use.oom", "be the last to be killed where memory runs out", Capabilities, |_| settings::survives()).of_host(),
];
