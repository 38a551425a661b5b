//! What security modules call a container: chosen before anything is made, put to use as it
//! starts, taken back with it.
//!
//! AppArmor has a profile for each container, made by `apparmor_parser` when the container is, and
//! handed to the kernel when it starts. SELinux has a type for all containers, and a pair of
//! categories for each.

pub(crate) mod apparmor;
mod error;
mod relabel;
pub(crate) mod selinux;

use std::os::fd::BorrowedFd;

use coffer_confine::Confinement;
use coffer_confine::confinement::{Labels, Privilege, Standing};
use coffer_confine::ids::{IdMap, in_user_namespace};
use coffer_confine::selinux::level;
use coffer_rootfs::Stack;

use crate::plan::Authority;
use crate::spec::{AppArmor, Request, SeLinux};

pub use error::LabelError;
pub use relabel::Relabel;
pub(crate) use relabel::wanted;
use relabel::{layers, relabel};

/// What the container `id` in the data root `root` is called, where `request` and the host agree.
///
/// # Errors
/// A [`LabelError`]: what was asked for by name, or holds by default, and cannot be had here.
pub(crate) fn choose(
    request: &Request,
    authority: Authority,
    root: BorrowedFd<'_>,
    id: &str,
) -> Result<Labels, LabelError> {
    with_level(request, authority, id, || selinux::level(authority, root, id))
}

/// What a container is called for which nothing is asked; `ID` and the first categories stand for
/// what is its own.
///
/// # Errors
/// As a run.
pub fn usual(authority: Authority) -> Result<Labels, LabelError> {
    with_level(&Request::default(), authority, "ID", || Ok(level(0)))
}

/// Prepares what holds the container by default, before it is written down. Nothing is loaded.
///
/// # Errors
/// See [`apparmor::make`].
pub(crate) fn prepare(folder: BorrowedFd<'_>, confinement: &Confinement) -> Result<(), LabelError> {
    match confinement.labels.apparmor_by {
        Standing::Default => apparmor::make(folder, confinement),
        _ => Ok(()),
    }
}

/// Makes kernel and files ready for the container's process.
///
/// # Errors
/// The profile cannot be loaded, or a volume cannot be relabelled.
pub(crate) fn apply(
    folder: BorrowedFd<'_>,
    labels: &Labels,
    stack: &Stack,
    ids: Option<&IdMap>,
    volumes: &[Relabel],
) -> Result<(), LabelError> {
    if labels.apparmor_by == Standing::Default {
        apparmor::load(folder)?;
    }
    if !labels.mounts.is_empty() {
        layers(stack, ids)?;
    }
    let all = || volumes.iter().try_for_each(relabel);
    match ids {
        // What a container wrote belongs to sub-ids: see `layers`.
        Some(ids) if !volumes.is_empty() && !rustix::process::geteuid().is_root() => {
            Ok(in_user_namespace(ids, all)?)
        }
        _ => all(),
    }
}

fn with_level(
    request: &Request,
    authority: Authority,
    id: &str,
    level: impl FnOnce() -> Result<String, LabelError>,
) -> Result<Labels, LabelError> {
    let (apparmor, apparmor_by) = profile(request, authority, id)?;
    Ok(Labels { apparmor, apparmor_by, ..contexts(request, authority, level)? })
}

fn profile(
    request: &Request,
    authority: Authority,
    id: &str,
) -> Result<(String, Standing), LabelError> {
    let none = |by| Ok((String::new(), by));
    match &request.apparmor {
        AppArmor::Named(name) => {
            apparmor::find(name)?;
            Ok((name.clone(), Standing::Caller))
        }
        _ if !apparmor::is_on() => none(Standing::Absent),
        AppArmor::Unconfined => none(Standing::Opened),
        AppArmor::Own if request.privilege == Privilege::Privileged => none(Standing::Opened),
        AppArmor::Own if apparmor::may_load(authority) => {
            Ok((coffer_confine::apparmor::name(id), Standing::Default))
        }
        AppArmor::Own => none(Standing::NotOurs),
    }
}

fn contexts(
    request: &Request,
    authority: Authority,
    level: impl FnOnce() -> Result<String, LabelError>,
) -> Result<Labels, LabelError> {
    let none = |selinux_by| Ok(Labels { selinux_by, ..Labels::default() });
    match &request.selinux {
        SeLinux::Own(changes) if changes.are_some() && !selinux::is_on() => {
            Err(LabelError::NoSelinux(changes.clone()))
        }
        _ if !selinux::is_on() => none(Standing::Absent),
        SeLinux::Disabled => none(Standing::Opened),
        SeLinux::Own(changes) => match (authority, request.privilege) {
            (_, Privilege::Privileged) => none(Standing::Opened),
            (Authority::Root, _) => selinux::contexts(changes, &level()?),
            // An ordinary user's domain is one of the host's policy, which says whether it may.
            (Authority::User, _) => {
                let labels = match selinux::contexts(changes, &level()?) {
                    // No policy for containers: not an ordinary user's to install.
                    Err(LabelError::NoContext(_)) if !changes.are_some() => {
                        return none(Standing::NotOurs);
                    }
                    labels => labels?,
                };
                match (selinux::may_become(&labels.selinux), changes.are_some()) {
                    (true, _) => Ok(labels),
                    (false, true) => Err(LabelError::NotLet(labels.selinux)),
                    (false, false) => none(Standing::NotOurs),
                }
            }
        },
    }
}
