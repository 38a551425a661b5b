//! The process that stays with a container: carries its output, keeps its exit status.
//!
//! In the foreground without a terminal that is coffer itself ([`Console`]). Otherwise it is a
//! monitor: a copy of coffer, forked before the container is started and never executed anew,
//! which becomes the container's parent, waits on a pidfd, and listens on a socket in the
//! container's folder for those who attach ([`Attach`]).
//!
//! What happens when it is killed: the container runs on; its output is kept in fifos up to 64 KiB
//! each; its exit status is recorded as unknown, since no process but its parent is told; a
//! terminal hangs up. It can be killed by SIGKILL alone.

mod attach;
mod local;
mod pump;
mod server;
mod stdio;
mod wire;

pub(crate) use attach::attach;
pub use attach::{Attach, Attached, DETACH_KEYS, Screen};
pub(crate) use local::Local;
pub use local::{Console, SignalProxy};
pub(crate) use pump::Pump;
pub(crate) use server::{Server, connect_to};
pub use stdio::Stdin;
pub(crate) use stdio::{Inside, Outside, fifos, null, pipes};
