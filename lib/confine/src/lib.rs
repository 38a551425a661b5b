//! What stands between the process and the host: capabilities, system calls, ids, paths, limits.
//!
//! All of it is computed and checked before the first fork (law 3), as one [`Confinement`] that
//! can be written down, read back and printed. Things this crate does not do: it starts no
//! container, mounts nothing, and applies nothing to the process that calls it.

pub mod apparmor;
pub mod capability;
pub mod confinement;
pub mod ids;
pub mod landlock;
pub mod paths;
pub mod posture;
pub mod process;
pub mod rlimit;
pub mod seccomp;
pub mod selinux;
pub mod sysctl;
pub mod user;

pub use confinement::{Confinement, ConfinementError};
