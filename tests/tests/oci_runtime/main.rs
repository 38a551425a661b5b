//! The life cycle of bundles, verb by verb, on our runtime and on runc where it is installed: so
//! that what is expected of ours is proven on a peer.

#![expect(clippy::disallowed_methods, reason = "the tests' own folders")]
#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails ends the test")]
#![expect(clippy::panic, reason = "helpers of tests: what fails ends the test")]

mod among_mounts;
mod as_runc;
mod bundles;
mod checkpoint;
mod counted;
mod crash;
mod exec;
mod features;
mod globals;
mod hooks;
mod inside;
mod laws;
mod life;
mod limits;
mod migration;
mod network;
mod peers;
mod run;
mod terminal;
mod traced;
