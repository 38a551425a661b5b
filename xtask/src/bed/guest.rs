//! A running machine, and what it says.

use std::fmt;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::call::{Boot, Call, Dropped};
use super::machine::{Machine, SOCKETS, Share};
use super::monitor::Monitor;
use super::payload::{self, Payload};
use super::place::{Place, Run};
use super::snapshot;

/// How long a machine may take to come up: emulation on a busy host is slow.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);

/// How long a command may take.
const COMMAND: Duration = Duration::from_secs(900);

/// A guest that does not answer.
#[derive(Debug)]
struct Silent {
    result: io::Result<usize>,
    /// What its kernel said.
    said: String,
}

impl fmt::Display for Silent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { result, said } = self;
        write!(f, "the guest does not answer: {result:?}; its console:\n{said}")
    }
}

impl std::error::Error for Silent {}

impl Silent {
    /// Whether the emulation is to blame: the kernel patches its code while it runs, by way of a
    /// breakpoint, and now and then an emulated processor meets that when it is gone already.
    fn is_the_emulators(&self) -> bool {
        self.said.contains("Oops: int3")
    }
}

/// Does `work`, and once more where the emulation failed.
///
/// # Errors
/// Those of `work`.
pub(super) fn twice<T>(work: impl Fn() -> Result<T>) -> Result<T> {
    match work() {
        Err(error) if error.downcast_ref().is_some_and(Silent::is_the_emulators) => {
            eprintln!("bed: the emulation left a breakpoint in the guest's kernel; once more");
            work()
        }
        done => done,
    }
}

/// An emulator that is ended with this value.
#[derive(Debug)]
pub(super) struct Emulator {
    child: Child,
    pub(super) monitor: Monitor,
    control: BufReader<UnixStream>,
    streams: Streams,
    log: std::path::PathBuf,
}

/// The other sockets.
#[derive(Debug)]
struct Streams {
    output: UnixStream,
    errors: UnixStream,
    console: UnixStream,
}

impl Emulator {
    /// Starts `program` where the sockets that it connects to are already waiting.
    ///
    /// # Errors
    /// It cannot be started, or does not come.
    pub(super) fn start(program: &str, arguments: &[String], run: &Run) -> Result<Self> {
        let listeners = listen(run)?;
        let log = run.folder().join("emulator");
        let said = fs::File::create(&log)?;
        // Whoever ends us ends the machine: nobody else knows of it.
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", program])
            .args(arguments)
            .current_dir(run.folder())
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said)
            .spawn()
            .context("setpriv")?;
        match connect(&listeners) {
            Ok((monitor, control, streams)) => {
                Ok(Self { child, monitor, control, streams, log: run.folder().join("log") })
            }
            Err(error) => {
                drop(child.kill());
                child.wait()?;
                let said = fs::read_to_string(&log).unwrap_or_default();
                Err(error.context(format!("{program} does not start\n{said}")))
            }
        }
    }

    /// Waits until the agent is there.
    ///
    /// # Errors
    /// It is not within `patience`; what the kernel said is in the error.
    pub(super) fn ready(&mut self, patience: Duration) -> Result<()> {
        let line = self.line(Some(patience))?;
        if line != "READY" {
            bail!("the guest's agent says {line:?}");
        }
        Ok(())
    }

    /// Lets the agent run the payload's command, and gives its exit status.
    fn command(&mut self, time: Time) -> Result<u8> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
        self.control.get_mut().write_all(format!("{now:.3}\n").as_bytes())?;
        let mut output = self.streams.output.try_clone()?;
        let mut errors = self.streams.errors.try_clone()?;
        let both = [
            std::thread::spawn(move || io::copy(&mut output, &mut io::stdout())),
            std::thread::spawn(move || io::copy(&mut errors, &mut io::stderr())),
        ];
        let line = self.line(match time {
            Time::Limited(time) => Some(time),
            Time::Unlimited => None,
        });
        // What was said before the status is in our sockets; the rest nobody waits for.
        self.child.kill()?;
        self.child.wait()?;
        for copy in both {
            drop(copy.join());
        }
        let line = line?;
        let status = line.strip_prefix("EXIT ").and_then(|status| status.parse().ok());
        status.with_context(|| format!("the guest's agent says {line:?}"))
    }

    /// Waits until the emulator has ended by itself.
    ///
    /// # Errors
    /// It did not end well.
    pub(super) fn ended(&mut self) -> Result<()> {
        let status = self.child.wait()?;
        if !status.success() {
            bail!("the emulator: {status}");
        }
        Ok(())
    }

    fn line(&mut self, patience: Option<Duration>) -> Result<String> {
        self.control.get_mut().set_read_timeout(patience)?;
        let mut line = String::new();
        match self.control.read_line(&mut line) {
            Ok(read) if read > 0 => Ok(line.trim_end().to_owned()),
            result => {
                let said = fs::read(&self.log).unwrap_or_default();
                let said = String::from_utf8_lossy(&said).into_owned();
                Err(Silent { result, said }.into())
            }
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // Both fail only for one that has ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A machine with all that it runs on.
#[derive(Debug)]
pub(super) struct Guest {
    // In the order in which they are given up.
    emulator: Emulator,
    _run: Run,
    _slot: fs::File,
}

impl Guest {
    /// Lets the agent run the payload's command, and gives its exit status.
    ///
    /// # Errors
    /// The machine does not answer in `time`.
    pub(super) fn command(&mut self, time: Time) -> Result<u8> {
        self.emulator.command(time)
    }

    /// The machine's console.
    ///
    /// # Errors
    /// There are too many open files.
    pub(super) fn console(&self) -> Result<UnixStream> {
        Ok(self.emulator.streams.console.try_clone()?)
    }
}

/// How long a command may take.
#[derive(Clone, Copy, Debug)]
pub(super) enum Time {
    /// So long.
    Limited(Duration),
    /// As long as somebody types.
    Unlimited,
}

/// `bed run`: the exit code is the command's.
///
/// # Errors
/// The machine cannot be made, or does not answer.
pub(super) fn run(place: &Place, call: &Call) -> Result<ExitCode> {
    let run = || start(place, call)?.command(Time::Limited(COMMAND));
    let status = match call.boot {
        // What was done to the disk is done.
        Boot::ColdWith(_) => run(),
        Boot::Restored | Boot::Cold => twice(run),
    };
    Ok(ExitCode::from(status?))
}

/// The machine that `call` names, waiting to run its command.
///
/// # Errors
/// The machine cannot be made, or does not answer.
pub(super) fn start(place: &Place, call: &Call) -> Result<Guest> {
    if call.command.is_empty() {
        bail!("no command after --");
    }
    let machine = call.machine()?;
    if call.boot == Boot::Restored {
        snapshot::ensure(place, machine)?;
    }
    let slot = place.slot()?;
    let run = place.run()?;
    let mut files = call.with.clone();
    files.push(Dropped { file: coffer()?, name: "coffer".into() });
    let name = machine.to_string();
    let environment = [("COFFER_BED_GUEST", name.as_str()), ("COFFER_TEST_BINARY", "/host/coffer")];
    Payload { files: &files, command: &call.command, environment: &environment }
        .write(run.folder())?;
    let emulator = bring_up(place, machine, &call.boot, &run)?;
    Ok(Guest { emulator, _run: run, _slot: slot })
}

/// Brings the machine to where its agent waits.
fn bring_up(place: &Place, machine: Machine, boot: &Boot, run: &Run) -> Result<Emulator> {
    match boot {
        Boot::Restored => {
            payload::scratch(place, run.folder())?;
            let saved = snapshot::ensure(place, machine)?;
            let arguments = snapshot::arguments(place, machine)?;
            let memory = saved.join("memory");
            let more = ["-incoming", "defer"];
            let mut emulator =
                snapshot::start_with(run, &arguments, &memory, Share::Private, &more)?;
            emulator.monitor.restore(&saved.join("state").display().to_string())?;
            return Ok(emulator);
        }
        Boot::Cold => payload::scratch(place, run.folder())?,
        Boot::ColdWith(disk) => payload::kept(place, disk, run.folder())?,
    }
    let arguments = snapshot::arguments(place, machine)?;
    let memory = run.folder().join("memory");
    let mut emulator = snapshot::start_with(run, &arguments, &memory, Share::Saved, &[])?;
    emulator.ready(PATIENCE)?;
    Ok(emulator)
}

/// The binary that is dropped in: the one that the caller names, or the one built last.
fn coffer() -> Result<std::path::PathBuf> {
    if let Some(path) = std::env::var_os("COFFER_TEST_BINARY") {
        return Ok(path.into());
    }
    let release = crate::shipped::coffer();
    let debug = std::env::current_exe()?.with_file_name("coffer");
    let built = |path: &std::path::Path| fs::metadata(path).and_then(|it| it.modified()).ok();
    let newest = [release, debug].into_iter().filter(|path| path.exists()).max_by_key(|p| built(p));
    newest.context("coffer is not built: cargo build -p coffer")
}

/// One listener for each of [`SOCKETS`], in a folder whose path may be longer than a socket's may.
fn listen(run: &Run) -> Result<Vec<UnixListener>> {
    let folder = fs::File::open(run.folder())?;
    let bind = |name: &&str| {
        let path = format!("/proc/self/fd/{}/{name}", folder.as_raw_fd());
        UnixListener::bind(path).with_context(|| format!("the socket {name}"))
    };
    SOCKETS.iter().map(bind).collect()
}

/// The emulator's connections, and the monitor's greeting.
fn connect(listeners: &[UnixListener]) -> Result<(Monitor, BufReader<UnixStream>, Streams)> {
    let streams: Vec<UnixStream> = listeners.iter().map(accept).collect::<Result<_>>()?;
    let Ok([console, control, output, errors, monitor]) = <[_; 5]>::try_from(streams) else {
        bail!("the emulator has another number of sockets");
    };
    let monitor = Monitor::greet(monitor, PATIENCE)?;
    Ok((monitor, BufReader::new(control), Streams { output, errors, console }))
}

/// The emulator's connection, for which it has a minute.
fn accept(listener: &UnixListener) -> Result<UnixStream> {
    let minute = Timespec { tv_sec: 60, tv_nsec: 0 };
    let mut ready = [PollFd::new(listener, PollFlags::IN)];
    if poll(&mut ready, Some(&minute))? == 0 {
        bail!("no connection within a minute");
    }
    Ok(listener.accept()?.0)
}
