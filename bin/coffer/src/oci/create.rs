//! `create`, and what `run` shares with it.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use coffer_policy::Admitted;
use coffer_runtime::bundle::{
    self, Bundle, BundleError, BundleId, Create, Foreground, Home, Keyring, Made, RootChange,
    send_console, send_pidfd, write_pid_file,
};
use coffer_runtime::launch::LaunchError;
use coffer_runtime::plan::Lines;
use rustix::process::Pid;

use super::failure::{Failure, line};
use super::globals::Globals;
use super::grammar::{Flag, Grammar, Words, switch, value};
use super::{NAME, Outcome, log};
use crate::environment;

/// The options of `create`.
pub(super) const GRAMMAR: Grammar =
    Grammar { flags: FLAGS, operands: (1, 1), verbatim_after: usize::MAX };

const FLAGS: &[Flag] = &[
    value("bundle", Some('b')),
    value("config", Some('f')),
    value("console-socket", None),
    value("pidfd-socket", None),
    value("pid-file", None),
    switch("no-pivot", None),
    switch("no-new-keyring", None),
    value("preserve-fds", None),
    // crun's: the container is the caller's either way.
    switch("no-subreaper", None),
];

/// What is made, read from the words.
pub(super) struct Wanted {
    pub(super) home: Home,
    pub(super) id: BundleId,
    pub(super) bundle: Bundle,
    console: Option<PathBuf>,
    pidfd_socket: Option<PathBuf>,
    pid_file: Option<PathBuf>,
    root_change: RootChange,
    keyring: Keyring,
    preserved: u32,
    /// Whether the terminal is carried to what is none.
    lines: Lines,
}

/// `create`.
pub(super) fn run(globals: &Globals, words: &Words) -> Outcome {
    let wanted = Wanted::read(globals, words)?;
    wanted.check_console(wanted.wants_terminal())?;
    let mut made = wanted.make(globals)?;
    let terminal = made.terminal();
    match wanted.hand_out(terminal.as_ref(), made.pid()) {
        Ok(()) => made.release().map(|_| 0).map_err(Failure::from),
        Err(error) => {
            made.undo(&wanted.home)?;
            Err(error.into())
        }
    }
}

impl Wanted {
    /// Reads the bundle that the words name.
    pub(super) fn read(globals: &Globals, words: &Words) -> Result<Self, Failure> {
        let id = operand(words).parse()?;
        let path = std::path::absolute(words.value("bundle").unwrap_or("."))?;
        let mut bundle = match words.value("config") {
            Some(config) => Bundle::with_config(&path, config)?,
            None => Bundle::open(&path)?,
        };
        let listening = listen(&mut bundle);
        let path = |name| words.value(name).map(PathBuf::from);
        let (console, pid_file) = (path("console-socket"), path("pid-file"));
        Ok(Self {
            home: globals.home()?,
            id,
            bundle,
            console,
            pidfd_socket: path("pidfd-socket"),
            pid_file,
            root_change: if words.has("no-pivot") { RootChange::Move } else { RootChange::Pivot },
            keyring: if words.has("no-new-keyring") { Keyring::Callers } else { Keyring::Own },
            preserved: words.number::<u32>("preserve-fds")?.unwrap_or(0).saturating_add(listening),
            lines: Lines::ForScreens,
        })
    }

    /// The same for verbs that start it too, with the caller's place in the foreground where the
    /// words do not detach it.
    pub(super) fn read_to_start(
        globals: &Globals,
        words: &Words,
    ) -> Result<(Self, Option<Foreground>), Failure> {
        let mut wanted = Self::read(globals, words)?;
        let detach = words.has("detach");
        wanted.lines = lines(detach);
        wanted.check_console(wanted.wants_terminal() && detach)?;
        let foreground = if detach { None } else { Some(Foreground::take()?) };
        Ok((wanted, foreground))
    }

    /// Whether the bundle's process has a terminal.
    fn wants_terminal(&self) -> bool {
        self.bundle.spec.process.as_ref().is_some_and(|process| process.terminal)
    }

    /// A terminal that nobody takes, and a socket for none, are mistakes. The words are runc's.
    fn check_console(&self, leaves_terminal: bool) -> Result<(), Failure> {
        match (leaves_terminal, &self.console) {
            (true, None) => Err(Failure::new(
                "cannot allocate tty if runc will detach without setting console socket",
            )),
            (false, Some(_)) => Err(Failure::new(
                "cannot use console socket if runc will not detach or allocate tty",
            )),
            _ => Ok(()),
        }
    }

    /// Makes the container.
    pub(super) fn make(&self, globals: &Globals) -> Result<Made, Failure> {
        let made = self.with(globals, |wanted| bundle::create(&wanted))?;
        self.tell(globals, &made);
        Ok(made)
    }

    /// Does `make` with what a container is made from.
    pub(super) fn with<T>(
        &self,
        globals: &Globals,
        make: impl FnOnce(Create<'_>) -> Result<T, BundleError>,
    ) -> Result<T, Failure> {
        let admitted = Admitted::by_caller(format!("{NAME} was called with a bundle"));
        let (home, id, bundle) = (&self.home, &self.id, &self.bundle);
        let Self { root_change, keyring, preserved, lines, .. } = *self;
        let made = make(Create {
            home,
            id,
            bundle,
            admitted: &admitted,
            root_change,
            keyring,
            preserved,
            lines,
            driver: &globals.groups,
            authority: globals.authority,
        });
        made.map_err(refused)
    }

    fn tell(&self, globals: &Globals, made: &Made) {
        let (id, pid) = (&self.id, made.pid());
        log::debug(globals, &format!("{id} waits at its gate as process {pid}"));
        for warning in made.warnings() {
            log::warning(globals, &warning.to_string());
        }
    }

    /// Tells the caller of the terminal and the pid.
    pub(super) fn hand_out(&self, terminal: Option<&OwnedFd>, pid: Pid) -> Result<(), BundleError> {
        if let (Some(socket), Some(terminal)) = (&self.console, terminal) {
            send_console(socket, terminal.as_fd())?;
        }
        if let Some(socket) = &self.pidfd_socket {
            send_pidfd(socket, "standard", pid)?;
        }
        match &self.pid_file {
            Some(path) => write_pid_file(path, pid),
            None => Ok(()),
        }
    }
}

/// Passes the caller's listening sockets on, as a socket-activated service finds them. Says how
/// many there are. Source: man 3 sd_listen_fds.
fn listen(bundle: &mut Bundle) -> u32 {
    let count = environment::listen_fds();
    if let (1.., Some(process)) = (count, &mut bundle.spec.process) {
        process.env.extend([format!("LISTEN_FDS={count}"), "LISTEN_PID=1".to_owned()]);
    }
    count
}

/// Why a container was not made. runc's status is 1 whatever it was.
pub(super) fn refused(error: BundleError) -> Failure {
    match &error {
        BundleError::Launch(LaunchError::Step(step)) if step.status == 127 => {
            Failure::new(format!("{}: executable file not found in $PATH", line(&error)))
        }
        _ => error.into(),
    }
}

/// How a terminal's lines end that the runtime itself carries to its own output: as for a screen
/// where that is one, and as the program wrote them in files and pipes. So does runc.
pub(super) fn lines(detach: bool) -> Lines {
    match detach || rustix::termios::isatty(std::io::stdout()) {
        true => Lines::ForScreens,
        false => Lines::Plain,
    }
}

/// The id that a verb is about.
pub(super) fn operand(words: &Words) -> &str {
    words.operands().first().map(String::as_str).unwrap_or_default()
}
