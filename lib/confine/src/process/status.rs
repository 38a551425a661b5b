//! `/proc/PID/status`. Source: man 5 proc_pid_status.

use serde::Serialize;

use crate::capability::CapSet;

/// What `status` says of a process's rights.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Its name, as the kernel has it: at most 15 bytes, chosen by the process.
    pub name: String,
    /// Its number where it is read.
    pub pid: u32,
    /// Its parent's.
    pub parent: u32,
    /// Its numbers in each pid namespace that it is in, the outermost first.
    pub pids: Vec<u32>,
    /// Real, effective, saved and file system user.
    pub uids: Vec<u32>,
    /// The same of groups.
    pub gids: Vec<u32>,
    /// What a program that is executed inherits.
    pub inheritable: CapSet,
    /// What it may put in force.
    pub permitted: CapSet,
    /// What is in force.
    pub effective: CapSet,
    /// What it can ever get.
    pub bounding: CapSet,
    /// What programs get without file capabilities.
    pub ambient: CapSet,
    /// Whether executing a file can never give more rights.
    pub no_new_privs: bool,
    /// Its system call filter.
    pub filter: FilterMode,
    /// How many filters it has; 0 where the kernel does not say.
    pub filters: u32,
}

/// Whether a process has a system call filter. Source: linux/seccomp.h.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FilterMode {
    /// None.
    #[default]
    None,
    /// Only read, write, exit and return from a signal.
    Strict,
    /// Programs in BPF.
    Filter,
}

/// Reads the file; `None` where a line that must be there is missing or makes no sense.
pub fn status(text: &str) -> Option<Status> {
    let field = |name: &str| {
        text.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
    };
    let number = |name: &str| field(name)?.parse::<u32>().ok();
    let numbers = |name: &str| -> Option<Vec<u32>> {
        field(name)?.split_whitespace().map(|word| word.parse().ok()).collect()
    };
    let set = |name: &str| u64::from_str_radix(field(name)?, 16).ok().map(CapSet::from_bits);
    Some(Status {
        name: field("Name")?.to_owned(),
        pid: number("Pid")?,
        parent: number("PPid")?,
        pids: numbers("NSpid").unwrap_or_default(),
        uids: numbers("Uid")?,
        gids: numbers("Gid")?,
        inheritable: set("CapInh")?,
        permitted: set("CapPrm")?,
        effective: set("CapEff")?,
        bounding: set("CapBnd")?,
        ambient: set("CapAmb").unwrap_or_default(),
        no_new_privs: number("NoNewPrivs") == Some(1),
        filter: match number("Seccomp") {
            Some(1) => FilterMode::Strict,
            Some(2) => FilterMode::Filter,
            _ => FilterMode::None,
        },
        filters: number("Seccomp_filters").unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::Capability;
    use proptest::prelude::*;

    const TEXT: &str = "Name:\tsh\nPid:\t42\nPPid:\t1\nNSpid:\t42\t1\nUid:\t0\t0\t0\t0\n\
        Gid:\t0\t0\t0\t0\nCapInh:\t0000000000000000\nCapPrm:\t0000000000002000\n\
        CapEff:\t0000000000002000\nCapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\n\
        NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n";

    #[test]
    fn a_container_of_dockers() {
        let status = status(TEXT).unwrap();
        assert_eq!((status.name.as_str(), status.pid, status.pids), ("sh", 42, vec![42, 1]));
        assert!(status.effective.has(Capability::NetRaw) && status.bounding.has(Capability::Mknod));
        assert_eq!((status.no_new_privs, status.filter), (true, FilterMode::Filter));
    }

    #[test]
    fn what_is_missing_is_said() {
        for name in ["Name", "Pid", "Uid", "CapEff", "CapBnd"] {
            let without: Vec<&str> = TEXT.lines().filter(|l| !l.starts_with(name)).collect();
            assert_eq!(status(&without.join("\n")), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in ".{0,300}") {
            prop_assert_eq!(status(&text), None);
        }
    }
}
