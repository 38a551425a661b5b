//! What control groups of version 1 count, as containerd's clients read it.
//!
//! Source: containerd/cgroups, stats/v1/metrics.proto. Left out are the messages that containerd's
//! own shim does not fill either: networks (not a matter of control groups) and taskstats. Further
//! sources: Linux Documentation/admin-guide/cgroup-v1.

use prost::Message;

use super::metrics::RdmaStat;

/// The type's name in an `Any`.
pub const TYPE: &str = "io.containerd.cgroups.v1.Metrics";

/// All of them.
#[derive(Clone, PartialEq, Message)]
pub struct Metrics {
    /// Huge pages, one for each size.
    #[prost(message, repeated, tag = "1")]
    pub hugetlb: Vec<HugetlbStat>,
    /// Processes and threads.
    #[prost(message, optional, tag = "2")]
    pub pids: Option<PidsStat>,
    /// Processors.
    #[prost(message, optional, tag = "3")]
    pub cpu: Option<CpuStat>,
    /// Memory.
    #[prost(message, optional, tag = "4")]
    pub memory: Option<MemoryStat>,
    /// Block devices.
    #[prost(message, optional, tag = "5")]
    pub blkio: Option<BlkioStat>,
    /// Remote memory access.
    #[prost(message, optional, tag = "6")]
    pub rdma: Option<RdmaStat>,
    /// Want of memory.
    #[prost(message, optional, tag = "9")]
    pub memory_oom_control: Option<MemoryOomControl>,
}

/// Huge pages of one size.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct HugetlbStat {
    /// Bytes in use.
    #[prost(uint64, tag = "1")]
    pub usage: u64,
    /// The most bytes there were in use.
    #[prost(uint64, tag = "2")]
    pub max: u64,
    /// How often the limit was reached.
    #[prost(uint64, tag = "3")]
    pub failcnt: u64,
    /// The size, as the kernel names it: `2MB`.
    #[prost(string, tag = "4")]
    pub pagesize: String,
}

/// Processes and threads.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct PidsStat {
    /// How many there are.
    #[prost(uint64, tag = "1")]
    pub current: u64,
    /// How many there may be; 0 where there is no limit.
    #[prost(uint64, tag = "2")]
    pub limit: u64,
}

/// Processors.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct CpuStat {
    /// Time used.
    #[prost(message, optional, tag = "1")]
    pub usage: Option<CpuUsage>,
    /// Time held back.
    #[prost(message, optional, tag = "2")]
    pub throttling: Option<Throttle>,
}

/// Processor time, in nanoseconds.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct CpuUsage {
    /// All of it.
    #[prost(uint64, tag = "1")]
    pub total: u64,
    /// In the kernel.
    #[prost(uint64, tag = "2")]
    pub kernel: u64,
    /// In programs.
    #[prost(uint64, tag = "3")]
    pub user: u64,
    /// On each processor.
    #[prost(uint64, repeated, tag = "4")]
    pub per_cpu: Vec<u64>,
}

/// What a quota has held back.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Throttle {
    /// Periods that have passed.
    #[prost(uint64, tag = "1")]
    pub periods: u64,
    /// Those in which the quota was used up.
    #[prost(uint64, tag = "2")]
    pub throttled_periods: u64,
    /// For how long, in nanoseconds.
    #[prost(uint64, tag = "3")]
    pub throttled_time: u64,
}

/// One counter of memory, in bytes.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct MemoryEntry {
    /// The limit.
    #[prost(uint64, tag = "1")]
    pub limit: u64,
    /// In use.
    #[prost(uint64, tag = "2")]
    pub usage: u64,
    /// The most there was in use.
    #[prost(uint64, tag = "3")]
    pub max: u64,
    /// How often the limit was reached.
    #[prost(uint64, tag = "4")]
    pub failcnt: u64,
}

/// Want of memory.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct MemoryOomControl {
    /// 1 where the kernel waits rather than kills.
    #[prost(uint64, tag = "1")]
    pub oom_kill_disable: u64,
    /// 1 while it waits.
    #[prost(uint64, tag = "2")]
    pub under_oom: u64,
    /// How many processes it has killed.
    #[prost(uint64, tag = "3")]
    pub oom_kill: u64,
}

/// Block devices.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct BlkioStat {
    /// Bytes moved.
    #[prost(message, repeated, tag = "1")]
    pub io_service_bytes_recursive: Vec<BlkioEntry>,
    /// Requests served.
    #[prost(message, repeated, tag = "2")]
    pub io_serviced_recursive: Vec<BlkioEntry>,
    /// Requests that wait.
    #[prost(message, repeated, tag = "3")]
    pub io_queued_recursive: Vec<BlkioEntry>,
    /// Nanoseconds from dispatch to the end.
    #[prost(message, repeated, tag = "4")]
    pub io_service_time_recursive: Vec<BlkioEntry>,
    /// Nanoseconds of waiting before that.
    #[prost(message, repeated, tag = "5")]
    pub io_wait_time_recursive: Vec<BlkioEntry>,
    /// Requests merged with others.
    #[prost(message, repeated, tag = "6")]
    pub io_merged_recursive: Vec<BlkioEntry>,
    /// Milliseconds of the device.
    #[prost(message, repeated, tag = "7")]
    pub io_time_recursive: Vec<BlkioEntry>,
    /// Sectors moved.
    #[prost(message, repeated, tag = "8")]
    pub sectors_recursive: Vec<BlkioEntry>,
}

/// One kind of request on one device.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct BlkioEntry {
    /// `Read`, `Write`, `Sync`, `Async`, `Discard` or `Total`; empty where all count as one.
    #[prost(string, tag = "1")]
    pub op: String,
    /// The device's file; empty where it is not known.
    #[prost(string, tag = "2")]
    pub device: String,
    /// The device's major number.
    #[prost(uint64, tag = "3")]
    pub major: u64,
    /// The device's minor number.
    #[prost(uint64, tag = "4")]
    pub minor: u64,
    /// Bytes or requests.
    #[prost(uint64, tag = "5")]
    pub value: u64,
}

/// Declares `memory.stat` of version 1: each field has the kernel's name for it.
macro_rules! memory_stat {
    ($($field:ident $tag:literal $key:literal)*) => {
        /// Memory, in bytes; faults and pages moved are counts. Fields are named as in the kernel's
        /// `memory.stat`; those with `total_` include the groups below.
        #[derive(Clone, PartialEq, Eq, Message)]
        pub struct MemoryStat {
            $(
                #[doc = concat!("The kernel's `", $key, "`.")]
                #[prost(uint64, tag = $tag)]
                pub $field: u64,
            )*
            /// All memory.
            #[prost(message, optional, tag = "33")]
            pub usage: Option<MemoryEntry>,
            /// Memory and swap.
            #[prost(message, optional, tag = "34")]
            pub swap: Option<MemoryEntry>,
            /// The kernel's own memory.
            #[prost(message, optional, tag = "35")]
            pub kernel: Option<MemoryEntry>,
            /// That of TCP buffers.
            #[prost(message, optional, tag = "36")]
            pub kernel_tcp: Option<MemoryEntry>,
        }

        impl MemoryStat {
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

memory_stat! {
    cache "1" "cache"
    rss "2" "rss"
    rss_huge "3" "rss_huge"
    mapped_file "4" "mapped_file"
    dirty "5" "dirty"
    writeback "6" "writeback"
    pg_pg_in "7" "pgpgin"
    pg_pg_out "8" "pgpgout"
    pg_fault "9" "pgfault"
    pg_maj_fault "10" "pgmajfault"
    inactive_anon "11" "inactive_anon"
    active_anon "12" "active_anon"
    inactive_file "13" "inactive_file"
    active_file "14" "active_file"
    unevictable "15" "unevictable"
    hierarchical_memory_limit "16" "hierarchical_memory_limit"
    hierarchical_swap_limit "17" "hierarchical_memsw_limit"
    total_cache "18" "total_cache"
    total_rss "19" "total_rss"
    total_rss_huge "20" "total_rss_huge"
    total_mapped_file "21" "total_mapped_file"
    total_dirty "22" "total_dirty"
    total_writeback "23" "total_writeback"
    total_pg_pg_in "24" "total_pgpgin"
    total_pg_pg_out "25" "total_pgpgout"
    total_pg_fault "26" "total_pgfault"
    total_pg_maj_fault "27" "total_pgmajfault"
    total_inactive_anon "28" "total_inactive_anon"
    total_active_anon "29" "total_active_anon"
    total_inactive_file "30" "total_inactive_file"
    total_active_file "31" "total_active_file"
    total_unevictable "32" "total_unevictable"
}
