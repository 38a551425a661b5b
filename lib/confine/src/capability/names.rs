//! The forty-one capabilities. Source: linux/capability.h of Linux 6.18; man 7 capabilities.

/// Makes the type and its tables from one list, so that none can be left out of one of them.
macro_rules! capabilities {
    ($($number:literal $variant:ident $name:literal $lets:literal)*) => {
        /// One capability. Its number is the kernel's.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Capability {
            $(#[doc = concat!("`CAP_", $name, "`: ", $lets, ".")] $variant = $number,)*
        }

        impl Capability {
            /// All of them, by number.
            pub const ALL: [Self; 41] = [$(Self::$variant,)*];

            /// The name without `CAP_`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it lets its holder do.
            pub const fn lets(self) -> &'static str {
                match self { $(Self::$variant => $lets,)* }
            }
        }
    };
}

capabilities! {
    0 Chown "CHOWN" "change the owner of any file"
    1 DacOverride "DAC_OVERRIDE" "read, write and execute any file whatever its mode"
    2 DacReadSearch "DAC_READ_SEARCH" "read any file and folder, and open files by handle"
    3 Fowner "FOWNER" "act as the owner of any file"
    4 Fsetid "FSETID" "keep set-id bits when a file changes"
    5 Kill "KILL" "send a signal to any process"
    6 Setgid "SETGID" "take on any group"
    7 Setuid "SETUID" "take on any user"
    8 Setpcap "SETPCAP" "hand capabilities on"
    9 LinuxImmutable "LINUX_IMMUTABLE" "set the immutable and append-only flags"
    10 NetBindService "NET_BIND_SERVICE" "listen on ports below 1024"
    11 NetBroadcast "NET_BROADCAST" "broadcast (unused by the kernel)"
    12 NetAdmin "NET_ADMIN" "configure the network"
    13 NetRaw "NET_RAW" "open raw and packet sockets"
    14 IpcLock "IPC_LOCK" "lock memory"
    15 IpcOwner "IPC_OWNER" "use any System V object"
    16 SysModule "SYS_MODULE" "load kernel modules"
    17 SysRawio "SYS_RAWIO" "reach I/O ports and raw devices"
    18 SysChroot "SYS_CHROOT" "change the root folder"
    19 SysPtrace "SYS_PTRACE" "trace and read any process"
    20 SysPacct "SYS_PACCT" "switch process accounting"
    21 SysAdmin "SYS_ADMIN" "mount, and most of what root does"
    22 SysBoot "SYS_BOOT" "restart the machine"
    23 SysNice "SYS_NICE" "raise priorities and set CPU affinity of others"
    24 SysResource "SYS_RESOURCE" "exceed limits and quotas"
    25 SysTime "SYS_TIME" "set the clock"
    26 SysTtyConfig "SYS_TTY_CONFIG" "hang up terminals"
    27 Mknod "MKNOD" "make device nodes"
    28 Lease "LEASE" "lease any file"
    29 AuditWrite "AUDIT_WRITE" "write to the kernel's audit log"
    30 AuditControl "AUDIT_CONTROL" "configure auditing"
    31 Setfcap "SETFCAP" "give files capabilities"
    32 MacOverride "MAC_OVERRIDE" "override mandatory access control"
    33 MacAdmin "MAC_ADMIN" "configure mandatory access control"
    34 Syslog "SYSLOG" "read the kernel's log and addresses"
    35 WakeAlarm "WAKE_ALARM" "wake the machine up"
    36 BlockSuspend "BLOCK_SUSPEND" "keep the machine awake"
    37 AuditRead "AUDIT_READ" "read the audit log"
    38 Perfmon "PERFMON" "observe performance of the system"
    39 Bpf "BPF" "load BPF programs"
    40 CheckpointRestore "CHECKPOINT_RESTORE" "checkpoint and restore processes"
}

impl Capability {
    /// The capability of a number, if there is one.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_positions() {
        for (number, capability) in (0..).zip(Capability::ALL) {
            assert_eq!(capability as u32, number);
            assert_eq!(Capability::from_number(number), Some(capability));
        }
        assert_eq!(Capability::from_number(41), None);
        assert_eq!(Capability::CheckpointRestore as u8, 40);
    }
}
