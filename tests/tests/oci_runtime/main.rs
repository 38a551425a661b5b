//! The life cycle of bundles, verb by verb, on our runtime and on runc where it is installed: so
//! that what is expected of ours is proven on a peer.

mod bundles;
mod crash;
mod exec;
mod hooks;
mod life;
mod run;
mod terminal;
