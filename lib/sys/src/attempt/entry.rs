//! The entry of 32-bit programs. Source: the kernel's Documentation/arch/x86/entry_64.rst.

use std::io;

/// Asks for this process's number by `int 0x80`. A filter that knows one architecture alone kills
/// the process; so does a kernel without the entry.
///
/// # Errors
/// Where the number is another; on machines without such an entry.
#[cfg(target_arch = "x86_64")]
pub fn by_32_bit_entry() -> io::Result<()> {
    /// `__NR_getpid` of i386.
    const GETPID: i64 = 20;
    let answer: i64;
    // SAFETY: the call takes no argument and touches no memory; it gives its result in rax and
    // keeps all other registers but r8 to r11, which older kernels clear.
    unsafe {
        std::arch::asm!(
            "int 0x80",
            inlateout("rax") GETPID => answer,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
            options(nostack),
        );
    }
    let own = i64::from(rustix::process::getpid().as_raw_pid());
    if answer == own { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ENOSYS)) }
}

/// There is none.
///
/// # Errors
/// Always.
#[cfg(not(target_arch = "x86_64"))]
pub fn by_32_bit_entry() -> io::Result<()> {
    Err(io::Error::from_raw_os_error(libc::ENOSYS))
}
