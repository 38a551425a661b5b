//! A process of the host: the audit itself, by its number there.

use crate::Control::PidNamespace;
use crate::inside::processes;
use crate::primitive::Judge::{Host, Secret};
use crate::primitive::{Namespace, Primitive, row};

#[rustfmt::skip]
pub(super) const ROWS: &[Primitive] = &[
    row("proc.signal", "send it a signal", PidNamespace, processes::signals).judged(Host),
    row("proc.signal-pidfd", "send it a signal by descriptor", PidNamespace, processes::signals_by_fd).judged(Host),
    row("proc.signal-proc", "send it a signal through its folder", PidNamespace, processes::signals_by_folder).judged(Host),
    row("proc.write-vm", "write its memory", PidNamespace, processes::writes).judged(Host),
    row("proc.write-mem", "write its memory through /proc", PidNamespace, processes::writes_by_file).judged(Host),
    row("proc.read-vm", "read its memory", PidNamespace, processes::reads).judged(Secret),
    row("proc.read-mem", "read its memory through /proc", PidNamespace, processes::reads_by_file).judged(Secret),
    row("proc.ptrace", "trace it", PidNamespace, processes::traces).of(Namespace::Pid),
    row("proc.getfd", "take a descriptor of it", PidNamespace, processes::takes_descriptor).of(Namespace::Pid),
    row("proc.kcmp", "learn what it shares", PidNamespace, processes::compares).of(Namespace::Pid).reads(),
    row("proc.see", "see it", PidNamespace, processes::sees_others).of(Namespace::Pid).reads(),
    row("proc.environ", "read its environ", PidNamespace, |handed| processes::about(handed, "environ")).judged(Secret),
    row("proc.link-exe", "follow its exe", PidNamespace, |handed| processes::link_of(handed, "exe")).of(Namespace::Pid).reads(),
    row("proc.link-cwd", "follow its cwd", PidNamespace, |handed| processes::link_of(handed, "cwd")).of(Namespace::Pid).reads(),
    row("proc.link-root", "follow its root", PidNamespace, |handed| processes::link_of(handed, "root")).of(Namespace::Pid).reads(),
    row("proc.link-ns-mnt", "follow its ns/mnt", PidNamespace, |handed| processes::link_of(handed, "ns/mnt")).of(Namespace::Pid).reads(),
    row("proc.file-root", "read the secret through its root", PidNamespace, |handed| processes::file_of(handed, "root")).judged(Secret),
    row("proc.file-cwd", "read the secret through its cwd", PidNamespace, |handed| processes::file_of(handed, "cwd")).judged(Secret),
];
