//! What a container is given of the host's files, and what stands there.

/// A path of the host that a container sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPath {
    /// Where it is on the host.
    pub path: String,
    /// What may be done with it.
    pub access: Access,
}

/// What may be done with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading, and connecting to sockets.
    Read,
    /// Writing too.
    Write,
}

/// Where a host keeps what it runs as root, or its kernel's settings. Sources: man 7 hier,
/// man 5 systemd.unit, man 8 cron; Kubernetes, "Create static Pods".
const SYSTEM: [&str; 16] = [
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
    "/var/lib/containerd",
    "/var/lib/docker",
    "/var/lib/kubelet",
    "/var/spool/cron",
];

/// Sockets that start containers for whoever asks.
const ENGINES: [&str; 5] =
    ["docker.sock", "containerd.sock", "crio.sock", "podman.sock", "dockershim.sock"];

/// Where they stand.
const ENGINES_IN: [&str; 5] =
    ["/run", "/run/containerd", "/run/crio", "/run/docker", "/run/podman"];

impl HostPath {
    /// Whether it can be written.
    pub fn writable(&self) -> bool {
        self.access == Access::Write
    }

    /// Whether what the host runs can be written.
    pub fn is_system(&self) -> bool {
        let path = plain(&self.path);
        let stands = |system: &&str| within(&path, system) || within(system, &path);
        self.writable() && SYSTEM.iter().any(stands)
    }

    /// Whether it is the socket of an engine, or a folder with one in it.
    pub fn has_engine(&self) -> bool {
        let path = plain(&self.path);
        is_socket_of_engine(&path) || ENGINES_IN.iter().any(|folder| within(folder, &path))
    }
}

/// Whether a path ends as the sockets of engines do.
pub(crate) fn is_socket_of_engine(path: &str) -> bool {
    ENGINES.iter().any(|name| path.ends_with(name))
}

/// Whether `path` is `folder` or below it.
fn within(path: &str, folder: &str) -> bool {
    let rest = path.strip_prefix(folder.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Without what says nothing, and with `/var/run` as the link that it is.
fn plain(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    match parts[..] {
        ["var", "run", ref rest @ ..] => format!("/run/{}", rest.join("/")),
        _ => format!("/{}", parts.join("/")),
    }
    .trim_end_matches('/')
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(path: &str) -> HostPath {
        HostPath { path: path.to_owned(), access: Access::Write }
    }

    #[test]
    fn the_hosts_own_folders_are_known_however_they_are_written() {
        for system in ["/", "/etc", "//etc/", "/etc/cron.d", "/var", "/var/lib", "/var/run/x", "."]
        {
            assert!(path(system).is_system(), "{system}");
        }
        for other in ["/srv/data", "/etcetera", "/home/a", "/var/lib/postgres"] {
            assert!(!path(other).is_system(), "{other}");
        }
        assert!(!HostPath { access: Access::Read, ..path("/etc") }.is_system());
    }

    #[test]
    fn engines_are_known_by_their_sockets_and_where_they_stand() {
        for engine in ["/run/docker.sock", "/var/run", "/", "/run/containerd/", "/x/podman.sock"] {
            assert!(path(engine).has_engine(), "{engine}");
        }
        for other in ["/run/lock", "/srv", "/var/lib", "/run/docker.sock.d"] {
            assert!(!path(other).has_engine(), "{other}");
        }
    }
}
