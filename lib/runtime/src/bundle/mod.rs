//! Containers from bundles: the life cycle that podman, containerd and their like expect of an OCI
//! runtime. Source: runtime-spec runtime.md.
//!
//! ```text
//! ROOT/<id>/config.json   what the container is: its process, fence, groups, hooks; written once
//! ROOT/<id>/state.json    which process it is, and what `state` prints
//! ROOT/<id>/start         the gate, see [`crate::gate`]
//! ```
//!
//! **Order.** All is read, checked and planned before anything is written. Then: folder, lock,
//! `config.json`, control groups, process, `state.json`; removal goes the other way round. A
//! container whose maker was killed has no `state.json` and a free lock, or a process that went
//! with its maker: [`Status::Wreck`] or [`Status::Stopped`], and the next command that meets it
//! cleans up.
//!
//! **What it is doing** is asked of the kernel, never remembered: it exists while its process
//! does (pid, start time and boot), it is created while somebody waits at its gate, and it is
//! paused while its control group says so.
//!
//! Nothing stays behind: the process is orphaned to the caller's subreaper on purpose.

mod checkpoint;
mod config;
mod console;
mod create;
mod delete;
mod error;
mod exec;
mod folder;
mod foreground;
mod hooks;
mod id;
mod kill;
mod pause;
mod pid_file;
mod pids;
mod restore;
mod running;
mod saved;
mod start;
mod user_home;

pub use crate::plan::{Keyring, RootChange};
pub use checkpoint::{After, Checkpoint, checkpoint};
pub use config::{Bundle, parse as parse_document, read_document, read_process};
pub use console::{send as send_console, send_pidfd};
pub use create::{Create, Made, create};
pub use delete::{Deleted, Force, delete};
pub use error::BundleError;
pub use exec::{Exec, Executed, Paused, exec};
pub use folder::{Folder, Home, Locked};
pub use foreground::Foreground;
pub use hooks::HookError;
pub use id::{BundleId, BundleIdError};
pub use kill::{Audience, kill};
pub use pause::{pause, resume, stats, update, update_class};
pub use pid_file::write as write_pid_file;
pub use pids::pids;
pub use restore::{Restore, Restored, restore};
pub use running::Running;
pub use saved::{Saved, State, Status};
pub use start::{Started, start};
