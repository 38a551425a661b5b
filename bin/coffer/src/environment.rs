//! The environment variables that coffer reads: all of them, and only here.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use coffer_runtime::cgroup::{Bus, ServiceManager};

use crate::failure::Failure;
use crate::ui::Colour;

/// A variable that is set to something; an empty one counts as absent.
pub(crate) fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// The program of this name on the PATH. Source: man 3 execvp.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = variable("PATH")?;
    let files = env::split_paths(&path).filter(|folder| folder.is_absolute());
    let mut files = files.map(|folder| folder.join(name));
    files.find(|file| rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok())
}

/// Where images and containers are kept: `--root`, else COFFER_ROOT, else root's place or the
/// user's own. Source: XDG Base Directory specification.
pub(crate) fn data_root(flag: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let chosen = flag.or_else(|| variable("COFFER_ROOT").map(PathBuf::from));
    match chosen {
        Some(path) => absolute(&path),
        None if rustix::process::geteuid().is_root() => Ok(PathBuf::from("/var/lib/coffer")),
        None => user_data().map(|folder| folder.join("coffer")),
    }
}

/// The user's folder for data.
fn user_data() -> Result<PathBuf, Failure> {
    // XDG: a path that is not absolute is to be ignored.
    let xdg = variable("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || variable("HOME").map(|home| Path::new(&home).join(".local/share"));
    xdg.or_else(home).ok_or_else(|| {
        Failure::new("there is no place to keep images and containers")
            .because("neither HOME nor XDG_DATA_HOME is set")
            .help("name a folder: coffer --root DIR …, or set COFFER_ROOT")
    })
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| {
        Failure::new("cannot tell the current folder")
            .at(path.display().to_string())
            .because(error.to_string())
    })
}

/// Where the OCI runtime keeps its states: `--root`, else root's place or the user's own. Source:
/// XDG Base Directory specification.
pub(crate) fn state_root(flag: Option<&str>) -> PathBuf {
    if let Some(path) = flag {
        return PathBuf::from(path);
    }
    let own = variable("XDG_RUNTIME_DIR").filter(|_| !is_the_hosts_root());
    own.map_or_else(|| PathBuf::from("/run"), PathBuf::from).join("coffer-oci")
}

/// Whether the caller is root of the host: podman without root calls its runtime as the root of a
/// user namespace of its own. One that says that its user is root is taken at its word, as runc
/// does it: root's containers in a container have a `/run` of their own.
fn is_the_hosts_root() -> bool {
    let first = || coffer_sys::userns::is_first().unwrap_or(false);
    rustix::process::geteuid().is_root()
        && (first() || variable("USER").is_some_and(|user| user == "root"))
}

/// Where a service manager's bus is. Source: the D-Bus Specification, "Well-known Message Bus
/// Instances"; man 8 pam_systemd.
pub(crate) fn bus(manager: ServiceManager) -> Bus {
    let (name, path) = match manager {
        ServiceManager::System => {
            ("DBUS_SYSTEM_BUS_ADDRESS", PathBuf::from("/run/dbus/system_bus_socket"))
        }
        ServiceManager::User => {
            let own = || format!("/run/user/{}", rustix::process::geteuid().as_raw()).into();
            let folder = variable("XDG_RUNTIME_DIR").map_or_else(own, PathBuf::from);
            ("DBUS_SESSION_BUS_ADDRESS", folder.join("bus"))
        }
    };
    match variable(name).and_then(|addresses| addresses.into_string().ok()) {
        Some(addresses) => Bus { manager, addresses },
        None => Bus::at(manager, &path),
    }
}

/// How many listening sockets the caller has passed to this process, from descriptor 3 on; those
/// for another process are not ours. Source: man 3 sd_listen_fds.
pub(crate) fn listen_fds() -> u32 {
    let number = |name| variable(name)?.to_str()?.parse::<u32>().ok();
    let own = number("LISTEN_PID").is_some_and(|pid| pid == std::process::id());
    number("LISTEN_FDS").filter(|_| own).unwrap_or(0)
}

/// The name of a user of the host, or its number where it has none. Source: man 5 passwd.
pub(crate) fn user_name(uid: u32) -> String {
    if uid == 0 {
        return "root".to_owned();
    }
    uid.to_string()
}

/// Whether colours are wanted. Source: no-color.org, and terminfo's `dumb`.
pub(crate) fn colour() -> Colour {
    let is_dumb = variable("TERM").is_some_and(|term| term == "dumb");
    if is_dumb || variable("NO_COLOR").is_some() { Colour::No } else { Colour::OnTerminal }
}

/// Where this user's registry passwords are kept by docker's tools. Source: docker login,
/// containers-auth.json(5).
pub(crate) fn auth_file() -> Option<PathBuf> {
    if let Some(file) = variable("REGISTRY_AUTH_FILE") {
        return Some(PathBuf::from(file));
    }
    let folder = variable("DOCKER_CONFIG").map(PathBuf::from);
    let home = || variable("HOME").map(|home| Path::new(&home).join(".docker"));
    folder.or_else(home).map(|folder| folder.join("config.json"))
}

/// Where a temporary store is made. On disk rather than in /tmp: it holds whole images, and not
/// every tmpfs takes the attributes of an overlay.
pub(crate) fn scratch() -> PathBuf {
    variable("TMPDIR").map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from)
}
