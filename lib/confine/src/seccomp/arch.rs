//! The architectures that filters are made for.

use serde::{Deserialize, Serialize};

/// An architecture: it has numbers of its own for calls, and a name in the kernel's audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Arch {
    /// amd64, with 64-bit calls only.
    X86_64,
    /// arm64, with 64-bit calls only.
    Aarch64,
    /// 32-bit x86, which kernels for amd64 run beside their own.
    X86,
}

impl Arch {
    /// The one that this program was built for.
    #[cfg(target_arch = "x86_64")]
    pub const HOST: Self = Self::X86_64;
    /// The one that this program was built for.
    #[cfg(target_arch = "aarch64")]
    pub const HOST: Self = Self::Aarch64;

    /// `AUDIT_ARCH_*`. Source: linux/audit.h.
    pub(super) const fn audit(self) -> u32 {
        match self {
            Self::X86_64 => 0xc000_003e,
            Self::Aarch64 => 0xc000_00b7,
            Self::X86 => 0x4000_0003,
        }
    }

    /// The first number that belongs to another call table behind the same audit name: x32 on
    /// x86_64. Source: asm/unistd.h, `__X32_SYSCALL_BIT`.
    pub(super) const fn foreign(self) -> Option<u32> {
        match self {
            Self::X86_64 => Some(0x4000_0000),
            Self::Aarch64 | Self::X86 => None,
        }
    }

    /// Its name in runtime-spec.
    pub const fn oci(self) -> &'static str {
        match self {
            Self::X86_64 => "SCMP_ARCH_X86_64",
            Self::Aarch64 => "SCMP_ARCH_AARCH64",
            Self::X86 => "SCMP_ARCH_X86",
        }
    }

    /// Its name in Go, which docker's profiles use.
    pub const fn go(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
            Self::X86 => "x86",
        }
    }

    /// The other architecture whose programs the kernel runs, where we know its calls.
    pub const fn beside(self) -> Option<Self> {
        match self {
            Self::X86_64 => Some(Self::X86),
            Self::Aarch64 | Self::X86 => None,
        }
    }
}
