//! A filter that hands calls to a listener. Source: runtime-spec config-linux.md, "Seccomp",
//! "Container Process State".

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;

use coffer_confine::confinement::{Confinement, Listener};
use coffer_oci::runtime::VERSION;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustix::process::Pid;

use super::hooks::state_up_to_pid;
use super::{Bundle, Plan, PlanError, tuning};

/// What a listener gets beside the descriptor of the filter.
#[derive(Debug)]
pub(crate) struct Notify {
    /// The way to the listener.
    pub(crate) socket: OwnedFd,
    /// The host's proc, where the process finds its number on the host.
    pub(crate) proc: OwnedFd,
    /// The message in three parts; between them stand the numbers of the container's process and
    /// of this one.
    pub(crate) message: [Vec<u8>; 3],
    /// The container's process, where it is not this one.
    pub(crate) container: Option<Pid>,
}

impl Plan {
    /// Connects to the listener of the filter, where it has one.
    pub(super) fn find_listener(
        &mut self,
        confinement: &Confinement,
        annotations: &BTreeMap<String, String>,
        named: Option<Named<'_>>,
    ) -> Result<(), PlanError> {
        let Some(listener) = &confinement.listener else { return Ok(()) };
        let named = named.ok_or(PlanError::Missing("name to tell a listener"))?;
        let status = if named.pid.is_some() { "running" } else { "created" };
        self.notify = Some(Box::new(Notify {
            socket: connected(&listener.path)?,
            proc: tuning::host_proc()?,
            message: message(listener, annotations, named, status)?,
            container: named.pid,
        }));
        Ok(())
    }
}

/// What a listener is told of a container.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its folder, absolute.
    pub folder: &'a Path,
    /// The number of its first process, where that is there already.
    pub pid: Option<Pid>,
}

impl<'a> Named<'a> {
    /// The container of a bundle.
    pub(super) fn of(bundle: &Bundle<'a>, pid: Option<Pid>) -> Self {
        Self { id: bundle.id, folder: bundle.folder, pid }
    }
}

/// The error with its place, where a bundle's configuration names the listener.
pub(super) fn at_listener(error: PlanError, is_bundle: bool) -> PlanError {
    if is_bundle { error.at("linux.seccomp.listenerPath") } else { error }
}

fn message(
    listener: &Listener,
    annotations: &BTreeMap<String, String>,
    named: Named<'_>,
    status: &'static str,
) -> Result<[Vec<u8>; 3], PlanError> {
    let metadata = serde_json::to_string(&listener.metadata).map_err(PlanError::State)?;
    let mut first = format!(
        "{{\"ociVersion\":\"{VERSION}\",\"fds\":[\"seccompFd\"],\"metadata\":{metadata},\"state\":"
    )
    .into_bytes();
    first.extend(state_up_to_pid(annotations, named, status)?);
    Ok([first, b"},\"pid\":".to_vec(), b"}".to_vec()])
}

fn connected(path: &str) -> Result<OwnedFd, PlanError> {
    let failed = |source| PlanError::Listener { path: path.to_owned(), source };
    let flags = SocketFlags::CLOEXEC;
    let socket =
        socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).map_err(failed)?;
    connect(&socket, &SocketAddrUnix::new(path).map_err(failed)?).map_err(failed)?;
    Ok(socket)
}
