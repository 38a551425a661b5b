//! The counters of v2.

use super::super::CgroupError;
use super::super::group::{Group, keyed};
use super::super::pressure::Pressure;
use super::{HugePages, Stats, Throttling, number, numbers};

impl Stats {
    pub(super) fn read_v2(&mut self, group: &Group) -> Result<(), CgroupError> {
        // v2 counts time in every group, with or without the cpu controller.
        let cpu = numbers(group, "cpu.stat")?;
        let of = |name: &str| cpu.get(name).copied();
        let ns = |name: &str| of(name).map(|us| us.saturating_mul(1000));
        self.cpu_ns = ns("usage_usec");
        self.cpu_user_ns = ns("user_usec");
        self.cpu_system_ns = ns("system_usec");
        self.throttling = Throttling {
            periods: of("nr_periods").unwrap_or(0),
            throttled_periods: of("nr_throttled").unwrap_or(0),
            throttled_ns: ns("throttled_usec").unwrap_or(0),
            bursts: of("nr_bursts").unwrap_or(0),
            burst_ns: ns("burst_usec").unwrap_or(0),
        };
        self.cpuset = super::cpuset::read_v2(group)?;
        self.read_memory_v2(group)?;
        self.io = super::io::read_v2(group)?;
        self.cpu_pressure = pressure(group, "cpu.pressure")?;
        self.memory_pressure = pressure(group, "memory.pressure")?;
        self.io_pressure = pressure(group, "io.pressure")?;
        self.read_huge_pages_v2(group)
    }

    fn read_memory_v2(&mut self, group: &Group) -> Result<(), CgroupError> {
        let of = |name: &str| number(Some(group), name);
        self.memory_bytes = of("memory.current")?;
        self.memory_peak_bytes = of("memory.peak")?;
        self.memory_limit_bytes = of("memory.max")?;
        let hits = |name: &str| -> Result<u64, CgroupError> {
            let text = group.try_read(name)?.unwrap_or_default();
            Ok(keyed(&text, "max").unwrap_or(0))
        };
        self.memory_refused = hits("memory.events")?;
        self.swap_bytes = of("memory.swap.current")?;
        self.swap_peak_bytes = of("memory.swap.peak")?;
        self.swap_limit_bytes = of("memory.swap.max")?;
        self.swap_refused = hits("memory.swap.events")?;
        Ok(())
    }

    fn read_huge_pages_v2(&mut self, group: &Group) -> Result<(), CgroupError> {
        for size in group.huge_page_sizes()? {
            let reserved = number(Some(group), &format!("hugetlb.{size}.rsvd.current"))?;
            let touched = || number(Some(group), &format!("hugetlb.{size}.current"));
            let used_bytes = reserved.map_or_else(touched, |bytes| Ok(Some(bytes)))?.unwrap_or(0);
            let events = group.try_read(&format!("hugetlb.{size}.events"))?.unwrap_or_default();
            let refused = keyed(&events, "max").unwrap_or(0);
            self.huge_pages.insert(size, HugePages { used_bytes, peak_bytes: None, refused });
        }
        Ok(())
    }
}

fn pressure(group: &Group, name: &str) -> Result<Option<Pressure>, CgroupError> {
    match group.try_read(name) {
        Ok(text) => Ok(text.as_deref().and_then(Pressure::parse)),
        // Where the kernel was told to keep no account, the file is there and cannot be read.
        Err(CgroupError::File { source, .. })
            if source.raw_os_error() == Some(rustix::io::Errno::OPNOTSUPP.raw_os_error()) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
