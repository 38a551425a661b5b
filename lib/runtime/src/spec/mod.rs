//! What was asked for, in docker's words, turned into a runtime-spec `Spec`.
//!
//! [`Request`] holds the flags of `run` and `create`, typed; the CLI fills it and does all the
//! parsing of docker's grammar, reading of environments and files.

mod build;
mod devices;
mod env;
mod exec;
mod joined;
mod limits;
mod missing;
mod mounts;
mod request;
mod request_mount;

pub use build::{Facts, SpecError, build, labels, stop_signal, user, wishes};
pub use devices::{DeviceError, DeviceRequest, devices};
pub use exec::ExecRequest;
pub use joined::Joined;
pub use missing::{MissingError, make_missing};
pub use request::{
    AppArmor, Entrypoint, Init, Ipc, Limits, Network, Pids, Request, RootAccess, SeLinux,
    SeccompChoice, SystemPaths, Terminal, Userns,
};
pub use request_mount::{
    Access, BindMount, Copy, Exec, Making, MissingSource, MountRequest, Recursion, Sharers,
    TmpfsMount, VolumeMount,
};

/// How many tasks a container may have where nothing else is asked for. Source: podman's default.
pub const DEFAULT_PIDS: i64 = 2048;
