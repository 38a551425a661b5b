//! Counting what a command and its children change, by ptrace.
//!
//! strace cannot do it: it counts each kind of system call, in each process, by itself.
//! Source: man 2 ptrace, man 1 strace, "when".

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::change::is_change;
use super::{End, Victim};
use crate::program::Outcome;

/// Waits until it is traced, then becomes what is traced.
const WAITING: &str = "kill -STOP $$; exec \"$0\" \"$@\"";

/// A command that is stopped at each system call.
pub(super) struct Tracer<'a> {
    /// What it becomes.
    program: &'a Path,
    /// The command's own process.
    command: Pid,
    victim: Victim,
    /// Each thread that is stopped at its system calls.
    traced: HashSet<Pid>,
    /// How many changes are still let through, and the one that is not.
    left: usize,
    /// Whether the command is that program by now: who becomes it may do things first.
    counts: bool,
    /// What the command ended with.
    status: Option<i32>,
    end: End,
}

/// Runs `command` to its end without input, and kills whoever is about to make its `step`-th
/// change. In a thread of its own: whom a thread traces, and whose end it sees, is its own matter.
pub(super) fn run(
    step: usize,
    victim: Victim,
    command: &Command,
    program: &Path,
) -> (End, Outcome) {
    std::thread::scope(|scope| scope.spawn(|| start(step, victim, command, program)).join())
        .unwrap()
}

/// What it writes goes into files: a pipe would be open until whatever stays behind has ended.
fn start(step: usize, victim: Victim, command: &Command, program: &Path) -> (End, Outcome) {
    let folder = tempfile::tempdir().unwrap();
    let [out, err] = ["out", "err"].map(|name| folder.path().join(name));
    let mut waiting = Command::new("sh");
    waiting.args(["-c", WAITING]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => waiting.env(name, value),
            None => waiting.env_remove(name),
        };
    }
    let [to_out, to_err] = [&out, &err].map(|path| File::create(path).unwrap());
    waiting.stdin(Stdio::null()).stdout(to_out).stderr(to_err);
    #[expect(clippy::zombie_processes, reason = "the tracer waits for it")]
    let child = waiting.spawn().unwrap();
    let command = Pid::from_raw(child.id().try_into().unwrap());
    let (end, status) = Tracer::new(step, victim, command, program).follow();
    let [stdout, stderr] =
        [out, err].map(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned());
    (end, Outcome { status, stdout, stderr })
}

impl<'a> Tracer<'a> {
    fn new(step: usize, victim: Victim, command: Pid, program: &'a Path) -> Self {
        let stopped = waitpid(command, Some(WaitPidFlag::WUNTRACED)).unwrap();
        assert_eq!(stopped, WaitStatus::Stopped(command, Signal::SIGSTOP));
        let mut options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACEEXEC
            | Options::PTRACE_O_TRACECLONE;
        if victim == Victim::Any {
            options |= Options::PTRACE_O_TRACEFORK | Options::PTRACE_O_TRACEVFORK;
        }
        ptrace::seize(command, options).unwrap();
        kill(command, Signal::SIGCONT).unwrap();
        Self {
            program,
            command,
            victim,
            traced: HashSet::from([command]),
            left: step - 1,
            counts: false,
            status: None,
            end: End::Reached,
        }
    }

    /// Until the command and all that is traced have ended.
    fn follow(mut self) -> (End, i32) {
        let of_thread = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        while self.status.is_none() || !self.traced.is_empty() {
            self.heed(waitpid(None, Some(of_thread)).unwrap());
        }
        assert!(self.counts, "the command never was {}", self.program.display());
        (self.end, self.status.unwrap())
    }

    fn heed(&mut self, what: WaitStatus) {
        match what {
            WaitStatus::Exited(pid, code) => self.ended(pid, code),
            WaitStatus::Signaled(pid, signal, _) => self.ended(pid, 128 + signal as i32),
            WaitStatus::PtraceEvent(pid, _, libc::PTRACE_EVENT_EXEC) => self.became(pid),
            WaitStatus::PtraceEvent(pid, _, _) => self.go_on(pid, None),
            WaitStatus::Stopped(pid, signal) => self.go_on(pid, Some(signal)),
            WaitStatus::PtraceSyscall(pid) => self.at_call(pid),
            other => panic!("nobody waits for {other:?}"),
        }
    }

    fn ended(&mut self, pid: Pid, status: i32) {
        self.traced.remove(&pid);
        if pid == self.command {
            self.status = Some(status);
        }
    }

    /// Whatever a child becomes is not that program any more, and its changes are its own.
    fn became(&mut self, pid: Pid) {
        if pid != self.command {
            self.let_go(pid, None);
            return;
        }
        let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap();
        self.counts |= program.file_name() == self.program.file_name();
        self.go_on(pid, None);
    }

    fn at_call(&mut self, pid: Pid) {
        if self.end == End::Reached && self.counts && is_change(pid) {
            if self.left == 0 {
                return self.kill(pid);
            }
            self.left -= 1;
        }
        self.go_on(pid, None);
    }

    /// The call is not made. Everybody else goes on untraced.
    fn kill(&mut self, pid: Pid) {
        self.end = End::Killed;
        kill(pid, Signal::SIGKILL).unwrap();
        for other in self.traced.iter().filter(|other| **other != pid) {
            // Who is about to end cannot be stopped any more.
            ptrace::interrupt(*other).or_else(gone).unwrap();
        }
    }

    fn go_on(&mut self, pid: Pid, signal: Option<Signal>) {
        self.traced.insert(pid);
        if self.end == End::Killed || !self.is_wanted(pid) {
            return self.let_go(pid, signal);
        }
        ptrace::syscall(pid, signal).or_else(gone).unwrap();
    }

    /// The kernel cannot tell every child from a thread.
    fn is_wanted(&self, pid: Pid) -> bool {
        let task = format!("/proc/{}/task/{pid}", self.command);
        self.victim == Victim::Any || Path::new(&task).exists()
    }

    fn let_go(&mut self, pid: Pid, signal: Option<Signal>) {
        ptrace::detach(pid, signal).or_else(gone).unwrap();
        self.traced.remove(&pid);
    }
}

/// It was killed meanwhile, and its end is told next.
fn gone(errno: Errno) -> nix::Result<()> {
    if errno == Errno::ESRCH { Ok(()) } else { Err(errno) }
}
