//! Work that an ordinary user can only do inside a user namespace: unpacking and removing files
//! that belong to the ids of a container.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::os::fd::OwnedFd;

use coffer_sys::userns;
use rustix::io::{Errno, retry_on_intr};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, getppid, set_parent_process_death_signal, waitpid,
};
use rustix::thread::{Gid, Uid, set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{IdMap, IdsError, refused, write};

/// The most bytes of an answer.
const ANSWER_LIMIT: u64 = 64 << 20;

/// Why work inside a user namespace gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum InsideError {
    /// The process could not be made.
    #[error("cannot make a process in a user namespace")]
    Start(#[source] io::Error),
    /// The kernel makes no user namespace here.
    #[error("cannot make a user namespace")]
    Refused(#[source] Errno),
    /// It could not be given its ids.
    #[error("cannot give the user namespace its ids")]
    Ids(#[source] IdsError),
    /// It ended without an answer.
    #[error("the process in the user namespace ended with {0} and no answer")]
    Died(String),
    /// The work failed; this is what it said, with its causes.
    #[error("{0}")]
    Failed(String),
}

/// Runs `work` in a child that is root of a new user namespace with the ids of `map`, and gives
/// its answer back.
///
/// The child has a copy of the caller's memory and of its descriptors; nothing that it changes in
/// memory comes back but the answer, as JSON. It may start threads. It is killed when the caller
/// dies. The caller should have one thread: see [`userns::fork`].
///
/// # Errors
/// An [`InsideError`]; an error of `work` comes back as its text.
pub fn in_user_namespace<T, E>(
    map: &IdMap,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, InsideError>
where
    T: Serialize + DeserializeOwned,
    E: Error,
{
    beside(Some(map), work)?.finish()
}

/// Work that goes on in a child, while its caller does something else: see [`beside`].
#[derive(Debug)]
#[must_use = "a child has to be waited for"]
pub struct Beside<T> {
    pid: Pid,
    answer: OwnedFd,
    gives: PhantomData<fn() -> T>,
}

/// The same as [`in_user_namespace`], without waiting for the answer. Without a map the child stays
/// in the caller's user namespace.
///
/// # Errors
/// As there.
pub fn beside<T, E>(
    map: Option<&IdMap>,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<Beside<T>, InsideError>
where
    T: Serialize + DeserializeOwned,
    E: Error,
{
    let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(|e| InsideError::Start(e.into()));
    let ((ready, is_ready), (go, give_go), (answer, give_answer)) = (pipe()?, pipe()?, pipe()?);
    let caller = getpid();
    let place = if map.is_some() { Place::Namespace } else { Place::Callers };
    // Each process takes its own half out and closes the other's: fork has doubled both.
    let mut parents = Some(Parent { ready, give_go, answer });
    let mut childs = Some((Child { is_ready, go, give_answer }, work));
    let forked = userns::fork(|| {
        drop(parents.take());
        childs.take().map_or(1, |(child, work)| child.run(caller, place, work))
    });
    let pid = forked.map_err(InsideError::Start)?;
    drop(childs.take());
    let Some(parent) = parents.take() else { return Err(InsideError::Died("no pipes".into())) };
    match parent.manage(pid, map) {
        Ok(answer) => Ok(Beside { pid, answer, gives: PhantomData }),
        // Its pipes are closed, so that it ends.
        Err(error) => wait(pid).and(Err(error)),
    }
}

impl<T: DeserializeOwned> Beside<T> {
    /// Waits for its end, and gives its answer.
    ///
    /// # Errors
    /// As [`in_user_namespace`].
    pub fn finish(self) -> Result<T, InsideError> {
        let mut bytes = Vec::new();
        let read = File::from(self.answer).take(ANSWER_LIMIT).read_to_end(&mut bytes);
        let status = wait(self.pid)?;
        read.map_err(InsideError::Start)?;
        let died = || InsideError::Died(describe(status));
        let answer = serde_json::from_slice::<Result<T, Said>>(&bytes).map_err(|_| died())?;
        answer.map_err(|said| match said {
            Said::Refused(errno) => InsideError::Refused(Errno::from_raw_os_error(errno)),
            Said::Failed(text) => InsideError::Failed(text),
        })
    }
}

/// Why the child gives no answer.
#[derive(Serialize, Deserialize)]
enum Said {
    /// It has no namespace; the kernel's number for why.
    Refused(i32),
    /// In words.
    Failed(String),
}

impl From<io::Error> for Said {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl InsideError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Refused(errno) => refused::hint(*errno),
            Self::Ids(error) => error.help(),
            Self::Start(_) | Self::Died(_) | Self::Failed(_) => None,
        }
    }
}

/// The parent's ends of the pipes.
struct Parent {
    ready: OwnedFd,
    give_go: OwnedFd,
    answer: OwnedFd,
}

impl Parent {
    /// Waits until the child is in its namespace, maps its ids, lets it go, gives where its answer
    /// will come.
    fn manage(self, pid: Pid, map: Option<&IdMap>) -> Result<OwnedFd, InsideError> {
        if is_told(&self.ready).map_err(InsideError::Start)? {
            // When the map fails, the pipe closes and the child ends without having begun.
            map.map_or(Ok(()), |map| write(pid, map)).map_err(InsideError::Ids)?;
            File::from(self.give_go).write_all(b"g").map_err(InsideError::Start)?;
        }
        Ok(self.answer)
    }
}

/// Where a child works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In a user namespace of its own.
    Namespace,
    /// Where its caller is.
    Callers,
}

/// The child's ends of the pipes.
struct Child {
    is_ready: OwnedFd,
    go: OwnedFd,
    give_answer: OwnedFd,
}

impl Child {
    /// Does the work, answers, and gives the status to end with.
    fn run<T, E>(self, caller: Pid, place: Place, work: impl FnOnce() -> Result<T, E>) -> i32
    where
        T: Serialize,
        E: Error,
    {
        let answer =
            self.begin(caller, place).and_then(|()| work().map_err(|e| Said::Failed(chain(&e))));
        let written = serde_json::to_vec(&answer)
            .map_err(io::Error::from)
            .and_then(|bytes| File::from(self.give_answer).write_all(&bytes));
        i32::from(written.is_err())
    }

    /// A new namespace, then root of it, bound to the caller's life.
    fn begin(&self, caller: Pid, place: Place) -> Result<(), Said> {
        if place == Place::Namespace {
            userns::enter_new().map_err(|error| match error.raw_os_error() {
                Some(errno) => Said::Refused(errno),
                None => error.into(),
            })?;
        }
        rustix::io::write(&self.is_ready, b"r").map_err(io::Error::from)?;
        if !is_told(&self.go)? {
            return Err(io::Error::other("no ids were mapped").into());
        }
        if place == Place::Namespace {
            become_root()?;
        }
        // After the change of ids, which would undo it.
        set_parent_process_death_signal(Some(Signal::KILL)).map_err(io::Error::from)?;
        let orphan = getppid() != Some(caller);
        if orphan { Err(io::Error::other("the caller has ended").into()) } else { Ok(()) }
    }
}

/// Root of the user namespace that this process has made.
fn become_root() -> io::Result<()> {
    // Where setgroups is denied (no sub-ids) the caller's groups stay, and appear as nobody's.
    match set_thread_groups(&[]) {
        Ok(()) | Err(Errno::PERM) => {}
        Err(errno) => return Err(errno.into()),
    }
    set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
    set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)?;
    Ok(())
}

/// Waits for one byte. No byte means that the other side has ended or given up.
fn is_told(pipe: &OwnedFd) -> io::Result<bool> {
    Ok(retry_on_intr(|| rustix::io::read(pipe, &mut [0; 1]))? == 1)
}

/// An error with its causes, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn wait(pid: Pid) -> Result<Option<WaitStatus>, InsideError> {
    retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()))
        .map(|waited| waited.map(|(_, status)| status))
        .map_err(|errno| InsideError::Start(errno.into()))
}

fn describe(status: Option<WaitStatus>) -> String {
    let exit = status.and_then(WaitStatus::exit_status).map(|code| format!("status {code}"));
    let signal = || status.and_then(WaitStatus::terminating_signal).map(|n| format!("signal {n}"));
    exit.or_else(signal).unwrap_or_else(|| "no status".to_owned())
}
