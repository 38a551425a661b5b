//! `delete`: what containerd calls when a shim has gone without cleaning up.

use std::process::Stdio;

use thiserror::Error;

use crate::address::Address;
use crate::bundle::{Bundle, BundleError};
use crate::flags::Flags;
use crate::rootfs::{self, RootfsError};
use crate::runtime::{Runtime, last_words};
use crate::wire::common::Timestamp;
use crate::wire::task::DeleteResponse;

/// What a container's first process is said to have ended with: by SIGKILL.
const KILLED: u32 = 128 + 9;
/// Where the runtime says what went wrong.
const LOG: &str = "coffer-log-delete";

/// Why not everything could be cleaned up.
#[derive(Debug, Error)]
pub enum CleanupError {
    /// The bundle cannot be used.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The root cannot be unmounted.
    #[error(transparent)]
    Rootfs(#[from] RootfsError),
    /// The runtime cannot be executed.
    #[error("{program} cannot be executed")]
    Spawn {
        /// The program.
        program: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The runtime said no.
    #[error("delete of {container}: {said}")]
    Refused {
        /// The container.
        container: String,
        /// What it said.
        said: String,
    },
}

/// Kills and removes the container of `flags`, unmounts its root, and removes the dead shim's
/// socket. Gives what containerd wants to read on standard output.
///
/// # Errors
/// See [`CleanupError`]. The root is unmounted even where the runtime fails.
pub fn clean_up(flags: &Flags, bundle: &str) -> Result<DeleteResponse, CleanupError> {
    let bundle = Bundle::open(bundle)?;
    let deleted = match Runtime::load(&bundle)? {
        Some(runtime) => delete(&runtime, &bundle, &flags.id),
        None => Ok(()), // killed before the container was created
    };
    rootfs::unmount(&bundle)?;
    if let Some(address) = bundle.address()?.as_deref().and_then(Address::parse)
        && !address.answers()
    {
        // A leftover name: the next shim of this group would replace it.
        drop(address.remove());
    }
    deleted?;
    Ok(DeleteResponse { pid: 0, exit_status: KILLED, exited_at: Some(Timestamp::now()) })
}

fn delete(runtime: &Runtime, bundle: &Bundle, id: &str) -> Result<(), CleanupError> {
    let mut command = runtime.command(bundle, LOG, "delete");
    command.args(["--force", id]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = command
        .status()
        .map_err(|source| CleanupError::Spawn { program: runtime.program(), source })?;
    if status.success() {
        return Ok(());
    }
    let log = bundle.read(LOG, 1 << 20)?.unwrap_or_default();
    let said = last_words(&log).unwrap_or_else(|| format!("{}: {status}", runtime.program()));
    Err(CleanupError::Refused { container: id.to_owned(), said })
}
