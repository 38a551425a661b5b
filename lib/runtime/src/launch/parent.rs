//! What the parent does for its child while that waits.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_confine::ids::{ContainerGid, ContainerUid};
use coffer_sys::mount::{Change, Reach, set_attributes};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, OpenTreeFlags, open_tree};
use rustix::process::{Pid, Rlimit, getrlimit, prlimit};
use rustix::thread::UnshareFlags;

use super::{LaunchError, Launched, Stdio, give_pipe, look, report};
use crate::plan::{Handed, Interfaces, Mapping, Plan};

/// Maps ids, joins control groups, makes mounts and sends them.
pub(super) fn hand_over(
    plan: &Plan,
    launched: &Launched,
    joined: &mut dyn FnMut(Pid) -> std::io::Result<()>,
) -> Result<(), LaunchError> {
    let pid = launched.pid;
    if let (Some(ids), Mapping::ByParent) = (&plan.ids, plan.mapping) {
        coffer_confine::ids::write(pid, ids).map_err(LaunchError::Ids)?;
    }
    set_oom_score(plan, pid)?;
    raise_limits(plan, pid).map_err(LaunchError::Limits)?;
    joined(pid).map_err(LaunchError::Joined)?;
    move_interfaces(plan, pid)?;
    // An ordinary user may not look into a child that has entered another container.
    let mapped = |handed: &Handed| matches!(handed, Handed::Root(_) | Handed::Bind { .. });
    let mapped = plan.handed.iter().any(mapped);
    let userns = match (&plan.ids, mapped) {
        (Some(_), true) => Some(user_namespace(pid)?),
        _ => None,
    };
    let mut mounts = Vec::with_capacity(plan.handed.len());
    // Closed when this is over, while the child goes on already.
    let mut spent = Vec::new();
    for handed in &plan.handed {
        let mount = make_mount(handed, userns.as_ref().map(AsFd::as_fd), &mut spent);
        mounts.push(mount.map_err(|source| LaunchError::mount(handed, source))?);
    }
    let fds: Vec<BorrowedFd<'_>> = mounts.iter().map(AsFd::as_fd).collect();
    report::send_fds(launched.report.as_fd(), &[1], &fds).map_err(LaunchError::Channel)
}

/// Who is to own the child's user namespace: its own root, as the host numbers it. What is counted
/// by namespace and owner (inotify, namespaces) is then the container's, and root of the host
/// keeps its own. `None` where the caller is somebody else, who cannot become that.
pub(super) fn owner(plan: &Plan) -> Option<(u32, u32)> {
    let is_ours = plan.mapping == Mapping::ByParent
        && plan.namespaces.contains(UnshareFlags::NEWUSER)
        && rustix::process::geteuid().is_root();
    let ids = plan.ids.as_ref().filter(|_| is_ours)?;
    let uid = ids.host_uid(ContainerUid::ROOT)?;
    Some((uid.number(), ids.host_gid(ContainerGid::ROOT)?.number()))
}

/// Makes one mount that is attached nowhere, its owners mapped by the child's user namespace.
fn make_mount(
    handed: &Handed,
    userns: Option<BorrowedFd<'_>>,
    spent: &mut Vec<OwnedFd>,
) -> std::io::Result<OwnedFd> {
    match handed {
        Handed::Root(root) => root.mount(userns, spent),
        Handed::Made(mount) => Ok(rustix::io::fcntl_dupfd_cloexec(mount, 3)?),
        Handed::Device(path) => {
            let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
            let mount = open_tree(CWD, *path, flags)?;
            // What is mounted on it inside must not travel to the host's.
            set_attributes(&mount, Change::set(MountAttrFlags::empty(), Reach::One))?;
            Ok(mount)
        }
        Handed::Bind { source, look, mapped_by, .. } => {
            let mut flags = OpenTreeFlags::OPEN_TREE_CLONE
                | OpenTreeFlags::OPEN_TREE_CLOEXEC
                | OpenTreeFlags::AT_EMPTY_PATH;
            if look.reach == Reach::Tree {
                flags |= OpenTreeFlags::AT_RECURSIVE;
            }
            let mount = open_tree(source, c"", flags)?;
            let userns = mapped_by.as_ref().map(AsFd::as_fd).or(userns);
            look::apply(&mount, look, userns)?;
            Ok(mount)
        }
    }
}

/// The child's user namespace. The child waits for us and has not been collected, so the number
/// is its own.
fn user_namespace(pid: Pid) -> Result<OwnedFd, LaunchError> {
    proc_file(pid, "ns/user", OFlags::RDONLY)
        .map_err(|source| LaunchError::Process { file: "ns/user", source })
}

/// Gives the container the interfaces that are to be its own.
fn move_interfaces(plan: &Plan, pid: Pid) -> Result<(), LaunchError> {
    let Interfaces { moved, into } = &plan.interfaces;
    if moved.is_empty() {
        return Ok(());
    }
    let made = match into {
        Some(_) => None,
        None => Some(
            proc_file(pid, "ns/net", OFlags::RDONLY)
                .map_err(|source| LaunchError::Process { file: "ns/net", source })?,
        ),
    };
    let Some(into) = into.as_ref().or(made.as_ref()) else { return Ok(()) };
    super::interface::move_all(moved, into.as_fd())
        .map_err(|(name, source)| LaunchError::Interface { name, source })
}

fn set_oom_score(plan: &Plan, pid: Pid) -> Result<(), LaunchError> {
    let Some(score) = plan.oom_score_adj else { return Ok(()) };
    let set = || {
        let file = proc_file(pid, "oom_score_adj", OFlags::WRONLY)?;
        rustix::io::write(&file, score.to_string().as_bytes())
    };
    match set() {
        Ok(_) => Ok(()),
        Err(source) => Err(LaunchError::OomScore { score, source }),
    }
}

/// Raises the hard limits that are to be above ours: the child, in a user namespace of its own, may
/// only lower them. Who may not either leaves it to the child to say so. Source: man 2 prlimit.
fn raise_limits(plan: &Plan, pid: Pid) -> rustix::io::Result<()> {
    for (resource, wanted) in &plan.limits {
        let own = getrlimit(*resource);
        let Some(most) = own.maximum else { continue };
        if wanted.maximum.is_none_or(|wanted| wanted > most) {
            let raised = Rlimit { current: own.current, maximum: wanted.maximum };
            match prlimit(Some(pid), *resource, raised) {
                Ok(_) | Err(Errno::PERM) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
    Ok(())
}

fn proc_file(pid: Pid, file: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let path = format!("/proc/{}/{file}", pid.as_raw_nonzero());
    rustix::fs::openat(CWD, path, flags | OFlags::CLOEXEC, Mode::empty())
}

/// Copies of the three descriptors that are none of 0, 1 and 2, so that putting one in place does
/// not overwrite another.
pub(super) fn raise_stdio(stdio: Stdio<'_>) -> rustix::io::Result<Option<[OwnedFd; 3]>> {
    let Stdio::Fds([input, output, error]) = stdio else { return Ok(None) };
    let raise = |fd: BorrowedFd<'_>| rustix::io::fcntl_dupfd_cloexec(fd, 3);
    Ok(Some([raise(input)?, raise(output)?, raise(error)?]))
}

/// Gives pipes to the program's user on the host, where the plan says that the parent can.
pub(super) fn give_pipes(plan: &Plan, stdio: Stdio<'_>) -> rustix::io::Result<()> {
    let (Some((uid, gid)), Stdio::Fds(fds)) = (plan.pipe_owner, stdio) else { return Ok(()) };
    fds.into_iter().try_for_each(|fd| give_pipe(fd, uid, Some(gid)))
}
