//! `exec`.

use std::os::fd::AsFd;
use std::path::Path;

use coffer_oci::runtime::Process;
use coffer_runtime::bundle::{
    self, BundleError, Exec, Executed, Folder, Foreground, Paused, Saved, send_console, send_pidfd,
    write_pid_file,
};
use rustix::process::{Signal, pidfd_send_signal};

use super::create::{lines, operand};
use super::failure::Failure;
use super::globals::Globals;
use super::grammar::{Grammar, Words, switch, value};
use super::{Outcome, log, process};

/// The options of `exec`.
pub(super) const GRAMMAR: Grammar = Grammar {
    flags: &[
        value("console-socket", None),
        value("pidfd-socket", None),
        value("cwd", None),
        value("env", Some('e')),
        switch("tty", Some('t')),
        value("user", Some('u')),
        value("additional-gids", Some('g')),
        value("process", Some('p')),
        switch("detach", Some('d')),
        value("pid-file", None),
        value("process-label", None),
        value("apparmor", None),
        switch("no-new-privs", None),
        value("cap", Some('c')),
        value("preserve-fds", None),
        value("cgroup", None),
        switch("ignore-paused", None),
        switch("no-subreaper", None),
    ],
    operands: (1, usize::MAX),
    verbatim_after: 2,
};

/// The status of an `exec` that did not come to execute anything. Source: runc's exec.go.
const NOT_EXECUTED: u8 = 255;

/// `exec`.
pub(super) fn run(globals: &Globals, words: &Words) -> Outcome {
    execute(globals, words).map_err(|failure| failure.exits(NOT_EXECUTED))
}

fn execute(globals: &Globals, words: &Words) -> Outcome {
    let folder = globals.find(operand(words))?;
    let saved = folder.saved()?.ok_or_else(|| BundleError::NotFound(folder.id().clone()))?;
    let process = process::wanted(&saved.process, words)?;
    let detach = words.has("detach");
    let socket = words.value("console-socket").map(Path::new);
    if process.terminal && detach && socket.is_none() {
        let why = "cannot allocate tty if runc will detach without setting console socket";
        return Err(Failure::new(why));
    }
    let foreground = if detach { None } else { Some(Foreground::take()?) };
    let mut executed = start(&folder, saved, &process, words)?;
    for warning in &executed.warnings {
        log::warning(globals, &warning.to_string());
    }
    if let Err(error) = hand_out(&mut executed, words) {
        // It fails only where the process has gone.
        pidfd_send_signal(&executed.process, Signal::KILL).ok();
        return Err(error.into());
    }
    let Some(foreground) = foreground else { return Ok(0) };
    Ok(foreground.stay(executed.process, executed.terminal)?.code())
}

fn start(
    folder: &Folder,
    saved: Saved,
    process: &Process,
    words: &Words,
) -> Result<Executed, Failure> {
    let paused = if words.has("ignore-paused") { Paused::Join } else { Paused::Refuse };
    let preserved = words.number("preserve-fds")?.unwrap_or(0);
    let groups: Vec<&str> = words.values("cgroup").collect();
    let lines = lines(words.has("detach"));
    let wanted = Exec { process, paused, preserved, lines, groups: &groups };
    Ok(bundle::exec(folder, saved, &wanted)?)
}

/// Tells the caller of the terminal and the pid.
fn hand_out(executed: &mut Executed, words: &Words) -> Result<(), BundleError> {
    if let Some(socket) = words.value("console-socket")
        && let Some(terminal) = executed.terminal.take()
    {
        send_console(Path::new(socket), terminal.as_fd())?;
    }
    if let Some(socket) = words.value("pidfd-socket") {
        send_pidfd(Path::new(socket), "setns", executed.pid)?;
    }
    match words.value("pid-file") {
        Some(path) => write_pid_file(Path::new(path), executed.pid),
        None => Ok(()),
    }
}
