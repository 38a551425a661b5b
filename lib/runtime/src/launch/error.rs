//! Why a process could not be started, in words that name the step, the subject and the way on.

use std::fmt;
use std::io;

use coffer_confine::ids::{IdsError, refused};
use rustix::io::Errno;
use rustix::thread::UnshareFlags;

use super::report::{Cause, Fault};
use crate::plan::{Handed, Plan, Step};

/// Why a process could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The process could not be made.
    #[error("cannot make a process with new namespaces ({})", names(*namespaces))]
    Clone {
        /// Which namespaces.
        namespaces: UnshareFlags,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The pid namespace of the container could not be entered.
    #[error("cannot enter the container's pid namespace")]
    Enter(#[source] Errno),
    /// The caller's own mounts could not be entered again.
    #[error("cannot come back to the host's mounts")]
    Return(#[source] Errno),
    /// The way to the child failed.
    #[error("cannot talk to the new process")]
    Channel(#[source] Errno),
    /// Nobody says which signals the caller ignores.
    #[error("cannot read which signals are ignored from /proc/self/status")]
    Signals(#[source] io::Error),
    /// Its limits could not be raised.
    #[error("cannot raise the limits of the new process")]
    Limits(#[source] Errno),
    /// Its ids could not be mapped.
    #[error("cannot map the container's user and group ids")]
    Ids(#[source] IdsError),
    /// It could not be put into its control group, or be written down.
    #[error("cannot put the new process into its control group")]
    Joined(#[source] io::Error),
    /// What the caller does when everything is mounted failed: a hook.
    #[error("a hook of the runtime failed")]
    Created(#[source] io::Error),
    /// A file of its own in `/proc` could not be used.
    #[error("cannot use {file} of the new process")]
    Process {
        /// Which file.
        file: &'static str,
        /// What the kernel said.
        #[source]
        source: Errno,
    },
    /// How soon it is killed could not be set.
    #[error("cannot set oom_score_adj to {score}")]
    OomScore {
        /// What was asked for.
        score: i32,
        /// What the kernel said.
        #[source]
        source: Errno,
    },
    /// A mount that the parent makes could not be made.
    #[error("cannot mount {subject}")]
    Mount {
        /// What was to be mounted.
        subject: String,
        /// What would help.
        hint: Option<&'static str>,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// An interface of the host could not be moved into the container.
    #[error("cannot move the interface {name} into the container")]
    Interface {
        /// Its name on the host.
        name: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A step of the child failed.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The child ended without a word, such as by a signal.
    #[error("the new process ended before it was ready")]
    Died,
}

/// A step that failed in the child.
#[derive(Debug)]
pub struct StepError {
    /// What the step was to do: "mount proc on /proc".
    pub doing: String,
    /// What was wrong.
    pub why: Cause,
    /// What would help.
    pub hint: Option<&'static str>,
    /// The status with which `run` ends: 125, 126 or 127.
    pub status: u8,
    /// What a hook has said that failed.
    pub words: String,
    source: Errno,
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.source.raw_os_error();
        match self.why {
            Cause::HookTimeout | Cause::HookFailed | Cause::HookKilled => {
                write!(f, "error running {}", self.doing)?;
            }
            _ => write!(f, "cannot {}", self.doing)?,
        }
        match self.why {
            Cause::Kernel => Ok(()),
            Cause::NotTheDevice => f.write_str(": what is there is not that device"),
            Cause::Link => f.write_str(": it must be mounted on ordinary directory, and is a link"),
            Cause::KernelFiles => f.write_str(": a link of the image leads into /proc or /sys"),
            Cause::NotProc => f.write_str(": only procfs can stand at /proc"),
            Cause::ControlGroup => f.write_str(": it cannot enter its control group"),
            Cause::HookTimeout => f.write_str(": it took longer than its timeout"),
            Cause::HookFailed => write!(f, ": exit status: {number}"),
            Cause::HookKilled => write!(f, ": ended by: {}", crate::signal::words(number)),
            Cause::Abandoned => f.write_str(": the process that made the container is gone"),
        }?;
        match self.words.as_str() {
            "" => Ok(()),
            words => write!(f, ", said: {words:?}"),
        }
    }
}

impl std::error::Error for StepError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.why {
            Cause::HookFailed | Cause::HookKilled => None,
            _ => Some(&self.source),
        }
    }
}

impl LaunchError {
    /// What would help, in the words of flags and packages.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Clone { source, .. } => refused::hint(Errno::from_io_error(source)?),
            Self::Ids(error) => error.help(),
            Self::Mount { hint, .. } => hint.map(str::to_owned),
            Self::OomScore { source: Errno::ACCESS, .. } => Some(
                "only root can have a process killed later than others, and below coffer's own \
                 number only with CAP_SYS_RESOURCE: ask for a higher one"
                    .to_owned(),
            ),
            Self::Step(step) => step.hint.map(str::to_owned),
            _ => None,
        }
    }

    /// Its words and those of its cause.
    pub(super) fn in_one_line(&self) -> String {
        let cause = std::error::Error::source(self).map(|cause| format!(": {cause}"));
        format!("{self}{}", cause.unwrap_or_default())
    }

    /// The status with which `run` ends: 126 and 127 where the program was at fault.
    pub fn status(&self) -> u8 {
        match self {
            Self::Step(step) => step.status,
            _ => 125,
        }
    }

    /// That a mount of the parent's failed.
    pub(super) fn mount(handed: &Handed, source: io::Error) -> Self {
        let refused = matches!(Errno::from_io_error(&source), Some(Errno::INVAL | Errno::PERM));
        let (subject, hint) = match handed {
            Handed::Root(_) => ("the root file system".to_owned(), Some(ROOT_HINT)),
            Handed::Made(_) => ("/dev/shm".to_owned(), Some(BIND_HINT)),
            Handed::Device(path) => (path.to_string_lossy().into_owned(), None),
            Handed::Bind { subject, .. } => (subject.display().to_string(), Some(BIND_HINT)),
        };
        Self::Mount { subject, hint: hint.filter(|_| refused), source }
    }
}

const ROOT_HINT: &str = "the data root has to be on a file system that takes idmapped mounts \
    (ext4, xfs, btrfs, tmpfs); choose another with --root";
const BIND_HINT: &str = "the volume has to be on a file system that takes idmapped mounts (ext4, \
    xfs, btrfs, tmpfs); without mounts below it: --mount type=bind,bind-recursive=disabled; \
    without a user namespace: --userns host";

/// The namespaces in man 7 namespaces' words.
fn names(namespaces: UnshareFlags) -> String {
    let name = |(name, _): (&str, UnshareFlags)| name.trim_start_matches("NEW").to_lowercase();
    namespaces.iter_names().map(name).collect::<Vec<_>>().join(" ")
}

impl Plan {
    /// The error that stands for a fault in step `number`.
    pub(super) fn fault(&self, number: usize, fault: Fault, words: &str) -> LaunchError {
        let Some(step) = self.steps.get(number) else {
            return LaunchError::Channel(Errno::BADMSG);
        };
        let (hint, status) = advice(step, fault.errno);
        LaunchError::Step(StepError {
            doing: step.doing(),
            why: fault.cause,
            hint,
            status,
            words: words.to_owned(),
            source: fault.errno,
        })
    }
}

/// What would help with a step, and the status that stands for it.
fn advice(step: &Step, errno: Errno) -> (Option<&'static str>, u8) {
    match (step, errno) {
        (Step::Execute(_) | Step::FindProgram(_), Errno::NOENT | Errno::NOTDIR) => {
            (Some("the image has no such program, or not the interpreter or loader it names"), 127)
        }
        (Step::Execute(_), Errno::NOEXEC) => {
            (Some("the program is for another architecture, or a script without #!"), 126)
        }
        (Step::Execute(_) | Step::FindProgram(_), Errno::ACCESS) => {
            (Some("the file is not executable for this user"), 126)
        }
        (Step::Execute(_) | Step::FindProgram(_), _) => (None, 126),
        (Step::Limit(..), Errno::PERM) => {
            (Some("the limit is above coffer's own; lower it with --ulimit"), 125)
        }
        (Step::ExecuteInside, _) => (
            Some(
                "the kernel has no Landlock (Linux 5.19); let root own coffer's binary, and do \
                 without --userns host",
            ),
            125,
        ),
        (Step::Groups(_), Errno::PERM) => {
            (Some("give this user ranges in /etc/subuid and /etc/subgid"), 125)
        }
        (Step::Label { .. }, Errno::NOENT) => (
            Some("no such AppArmor profile is loaded; as root: apparmor_parser --replace FILE"),
            125,
        ),
        (Step::Label { .. }, Errno::ACCESS | Errno::PERM) => {
            (Some("the host's policy does not let coffer enter it; leave --security-opt out"), 125)
        }
        (Step::Sysctl(..), Errno::NOENT) => {
            (Some("this kernel has no such parameter; leave --sysctl out"), 125)
        }
        (Step::Sysctl(..), _) => (Some("this kernel refuses the value; see man 8 sysctl"), 125),
        (Step::WorkingFolder(..), _) => {
            (Some("the program starts there; choose another folder with --workdir"), 125)
        }
        (Step::Ids(..), Errno::INVAL) => {
            (Some("the id is outside the container's range; choose another with --user"), 125)
        }
        _ => (None, 125),
    }
}
