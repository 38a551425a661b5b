//! The control groups of a container, as far as the shim looks into them: which processes are
//! there, what they use, and whether the kernel had to kill. They are made, changed and removed by
//! the OCI runtime.

mod oom;
mod place;
mod v1;
mod v2;

pub use oom::Oom;
pub use place::Groups;
