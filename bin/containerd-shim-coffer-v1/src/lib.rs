//! containerd's shim (runtime v2) for `coffer-oci`: one small process that stays with a container,
//! or with all containers of a pod, and answers containerd over ttrpc.
//!
//! One thread and one `poll`: nothing waits for anything else. What an OCI runtime has to do is
//! done by `coffer-oci` in a process of its own, whose end is one more event. The shim is the
//! reaper of all that its containers leave behind, so it alone waits for children, and a pid that
//! it knows is never somebody else's.
//!
//! Things it does not do: no threads, no timers, no configuration file, no state other than what
//! `delete` needs to clean up after a shim that was killed ([`runtime::Runtime::save`]).

pub mod address;
pub mod bundle;
pub mod cgroup;
pub mod cleanup;
pub mod failure;
pub mod flags;
pub mod io;
pub mod journal;
pub mod launch;
pub mod publisher;
pub mod reaper;
pub mod rootfs;
pub mod runtime;
pub mod service;
pub mod transport;
pub mod wire;
