//! The mounts of a container: the kernel's and the caller's.

use coffer_oci::runtime::Mount;

use super::{
    Access, BindMount, Exec, Ipc, MountRequest, Recursion, Request, SpecError, TmpfsMount,
};

/// How much `/dev/shm` holds. Source: docker's default for `--shm-size`.
const SHM_SIZE: u64 = 64 << 20;

fn mount(destination: &str, kind: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.to_owned(),
        kind: kind.to_owned(),
        source: kind.to_owned(),
        options: options.iter().map(|option| (*option).to_owned()).collect(),
        ..Mount::default()
    }
}

/// The kernel's file systems, in the order in which they are mounted. Source: docker's defaults.
pub(super) fn of_kernel(request: &Request, tty_group: bool) -> Vec<Mount> {
    let inert = ["nosuid", "noexec", "nodev"];
    let mut pts = vec!["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"];
    if tty_group {
        pts.push("gid=5");
    }
    let size = format!("size={}", request.limits.shm_size.unwrap_or(SHM_SIZE));
    let mut mounts = vec![
        mount("/proc", "proc", &inert),
        mount("/dev", "tmpfs", &["nosuid", "noexec", "strictatime", "mode=755", "size=65536k"]),
        mount("/dev/pts", "devpts", &pts),
        mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", &size]),
        mount("/dev/mqueue", "mqueue", &inert),
        mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        mount("/sys/fs/cgroup", "cgroup", &["nosuid", "noexec", "nodev", "ro"]),
    ];
    if request.ipc == Ipc::NoMemory {
        mounts.retain(|mount| mount.destination != "/dev/shm");
    }
    mounts
}

/// What the caller asked for. Volumes are folders by now.
pub(super) fn of_request(request: &Request) -> Result<Vec<Mount>, SpecError> {
    request.mounts.iter().filter_map(one).collect()
}

fn one(request: &MountRequest) -> Option<Result<Mount, SpecError>> {
    match request {
        MountRequest::Bind(bind) => Some(of_bind(bind)),
        MountRequest::Tmpfs(tmpfs) => Some(Ok(of_tmpfs(tmpfs))),
        MountRequest::Volume(_) => None,
    }
}

fn of_bind(bind: &BindMount) -> Result<Mount, SpecError> {
    let source = bind.source.to_str().ok_or_else(|| SpecError::NotUtf8(bind.source.clone()))?;
    let reach = match bind.recursion {
        Recursion::Recursive => "rbind",
        Recursion::Single => "bind",
    };
    let mut made = mount(&bind.target, "bind", &[reach, "nosuid", "nodev"]);
    source.clone_into(&mut made.source);
    add_access(&mut made, bind.access);
    Ok(made)
}

fn of_tmpfs(tmpfs: &TmpfsMount) -> Mount {
    let mut made = mount(&tmpfs.target, "tmpfs", &["nosuid", "nodev"]);
    made.options.push(format!("mode={:o}", tmpfs.mode.unwrap_or(0o1777)));
    made.options.extend(tmpfs.uid.map(|uid| format!("uid={uid}")));
    made.options.extend(tmpfs.gid.map(|gid| format!("gid={gid}")));
    made.options.extend(tmpfs.size.map(|size| format!("size={size}")));
    if tmpfs.exec == Exec::Refused {
        made.options.push("noexec".to_owned());
    }
    add_access(&mut made, tmpfs.access);
    made
}

fn add_access(mount: &mut Mount, access: Access) {
    if access == Access::ReadOnly {
        mount.options.push("ro".to_owned());
    }
}
