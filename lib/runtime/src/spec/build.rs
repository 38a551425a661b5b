//! From an image's wishes and the caller's flags to a runtime-spec `Spec`.
//!
//! Sources: docker's `run` reference for what the flags mean, image-spec config.md for what the
//! image may wish, its conversion.md for how the two meet.

use std::collections::BTreeMap;

use coffer_confine::confinement::{Filter, HostDevice, Labels, SystemPaths as Paths, Wishes};
use coffer_confine::ids::{ContainerGid, IdMap};
use coffer_confine::paths::MadeUp;
use coffer_confine::user::Identity;
use coffer_oci::ImageConfig;
use coffer_oci::runtime::{
    Linux, Namespace, NamespaceKind, Process, Resources, Root, Spec, User, VERSION,
};

use super::{
    Entrypoint, Ipc, Joined, Limits, Network, Pids, Request, RootAccess, SeccompChoice,
    SystemPaths, Terminal, Userns, devices, env, limits, mounts,
};

/// What a specification needs beside image and flags.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Whom the program runs as, resolved from the image's own files.
    pub identity: &'a Identity,
    /// The map of the container's user namespace, where it has one.
    pub ids: Option<&'a IdMap>,
    /// The devices of the host that it is given.
    pub devices: &'a [HostDevice],
    /// What it has of other containers.
    pub joined: &'a Joined,
    /// The container's id; its first twelve characters are the host name where none is given.
    pub id: &'a str,
}

/// Why no specification can be made.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// Neither the image nor the caller says what to run.
    #[error("the image names no program to run, and neither does the command line")]
    NoCommand,
    /// The folder to start in is no absolute path.
    #[error("the working folder {0:?} is not an absolute path")]
    Workdir(String),
    /// A path of the host is not UTF-8, which `config.json` cannot hold.
    #[error("{0:?} is not UTF-8")]
    NotUtf8(std::path::PathBuf),
    /// A name that no host can have.
    #[error("{0:?} is no host name")]
    Hostname(String),
}

/// Whom the program is to run as, in the caller's or the image's words.
pub fn user<'a>(image: &'a ImageConfig, request: &'a Request) -> &'a str {
    request.user.as_deref().unwrap_or(&image.config.user)
}

/// The signal that asks the program to stop, in the caller's or the image's words.
pub fn stop_signal<'a>(image: &'a ImageConfig, request: &'a Request) -> Option<&'a str> {
    request.stop_signal.as_deref().or(image.config.stop_signal.as_deref())
}

/// The labels of the container: the image's, and the caller's over them.
pub fn labels(image: &ImageConfig, request: &Request) -> BTreeMap<String, String> {
    let mut labels = image.config.labels.clone();
    labels.extend(request.labels.clone());
    labels
}

/// What the flags wish of the fence.
pub fn wishes<'a>(
    request: &'a Request,
    identity: Identity,
    ids: Option<IdMap>,
    devices: Vec<HostDevice>,
    labels: Labels,
    joined: &Joined,
) -> Wishes<'a> {
    Wishes {
        identity,
        ids,
        namespaces: namespaces(request, joined),
        cap_add: &request.cap_add,
        cap_drop: &request.cap_drop,
        filter: match &request.seccomp {
            SeccompChoice::Default => Filter::Default,
            SeccompChoice::Unconfined => Filter::Unconfined,
            SeccompChoice::Profile(profile) => Filter::Profile(profile),
        },
        system_paths: match request.system_paths {
            SystemPaths::Confined => Paths::Confined(made_up(&request.limits)),
            SystemPaths::Unconfined => Paths::Unconfined,
        },
        rlimits: &request.ulimits,
        sysctls: &request.sysctls,
        landlock: request.landlock.clone(),
        devices,
        labels,
        privileges: request.privileges,
        privilege: request.privilege,
    }
}

/// Which files are made up: one that says which boot this is, and those that follow limits.
fn made_up(limits: &Limits) -> Vec<MadeUp> {
    let memory = limits.memory.filter(|bytes| *bytes > 0).map(|_| MadeUp::Memory);
    let time = limits.millicpus.map(|_| MadeUp::Processors);
    let processors = time.or(limits.cpuset_cpus.as_ref().map(|_| MadeUp::Processors));
    [MadeUp::Boot].into_iter().chain(memory).chain(processors).collect()
}

/// Which namespaces the container has that are not the host's.
fn namespaces(request: &Request, joined: &Joined) -> Vec<Namespace> {
    let mut kinds = vec![NamespaceKind::Mount, NamespaceKind::Uts, NamespaceKind::Cgroup];
    if request.pid != Pids::Host {
        kinds.insert(0, NamespaceKind::Pid);
    }
    if request.ipc != Ipc::Host {
        kinds.push(NamespaceKind::Ipc);
    }
    if request.userns != Userns::Host {
        kinds.push(NamespaceKind::User);
    }
    if request.network == Network::None {
        kinds.push(NamespaceKind::Network);
    }
    // Made up, as the files are: `/proc/uptime` counts from the container's start.
    if request.system_paths == SystemPaths::Confined && coffer_sys::namespace::has_time() {
        kinds.push(NamespaceKind::Time);
    }
    joined.apply(kinds)
}

/// Makes the specification of a container. Its fence is not in it: that is the `Confinement`,
/// made from [`wishes`], checked and recorded beside it. Nothing is done to the host.
///
/// # Errors
/// A [`SpecError`] for the first thing that cannot be.
pub fn build(image: &ImageConfig, request: &Request, facts: Facts<'_>) -> Result<Spec, SpecError> {
    let hostname = hostname(request, facts.id)?;
    let process = process(image, request, facts, &hostname)?;
    let tty_group = facts.ids.is_none_or(|ids| ids.host_gid(ContainerGid::new(5)).is_some());
    let mut spec = Spec {
        oci_version: VERSION.to_owned(),
        process: Some(process),
        root: Some(Root {
            path: "rootfs".to_owned(),
            readonly: request.root == RootAccess::ReadOnly,
        }),
        hostname,
        domainname: request.domainname.clone().unwrap_or_default(),
        mounts: mounts::of_kernel(request, tty_group),
        linux: Some(linux(request, facts)),
        ..Spec::default()
    };
    spec.mounts.extend(mounts::of_request(request)?);
    Ok(spec)
}

/// The host name: the caller's, or the beginning of the id, also where the network is the host's.
fn hostname(request: &Request, id: &str) -> Result<String, SpecError> {
    match &request.hostname {
        Some(name) if name.is_empty() || name.len() > 64 || name.contains(['/', '\0', '\n']) => {
            Err(SpecError::Hostname(name.clone()))
        }
        Some(name) => Ok(name.clone()),
        None => Ok(id.chars().take(12).collect()),
    }
}

fn process(
    image: &ImageConfig,
    request: &Request,
    facts: Facts<'_>,
    hostname: &str,
) -> Result<Process, SpecError> {
    let Identity { uid, gid, groups, home, .. } = facts.identity;
    let (terminal, console_size) = match request.terminal {
        Terminal::None => (false, None),
        Terminal::Pty(size) => (true, size),
    };
    Ok(Process {
        terminal,
        console_size,
        user: User {
            uid: uid.number(),
            gid: gid.number(),
            umask: None,
            additional_gids: groups.iter().map(|group| group.number()).collect(),
        },
        args: args(image, request)?,
        env: env::merge(&image.config.env, &request.env, env::Basics { hostname, home, terminal }),
        cwd: workdir(image, request)?,
        no_new_privileges: true,
        oom_score_adj: request.oom_score_adj,
        ..Process::default()
    })
}

/// Entrypoint and command. An entrypoint of the caller's takes the image's `Cmd` away too.
fn args(image: &ImageConfig, request: &Request) -> Result<Vec<String>, SpecError> {
    let (entrypoint, default) = match &request.entrypoint {
        Entrypoint::OfImage => (&image.config.entrypoint, image.config.cmd.as_slice()),
        Entrypoint::Replace(words) => (words, [].as_slice()),
    };
    let command = if request.command.is_empty() { default } else { request.command.as_slice() };
    let args: Vec<String> = entrypoint.iter().chain(command).cloned().collect();
    match args.first() {
        Some(program) if !program.is_empty() => Ok(args),
        _ => Err(SpecError::NoCommand),
    }
}

/// The folder to start in. The caller's must be absolute; the image's is taken from the root.
fn workdir(image: &ImageConfig, request: &Request) -> Result<String, SpecError> {
    match (&request.workdir, image.config.working_dir.as_str()) {
        (Some(folder), _) if !folder.starts_with('/') => Err(SpecError::Workdir(folder.clone())),
        (Some(folder), _) => Ok(clean(folder)),
        (None, folder) => Ok(clean(&format!("/{folder}"))),
    }
}

/// The path with `.` and `..` taken as words and not as folders, as docker does.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

fn linux(request: &Request, facts: Facts<'_>) -> Linux {
    let resources = limits::resources(&request.limits);
    Linux {
        namespaces: namespaces(request, facts.joined),
        resources: Some(Resources { devices: devices::rules(facts.devices), ..resources }),
        ..Linux::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(entrypoint: &[&str], cmd: &[&str]) -> ImageConfig {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
        let mut image = ImageConfig::default();
        image.config.entrypoint = words(entrypoint);
        image.config.cmd = words(cmd);
        image
    }

    #[test]
    fn entrypoint_and_command_meet_as_in_docker() {
        let with = |request: Request| args(&image(&["e"], &["c"]), &request);
        let command = || vec!["x".to_owned()];
        let replaced = |words: &[&str]| {
            Entrypoint::Replace(words.iter().map(|word| (*word).to_owned()).collect())
        };
        assert_eq!(with(Request::default()).unwrap(), ["e", "c"]);
        let request = Request { command: command(), ..Request::default() };
        assert_eq!(with(request).unwrap(), ["e", "x"]);
        let request = Request { entrypoint: replaced(&["n"]), ..Request::default() };
        assert_eq!(with(request).unwrap(), ["n"]);
        let request =
            Request { entrypoint: replaced(&[]), command: command(), ..Request::default() };
        assert_eq!(with(request).unwrap(), ["x"]);
        let none = args(&image(&[], &[]), &Request::default());
        assert!(matches!(none, Err(SpecError::NoCommand)));
    }

    #[test]
    fn working_folders_are_absolute_and_clean() {
        let mut image = ImageConfig::default();
        image.config.working_dir = "srv/../app/".to_owned();
        assert_eq!(workdir(&image, &Request::default()).unwrap(), "/app");
        let request = Request { workdir: Some("x".to_owned()), ..Request::default() };
        assert!(matches!(workdir(&image, &request), Err(SpecError::Workdir(_))));
        image.config.working_dir = String::new();
        assert_eq!(workdir(&image, &Request::default()).unwrap(), "/");
    }
}
