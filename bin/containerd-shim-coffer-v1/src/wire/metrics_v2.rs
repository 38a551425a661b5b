//! What control groups of version 2 count, as containerd's clients read it.
//!
//! Source: containerd/cgroups, cgroup2/stats/metrics.proto; Linux
//! Documentation/admin-guide/cgroup-v2.rst.

use prost::Message;

use super::metrics::RdmaStat;

/// The type's name in an `Any`.
pub const TYPE: &str = "io.containerd.cgroups.v2.Metrics";

/// All of them.
#[derive(Clone, PartialEq, Message)]
pub struct Metrics {
    /// Processes and threads.
    #[prost(message, optional, tag = "1")]
    pub pids: Option<PidsStat>,
    /// Processors.
    #[prost(message, optional, tag = "2")]
    pub cpu: Option<CpuStat>,
    /// Memory.
    #[prost(message, optional, tag = "4")]
    pub memory: Option<MemoryStat>,
    /// Remote memory access.
    #[prost(message, optional, tag = "5")]
    pub rdma: Option<RdmaStat>,
    /// Block devices.
    #[prost(message, optional, tag = "6")]
    pub io: Option<IoStat>,
    /// Huge pages, one for each size.
    #[prost(message, repeated, tag = "7")]
    pub hugetlb: Vec<HugetlbStat>,
    /// How often memory ran short.
    #[prost(message, optional, tag = "8")]
    pub memory_events: Option<MemoryEvents>,
}

/// Processes and threads.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct PidsStat {
    /// How many there are.
    #[prost(uint64, tag = "1")]
    pub current: u64,
    /// How many there may be; the largest number where there is no limit.
    #[prost(uint64, tag = "2")]
    pub limit: u64,
}

/// How long tasks waited for one resource. Source: Linux Documentation/accounting/psi.rst.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Pressure {
    /// The time in which some task waited.
    #[prost(message, optional, tag = "1")]
    pub some: Option<Waited>,
    /// The time in which all tasks waited.
    #[prost(message, optional, tag = "2")]
    pub full: Option<Waited>,
}

/// One line of a pressure file.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Waited {
    /// Per cent of the last ten seconds.
    #[prost(double, tag = "1")]
    pub avg10: f64,
    /// Per cent of the last minute.
    #[prost(double, tag = "2")]
    pub avg60: f64,
    /// Per cent of the last five minutes.
    #[prost(double, tag = "3")]
    pub avg300: f64,
    /// Microseconds since the group was made.
    #[prost(uint64, tag = "4")]
    pub total: u64,
}

/// Huge pages of one size.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct HugetlbStat {
    /// Bytes in use.
    #[prost(uint64, tag = "1")]
    pub current: u64,
    /// The limit on them; the largest number where there is none.
    #[prost(uint64, tag = "2")]
    pub max: u64,
    /// The size, as the kernel names it: `2MB`.
    #[prost(string, tag = "3")]
    pub pagesize: String,
    /// How often the limit was reached.
    #[prost(uint64, tag = "4")]
    pub failcnt: u64,
}

/// Block devices.
#[derive(Clone, PartialEq, Message)]
pub struct IoStat {
    /// One for each device.
    #[prost(message, repeated, tag = "1")]
    pub usage: Vec<IoEntry>,
    /// How long tasks waited for them.
    #[prost(message, optional, tag = "2")]
    pub psi: Option<Pressure>,
}

/// One device.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct IoEntry {
    /// Its major number.
    #[prost(uint64, tag = "1")]
    pub major: u64,
    /// Its minor number.
    #[prost(uint64, tag = "2")]
    pub minor: u64,
    /// Bytes read.
    #[prost(uint64, tag = "3")]
    pub rbytes: u64,
    /// Bytes written.
    #[prost(uint64, tag = "4")]
    pub wbytes: u64,
    /// Reads.
    #[prost(uint64, tag = "5")]
    pub rios: u64,
    /// Writes.
    #[prost(uint64, tag = "6")]
    pub wios: u64,
}

/// Declares a message whose fields are the keys of a flat file of the kernel's, with the tag of its
/// pressure where it has one.
macro_rules! flat {
    ($(#[$about:meta])* $name:ident $(($psi:literal))? { $($field:ident $tag:literal $key:literal)* }) => {
        $(#[$about])*
        #[derive(Clone, PartialEq, Message)]
        pub struct $name {
            $(
                /// How long tasks waited for it.
                #[prost(message, optional, tag = $psi)]
                pub psi: Option<Pressure>,
            )?
            $(
                #[doc = concat!("The kernel's `", $key, "`.")]
                #[prost(uint64, tag = $tag)]
                pub $field: u64,
            )*
        }

        impl $name {
            /// Sets the field of the kernel's `key`; other keys are newer than the message.
            pub fn set(&mut self, key: &str, value: u64) {
                match key {
                    $($key => self.$field = value,)*
                    _ => {}
                }
            }
        }
    };
}

flat! {
    /// Processors; times in microseconds.
    CpuStat ("7") {
        usage_usec "1" "usage_usec"
        user_usec "2" "user_usec"
        system_usec "3" "system_usec"
        nr_periods "4" "nr_periods"
        nr_throttled "5" "nr_throttled"
        throttled_usec "6" "throttled_usec"
        nr_bursts "8" "nr_bursts"
        burst_usec "9" "burst_usec"
    }
}

flat! {
    /// How often memory ran short.
    MemoryEvents {
        low "1" "low"
        high "2" "high"
        max "3" "max"
        oom "4" "oom"
        oom_kill "5" "oom_kill"
        oom_group_kill "6" "oom_group_kill"
    }
}

flat! {
    /// Memory, in bytes; faults, pages moved and huge pages made are counts. The keys with a dot
    /// are files of their own.
    MemoryStat ("38") {
        anon "1" "anon"
        file "2" "file"
        kernel_stack "3" "kernel_stack"
        slab "4" "slab"
        sock "5" "sock"
        shmem "6" "shmem"
        file_mapped "7" "file_mapped"
        file_dirty "8" "file_dirty"
        file_writeback "9" "file_writeback"
        anon_thp "10" "anon_thp"
        inactive_anon "11" "inactive_anon"
        active_anon "12" "active_anon"
        inactive_file "13" "inactive_file"
        active_file "14" "active_file"
        unevictable "15" "unevictable"
        slab_reclaimable "16" "slab_reclaimable"
        slab_unreclaimable "17" "slab_unreclaimable"
        pgfault "18" "pgfault"
        pgmajfault "19" "pgmajfault"
        workingset_refault "20" "workingset_refault"
        workingset_activate "21" "workingset_activate"
        workingset_nodereclaim "22" "workingset_nodereclaim"
        pgrefill "23" "pgrefill"
        pgscan "24" "pgscan"
        pgsteal "25" "pgsteal"
        pgactivate "26" "pgactivate"
        pgdeactivate "27" "pgdeactivate"
        pglazyfree "28" "pglazyfree"
        pglazyfreed "29" "pglazyfreed"
        thp_fault_alloc "30" "thp_fault_alloc"
        thp_collapse_alloc "31" "thp_collapse_alloc"
        usage "32" "memory.current"
        usage_limit "33" "memory.max"
        swap_usage "34" "memory.swap.current"
        swap_limit "35" "memory.swap.max"
        max_usage "36" "memory.peak"
        swap_max_usage "37" "memory.swap.peak"
    }
}
