//! Calls into the kernel that need no file. Those of the machine get arguments that the kernel refuses.

use coffer_sys::attempt::Call;

use crate::Control::{Capabilities, Filter};
use crate::inside::{call, entry, processes, settings};
use crate::primitive::{Namespace, Primitive, row};

#[rustfmt::skip]
pub(super) const ROWS: &[Primitive] = &[
    row("call.init-module", "load a kernel module", Capabilities, |_| call(Call::LOAD_MODULE)).of_host(),
    row("call.finit-module", "load one from a file", Capabilities, |_| call(Call::LOAD_MODULE_FILE)).of_host(),
    row("call.delete-module", "unload one", Capabilities, |_| call(Call::UNLOAD_MODULE)).of_host(),
    row("call.kexec-load", "load another kernel", Capabilities, |_| call(Call::LOAD_KERNEL)).of_host(),
    row("call.kexec-file-load", "load one from a file", Capabilities, |_| call(Call::LOAD_KERNEL_FILE)).of_host(),
    row("call.reboot", "restart the machine", Capabilities, |_| call(Call::REBOOT)).of(Namespace::Pid),
    row("call.settimeofday", "set the clock", Capabilities, |_| call(Call::SET_CLOCK)).of_host(),
    row("call.adjtimex", "change the clock's rate", Capabilities, |_| call(Call::TUNE_CLOCK)).of_host(),
    row("call.clock-adjtime", "change a clock's rate", Capabilities, |_| call(Call::TUNE_CLOCK_BY_ID)).of_host(),
    row("call.swapon", "add swap", Capabilities, |_| call(Call::SWAP_ON)).of_host(),
    row("call.swapoff", "take swap away", Capabilities, |_| call(Call::SWAP_OFF)).of_host(),
    row("call.acct", "switch process accounting", Capabilities, |_| call(Call::ACCOUNT)).of_host(),
    row("call.syslog", "read the kernel's log", Capabilities, |_| call(Call::KERNEL_LOG)).of_host().reads(),
    row("call.iopl", "reach all I/O ports", Capabilities, |_| call(Call::IO_LEVEL)).of_host(),
    row("call.ioperm", "reach an I/O port", Capabilities, |_| call(Call::IO_PORT)).of_host(),
    row("call.lookup-dcookie", "look up profiler cookies", Capabilities, |_| call(Call::COOKIE)).of_host().reads(),
    row("call.bpf-map", "make a BPF map", Filter, |_| call(Call::BPF_MAP)),
    row("call.bpf-list", "list BPF programs", Capabilities, |_| call(Call::BPF_LIST)).of_host().reads(),
    row("call.perf-self", "count its own events", Filter, |_| call(Call::PERF_SELF)),
    row("call.perf-all", "count a processor's events", Capabilities, |_| call(Call::PERF_ALL)).of_host(),
    row("call.userfaultfd", "handle page faults", Filter, |_| call(Call::PAGE_FAULTS)),
    row("call.io-uring", "queue calls past the filter", Filter, |_| call(Call::IO_URING)),
    row("call.keyctl", "reach keyrings", Filter, |_| call(Call::KEYS)),
    row("call.add-key", "keep a key", Filter, |_| call(Call::ADD_KEY)),
    row("call.request-key", "look for a key", Filter, |_| call(Call::REQUEST_KEY)),
    row("call.modify-ldt", "reach 16-bit segments", Filter, |_| call(Call::SEGMENTS)),
    row("call.memfd-secret", "hide memory from the kernel", Filter, |_| call(Call::SECRET_MEMORY)),
    row("call.fanotify-all", "watch whole file systems", Capabilities, |_| call(Call::WATCH_ALL)).of_host(),
    row("call.fanotify-some", "watch files by handle", Filter, |_| call(Call::WATCH_SOME)),
    row("call.name-to-handle", "ask for a file's handle", Filter, |_| call(Call::NAME_TO_HANDLE)),
    row("call.open-by-handle", "open a file by handle (shocker)", Capabilities, |_| call(Call::OPEN_HANDLE)).of_host(),
    row("call.mempolicy", "place memory on nodes", Filter, |_| call(Call::MEMORY_POLICY)),
    row("call.move-pages", "move its pages between nodes", Filter, |_| call(Call::MOVE_PAGES)),
    row("call.migrate-pages", "move a process's pages between nodes", Filter, |_| call(Call::MIGRATE_PAGES)),
    row("call.personality", "switch address randomisation off", Filter, |_| call(Call::PERSONALITY)),
    row("call.sysfs", "list kinds of file systems", Filter, |_| call(Call::FILE_SYSTEMS)),
    row("call.x32", "call by the x32 numbers", Filter, |_| call(Call::X32)),
    row("call.int80", "call by the 32-bit entry", Filter, |_| entry()),
    row("call.kcmp", "compare a process's own memory", Filter, |_| processes::compares_itself()),
    row("call.ptrace", "trace a process of its own container", Filter, |_| processes::traces_parent()),
    row("call.process-vm", "read a process of its own container", Filter, |_| processes::reads_parent()),
    row("call.pidfd-getfd", "take a descriptor of a process of its own container", Filter, |_| processes::takes_parents_descriptor()),
    row("call.sethostname", "name the machine", Capabilities, |_| settings::names_host()).of(Namespace::Uts),
    row("call.setdomainname", "name its domain", Capabilities, |_| settings::names_domain()).of(Namespace::Uts),
    row("call.nice", "be served before others", Capabilities, |_| settings::raises_priority()).of_host(),
    row("call.realtime", "run whenever it wants to", Capabilities, |_| settings::runs_first()).of_host(),
    row("call.ioprio", "read and write before others", Capabilities, |_| settings::reads_first()).of_host(),
];
