//! What the process is to the scheduler and to memory, and what it is called. Source: runtime-spec
//! config.md, "Linux Process"; config-linux.md, "Personality", "Memory policy".

use std::ffi::CString;
use std::os::fd::OwnedFd;

use coffer_confine::confinement::{Labels, Standing};
use coffer_oci::runtime::{
    IoPriority, MemoryPolicy, NamespaceKind, Personality, Process, Scheduler, Spec,
};
use coffer_sys::process::{NODE_WORDS, SchedAttr};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::thread::CpuSet;

use crate::label::{apparmor, selinux};
use crate::spec::Init;

use super::{Bundle, Keyring, Plan, PlanError, Step, bundle, text};

/// The magic number of proc. Source: linux/magic.h.
const PROC: u64 = 0x9fa0;

impl Plan {
    /// What needs rights that are given up later.
    pub(super) fn tuning_steps(
        &mut self,
        process: &Process,
        bundle: &Bundle<'_>,
    ) -> Result<(), PlanError> {
        check_affinity(process)?;
        if process.exec_cpu_affinity.is_none() {
            self.all_processors();
        }
        if bundle.keyring == Keyring::Own {
            let name = text("the container's id", &format!("_ses.{}", bundle.id))?;
            self.steps.push(Step::SessionKeyring(Some(name)));
        }
        if let Some(scheduler) = &process.scheduler {
            let attr = attributes(scheduler).map_err(|error| error.at("process.scheduler"))?;
            self.steps.push(Step::Schedule(attr));
        }
        if let Some(priority) = &process.io_priority {
            let (class, level) =
                io_priority(priority).map_err(|error| error.at("process.ioPriority"))?;
            self.steps.push(Step::IoPriority(class, level));
        }
        Ok(())
    }

    /// All processors that its groups allow: whoever calls the runtime may itself be bound to
    /// some, and is no measure. As runc does it. Source: man 2 sched_setaffinity.
    fn all_processors(&mut self) {
        let mut all = Box::new(CpuSet::new());
        (0..CpuSet::MAX_CPU).for_each(|cpu| all.set(cpu));
        self.steps.push(Step::Affinity(all));
    }

    /// What a container's processes share.
    pub(super) fn domain_steps(
        &mut self,
        personality: Option<&Personality>,
        memory_policy: Option<&MemoryPolicy>,
    ) -> Result<(), PlanError> {
        if let Some(personality) = personality {
            let domain = domain(personality).map_err(|error| error.at("linux.personality"))?;
            self.steps.push(Step::Personality(domain));
        }
        if let Some(policy) = memory_policy {
            let (mode, nodes) =
                policy_of(policy).map_err(|error| error.at("linux.memoryPolicy"))?;
            self.steps.push(Step::MemoryPolicy(mode, Box::new(nodes)));
        }
        Ok(())
    }

    /// What security modules are to call the program: said to each through a file of the host's
    /// own proc, opened before the fork (CVE-2019-16884, CVE-2025-52881).
    pub(super) fn label_steps(&mut self, labels: &Labels, init: Init) -> Result<(), PlanError> {
        // Without AppArmor everything is unconfined.
        let apparmor = Some(labels.apparmor.as_str())
            .filter(|profile| !profile.is_empty())
            .filter(|profile| *profile != "unconfined" || apparmor::is_on());
        if let Some(profile) = apparmor {
            if !apparmor::is_on() {
                let why = "this kernel has no AppArmor";
                return Err(PlanError::field("process.apparmorProfile", why));
            }
            let proc = host_proc()?;
            let words = |verb: &str| text("the AppArmor profile", &format!("{verb} {profile}"));
            // Coffer's own profile lets what it holds execute files without leaving it.
            if init == Init::Tiny && labels.apparmor_by == Standing::Default {
                let file = c"thread-self/attr/apparmor/current".to_owned();
                self.steps.push(Step::InitLabel { proc, file });
                self.init_label = Some(words("changeprofile")?);
            } else {
                let file = c"thread-self/attr/apparmor/exec".to_owned();
                self.steps.push(Step::Label { proc, file, value: words("exec")? });
            }
        }
        if !labels.selinux.is_empty() {
            if !selinux::is_on() {
                let why = "this kernel has no SELinux";
                return Err(PlanError::field("process.selinuxLabel", why));
            }
            let file = c"thread-self/attr/exec".to_owned();
            let value = text("the SELinux label", &labels.selinux)?;
            self.steps.push(Step::Label { proc: host_proc()?, file, value });
        }
        Ok(())
    }

    /// A time namespace, with its offsets. The kernel lets a program into it that is executed.
    pub(super) fn time_step(&mut self, spec: &Spec) -> Result<(), PlanError> {
        let linux = spec.linux.as_ref();
        let offsets = linux.map(|linux| &linux.time_offsets).filter(|offsets| !offsets.is_empty());
        let own = linux.and_then(|linux| {
            linux.namespaces.iter().find(|namespace| namespace.kind == NamespaceKind::Time)
        });
        match own {
            None if offsets.is_some() => {
                let why = "needs a time namespace";
                return Err(PlanError::field("linux.timeOffsets", why));
            }
            Some(own) if !own.path.is_empty() && offsets.is_some() => {
                let why = "cannot be set in a namespace that is joined";
                return Err(PlanError::field("linux.timeOffsets", why));
            }
            Some(own) if own.path.is_empty() => {}
            _ => return Ok(()),
        }
        if !bundle::kernel_is_at_least(6, 1) {
            let why = "a program enters a time namespace from Linux 6.1 on";
            return Err(PlanError::field("linux.namespaces", why));
        }
        let lines = offsets.into_iter().flatten().map(|(clock, offset)| {
            let clock = format!("{clock:?}").to_ascii_lowercase();
            format!("{clock} {} {}\n", offset.secs, offset.nanosecs)
        });
        self.steps.push(Step::TimeNamespace { proc: host_proc()?, offsets: lines.collect() });
        Ok(())
    }
}

/// Looks at the CPUs of processes that join later, so that `create` says what is wrong with them.
fn check_affinity(process: &Process) -> Result<(), PlanError> {
    let Some(cpus) = &process.exec_cpu_affinity else { return Ok(()) };
    processors("initial", &cpus.initial)?;
    processors("final", &cpus.final_cpus).map(drop)
}

/// The CPUs of a list of `execCPUAffinity`. Source: runtime-spec config.md.
pub(super) fn processors(name: &str, list: &str) -> Result<Vec<usize>, PlanError> {
    let field = format!("process.execCPUAffinity.{name}");
    coffer_oci::runtime::numbers(list, CpuSet::MAX_CPU)
        .map_err(|_| PlanError::field(&field, "is no list of CPUs like 0-3,7"))
}

/// The host's own proc, looked at.
pub(super) fn host_proc() -> Result<OwnedFd, PlanError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let proc = rustix::fs::openat(CWD, c"/proc", flags, Mode::empty())
        .map_err(PlanError::OwnNamespaces)?;
    let kind = rustix::fs::fstatfs(&proc).map_err(PlanError::OwnNamespaces)?.f_type;
    match u64::try_from(kind) {
        Ok(PROC) => Ok(proc),
        _ => Err(PlanError::Unsupported("a host whose /proc is another file system")),
    }
}

/// The number of `name` in a table.
fn number(table: &[(&str, u32)], name: &str) -> Option<u32> {
    table.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// Flags by name, as one number.
fn flags(table: &[(&str, u32)], names: &[String], unknown: &'static str) -> Result<u32, PlanError> {
    names.iter().enumerate().try_fold(0, |all, (place, name)| {
        let flag = number(table, name);
        let flag = flag.ok_or_else(|| PlanError::field(&format!("flags[{place}]"), unknown));
        Ok(all | flag?)
    })
}

/// Source: linux/sched.h.
const POLICIES: [(&str, u32); 7] = [
    ("SCHED_OTHER", 0),
    ("SCHED_FIFO", 1),
    ("SCHED_RR", 2),
    ("SCHED_BATCH", 3),
    ("SCHED_ISO", 4),
    ("SCHED_IDLE", 5),
    ("SCHED_DEADLINE", 6),
];
const SCHED_FLAGS: [(&str, u32); 7] = [
    ("SCHED_FLAG_RESET_ON_FORK", 0x01),
    ("SCHED_FLAG_RECLAIM", 0x02),
    ("SCHED_FLAG_DL_OVERRUN", 0x04),
    ("SCHED_FLAG_KEEP_POLICY", 0x08),
    ("SCHED_FLAG_KEEP_PARAMS", 0x10),
    ("SCHED_FLAG_UTIL_CLAMP_MIN", 0x20),
    ("SCHED_FLAG_UTIL_CLAMP_MAX", 0x40),
];

fn attributes(asked: &Scheduler) -> Result<SchedAttr, PlanError> {
    let policy = number(&POLICIES, &asked.policy);
    let priority = u32::try_from(asked.priority.unwrap_or_default());
    Ok(SchedAttr {
        policy: policy.ok_or_else(|| PlanError::field("policy", "is unknown"))?,
        flags: u64::from(flags(&SCHED_FLAGS, &asked.flags, "is unknown")?),
        nice: asked.nice.unwrap_or_default(),
        priority: priority.map_err(|_| PlanError::field("priority", "is below 0"))?,
        runtime: asked.runtime.unwrap_or_default(),
        deadline: asked.deadline.unwrap_or_default(),
        period: asked.period.unwrap_or_default(),
    })
}

/// Source: linux/ioprio.h.
const IO_CLASSES: [(&str, u32); 3] =
    [("IOPRIO_CLASS_RT", 1), ("IOPRIO_CLASS_BE", 2), ("IOPRIO_CLASS_IDLE", 3)];

fn io_priority(asked: &IoPriority) -> Result<(u32, u32), PlanError> {
    let class = number(&IO_CLASSES, &asked.class);
    let class = class.ok_or_else(|| PlanError::field("class", "is unknown"))?;
    match u32::try_from(asked.priority) {
        Ok(level @ 0..=7) => Ok((class, level)),
        _ => Err(PlanError::field("priority", "is not from 0 to 7")),
    }
}

/// Source: linux/personality.h.
const DOMAINS: [(&str, u32); 2] = [("LINUX", 0), ("LINUX32", 8)];

fn domain(asked: &Personality) -> Result<u32, PlanError> {
    if !asked.flags.is_empty() {
        return Err(PlanError::field("flags[0]", "is unknown: none are defined"));
    }
    number(&DOMAINS, &asked.domain).ok_or_else(|| PlanError::field("domain", "is unknown"))
}

/// Source: linux/mempolicy.h.
const MODES: [(&str, u32); 7] = [
    ("MPOL_DEFAULT", 0),
    ("MPOL_PREFERRED", 1),
    ("MPOL_BIND", 2),
    ("MPOL_INTERLEAVE", 3),
    ("MPOL_LOCAL", 4),
    ("MPOL_PREFERRED_MANY", 5),
    ("MPOL_WEIGHTED_INTERLEAVE", 6),
];
const MODE_FLAGS: [(&str, u32); 3] = [
    ("MPOL_F_NUMA_BALANCING", 1 << 13),
    ("MPOL_F_RELATIVE_NODES", 1 << 14),
    ("MPOL_F_STATIC_NODES", 1 << 15),
];

/// The names of all modes of a memory policy.
pub fn memory_modes() -> impl Iterator<Item = &'static str> {
    MODES.iter().map(|(name, _)| *name)
}

/// The names of all flags of a memory policy's mode.
pub fn memory_mode_flags() -> impl Iterator<Item = &'static str> {
    MODE_FLAGS.iter().map(|(name, _)| *name)
}

fn policy_of(asked: &MemoryPolicy) -> Result<(u32, [u64; NODE_WORDS]), PlanError> {
    let mode = number(&MODES, &asked.mode)
        .ok_or_else(|| PlanError::field("mode", "invalid memory policy mode"))?;
    let mut words = [0; NODE_WORDS];
    let nodes = coffer_oci::runtime::numbers(&asked.nodes, NODE_WORDS * 64).map_err(|_| {
        PlanError::field("nodes", "invalid memory policy nodes: no list like 0-3,7")
    })?;
    // Source: man 2 set_mempolicy, of these two.
    if matches!(asked.mode.as_str(), "MPOL_DEFAULT" | "MPOL_LOCAL") && !nodes.is_empty() {
        return Err(PlanError::Nodes { mode: asked.mode.clone(), got: nodes.len() });
    }
    for node in nodes {
        words[node / 64] |= 1 << (node % 64);
    }
    let flags = flags(&MODE_FLAGS, &asked.flags, "invalid memory policy flag")?;
    Ok((mode | flags, words))
}

/// The label that file systems of the container are mounted with.
pub(super) fn mount_label(spec: &Spec) -> Result<Option<CString>, PlanError> {
    let label = spec.linux.as_ref().map(|linux| linux.mount_label.as_str());
    let Some(label) = label.filter(|label| !label.is_empty()) else { return Ok(None) };
    if !selinux::is_on() {
        return Err(PlanError::field("linux.mountLabel", "this kernel has no SELinux"));
    }
    text("the mount label", label).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_numbers_and_others_have_a_path() {
        let asked = Scheduler {
            policy: "SCHED_BATCH".to_owned(),
            nice: Some(3),
            flags: vec!["SCHED_FLAG_RESET_ON_FORK".to_owned()],
            ..Scheduler::default()
        };
        let attr = attributes(&asked).unwrap();
        assert_eq!((attr.policy, attr.nice, attr.flags), (3, 3, 1));
        let wrong = Scheduler { flags: vec!["X".to_owned()], ..asked };
        let told = attributes(&wrong).unwrap_err().at("process.scheduler").to_string();
        assert_eq!(told, "process.scheduler.flags[0]: is unknown");
        let policy = MemoryPolicy {
            mode: "MPOL_BIND".to_owned(),
            nodes: "0,64-65".to_owned(),
            flags: vec!["MPOL_F_STATIC_NODES".to_owned()],
        };
        let (mode, nodes) = policy_of(&policy).unwrap();
        assert_eq!((mode, nodes[0], nodes[1]), (2 | 1 << 15, 1, 3));
        let level = io_priority(&IoPriority { class: "IOPRIO_CLASS_BE".to_owned(), priority: 8 });
        assert_eq!(level.unwrap_err().to_string(), "priority: is not from 0 to 7");
    }
}
