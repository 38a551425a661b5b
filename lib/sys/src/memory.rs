//! The memory of this process.

/// Gives freed memory back to the kernel, as far as the C library can. For a process that stays
/// small and long after it has done something large. Source: man 3 `malloc_trim`.
#[cfg(target_env = "gnu")]
pub fn trim() {
    // SAFETY: the call takes a number only, and touches nothing but memory that is free.
    unsafe { libc::malloc_trim(0) };
}

/// Nothing: this C library gives freed memory back by itself.
#[cfg(not(target_env = "gnu"))]
pub fn trim() {}
