//! From flags to what the runtime is asked for.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use coffer_confine::capability::{self, CapSet};
use coffer_confine::confinement::{self as fence, NewPrivileges, Privilege};
use coffer_confine::landlock::Landlock;
use coffer_confine::seccomp::docker;
use coffer_oci::runtime::{ConsoleSize, Seccomp};
use coffer_runtime::spec::{
    AppArmor, Entrypoint, Init, Ipc, Limits, Network, Request, RootAccess, SeLinux, SeccompChoice,
    SystemPaths, Terminal,
};

use super::container::{ContainerFlags, FenceFlags, LimitFlags, ProcessFlags};
use super::environment_file::{entries, read, variables};
use super::limit::{Limit, List, MemorySize};
use super::security::{LabelPart, SecurityOption, contradiction};
use super::value::ValueError;
use super::{Label, Size, SwapSize};
use crate::failure::Failure;

impl ContainerFlags {
    /// The request for a container that runs `command`, or the image's own where it is empty.
    /// Reads the files that flags name.
    pub(crate) fn request(&self, command: &[OsString]) -> Result<Request, Failure> {
        let (process, network) = (&self.process, &self.network);
        self.limits.check()?;
        self.files.check()?;
        let mut request = Request {
            command: command.iter().map(utf8).collect::<Result<_, _>>()?,
            entrypoint: process.entrypoint(),
            env: variables(&process.env_file, &process.env)?,
            // Docker: an empty one leaves it to the image.
            user: process.user.clone().filter(|user| !user.is_empty()),
            group_add: process.group_add.clone(),
            workdir: process.workdir.clone(),
            hostname: network.hostname.clone(),
            domainname: network.domainname.clone(),
            root: if self.files.read_only { RootAccess::ReadOnly } else { RootAccess::Writable },
            cap_add: self.fence.cap_add.clone(),
            cap_drop: self.fence.cap_drop.clone(),
            network: network.network.map_or(Network::None, |word| word.0),
            limits: self.limits.limits(),
            ulimits: self.limits.ulimit.iter().map(|limit| limit.0.clone()).collect(),
            sysctls: self.fence.sysctl.iter().map(|s| (s.0.clone(), s.1.clone())).collect(),
            dns: network.dns.clone(),
            dns_search: network.dns_search.clone(),
            dns_options: network.dns_option.clone(),
            add_hosts: network.add_host.iter().map(|line| (line.0.clone(), line.1)).collect(),
            labels: process.labels()?,
            init: if process.init { Init::Tiny } else { Init::Program },
            terminal: process.terminal(),
            pid: self.fence.pid.clone().map(|word| word.0).unwrap_or_default(),
            ipc: self.fence.ipc.clone().map(|word| word.0).unwrap_or_default(),
            devices: self.fence.device.clone(),
            userns: self.fence.userns.clone().map(|word| word.0).unwrap_or_default(),
            oom_score_adj: self.limits.oom_score_adj,
            stop_signal: process.stop_signal.clone(),
            stop_timeout: process.stop_timeout.map(|limit| limit.0),
            ..Request::default()
        };
        let files = &self.files;
        request.mounts =
            [&files.volume, &files.mount, &files.tmpfs].into_iter().flatten().cloned().collect();
        self.fence.choose(&mut request)?;
        check_memory(&request)?;
        Ok(request)
    }
}

impl ProcessFlags {
    /// Docker: an empty `--entrypoint` takes the image's away.
    fn entrypoint(&self) -> Entrypoint {
        match self.entrypoint.as_deref() {
            None => Entrypoint::OfImage,
            Some("") => Entrypoint::Replace(Vec::new()),
            Some(program) => Entrypoint::Replace(vec![program.to_owned()]),
        }
    }

    fn labels(&self) -> Result<BTreeMap<String, String>, Failure> {
        let mut labels = BTreeMap::new();
        for file in &self.label_file {
            let text = read(file, "the file of --label-file")?;
            for (_, line) in entries(&text) {
                let refused = |error: ValueError| {
                    Failure::new(format!("{line:?} is not a label"))
                        .at(file.display().to_string())
                        .because(error.to_string())
                };
                let label: Label = line.parse().map_err(refused)?;
                labels.insert(label.0, label.1);
            }
        }
        labels.extend(self.label.iter().map(|label| (label.0.clone(), label.1.clone())));
        Ok(labels)
    }

    fn terminal(&self) -> Terminal {
        if self.tty { Terminal::Pty(console_size()) } else { Terminal::None }
    }
}

/// The size of our own terminal, if there is one.
pub(crate) fn console_size() -> Option<ConsoleSize> {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stdin()).ok()?;
    Some(ConsoleSize { height: size.ws_row, width: size.ws_col })
}

impl LimitFlags {
    fn limits(&self) -> Limits {
        Limits {
            memory: self.memory.map(|memory| match memory {
                MemorySize::At(size) => signed(size),
                MemorySize::None => -1,
            }),
            memory_swap: self.memory_swap.map(|swap| match swap {
                SwapSize::At(size) => signed(size),
                SwapSize::None => -1,
            }),
            memory_reservation: self.memory_reservation.map(signed),
            millicpus: self.cpus.map(|cpus| cpus.0),
            cpu_shares: self.cpu_shares.and_then(|shares| shares.0),
            cpuset_cpus: self.cpuset_cpus.as_ref().map(List::text),
            cpuset_mems: self.cpuset_mems.as_ref().map(List::text),
            pids: self.pids_limit.map(|limit| match limit {
                Limit::At(count) => i64::try_from(count).unwrap_or(i64::MAX),
                Limit::None => -1,
            }),
            shm_size: self.shm_size.map(|size| size.0),
        }
    }
}

/// More than an i64 of bytes is no limit that any machine reaches.
fn signed(size: Size) -> i64 {
    i64::try_from(size.0).unwrap_or(i64::MAX)
}

impl FenceFlags {
    fn choose(&self, request: &mut Request) -> Result<(), Failure> {
        self.check()?;
        if self.allow_setuid || self.privileged {
            request.privileges = NewPrivileges::ByFile;
        }
        if self.privileged {
            request.privilege = Privilege::Privileged;
            request.seccomp = SeccompChoice::Unconfined;
            request.system_paths = SystemPaths::Unconfined;
        }
        for option in &self.security_opt {
            match option {
                SecurityOption::SeccompFile(file) => request.seccomp = self.profile(file)?,
                SecurityOption::Landlock(file) => request.landlock = Some(landlock(file)?),
                SecurityOption::AppArmor(name) => request.apparmor = apparmor(name),
                SecurityOption::Label(part, value) => label(&mut request.selinux, *part, value),
                SecurityOption::LabelDisable => request.selinux = SeLinux::Disabled,
                SecurityOption::SeccompUnconfined => request.seccomp = SeccompChoice::Unconfined,
                SecurityOption::PathsUnconfined => request.system_paths = SystemPaths::Unconfined,
                SecurityOption::NoNewPrivileges => {}
            }
        }
        Ok(())
    }

    /// A profile in docker's form or the runtime specification's. Its conditions are held against
    /// what this container is granted.
    fn profile(&self, file: &Path) -> Result<SeccompChoice, Failure> {
        let known = fence::Host::read().capabilities;
        let granted = capability::granted(&self.cap_add, &self.cap_drop, known)
            .map_err(|error| Failure::new(error.to_string()))?;
        let profile = profile(file, granted, docker::Host::read())?;
        Ok(SeccompChoice::Profile(Box::new(profile)))
    }
}

/// `--shm-size` is for a `/dev/shm` of the container's own.
fn check_memory(request: &Request) -> Result<(), Failure> {
    let ipc = match (&request.ipc, request.limits.shm_size) {
        (Ipc::Own | Ipc::Shareable, _) | (_, None) => return Ok(()),
        (Ipc::NoMemory, _) => "--ipc none",
        (Ipc::Host, _) => "--ipc host",
        (Ipc::Container(_), _) => "--ipc container:",
    };
    Err(contradiction("--shm-size", ipc).because("with that it has no /dev/shm of its own"))
}

/// A profile of AppArmor, in docker's words.
fn apparmor(name: &str) -> AppArmor {
    match name {
        "unconfined" => AppArmor::Unconfined,
        name => AppArmor::Named(name.to_owned()),
    }
}

/// A part of the SELinux context. Who has disabled it was refused before.
fn label(contexts: &mut SeLinux, part: LabelPart, value: &str) {
    let SeLinux::Own(changes) = contexts else { return };
    let place = match part {
        LabelPart::User => &mut changes.user,
        LabelPart::Role => &mut changes.role,
        LabelPart::Type => &mut changes.kind,
        LabelPart::Level => &mut changes.level,
    };
    *place = Some(value.to_owned());
}

/// A Landlock policy in a file.
fn landlock(file: &Path) -> Result<Landlock, Failure> {
    Landlock::parse(read(file, "the policy of --security-opt landlock=")?.as_bytes()).map_err(
        |error| {
            let failure = Failure::new(error.to_string()).at(file.display().to_string());
            error.help().into_iter().fold(failure, Failure::help)
        },
    )
}

/// A system call filter in a file: what of it holds for `granted` on `host`.
pub(crate) fn profile(
    file: &Path,
    granted: CapSet,
    host: docker::Host,
) -> Result<Seccomp, Failure> {
    docker::parse(read(file, "the system call filter")?.as_bytes(), granted, host).map_err(
        |error| {
            let failure = Failure::new(error.to_string()).at(file.display().to_string());
            match std::error::Error::source(&error) {
                Some(cause) => failure.because(cause.to_string()),
                None => failure,
            }
        },
    )
}

/// Words of a command; the runtime specification can hold no others.
pub(crate) fn utf8(word: &OsString) -> Result<String, Failure> {
    word.to_str().map(str::to_owned).ok_or_else(|| {
        Failure::new("a word of the command is not UTF-8").at(word.to_string_lossy().into_owned())
    })
}
