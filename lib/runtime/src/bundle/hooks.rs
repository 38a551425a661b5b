//! Hooks on the host's side. Source: runtime-spec config.md, "POSIX-platform Hooks".
//!
//! Each is a program of the host's that gets the container's state as its input and is waited
//! for. They are the caller's, and run with the caller's rights and in its namespaces.

use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use coffer_oci::runtime::Hook;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use serde::Serialize;

use super::{State, Status};

/// So much of what a hook says is told (4 KiB).
const WORDS: u64 = 4096;

/// Why a hook did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// It could not be run.
    #[error("error running {kind} hook #{number}: {path}")]
    Run {
        /// Which list it is in.
        kind: &'static str,
        /// Its place there, from 0.
        number: usize,
        /// Its program.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It failed.
    #[error("error running {kind} hook #{number}: {path}: {how}, said: {words:?}")]
    Failed {
        /// Which list it is in.
        kind: &'static str,
        /// Its place there, from 0.
        number: usize,
        /// Its program.
        path: String,
        /// Its exit status or signal.
        how: String,
        /// What it wrote.
        words: String,
    },
}

/// A container's state as hooks read it. Source: runtime-spec runtime.md, "State".
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HookState<'a> {
    oci_version: &'a str,
    id: &'a str,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<i32>,
    bundle: &'a std::path::Path,
    annotations: &'a std::collections::BTreeMap<String, String>,
}

impl<'a> HookState<'a> {
    /// The state of a container that is doing `status`.
    pub(super) fn new(state: &'a State, status: Status) -> Self {
        Self {
            oci_version: &state.oci_version,
            id: state.id.as_str(),
            status: status.to_string(),
            pid: (status != Status::Stopped).then_some(state.init.pid),
            bundle: &state.bundle,
            annotations: &state.annotations,
        }
    }
}

/// Runs hooks one after the other, up to the first that fails.
///
/// # Errors
/// The [`HookError`] of that one.
pub(super) fn run(
    kind: &'static str,
    hooks: &[Hook],
    state: &HookState<'_>,
) -> Result<(), HookError> {
    hooks.iter().enumerate().try_for_each(|(number, hook)| one(kind, number, hook, state))
}

/// Runs all hooks, and says what failed.
pub(super) fn run_all(kind: &'static str, hooks: &[Hook], state: &HookState<'_>) -> Vec<HookError> {
    let one = |(number, hook)| one(kind, number, hook, state).err();
    hooks.iter().enumerate().filter_map(one).collect()
}

fn one(
    kind: &'static str,
    number: usize,
    hook: &Hook,
    state: &HookState<'_>,
) -> Result<(), HookError> {
    let path = || hook.path.clone();
    let ended = wait(hook, state).map_err(|source| HookError::Run {
        kind,
        number,
        path: path(),
        source,
    })?;
    match ended {
        Ended::Well => Ok(()),
        Ended::Badly { how, words } => {
            Err(HookError::Failed { kind, number, path: path(), how, words })
        }
    }
}

enum Ended {
    Well,
    Badly { how: String, words: String },
}

/// Runs a hook to its end, or to the end of its time. Input and output are files and no pipes:
/// who does not read them, or leaves them to a child, holds nobody up.
fn wait(hook: &Hook, state: &HookState<'_>) -> io::Result<Ended> {
    let input = memory(&serde_json::to_vec(state)?)?;
    let output = memory(&[])?;
    let mut command = Command::new(&hook.path);
    if let Some((name, arguments)) = hook.args.split_first() {
        command.arg0(name).args(arguments);
    }
    let variables = hook.env.iter().filter_map(|variable| variable.split_once('='));
    command.env_clear().envs(variables);
    command.stdin(Stdio::from(input)).stdout(Stdio::from(output.try_clone()?));
    command.stderr(Stdio::from(output.try_clone()?));
    if hook.timeout.is_some() {
        // What it starts ends with it where its time is up.
        command.process_group(0);
    }
    let mut child = command.spawn()?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or(io::ErrorKind::NotFound)?;
    let in_time = in_time(pid, hook.timeout)?;
    if !in_time {
        // Not collected yet, it keeps its number, and there is such a group.
        kill_process_group(pid, Signal::KILL)?;
    }
    let status = child.wait()?;
    if in_time && status.success() {
        return Ok(Ended::Well);
    }
    let how = if in_time { status.to_string() } else { "its time was up".to_owned() };
    let (mut file, mut words) = (std::fs::File::from(output), Vec::new());
    file.rewind()?;
    file.take(WORDS).read_to_end(&mut words)?;
    Ok(Ended::Badly { how, words: String::from_utf8_lossy(&words).trim().to_owned() })
}

/// Waits for the end of a child that was not collected. Says whether it came in time.
fn in_time(pid: Pid, timeout: Option<u32>) -> io::Result<bool> {
    let Some(seconds) = timeout else { return Ok(true) };
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    let limit = Timespec { tv_sec: i64::from(seconds), tv_nsec: 0 };
    let mut ended = [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)];
    Ok(retry_on_intr(|| poll(&mut ended, Some(&limit)))? > 0)
}

/// A file without a name that holds `bytes`, to be read from its beginning.
fn memory(bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = std::fs::File::from(memfd_create(c"hook", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn hook(script: &str, timeout: Option<u32>) -> Hook {
        let words = ["sh", "-c", script].map(str::to_owned);
        let env = vec!["PATH=/bin:/usr/bin".to_owned(), "A=b=c".to_owned()];
        Hook { path: "/bin/sh".to_owned(), args: words.to_vec(), env, timeout }
    }

    fn run_one(script: &str, timeout: Option<u32>) -> Result<(), HookError> {
        let annotations = BTreeMap::new();
        let state = HookState {
            oci_version: "1.3.0",
            id: "web",
            status: "created".to_owned(),
            pid: Some(7),
            bundle: std::path::Path::new("/b"),
            annotations: &annotations,
        };
        run("prestart", &[hook(script, timeout)], &state)
    }

    #[test]
    fn a_hook_reads_the_state_and_its_own_environment() {
        let script = r#"read -r state; test "$A" = b=c; case $state in
            *'"id":"web"'*'"pid":7'*) ;; *) echo "$state"; exit 1 ;; esac"#;
        run_one(script, None).unwrap();
    }

    #[test]
    fn a_hook_that_fails_is_heard() {
        let error = run_one("echo too bad; exit 3", Some(60)).unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("too bad"), "{error}");
        assert!(error.contains("prestart hook #0"), "{error}");
    }

    #[test]
    fn a_hook_that_takes_too_long_is_ended_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("held");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, 0o600.into()).unwrap();
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NONBLOCK;
        let held = rustix::fs::open(&path, flags, rustix::fs::Mode::empty()).unwrap();
        let script = format!("sleep 1000 >{} & wait", path.display());
        let error = run_one(&script, Some(1)).unwrap_err().to_string();
        assert!(error.contains("its time was up"), "{error}");
        // Its end is that of the last who could write.
        while rustix::io::read(&held, &mut [0; 1]) != Ok(0) {
            let limit = Timespec { tv_sec: 60, tv_nsec: 0 };
            let mut ended = [PollFd::new(&held, PollFlags::IN)];
            assert_ne!(poll(&mut ended, Some(&limit)), Ok(0), "what it started runs on");
        }
    }

    #[test]
    fn no_program_is_an_error() {
        let mut hook = hook("", None);
        hook.path = "/no/such/hook".to_owned();
        let state = State {
            oci_version: String::new(),
            id: "a".parse().unwrap(),
            init: crate::state::ProcessId::of(
                rustix::process::getpid(),
                &crate::state::BootId::current().unwrap(),
            )
            .unwrap(),
            bundle: "/".into(),
            rootfs: "/".into(),
            created: jiff::Timestamp::now(),
            annotations: BTreeMap::new(),
            owner: 0,
            cgroup: crate::cgroup::Place::default(),
            rdt: None,
            hooks: coffer_oci::runtime::Hooks::default(),
        };
        let failed = run_all("poststop", &[hook], &HookState::new(&state, Status::Stopped));
        assert_eq!(failed.len(), 1);
    }
}
