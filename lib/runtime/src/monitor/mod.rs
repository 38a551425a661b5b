//! The process that stays with a container: carries its output, keeps its exit status.
//!
//! In the foreground without a terminal that is coffer itself ([`Console`]). Otherwise it is a
//! monitor: a copy of coffer, forked before the container is started and never executed anew,
//! which becomes the container's parent, waits on a pidfd, and listens on a socket in the
//! container's folder for those who attach ([`Attach`]).
//!
//! It can be killed by SIGKILL alone. Then the container runs on, writes into its fifos until they
//! are full, and gets a new monitor from the next command that meets it, which goes on with the
//! log and learns the exit status from the kernel's memory of the process (`container::adopt`).

mod attach;
mod keys;
mod lend;
mod listen;
mod local;
mod nobody;
mod pump;
mod server;
mod stdio;
mod wire;

pub(crate) use attach::attach;
pub use attach::{Attach, Attached, Screen};
pub use keys::DETACH_KEYS;
pub(crate) use listen::listen;
pub(crate) use local::Local;
pub use local::{Console, SignalProxy};
pub(crate) use nobody::Nobody;
pub(crate) use pump::{Carried, Pump};
pub(crate) use server::{Server, connect_to};
pub use stdio::Stdin;
pub(crate) use stdio::{Feed, Inside, Outside, fifos, null, pipes};
