//! The prober: tries the corpus inside a container, each row in a process of its own.
//!
//! Outside of a container it tries nothing, whoever starts it and however.
//!
//! A row that crashes is an answer, and one that hangs is killed. After each row the prober waits
//! for the host, which looks while the row's process still holds what it got.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{getpid, getppid};

use crate::answer::{Answer, Handed, Line, Surroundings};
use crate::inside::{self, Stop};
use crate::{Place, Primitive, corpus};

/// Where the prober's folder is in the container.
pub const FOLDER: &str = "/coffer-audit";
/// The prober.
pub const PROGRAM: &str = "/coffer-audit/coffer";
/// The verb by which coffer is the prober.
pub const VERB: &str = "audit-probe";
/// What it is told of the host.
pub(crate) const HANDED: &str = "/coffer-audit/handed.json";

/// How long a row may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tries all rows. `go_on` gives a line each time that the host has looked.
///
/// # Errors
/// The host went away, or no process can be made.
pub fn run(mut go_on: impl BufRead, mut out: impl Write) -> io::Result<()> {
    if let Some(why) = outside(&handed()) {
        return say(&mut out, &Line::Outside(why));
    }
    say(&mut out, &Line::Inside(surroundings()?))?;
    wait(&mut go_on)?;
    for row in corpus::rows() {
        let mut child = start(row)?;
        let answer = listen(&mut child);
        say(&mut out, &Line::Row { id: row.id.to_owned(), answer })?;
        wait(&mut go_on)?;
        // It may have ended by itself.
        child.kill().unwrap_or_default();
        child.wait()?;
    }
    say(&mut out, &Line::End)
}

/// Tries one row, says what became of it, and holds what it has until `release` ends.
///
/// # Errors
/// This is no container, there is no such row, or nobody listens.
pub fn row(id: &str, mut release: impl Read, mut out: impl Write) -> io::Result<()> {
    let row = corpus::rows().find(|row| row.id == id);
    let row = row.ok_or_else(|| io::Error::other(format!("the corpus has no row {id:?}")))?;
    let mut handed = handed();
    if let Some(why) = outside(&handed) {
        return Err(io::Error::other(why));
    }
    without_own(&mut handed);
    let answer = match (row.run)(&handed) {
        Ok(evidence) => Answer::Reached(evidence),
        Err(Stop::Refused(error)) => Answer::Refused(words(&error)),
        Err(Stop::Untried(why)) => Answer::Untried(why),
    };
    serde_json::to_writer(&mut out, &answer)?;
    out.write_all(b"\n")?;
    out.flush()?;
    io::copy(&mut release, &mut io::sink()).map(drop)
}

/// In processes of its own a container may have one with the number that the host's has there: who
/// reaches itself, or the prober that started it, has reached nothing. 0 is nobody's number.
fn without_own(handed: &mut Handed) {
    let own = [Some(getpid()), getppid()];
    if own.into_iter().flatten().any(|pid| pid.as_raw_pid() == handed.pid) {
        handed.pid = 0;
    }
}

fn say(out: &mut impl Write, line: &Line) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")?;
    out.flush()
}

fn wait(go_on: &mut impl BufRead) -> io::Result<()> {
    match go_on.read_line(&mut String::new())? {
        0 => Err(io::Error::other("the host has gone away")),
        _ => Ok(()),
    }
}

fn start(row: &Primitive) -> io::Result<Child> {
    let mut command = Command::new(PROGRAM);
    command.args([VERB, "--row", row.id]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
}

/// What a row's process says within its time, or what became of it otherwise.
fn listen(child: &mut Child) -> Answer {
    let Some(said) = child.stdout.take() else { return Answer::Untried("no pipe".into()) };
    let patience = Timespec { tv_sec: PATIENCE.as_secs().cast_signed(), tv_nsec: 0 };
    match poll(&mut [PollFd::new(&said, PollFlags::IN)], Some(&patience)) {
        Ok(0) => return Answer::Refused(format!("it hung for {} s", PATIENCE.as_secs())),
        Ok(_) => {}
        Err(errno) => return Answer::Untried(words(&errno.into())),
    }
    let mut line = String::new();
    let read = BufReader::new(said).read_line(&mut line);
    match read.ok().and_then(|_| serde_json::from_str(&line).ok()) {
        Some(answer) => answer,
        None => ended(child),
    }
}

/// How a process ended that said nothing.
fn ended(child: &mut Child) -> Answer {
    match child.wait() {
        Ok(status) => match status.signal() {
            Some(signal) => Answer::Refused(format!("killed by signal {signal}")),
            None => Answer::Untried(format!("its process ended: {status}")),
        },
        Err(error) => Answer::Untried(words(&error)),
    }
}

/// An error without Rust's "(os error 1)".
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

fn handed() -> Handed {
    let text = inside::files::read(HANDED, 65536).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Why this is not a container that an audit is for.
fn outside(handed: &Handed) -> Option<String> {
    let Some(host) = &handed.host else {
        return Some("nothing says what the host is".to_owned());
    };
    match Place::here() {
        Ok(here) => here.shared_with(host).map(str::to_owned),
        Err(error) => Some(format!("its root cannot be looked at: {}", words(&error))),
    }
}

/// Where this process is.
///
/// # Errors
/// Its root cannot be looked at.
pub fn surroundings() -> io::Result<Surroundings> {
    let names = ["user", "pid", "net", "ipc", "uts", "mnt", "cgroup"];
    let link = |name: &&str| {
        let target = inside::files::link(&format!("/proc/self/ns/{name}")).ok()?;
        Some(((*name).to_owned(), target))
    };
    let namespaces: BTreeMap<String, String> = names.iter().filter_map(link).collect();
    let name = rustix::system::uname();
    let kernel =
        format!("{} {}", name.release().to_string_lossy(), name.version().to_string_lossy());
    let user = rustix::process::geteuid().as_raw();
    Ok(Surroundings { place: Place::here()?, namespaces, kernel, user })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_taken_for_the_hosts_process_by_a_number() {
        for own in [Some(getpid()), getppid()] {
            let mut handed = Handed { pid: own.unwrap().as_raw_pid(), ..Handed::default() };
            without_own(&mut handed);
            assert_eq!(handed.pid, 0);
        }
        let mut handed = Handed { pid: 1 << 30, ..Handed::default() };
        without_own(&mut handed);
        assert_eq!(handed.pid, 1 << 30);
    }
}
